// The package as its users get it.

import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

const root = new URL("..", import.meta.url);
const read = (path: string) => readFileSync(new URL(path, root), "utf8");
const dist = readdirSync(new URL("dist", root)).filter((name) => name.endsWith(".js"));

describe("the package", () => {
  it("imports nothing of Node's", () => {
    expect(dist.length).toBeGreaterThan(5);
    for (const name of dist) {
      const imports = Array.from(read(`dist/${name}`).matchAll(/(?:from|import)\s*\(?"([^"]+)"/g), ([, specifier]) => specifier);
      for (const specifier of imports) expect(specifier.startsWith("./") || specifier === "@assemblyscript/loader").toBe(true);
    }
  });

  it("does nothing when it is imported", () => {
    for (const name of dist) expect(read(`dist/${name}`), name).not.toMatch(/^(await|(const|let) .*= (await|new)\b)/m);
    expect(JSON.parse(read("package.json")).sideEffects).toBe(false);
  });

  it("has the types first, and no type of another package in them", () => {
    const { exports, dependencies } = JSON.parse(read("package.json"));
    expect(Object.keys(exports["."])[0]).toBe("types");
    expect(Object.keys(dependencies)).toEqual(["@assemblyscript/loader"]);
    for (const name of readdirSync(new URL("dist", root)).filter((name) => name.endsWith(".d.ts"))) {
      expect(read(`dist/${name}`), name).not.toMatch(/from "[^.]/);
    }
  });

  it("exports what it promises", async () => {
    const library = await import("../src/index.js");
    expect(Object.keys(library).sort()).toEqual([
      "Softmax",
      "SoftmaxCrossEntropy",
      "crossEntropy",
      "crossEntropyWithGradient",
      "logSoftmax",
      "logSoftmaxBackward",
      "logSumExp",
      "softmax",
      "softmaxBackward",
      "softmaxJacobian",
    ]);
  });
});
