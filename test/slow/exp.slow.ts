// Compares the shifted exp with pairs of doubles over its whole domain, on both sides of each step of its table; that of float32 with
// Math.exp, at every float32.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { seeded } from "../../reference/data.js";
import { exp } from "../../reference/double-double.js";
import { EXP_WITNESS, LIMITS } from "../../reference/limits.js";
import { ulp } from "../../reference/oracle.js";

const root = new URL("../..", import.meta.url);

const source = readFileSync(new URL("assembly/number/exp.ts", root), "utf8");
const constantOf = (name: string) => Number(source.match(new RegExp(`^const ${name}: f64 = (.*);`, "m"))?.[1]);

/** The largest absolute maximum of a row whose logits are taken as they are. */
const LARGE = constantOf("LARGE");
/** The same where results are rounded to float32. */
const ROUNDED_LARGE = constantOf("ROUNDED_LARGE");
/** Logits further below the maximum are raised to this distance. */
const DEPTH = constantOf("DEPTH");
const BIAS = 384;
/** Adding this number rounds to an integer, ties to even. */
const ROUND = 1.5 * 2 ** 52;
const CELL = Math.LN2 / 256;

/** Within ±NEAR every cell is walked, beyond it every STRIDE-th cell, which visits every entry of the table. */
const NEAR = 1800;
const STRIDE = 97;

/** Random points in each cell of the table, besides its centre, its edge, and their neighbours. */
const POINTS_PER_CELL = 41;

interface WalkKernels {
  heapBase(): number;
  expWalk(xPtr: number, maxPtr: number, outPtr: number, count: number): void;
  roundedExpWalk(xPtr: number, maxPtr: number, outPtr: number, count: number): void;
}

/** Compiles the build under test with the entries of exp-walk.ts, and lays out logits, maxima and results. */
function compile(batch: number): { kernels: WalkKernels; x: Float64Array; max: Float64Array; got: Float64Array } {
  const args = ["assembly/number/exp-walk.ts", "--config", "asconfig.json", "--target", process.env.BUILD as string];
  execFileSync("npx", ["asc", ...args, "--outFile", "build/exp-walk.wasm", "--textFile", "build/exp-walk.wat"], {
    cwd: fileURLToPath(root),
  });
  const memory = new WebAssembly.Memory({ initial: 64 });
  const module = new WebAssembly.Module(readFileSync(new URL("build/exp-walk.wasm", root)));
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  const kernels = exports as unknown as WalkKernels;
  const start = Math.ceil(kernels.heapBase() / 16) * 16;
  const [x, max, got] = [0, 1, 2].map((i) => new Float64Array(memory.buffer, start + i * batch * 8, batch));
  return { kernels, x, max, got };
}

it("the shifted exp keeps its bound over its whole domain", { timeout: 1_200_000 }, () => {
  const BATCH = 4096;
  const { kernels, x, max, got } = compile(BATCH);
  const random = seeded(40);
  let filled = 0;
  let points = 0;
  const worst = { error: 0, x: Number.NaN, max: Number.NaN };

  const check = () => {
    kernels.expWalk(x.byteOffset, max.byteOffset, got.byteOffset, BATCH);
    for (let i = 0; i < filled; i++) {
      const { mantissa, exponent } = exp([x[i], 0]);
      const scale = 2 ** (exponent + BIAS - (max[i] * Math.LOG2E + ROUND - ROUND));
      const want = mantissa[0] * scale;
      const distance = Math.abs(got[i] - want - mantissa[1] * scale);
      const error = Number.isNaN(distance) ? Infinity : distance / ulp(want);
      if (error > worst.error) Object.assign(worst, { error, x: x[i], max: max[i] });
    }
    points += filled;
    filled = 0;
  };
  const visit = (v: number) => {
    x[filled] = v;
    // A random maximum that a row with this logit may have; in a quarter of the cases the logit itself.
    const [low, high] = [Math.max(v, -LARGE), Math.min(v + DEPTH, LARGE)];
    max[filled] = random() < 0.25 ? low : low + (high - low) * random();
    filled++;
    if (filled === BATCH) check();
  };

  const [first, last] = [Math.ceil((-LARGE - DEPTH) / CELL) + 1, Math.floor(LARGE / CELL) - 1];
  for (let k = first; k <= last; k += Math.abs(k * CELL) < NEAR ? 1 : STRIDE) {
    for (const v of [k * CELL, (k + 0.5) * CELL]) {
      visit(v - ulp(v));
      visit(v);
      visit(v + ulp(v));
    }
    for (let i = 0; i < POINTS_PER_CELL; i++) visit((k + (i + random()) / POINTS_PER_CELL) * CELL);
  }
  check();

  console.log(`shifted exp: ${points} points, at most ${worst.error} ulp, at x = ${worst.x} under a maximum of ${worst.max}`);
  expect(points).toBeGreaterThanOrEqual(2 ** 26);
  expect(worst.error).toBeLessThanOrEqual(LIMITS.exp);
  // With relaxed SIMD the witness depends on the machine.
  if (process.env.BUILD === "release") expect({ x: worst.x, max: worst.max }).toEqual(EXP_WITNESS);
});

