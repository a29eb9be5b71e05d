// Who uses the package, and how each is made to: files of a fresh project, packages beside the tarball, and what is run there.

import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { nodeOf } from "../../scripts/nodes.js";
import { BROWSERS, isInstalled, open } from "../browser/browsers.js";
import { ISOLATED, serve } from "../browser/server.js";

const run = promisify(execFile);
const TIMEOUT_MS = 120_000;

export const PROGRAM = readFileSync(new URL("program.mjs", import.meta.url), "utf8");

/** What comes of it. */
export interface Outcome {
  readonly digest: string;
  /** How many hands a large batch had, where it was to have two. */
  readonly threads?: number;
}

export interface Consumer {
  readonly name: string;
  /** What is installed beside the library; the first one's version is shown. */
  readonly packages?: readonly string[];
  /** Besides program.mjs. */
  readonly files?: Readonly<Record<string, string>>;
  /** How many threads its large batch must have. */
  readonly threads?: number;
  readonly use: (project: Project) => Promise<Outcome>;
}

/** Says why a consumer can't be tested here. */
export class NotHere extends Error {}

export class Project {
  constructor(
    readonly folder: string,
    /** Of what is tested, for what is no package. */
    public version = "",
  ) {}

  write(files: Readonly<Record<string, string>>): void {
    for (const [name, content] of Object.entries(files)) {
      const path = join(this.folder, name);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, content);
    }
  }

  /** Standard output of a program, or of a command that a package has brought. */
  async run(command: string, ...args: readonly string[]): Promise<string> {
    const path = `${join(this.folder, "node_modules/.bin")}:${process.env.PATH}`;
    const env = { ...process.env, PATH: path, NO_COLOR: "1", BROWSERSLIST_IGNORE_OLD_DATA: "1", NODE_OPTIONS: "" };
    const { stdout } = await run(command, args, { cwd: this.folder, env, timeout: TIMEOUT_MS, maxBuffer: 2 ** 26 });
    return stdout;
  }

  async digestOf(command: string, ...args: readonly string[]): Promise<Outcome> {
    const output = await this.run(command, ...args);
    const [, digest] = /digest ([0-9a-f]{16})/.exec(output) ?? [];
    if (!digest) throw new Error(`no digest in: ${output.slice(0, 300)}`);
    return { digest };
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
      await tab.waitForFunction("globalThis.outcome", { timeout: 30_000 }).catch((error) => {
        throw new Error(complaints.join("; ") || String(error));
      });
      return (await tab.evaluate("globalThis.outcome")) as Outcome;
    } finally {
      await browser.close();
      await site?.[Symbol.asyncDispose]();
    }
  }
}

/** Prints the digest. */
const MAIN = 'import { digest } from "./program.mjs";\nconsole.log("digest", digest());\n';

/** The program as CommonJS. */
const REQUIRING = PROGRAM.replace(/import (.*) from (.*);/, "const $1 = require($2);").replace("export function", "function");

/** For a page, with threads. */
const PAGE_MAIN = `import { Softmax } from "softmax-wasm";
import { digest } from "./program.mjs";

const layer = new Softmax({ shape: [512, 512], threads: 2 });
for (let call = 0; call < 1000 && layer.threads < 2; call++) {
  layer.forward();
  await new Promise((resolve) => setTimeout(resolve, 10));
}
globalThis.outcome = { digest: digest(), threads: layer.threads };
`;
const HTML =
  '<!doctype html><meta charset="utf-8"><title>page</title><link rel="icon" href="data:,"><script type="module" src="main.js"></script>\n';
const PAGE = { "main.js": PAGE_MAIN, "index.html": HTML };

const nodes = ["20", "22", "24", "26"].flatMap((major): Consumer[] => {
  const withNode = (use: (project: Project, node: string) => Promise<Outcome>) => async (project: Project) => {
    const node = nodeOf(major);
    project.version = (await project.run(node, "--version")).trim().slice(1);
    return use(project, node);
  };
  return [
    { name: `Node ${major}, import`, files: { "main.mjs": MAIN }, use: withNode((project, node) => project.digestOf(node, "main.mjs")) },
    {
      name: `Node ${major}, require`,
      files: { "main.cjs": `${REQUIRING}\nconsole.log("digest", digest());\n` },
      use: withNode((project, node) => project.digestOf(node, "main.cjs")),
    },
  ];
});

