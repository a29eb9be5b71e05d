// The package as its users get it, and what it says of itself.

import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { withOptions, withThreads, withTimes } from "../bench/readme.js";

const root = new URL("..", import.meta.url);
const read = (path: string) => readFileSync(new URL(path, root), "utf8");
const dist = readdirSync(new URL("dist", root)).filter((name) => name.endsWith(".js"));

it("README has the times of the records", () => {
  for (const [written, record] of [
    [withTimes, "node-20"],
    [withOptions, "options-node-20"],
    [withThreads, "threads-node-20"],
  ] as const) {
    expect(written(read("README.md"), JSON.parse(read(`bench/results/${record}.json`)))).toBe(read("README.md"));
  }
});

it("every feature that README lists has a test", () => {
  const [, table] = /<!-- features -->([\s\S]*)<!-- end of features -->/.exec(read("README.md"))!;
  const rows = table.trim().split("\n").slice(2);
  expect(rows.length).toBeGreaterThan(15);
  const titles = readdirSync(new URL("test", root))
    .filter((name) => name.endsWith(".test.ts"))
    .map((name) => read(`test/${name}`))
    .join("");
  for (const row of rows) {
    const [feature, here, test] = row
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim())
      .filter((_, i, cells) => i < 2 || i === cells.length - 1);
    expect(here, feature).toBe("yes");
    expect(titles, feature).toMatch(new RegExp(`\\b(it|each\\(\\w+\\))\\("[^"]*${test}`));
  }
});

describe("the package", () => {
  it("imports nothing of Node's", () => {
    expect(dist.length).toBeGreaterThan(5);
    for (const name of dist) {
      const imports = Array.from(read(`dist/${name}`).matchAll(/(?:from|import)\s*\(?"([^"]+)"/g), ([, specifier]) => specifier);
      for (const specifier of imports)
        expect(specifier.startsWith("./") || specifier === "@assemblyscript/loader", `${name}: ${specifier}`).toBe(true);
    }
  });

  it("does nothing when it is imported", () => {
    // Bundles are of what is looked at here.
    const bundles = ["relaxed.js", "slim.js", "softmax-wasm.min.js", "workerd.js"];
    const effects = ["wasm/preflight.js", "worker.js"];
    for (const name of dist.filter((name) => ![...bundles, ...effects].includes(name))) {
      expect(read(`dist/${name}`), name).not.toMatch(/^(await|(const|let|var) .*= (await|new)\b)/m);
    }
    expect(JSON.parse(read("package.json")).sideEffects).toEqual([...effects.map((name) => `./dist/${name}`), "./src/wasm/preflight.ts"]);
  });

  it("has the types first, and no type of another package in them", () => {
    const { exports, dependencies } = JSON.parse(read("package.json"));
    expect(Object.keys(exports["."])[0]).toBe("types");
    expect(Object.keys(dependencies)).toEqual(["@assemblyscript/loader"]);
    for (const name of readdirSync(new URL("dist", root)).filter((name) => name.endsWith(".d.ts"))) {
      expect(read(`dist/${name}`), name).not.toMatch(/(?:from |import\(|types=)"[^.]/);
    }
  });

  it("has an entry with relaxed SIMD, which says so where there is none", async () => {
    const { exports } = JSON.parse(read("package.json"));
    const relaxed: typeof import("../src/index.js") = await import(new URL(exports["./relaxed"].default, root).href);
    const library = await import("../src/index.js");
    expect(Object.keys(relaxed).sort()).toEqual(Object.keys(library).sort());
    const { wasm } = await import("../src/wasm/binary-relaxed.generated.js");
    const x = Array.from({ length: 100 }, (_, i) => Math.sin(i) * 20);
    if (WebAssembly.validate(Buffer.from(wasm, "hex"))) {
      relaxed.softmax(x).forEach((p, j) => {
        expect(p / library.softmax(x)[j]).toBeCloseTo(1, 14);
      });
    } else {
      expect(() => relaxed.softmax(x)).toThrow("expected an engine that has WebAssembly relaxed SIMD");
    }
  });

  it("packs what a user needs, and the sources that its maps point at", () => {
    const command = ["pack", "--dry-run", "--json", "--ignore-scripts"];
    const [{ files }] = JSON.parse(
      execFileSync("npm", command, { cwd: fileURLToPath(root), encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }),
    );
    const paths: string[] = files.map(({ path }: { path: string }) => path);
    for (const path of paths) {
      expect(path).toMatch(/^(dist\/|src\/|(CHANGELOG\.md|LICENSE|README\.md|package\.json)$)/);
      expect(path).not.toMatch(/debug/);
    }
    const maps = paths.filter((path) => path.endsWith(".map"));
    expect(maps.length).toBeGreaterThan(40);
    for (const path of maps) {
      for (const source of JSON.parse(read(path)).sources) expect(paths, path).toContain(join(dirname(path), source));
    }
  });

  it("exports what it promises", async () => {
    const library = await import("../src/index.js");
    expect(Object.keys(library).sort()).toEqual([
      "Softmax",
      "SoftmaxCrossEntropy",
      "crossEntropy",
      "crossEntropyHessianDiagonal",
      "crossEntropyHvp",
      "crossEntropyWithGradient",
      "logSoftmax",
      "logSoftmaxBackward",
      "logSumExp",
      "softmax",
      "softmaxBackward",
      "softmaxJacobian",
      "softmaxJvp",
    ]);
  });
});
