// What calls allocate: on resident buffers only the number that they return, so that a training loop gives the garbage collector no work; of a
// large batch no copy.

import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

/**
 * A double that V8 passes between two functions without inlining takes 12 or 16 bytes. That double with the smallest other object, or a
 * second double, takes 24 bytes or more.
 */
const MOST_BYTES = 20;

function bytesByCall(): Record<string, number> {
  const flags = ["--import", "tsx", "--expose-gc", "--min-semi-space-size=64", "--max-semi-space-size=64"];
  const program = fileURLToPath(new URL("allocations.main.ts", import.meta.url));
  return JSON.parse(execFileSync(process.execPath, [...flags, program], { encoding: "utf8" }));
}

describe.runIf(process.env.BUILD === "release")("calls on resident buffers", () => {
  it("allocate only the number that they return", () => {
    const { "an object": object, ...calls } = bytesByCall();
    expect(object, "the count includes a small object").toBeGreaterThan(MOST_BYTES);
    expect(Object.keys(calls).length).toBe(10);
    for (const [name, bytes] of Object.entries(calls)) expect(bytes, `${name}: bytes per call`).toBeLessThan(MOST_BYTES);
  });
});

/** MB by which two calls on 32 million elements, with `out`, raise the peak memory of a process. */
function peakOf(type: "Float64Array" | "Float32Array"): number {
  const script = `
    import { crossEntropyWithGradient, softmax } from "softmax-wasm";
    const shape = [1000, 32_000];
    const [x, out] = [1, 2].map((value) => new ${type}(32e6).fill(value));
    const labels = new Int32Array(1000).fill(9);
    const before = process.resourceUsage().maxRSS;
    softmax(x, { shape, out });
    crossEntropyWithGradient(x, labels, { shape, out, ignoreIndex: -100, outputs: ["entropy", "correct"] });
    console.log((process.resourceUsage().maxRSS - before) / 1e3);
  `;
  const root = fileURLToPath(new URL("..", import.meta.url));
  return Number(execFileSync(process.execPath, ["--input-type=module", "-e", script], { cwd: root, encoding: "utf8" }));
}

describe.runIf(process.env.BUILD === "release")("calls on a large batch", () => {
  it.each(["Float64Array", "Float32Array"] as const)("of a %s take less than 30 MB beside it", (type) => {
    expect(peakOf(type)).toBeLessThan(30);
  });
});