/** The slim entry, by what init() is given. */
const SLIM = PROGRAM.replace('"softmax-wasm"', '"softmax-wasm/slim"');
const slim = (name: string, source: string): Consumer => ({
  name: `Node, slim entry, ${name}`,
  files: {
    "slim.mjs": SLIM,
    "main.mjs": `import { readFile } from "node:fs/promises";
import { init } from "softmax-wasm/slim";
import { digest } from "./slim.mjs";
const bytes = await readFile(new URL(import.meta.resolve("softmax-wasm/wasm/softmax.wasm")));
await init(${source});
console.log("digest", digest());
`,
  },
  use: (project) => project.digestOf(process.execPath, "main.mjs"),
});

/** Strict, with the declarations of every entry checked, for both ways to find them. */
const typescript = (version: string): Consumer => ({
  name: `TypeScript ${version}`,
  packages: [`typescript@${version}`, "@types/node@20"],
  files: {
    "program.ts": PROGRAM,
    "main.ts": `${MAIN.replace("./program.mjs", "./program.js")}
import { crossEntropy, type LossOptions, type SoftmaxCrossEntropy, softmax } from "softmax-wasm";
import { init, type WasmSource } from "softmax-wasm/slim";
import * as relaxed from "softmax-wasm/relaxed";

const nested: number[][] = softmax([[1, 2], [3, 4]]);
const flat: Float64Array = softmax(Float64Array.of(1, 2));
const losses: number[] = crossEntropy(nested, [0, 1], { reduction: "none" });
export const options: LossOptions = { labelSmoothing: 0.1 };
export const start = (source: WasmSource): Promise<void> => init(source);
export const total = (layer: SoftmaxCrossEntropy<"sum">): number => layer.forward();
export const all = [flat.length, losses.length, relaxed.softmax([1, 2]).length];
// @ts-expect-error: no bytes
export const mistaken = () => init("./softmax.wasm");
// @ts-expect-error: no such option
export const wrong = () => crossEntropy(nested, [0, 1], { smoothing: 0.1 });
`,
  },
  use: async (project) => {
    const strict = ["--strict", "--skipLibCheck", "false", "--target", "es2022", "--types", "node"];
    await project.run("tsc", ...strict, "--module", "esnext", "--moduleResolution", "bundler", "--noEmit", "main.ts");
    await project.run("tsc", ...strict, "--lib", "es2022", "--module", "nodenext", "--noEmit", "main.ts");
    await project.run("tsc", ...strict, "--module", "nodenext", "--outDir", "out", "main.ts");
    project.write({ "out/package.json": '{"type":"module"}' });
    // What the declarations say is run but for the entry with relaxed SIMD, which this Node may not have.
    project.write({ "out/digest.js": MAIN.replace("./program.mjs", "./program.js") });
    return project.digestOf(process.execPath, "out/digest.js");
  },
});

/** They make a page whose large batch has two threads. */
const bundlers: readonly Consumer[] = [
  {
    name: "Vite, dev server",
    packages: ["vite@8"],
    files: { ...PAGE, "vite.config.js": `export default { server: { headers: ${JSON.stringify(ISOLATED)} } };` },
    use: async (project) => {
      const { createServer } = await import(pathToFileURL(join(project.folder, "node_modules/vite/dist/node/index.js")).href);
      const server = await createServer({ root: project.folder, logLevel: "error", server: { port: 0, host: "127.0.0.1" } });
      try {
        await server.listen();
        return await project.open({ address: server.resolvedUrls.local[0].replace("127.0.0.1", "localhost") });
      } finally {
        await server.close();
      }
    },
  },
  {
    name: "Vite, build",
    packages: ["vite@8"],
    files: { ...PAGE, "vite.config.js": 'export default { base: "./", worker: { format: "es" } };' },
    use: async (project) => {
      await project.run("vite", "build");
      return project.open({ folder: "dist" });
    },
  },
  {
    name: "webpack",
    packages: ["webpack@5", "webpack-cli@6"],
    files: {
      ...PAGE,
      "webpack.config.js": 'export default { mode: "production", entry: "./main.js", experiments: { topLevelAwait: true } };',
    },
    use: async (project) => {
      await project.run("webpack");
      project.write({ "dist/index.html": HTML });
      return project.open({ folder: "dist" });
    },
  },
  {
    name: "Parcel",
    packages: ["parcel@2"],
    files: PAGE,
    use: async (project) => {
      await project.run("parcel", "build", "index.html", "--no-cache");
      return project.open({ folder: "dist" });
    },
  },
  {
    name: "Rollup",
    packages: ["rollup@4", "@rollup/plugin-node-resolve@16"],
    files: {
      ...PAGE,
      "rollup.config.js": `import resolve from "@rollup/plugin-node-resolve";
export default { input: ["main.js", "softmax-wasm/worker"], output: { dir: "out", entryFileNames: "[name].js" }, plugins: [resolve()] };
`,
    },
    use: async (project) => {
      await project.run("rollup", "-c");
      project.write({ "out/index.html": HTML });
      return project.open({ folder: "out" });
    },
  },
  {
    name: "esbuild",
    packages: ["esbuild@0.28"],
    files: PAGE,
    use: async (project) => {
      await project.run("esbuild", "main.js", "worker=softmax-wasm/worker", "--bundle", "--format=esm", "--outdir=out");
      project.write({ "out/index.html": HTML });
      return project.open({ folder: "out" });
    },
  },
];

