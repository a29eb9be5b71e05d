// The documents: their links, commands and paths exist, they name every function, option and output, and README is short. Their examples
// are in examples.test.ts.

import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { posix } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import * as library from "../src/index.js";

const root = new URL("..", import.meta.url);
const read = (path: string) => readFileSync(new URL(path, root), "utf8");

const pages = readdirSync(new URL("docs", root))
  .filter((name) => name.endsWith(".md"))
  .map((name) => `docs/${name}`);
const documents = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", ...pages];
const readme = read("README.md");

/** The files in git, and their folders. */
const tracked = new Set<string>();
for (const file of execFileSync("git", ["ls-files"], { cwd: fileURLToPath(root), encoding: "utf8" })
  .trim()
  .split("\n")) {
  for (let path = file; path !== "."; path = posix.dirname(path)) tracked.add(path);
}

const withoutFences = (text: string) => text.replace(/^```[\s\S]*?^```/gm, "");

/** The addresses of links and pictures, in Markdown and in HTML. */
const addressesIn = (text: string) =>
  Array.from(withoutFences(text).matchAll(/\]\(([^)\s]+)\)|\b(?:src|srcset|href)="([^"]+)"/g), ([, markdown, html]) => markdown ?? html);

/** The anchors that hosts make of the headings of a document. */
function anchorsOf(text: string): readonly string[] {
  const headings = Array.from(withoutFences(text).matchAll(/^#+ (.*)$/gm), ([, heading]) => heading);
  return headings.map((heading) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, "")
      .replaceAll(" ", "-"),
  );
}

/** The names in the first column of the tables of a document. */
const namesIn = (text: string) => Array.from(text.matchAll(/^\| `(?:new )?(\w+)[`(]/gm), ([, name]) => name);

/** The names that an error message lists. */
function namesOf(call: () => void, beginning: string, name: RegExp): readonly string[] {
  const { message } = (() => {
    try {
      call();
    } catch (error) {
      return error as Error;
    }
    throw new Error("expected an error");
  })();
  const [, list] = message.split(beginning);
  return Array.from(list.split(", got")[0].matchAll(name), ([found]) => found);
}

describe.each(documents)("%s", (path) => {
  const text = read(path);

  it("has links to files in git and to headings only", () => {
    const broken = addressesIn(text).filter((address) => {
      if (/^https?:/.test(address)) return false;
      const [file, anchor] = address.split("#");
      const target = file === "" ? path : posix.join(posix.dirname(path), file);
      if (!tracked.has(target.replace(/\/$/, ""))) return true;
      return anchor !== undefined && !anchorsOf(read(target)).includes(anchor);
    });
    expect(broken).toEqual([]);
  });

  it("names commands that package.json has", () => {
    const { scripts } = JSON.parse(read("package.json"));
    const commands = Array.from(text.matchAll(/\bnpm (?:run ([a-z][\w:]*\w)|(start|test)\b)/g));
    expect(commands.map(([, run, short]) => run ?? short).filter((name) => !(name in scripts))).toEqual([]);
  });

  it("names source files that are in git", () => {
    const paths = Array.from(
      text.matchAll(/`((?:src|assembly|reference|test|bench|scripts|examples|docs)\/[\w./-]+\.\w+)`/g),
      ([, file]) => file,
    );
    expect(paths.filter((file) => !file.includes(".generated.") && !tracked.has(file))).toEqual([]);
  });
});

describe("README", () => {
  it("has at most 12,000 bytes", () => {
    expect(Buffer.byteLength(readme)).toBeLessThanOrEqual(12_000);
  });

  it("says early how exact its results are, of both element types", () => {
    expect(readme.split("\n").slice(0, 25).join("\n")).toMatch(/\*\*4 ulp\*\*[\s\S]*float32 are \*\*correctly rounded\*\*/);
  });

  it("names npm start and npm test first", () => {
    const commands = Array.from(readme.matchAll(/\b(npm|npx) [a-z:]+( [a-z:-]+)?/g), ([command]) => command.trim());
    expect(commands.slice(0, 2)).toEqual(["npm start", "npm test"]);
  });

  it("has a link to each page of docs", () => {
    expect(addressesIn(readme)).toEqual(expect.arrayContaining(pages));
  });

  it("lists every function and layer", () => {
    expect(namesIn(readme).sort()).toEqual(Object.keys(library).sort());
  });
});

describe("docs", () => {
  it.each(pages)("%s begins with the question that it answers", (page) => {
    expect(read(page)).toMatch(/^# .+\n\nThis page answers: [^?]+\?/);
  });

  const wrong = (options: object) => () => library.crossEntropyWithGradient([0], 0, options);

  it("describe every option, and README names those of the loss", () => {
    const options = namesOf(wrong({ noSuchOption: 1 }), "only the names ", /\w+/g);
    expect(options.length).toBeGreaterThan(15);
    expect(namesIn(read("docs/loss.md") + read("docs/usage.md"))).toEqual(expect.arrayContaining([...options]));
    const general = ["shape", "axis", "out"];
    for (const option of options.filter((name) => !general.includes(name))) expect(readme).toContain(`\`${option}\``);
  });

  it("describe every output, and README names them", () => {
    const outputs = namesOf(wrong({ outputs: ["noSuchOutput"] }), "one of ", /\w+/g);
    expect(outputs.length).toBeGreaterThan(10);
    expect(namesIn(read("docs/loss.md"))).toEqual(expect.arrayContaining([...outputs]));
    for (const output of outputs) expect(readme).toContain(`\`${output}\``);
  });
});

it("CONTRIBUTING has at most 8,000 bytes", () => {
  expect(Buffer.byteLength(read("CONTRIBUTING.md"))).toBeLessThanOrEqual(8_000);
});