it("the shifted exp of float32 keeps its bound at every float32", { timeout: 1_200_000 }, () => {
  const BATCH = 2 ** 16;
  const { kernels, x, max, got } = compile(BATCH);
  const random = seeded(41);
  const bits = new Uint32Array(BATCH);
  const floats = new Float32Array(bits.buffer);
  let points = 0;
  let worst = 0;
  /** Results have a constant factor: that of e^0. */
  kernels.roundedExpWalk(x.byteOffset, max.byteOffset, got.byteOffset, 2);
  const [first] = got;

  /** Visits floats with successive bits, in a row with the maximum `top`. Math.exp is within 2^-52. */
  const visit = (start: number, top: number) => {
    for (let i = 0; i < BATCH; i++) bits[i] = start + i;
    x.set(floats);
    max.fill(top);
    kernels.roundedExpWalk(x.byteOffset, max.byteOffset, got.byteOffset, BATCH);
    const isRelative = Math.abs(top) > ROUNDED_LARGE;
    const base = isRelative ? top : 0;
    const scale = first * (isRelative ? 1 : 2 ** -Math.round(top * Math.LOG2E));
    for (let i = 0; i < BATCH; i++) {
      const error = Math.abs(got[i] / (Math.exp(x[i] - base) * scale) - 1);
      // NaN too.
      if (!(error <= worst)) worst = error;
    }
    points += BATCH;
  };
  const bitsOf = (v: number) => new Uint32Array(Float32Array.of(v).buffer)[0];
  const DEEPEST = 104;

  // Taken as they are: every logit that may lie at most DEEPEST below such a maximum.
  for (const [from, to] of [
    [0, ROUNDED_LARGE],
    [-0, -ROUNDED_LARGE - DEEPEST],
  ]) {
    for (let start = bitsOf(from); start < bitsOf(to); start += BATCH) {
      bits.set([start, start + BATCH - 1]);
      const [low, high] = floats.subarray(0, 2).sort();
      const [lowest, highest] = [Math.max(high, -ROUNDED_LARGE), Math.min(low + DEEPEST, ROUNDED_LARGE)];
      visit(start, Math.fround(lowest + (highest - lowest) * random()));
    }
  }
  // Relative to a maximum beyond: below the least of them, all differences there are.
  for (const top of [ROUNDED_LARGE + 1, 300.25, 4099, -ROUNDED_LARGE - 2 ** -15, -1000.5]) {
    const [from, to] = [bitsOf(top), bitsOf(top - DEEPEST)].sort((a, b) => a - b);
    for (let start = from; start + BATCH <= to; start += BATCH) visit(start, top);
  }

  console.log(`shifted exp of float32: ${points} points, at most 2^${Math.log2(worst).toFixed(3)} of the result`);
  expect(points).toBeGreaterThan(2 ** 31);
  expect(worst).toBeLessThanOrEqual(LIMITS.roundedExp);
});
