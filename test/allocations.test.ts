// A call on resident buffers allocates only the number that it returns, so that a training loop gives the garbage collector no work.

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