const oneFile: Consumer = {
  name: "<script type=module>, one file",
  threads: 1,
  files: { "index.html": HTML },
  use: async (project) => {
    const { unpkg } = JSON.parse(readFileSync(join(project.folder, "node_modules/softmax-wasm/package.json"), "utf8"));
    const file = readFileSync(join(project.folder, "node_modules/softmax-wasm", unpkg), "utf8");
    const own = (text: string) => text.replace('"softmax-wasm"', '"./softmax-wasm.min.js"').replace("./program.mjs", "./program.js");
    project.write({ "softmax-wasm.min.js": file, "program.js": own(PROGRAM), "main.js": own(PAGE_MAIN) });
    return project.open({ folder: "" });
  },
};

const runtimes: readonly Consumer[] = [
  {
    name: "Deno",
    packages: ["deno@2"],
    files: { "main.mjs": MAIN },
    use: (project) => project.digestOf("deno", "run", "--allow-read", "main.mjs"),
  },
  { name: "Bun", packages: ["bun@1"], files: { "main.mjs": MAIN }, use: (project) => project.digestOf("bun", "main.mjs") },
  {
    name: "workerd (Cloudflare)",
    packages: ["miniflare@4", "esbuild@0.28"],
    files: {
      "worker.mjs": 'import { digest } from "./program.mjs";\nexport default { fetch: () => new Response("digest " + digest()) };\n',
      "main.mjs": `import { readFileSync } from "node:fs";
import { Miniflare } from "miniflare";
const modules = [
  { type: "ESModule", path: "out/worker.js", contents: readFileSync("out/worker.js", "utf8") },
  { type: "CompiledWasm", path: "out/softmax.wasm", contents: readFileSync("out/softmax.wasm") },
];
const server = new Miniflare({ modules, modulesRoot: ".", compatibilityDate: "2025-01-01" });
console.log(await (await server.dispatchFetch("http://localhost/")).text());
await server.dispose();
`,
    },
    use: async (project) => {
      const conditions = ["--bundle", "--format=esm", "--conditions=workerd", "--loader:.wasm=copy", "--asset-names=[name]"];
      await project.run("esbuild", "worker.mjs", ...conditions, "--outdir=out");
      return project.digestOf(process.execPath, "main.mjs");
    },
  },
  {
    name: "Vitest with jsdom",
    packages: ["vitest@4", "jsdom"],
    files: {
      "main.test.mjs": `// @vitest-environment jsdom
import { expect, it } from "vitest";
import { digest } from "./program.mjs";
it("computes", () => {
  expect(document.title).toBe("");
  console.log("digest", digest());
});
`,
    },
    use: (project) => project.digestOf("vitest", "run"),
  },
  {
    name: "Jest",
    packages: ["jest@30"],
    files: {
      "main.test.mjs": `import { writeFileSync } from "node:fs";
import { digest } from "./program.mjs";
test("computes", () => writeFileSync("digest", "digest " + digest()));
`,
      "jest.config.mjs": 'export default { testMatch: ["**/*.test.mjs"], transform: {} };',
    },
    use: async (project) => {
      await project.run(process.execPath, "--experimental-vm-modules", "node_modules/jest/bin/jest.js");
      return project.digestOf("cat", "digest");
    },
  },
];

export const CONSUMERS: readonly Consumer[] = [
  ...nodes,
  slim("bytes", "bytes"),
  slim("a response", "new Response(bytes)"),
  slim("a module", "new WebAssembly.Module(bytes)"),
  ...["5.9", "6.0", "7"].map(typescript),
  ...bundlers.map((bundler) => ({ ...bundler, threads: 2 })),
  oneFile,
  ...runtimes,
];
