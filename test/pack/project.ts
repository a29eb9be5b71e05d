// A fresh project that uses the package: its files, what is run in it, and what comes of it.

import { execFile, spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { BROWSERS, isInstalled, open } from "../browser/browsers.js";
import { ISOLATED, serve } from "../browser/server.js";

const run = promisify(execFile);
const TIMEOUT_MS = 240_000;

/** What each project runs, as a module and as CommonJS. */
export const PROGRAM = readFileSync(new URL("program.mjs", import.meta.url), "utf8");
export const REQUIRING = `${PROGRAM.replace(/import (.*) from (.*);/, "const $1 = require($2);").replaceAll("export ", "")}
module.exports = { say };
`;

/** The module that prints what the program says. */
export const MAIN = 'import { say } from "./program.mjs";\nsay().then(console.log);\n';

/** What the program says. */
export interface Outcome {
  readonly digest: string;
  readonly threads: number;
  /** The reason why there are fewer threads than two. */
  readonly reason?: string;
}

export interface Consumer {
  readonly name: string;
  /** The packages that are installed beside the library; the version of the first one is shown. */
  readonly packages?: readonly string[];
  /** The files of the project beside program.mjs, program.cjs and main.mjs. */
  readonly files?: Readonly<Record<string, string>>;
  /** The number of threads that a large batch must have; 2 by default. */
  readonly threads?: number;
  /** Installs the tarball, where npm does not. */
  readonly install?: (project: Project, tarball: string) => Promise<void>;
  /** Runs the program. */
  readonly use: (project: Project) => Promise<Outcome>;
}

/** Says why a consumer can't be tested here. */
export class NotHere extends Error {}

function outcomeOf(said: string): Outcome {
  const [, digest, threads, reason] = /digest ([0-9a-f]{16}) threads (\d)(?: \((.*)\))?/.exec(said) ?? [];
  if (!digest) throw new Error(`no digest in: ${said.slice(0, 300)}`);
  return { digest, threads: Number(threads), reason };
}

export class Project {
  constructor(
    readonly folder: string,
    /** The version of what is tested. */
    public version = "",
  ) {}

  write(files: Readonly<Record<string, string>>): void {
    for (const [name, content] of Object.entries(files)) {
      const path = join(this.folder, name);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, content);
    }
  }

  #options() {
    const path = `${join(this.folder, "node_modules/.bin")}:${process.env.PATH}`;
    const quiet = { NO_COLOR: "1", BROWSERSLIST_IGNORE_OLD_DATA: "1", NEXT_TELEMETRY_DISABLED: "1", YARN_ENABLE_TELEMETRY: "0", CI: "1" };
    // Vite's API sets NODE_ENV in this process, and Next refuses to build with what it sets.
    return { cwd: this.folder, env: { ...process.env, PATH: path, NODE_OPTIONS: "", NODE_ENV: undefined, ...quiet } };
  }

  /** Standard output of a program, or of a command that a package has brought. */
  async run(command: string, ...args: readonly string[]): Promise<string> {
    const { stdout } = await run(command, args, { ...this.#options(), timeout: TIMEOUT_MS, maxBuffer: 2 ** 26 });
    return stdout;
  }

  /** What a program says. */
  async outcomeOf(command: string, ...args: readonly string[]): Promise<Outcome> {
    return outcomeOf(await this.run(command, ...args));
  }

  /** What a server says at a path; it listens at the port in its variable PORT. */
  async outcomeOfServer(path: string, command: string, ...args: readonly string[]): Promise<Outcome> {
    const port = await freePort();
    const options = this.#options();
    const server = spawn(command, args, { ...options, env: { ...options.env, PORT: String(port) }, stdio: "ignore", detached: true });
    try {
      for (const end = Date.now() + 30_000; ; await sleep(100)) {
        const response = await fetch(`http://127.0.0.1:${port}${path}`).catch(() => undefined);
        if (response) return outcomeOf(await response.text());
        if (Date.now() > end) throw new Error(`${command} does not listen`);
      }
    } finally {
      process.kill(-(server.pid as number));
    }
  }

  /** What a page says that is served from a folder, isolated, or under an address. */
  async open(place: { readonly folder: string } | { readonly address: string }): Promise<Outcome> {
    const chromium = BROWSERS.find((browser) => browser.name === "Chromium" && isInstalled(browser));
    if (!chromium) throw new NotHere("there is no Chromium");
    const site = "folder" in place ? await serve({}, ISOLATED, pathToFileURL(join(this.folder, place.folder, "/"))) : undefined;
    const browser = await open(chromium);
    try {
      const tab = await browser.newPage();
      const complaints: string[] = [];
      tab.on("pageerror", (error) => complaints.push((error as Error).message));
      await tab.goto(site ? `${site.origin}/index.html` : (place as { address: string }).address);
      await tab.waitForFunction("globalThis.said", { timeout: 30_000 }).catch((error) => {
        throw new Error(complaints.join("; ") || String(error));
      });
      return outcomeOf((await tab.evaluate("globalThis.said")) as string);
    } finally {
      await browser.close();
      await site?.[Symbol.asyncDispose]();
    }
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
