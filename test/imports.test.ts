// Imports point one way: there is no circle in a folder of sources, and test, bench and examples share reference/ instead of one another.

import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));

/** The files of a folder, without those of installed packages. */
function filesOf(folder: string): string[] {
  const entries = readdirSync(join(root, folder), { withFileTypes: true, recursive: true });
  return entries
    .filter((entry) => entry.isFile() && /\.(ts|mjs)$/.test(entry.name))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .filter((path) => !path.includes("node_modules"));
}

/** The files of the project that each file of some folders imports. */
function importsOf(...folders: string[]): Map<string, string[]> {
  const files = new Set(folders.flatMap(filesOf));
  const resolved = (path: string) => [path, path.replace(/\.js$/, ".ts"), `${path}.ts`].find((candidate) => files.has(candidate));
  return new Map(
    Array.from(files, (file) => {
      const specifiers = readFileSync(join(root, file), "utf8").matchAll(/^(?:import|export|\} from)\b[^"\n]*"(\.[^"]+)"/gm);
      const paths = Array.from(specifiers, ([, specifier]) => resolved(join(dirname(file), specifier)));
      return [file, paths.filter((path) => path !== undefined)];
    }),
  );
}

/** A path of imports that comes back to its first file; empty if there is none. */
function circleIn(imports: ReadonlyMap<string, readonly string[]>): string[] {
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (file: string): string[] => {
    const start = path.indexOf(file);
    if (start >= 0) return [...path.slice(start), file];
    if (done.has(file)) return [];
    path.push(file);
    for (const next of imports.get(file) ?? []) {
      const circle = visit(next);
      if (circle.length > 0) return circle;
    }
    path.pop();
    done.add(file);
    return [];
  };
  for (const file of imports.keys()) {
    const circle = visit(file);
    if (circle.length > 0) return circle;
  }
  return [];
}

describe("imports", () => {
  it("are seen", () => {
    expect(importsOf("src").get("src/slim.ts")).toEqual(["src/index.ts", "src/wasm/source-slim.ts"]);
    expect(importsOf("assembly").get("assembly/index.ts")).toContain("assembly/loss/plan.ts");
    expect(
      circleIn(
        new Map([
          ["a", ["b"]],
          ["b", ["c"]],
          ["c", ["b"]],
        ]),
      ),
    ).toEqual(["b", "c", "b"]);
  });

  it.each(["src", "assembly", "reference", "test", "bench", "examples"])("have no circle in %s", (folder) => {
    expect(circleIn(importsOf(folder))).toEqual([]);
  });

  it("of test, bench and examples are of reference/, not of one another, but for programs under test", () => {
    const imports = importsOf("reference", "test", "bench", "examples");
    const folderOf = (path: string) => path.split("/")[0];
    const wrong = Array.from(imports).flatMap(([file, paths]) =>
      paths.filter((path) => folderOf(path) !== folderOf(file) && folderOf(path) !== "reference").map((path) => `${file} imports ${path}`),
    );
    const isUnderTest = (line: string) =>
      /^test\/(evaluate|sharded)[\w-]*\.test\.ts imports examples\/(\1\/|redis\.ts)/.test(line) ||
      line === "test/package.test.ts imports bench/documents.ts";
    expect(wrong.filter((line) => !isUnderTest(line))).toEqual([]);
  });
});
