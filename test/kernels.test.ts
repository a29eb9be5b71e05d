// The raw kernels against the oracle: every length through both kernel shapes, contiguous and strided, in place, at the end of memory.

import { describe, expect, it } from "vitest";
import { asFloat32 } from "../reference/battery.js";
import { distribution, ROWS, seeded } from "../reference/data.js";
import { layOut, positionIn } from "../reference/layout.js";
import { LIMITS } from "../reference/limits.js";
import { type Exact, exact, exactBackward, exactLogBackward, exactRow, exactSum } from "../reference/oracle.js";
import { PLANES, SUM_LENGTH } from "../src/wasm/abi.js";
import { moduleFor } from "../src/wasm/source.js";
import { CanaryArena } from "./arena.js";
import { lossOf } from "./loss-call.js";
import { expectSameBits, runForward, verifyForward, within } from "./verify.js";

const arena = new CanaryArena();
const { kernels } = arena;

/** From one class to past the step from the lane kernels to the row kernels. */
const LENGTHS = Array.from({ length: 50 }, (_, i) => i + 1);
const INNERS = [1, 2, 3];

/** A batch (outer, classes, inner) of rows of one kind. */
function batchOf(kind: keyof typeof ROWS, outer: number, classes: number, inner: number) {
  const random = seeded(classes * 31 + inner);
  const rows = outer * inner;
  const logits = Array.from({ length: rows }, () => ROWS[kind](random, classes));
  const indices = Array.from({ length: rows }, () => Math.floor(random() * classes));
  const distributions = logits.map((_, r) => distribution(random, classes, r));
  const upstream = logits.map(() => Array.from({ length: classes }, () => 2 * random() - 1));
  return {
    rows,
    logits,
    indices: Int32Array.from(indices),
    distributions,
    upstream,
    at: positionIn(classes, inner),
    flat: (values: number[][]) => layOut(values, inner),
    x: layOut(logits, inner),
    q: layOut(distributions, inner),
    g: layOut(upstream, inner),
  };
}

describe.each(Object.keys(ROWS) as (keyof typeof ROWS)[])("%s rows", (kind) => {
  it.each(INNERS)("are right at every length, inner = %i", (inner) => {
    for (const classes of LENGTHS) {
      const batch = batchOf(kind, inner === 1 ? 3 : 1, classes, inner);
      verifyForward(kind, batch, runForward(arena, batch, inner, 3), inner, 3);
      const rounded = asFloat32(batch);
      verifyForward(kind, rounded, runForward(arena, rounded, inner, 3, Float32Array), inner, 3);
    }
  });
});

it("more scratch memory than there are addresses is told as such", () => {
  expect(kernels.scratchBytes(2 ** 28, 2, PLANES, 8)).toBeGreaterThan(2 ** 32);
});

it.each([1, 3, 4, 5, 9])("the first of %i indices that is no class is found", (count) => {
  const found: number[] = [];
  const indices = Int32Array.from({ length: count }, (_, i) => i % 7);
  for (let bad = 0; bad < count; bad++) {
    for (const value of [7, -1, 2 ** 31 - 1, -(2 ** 31)]) {
      arena.run([indices.with(bad, value)], (ptr) => found.push(kernels.firstBadIndex(ptr, count, 7)));
      expect(found.pop()).toBe(bad);
    }
  }
  arena.run([indices], (ptr) => found.push(kernels.firstBadIndex(ptr, count, 7)));
  expect(found.pop()).toBe(count);
});

describe("rows of several blocks", () => {
  /** With scratch memory for a copy of the longest row. */
  const arena = new CanaryArena(2 ** 22);
  const { kernels } = arena;

  /** Rows that end otherwise than their first block lets expect: they are taken once more, relative to their maximum. */
  const longRows = (classes: number) => {
    const random = seeded(classes);
    const rowOf = (logit: (j: number) => number) => Float64Array.from({ length: classes }, (_, j) => logit(j) + random());
    const logits = [
      rowOf((j) => (2000 * j) / classes - 1000),
      rowOf((j) => (30 * j) / classes),
      rowOf((j) => (-200 * j) / classes),
      rowOf((j) => (j === classes - 1 ? 1e5 : 0)),
      rowOf((j) => (j < classes / 2 ? 39_990 : 40_000)),
      // Far at first, and not far at last: by two steps, or by one.
      rowOf((j) => (j < classes / 3 ? -40_011 : j < (2 * classes) / 3 ? -40_006 : -39_996)),
      rowOf((j) => (j < classes / 2 ? -40_011 : -39_996)),
      rowOf(() => 0),
    ];
    const indices = Int32Array.from(logits, (_, r) => (r % 2 ? classes - 1 : r));
    const distributions = logits.map((row, r) => row.map((_, j) => (j === indices[r] ? 1 : 0)));
    return { logits, indices, distributions };
  };

  it.each([1028, 2050])("are right, %i classes", (classes) => {
    const batch = longRows(classes);
    const some = [0, 1, 2, 511, 1023, 1024, 1027, classes - 2, classes - 1];
    verifyForward("several blocks", batch, runForward(arena, batch, 1, 3), 1, 3, some);
    const rounded = asFloat32(batch);
    verifyForward("several blocks", rounded, runForward(arena, rounded, 1, 3, Float32Array), 1, 3, some);
  });

  // Of 261,121 classes, blocks of 1024 would leave a single one over.
  it.each([1027, 1028, 2050, 3072, 4099, 261_121])("have the same bits in place and for one-hot distributions, %i classes", (classes) => {
    const { logits, indices, distributions } = longRows(classes);
    const x = layOut(logits, 1);
    const shape = [logits.length, classes, 1] as const;
    const [, probs] = arena.run([x, new Float64Array(x.length)], (xPtr, out) => kernels.softmax(xPtr, out, ...shape));
    const [probsInPlace] = arena.run([x], (xPtr) => kernels.softmax(xPtr, xPtr, ...shape));
    expectSameBits(probsInPlace, probs);
    const losses = new Float64Array(logits.length);
    const fields = { shape, derivative: "GRADIENT", divisor: 3 } as const;
    const { exps: gradient } = lossOf(arena, { logits: x, indices, losses, exps: new Float64Array(x.length) }, fields);
    const { logits: inPlace } = lossOf(arena, { logits: x, indices, losses, exps: "logits" }, fields);
    expectSameBits(inPlace, gradient);
    const { logits: oneHot } = lossOf(arena, { logits: x, targets: layOut(distributions, 1), losses, exps: "logits" }, fields);
    expectSameBits(oneHot, gradient);
  });
});

describe("exp", () => {
  // With g = (0, …, 0, −1), whose sum is −1, the backward of log-softmax gives 0 + exp(l) for all but the last class.
  const perEntry = 8;
  const l = Float64Array.from({ length: 256 * perEntry + 1 }, (_, i) => (-i * Math.LN2) / (256 * perEntry) - 3.3 * (i % 3));
  const g = l.map((_, i) => (i === l.length - 1 ? -1 : 0));

  it.each([1, 2])("is right at and between all entries of the table, inner = %i", (inner) => {
    const twice = (x: Float64Array) => (inner === 1 ? x : Float64Array.from({ length: 2 * x.length }, (_, i) => x[i >> 1]));
    const [, , got] = arena.run([twice(g), twice(l), twice(g)], (gPtr, lPtr, out) =>
      kernels.logSoftmaxBackward(gPtr, lPtr, out, 1, l.length, inner),
    );
    exactLogBackward(l, g).forEach((want, j) => {
      if (j < l.length - 1) for (let i = 0; i < inner; i++) within(LIMITS.exp, `exp(${l[j]})`, got[j * inner + i], want);
    });
  });
});

describe("backward", () => {
  it.each(INNERS)("is right at every length, inner = %i", (inner) => {
    for (const classes of LENGTHS) {
      const outer = inner === 1 ? 3 : 1;
      const { rows, logits, upstream, at, flat, g } = batchOf("uniform", outer, classes, inner);
      const exactRows = logits.map(exactRow);
      const probs = exactRows.map((row) => row.probs.map((p) => p.toNumber()));
      const logProbs = exactRows.map((row) => row.logProbs.map((l) => (l as Exact).toNumber()));
      const output = new Float64Array(rows * classes);
      const [, , got] = arena.run([g, flat(probs), output], (gPtr, p, out) => kernels.softmaxBackward(gPtr, p, out, outer, classes, inner));
      const [, , gotLog] = arena.run([g, flat(logProbs), output], (gPtr, l, out) =>
        kernels.logSoftmaxBackward(gPtr, l, out, outer, classes, inner),
      );
      upstream.forEach((gRow, r) => {
        const dot = exactSum(gRow.map((value, j) => Math.abs(value * probs[r][j]))).toNumber();
        exactBackward(probs[r], gRow).forEach((want, j) => {
          const size = probs[r][j] * (Math.abs(gRow[j]) + dot);
          const limit = LIMITS.backward * Math.max(1, size / Math.abs(want.toNumber()));
          within(limit, `softmax backward, C = ${classes}, row ${r}, class ${j}`, got[at(r, j)], want);
        });
        const sum = Math.abs(exactSum(gRow).toNumber());
        exactLogBackward(logProbs[r], gRow).forEach((want, j) => {
          const size = Math.abs(gRow[j]) + probs[r][j] * sum;
          const limit = LIMITS.backward * Math.max(1, size / Math.abs(want.toNumber()));
          within(limit, `log-softmax backward, C = ${classes}, row ${r}, class ${j}`, gotLog[at(r, j)], want);
        });
      });
    }
  });

  it("keeps what is left when an upstream gradient cancels", () => {
    for (const classes of [8, 24]) {
      const g = new Float64Array(classes);
      g.set([1, 0, 1e-18, 0, -1]);
      const l = new Float64Array(classes).fill(-Math.log(classes));
      const [, , got] = arena.run([g, l, g], (gPtr, lPtr, out) => kernels.logSoftmaxBackward(gPtr, lPtr, out, 1, classes, 1));
      within(LIMITS.backward, "log-softmax backward", got[6], exactLogBackward(l, g)[6]);
      const p = new Float64Array(classes).fill(0.125);
      const [, , gotPlain] = arena.run([g, p, g], (gPtr, pPtr, out) => kernels.softmaxBackward(gPtr, pPtr, out, 1, classes, 1));
      within(LIMITS.backward, "softmax backward", gotPlain[6], exactBackward(p, g)[6]);
    }
  });

  it("rounds a log-softmax gradient once where p is subnormal", () => {
    for (const classes of [2, 20]) {
      const l = new Float64Array(classes).fill(-740);
      const g = new Float64Array(classes);
      g[1] = 1e12;
      const [, , got] = arena.run([g, l, g], (gPtr, lPtr, out) => kernels.logSoftmaxBackward(gPtr, lPtr, out, 1, classes, 1));
      within(LIMITS.backward, "log-softmax backward", got[0], exactLogBackward(l, g)[0]);
    }
  });

  it("counts nothing where p is 0, whatever g is", () => {
    for (const classes of [2, 20]) {
      const p = new Float64Array(classes).fill(0);
      p[0] = 1;
      const g = new Float64Array(classes).fill(3);
      g[1] = Infinity;
      const [, , got] = arena.run([g, p, new Float64Array(classes)], (gPtr, pPtr, out) =>
        kernels.softmaxBackward(gPtr, pPtr, out, 1, classes, 1),
      );
      expect(Array.from(got)).toEqual(new Array(classes).fill(0));
    }
  });

  it("keeps the digits of a tiny upstream gradient", () => {
    for (const classes of [3, 20]) {
      const l = new Float64Array(classes).fill(-Math.log(classes));
      for (const scale of [1e-200, 1e-250, 1e-300]) {
        const g = Float64Array.from(l, (_, j) => scale * (j + 1));
        const [, , got] = arena.run([g, l, g], (gPtr, lPtr, out) => kernels.logSoftmaxBackward(gPtr, lPtr, out, 1, classes, 1));
        within(LIMITS.backward, "log-softmax backward", got[0], exactLogBackward(l, g)[0]);
      }
    }
  });

  it("stays finite for what is no log-probability", () => {
    for (const classes of [2, 20]) {
      const l = new Float64Array(classes).fill(1e4);
      const g = new Float64Array(classes).fill(1);
      const [, , got] = arena.run([g, l, g], (gPtr, lPtr, out) => kernels.logSoftmaxBackward(gPtr, lPtr, out, 1, classes, 1));
      expect(got.every((value) => value < -1e170 && Number.isFinite(value))).toBe(true);
    }
  });

  it("writes the Jacobian out", () => {
    for (const classes of LENGTHS) {
      const random = seeded(classes);
      const p = Float64Array.from({ length: 2 * classes }, random);
      const [, jacobian] = arena.run([p, new Float64Array(2 * classes * classes)], (pPtr, out) =>
        kernels.softmaxJacobian(pPtr, out, classes, 8, 0, 2 * classes),
      );
      const want = Array.from({ length: 2 * classes * classes }, (_, at) => {
        const j = at % classes;
        const i = Math.floor(at / classes) % classes;
        const row = p.subarray(Math.floor(at / classes ** 2) * classes);
        return i === j ? row[i] * (1 - row[i]) : -row[i] * row[j];
      });
      expect(Array.from(jacobian)).toEqual(want);
    }
  });
});

describe("batches", () => {
  it.each([0, 1, 2, 5])("of %i rows touch nothing outside their buffers", (rows) => {
    for (const classes of [1, 2, 7, 16, 17, 33]) {
      const { x, q, g, indices } = batchOf("uniform", rows, classes, 1);
      const output = new Float64Array(rows * classes);
      const byRow = new Float64Array(rows);
      arena.run([x, output], (xPtr, out) => kernels.softmax(xPtr, out, rows, classes, 1));
      arena.run([x, output], (xPtr, out) => kernels.logSoftmax(xPtr, out, rows, classes, 1));
      arena.run([x, byRow], (xPtr, out) => kernels.logSumExp(xPtr, out, rows, classes, 1));
      arena.run([g, x, output], (gPtr, p, out) => kernels.softmaxBackward(gPtr, p, out, rows, classes, 1));
      arena.run([g, x, output], (gPtr, l, out) => kernels.logSoftmaxBackward(gPtr, l, out, rows, classes, 1));
      arena.run([x, new Float64Array(rows * classes ** 2)], (p, out) => kernels.softmaxJacobian(p, out, classes, 8, 0, rows * classes));
      const shape = [rows, classes, 1] as const;
      lossOf(arena, { logits: x, losses: byRow, exps: output, indices }, { shape, derivative: "GRADIENT" });
      lossOf(arena, { logits: x, losses: byRow, exps: output, targets: q }, { shape, derivative: "GRADIENT" });
      lossOf(arena, { logits: x, losses: byRow, indices }, { shape });
      lossOf(arena, { logits: x, losses: byRow, targets: q }, { shape });
    }
  });

  it("whose last row is NaN read nothing past the end of memory", () => {
    for (const classes of [2, 16, 17, 24, 40]) {
      const x = new Float64Array(classes).fill(Number.NaN);
      const [probs] = arena.run([new Float64Array(classes), x], (out, xPtr) => kernels.softmax(xPtr, out, 1, classes, 1));
      expect(probs.every(Number.isNaN)).toBe(true);
    }
  });

  it("come out the same in place", () => {
    for (const [outer, classes, inner] of [
      [3, 7, 1],
      [3, 40, 1],
      [2, 20, 3],
    ]) {
      const { rows, x, q, g, indices } = batchOf("peaked", outer, classes, inner);
      const output = new Float64Array(x.length);
      const losses = new Float64Array(rows);
      const shape = [outer, classes, inner] as const;
      for (const name of ["softmax", "logSoftmax"] as const) {
        const [, apart] = arena.run([x, output], (xPtr, out) => kernels[name](xPtr, out, ...shape));
        const [inPlace] = arena.run([x], (xPtr) => kernels[name](xPtr, xPtr, ...shape));
        expect(inPlace, name).toEqual(apart);
      }
      for (const name of ["softmaxBackward", "logSoftmaxBackward"] as const) {
        const [, , apart] = arena.run([g, x, output], (gPtr, p, out) => kernels[name](gPtr, p, out, ...shape));
        const [first] = arena.run([g, x], (gPtr, p) => kernels[name](gPtr, p, gPtr, ...shape));
        const [, second] = arena.run([g, x], (gPtr, p) => kernels[name](gPtr, p, p, ...shape));
        expect(first, name).toEqual(apart);
        expect(second, name).toEqual(apart);
      }
      for (const labels of [{ indices }, { targets: q }]) {
        const { exps: apart } = lossOf(arena, { logits: x, ...labels, losses, exps: output }, { shape, derivative: "GRADIENT" });
        const { logits: inPlace } = lossOf(arena, { logits: x, ...labels, losses, exps: "logits" }, { shape, derivative: "GRADIENT" });
        expect(inPlace).toEqual(apart);
      }
    }
  });

  it("have rows whose bits do not depend on their neighbours", () => {
    for (const classes of [2, 5, 16, 17, 40]) {
      const { x } = batchOf("wide", 5, classes, 1);
      const [, batch] = arena.run([x, new Float64Array(x.length)], (xPtr, out) => kernels.softmax(xPtr, out, 5, classes, 1));
      for (let r = 0; r < 5; r++) {
        const row = x.slice(r * classes, (r + 1) * classes);
        const [, alone] = arena.run([row, row], (xPtr, out) => kernels.softmax(xPtr, out, 1, classes, 1));
        expect(batch.slice(r * classes, (r + 1) * classes)).toEqual(alone);
      }
    }
  });

  it("take an upstream gradient by row", () => {
    for (const classes of [3, 30]) {
      const { x, indices } = batchOf("uniform", 3, classes, 1);
      const losses = new Float64Array(3);
      const upstream = Float64Array.of(1, -2, 0.5);
      const fields = { shape: [3, classes, 1], derivative: "GRADIENT" } as const;
      const buffers = { logits: x, indices, losses, exps: new Float64Array(x.length) };
      const { exps: got } = lossOf(arena, { ...buffers, upstreamByRow: upstream }, { ...fields, upstream: 0 });
      const { exps: plain } = lossOf(arena, buffers, fields);
      // Powers of two scale exactly.
      expect(got).toEqual(plain.map((value, at) => value * upstream[Math.floor(at / classes)]));
    }
  });

  it("make one-hot distributions the same bits as indices", () => {
    for (const [outer, classes, inner] of [
      [6, 9, 1],
      [6, 50, 1],
      [2, 30, 3],
    ]) {
      const { rows, x, indices, flat } = batchOf("peaked", outer, classes, inner);
      // Some probabilities underflow: they are −0 for a negative upstream gradient.
      x[3] = -Infinity;
      x[x.length - 2] = -1e4;
      const oneHot = flat(Array.from(indices, (y) => Array.from({ length: classes }, (_, j) => (j === y ? 1 : 0))));
      const losses = new Float64Array(rows);
      const output = new Float64Array(x.length);
      const fields = { shape: [outer, classes, inner], derivative: "GRADIENT", upstream: -1, divisor: rows } as const;
      const { losses: l1, exps: g1 } = lossOf(arena, { logits: x, indices, losses, exps: output }, fields);
      const { losses: l2, exps: g2 } = lossOf(arena, { logits: x, targets: oneHot, losses, exps: output }, fields);
      expect(l2).toEqual(l1);
      expect(g2).toEqual(g1);
    }
  });

  it("sum losses with compensation, in order", () => {
    const random = seeded(7);
    const values = Float64Array.from({ length: 1001 }, (_, i) => (i % 2 ? 1e16 * random() : random()));
    const want = exactSum(values);
    let mean = Number.NaN;
    arena.run([values, new Float64Array(SUM_LENGTH)], (ptr, sum) => {
      kernels.accumulate(ptr, 500, sum);
      kernels.accumulate(ptr + 500 * 8, 501, sum);
      mean = kernels.mean(sum, 1001);
    });
    within(LIMITS.mean, "mean", mean, want.div(1001));
    // Subnormal sums, and quotients by a subnormal divisor, have no low part to correct them with.
    for (const [tiny, divisor] of [
      [Float64Array.of(1.6e-312, 2e-320, 5e-324), 1 / 3],
      [Float64Array.of(3e-323), 1e-9],
      [Float64Array.from({ length: 1001 }, () => 1e-17 * random()).fill(1e-3, 0, 1), 5e-309],
    ] as const) {
      arena.run([tiny, new Float64Array(SUM_LENGTH)], (ptr, sum) => {
        kernels.accumulate(ptr, tiny.length, sum);
        mean = kernels.mean(sum, divisor);
      });
      within(LIMITS.mean, "mean", mean, exactSum(tiny).div(exact(divisor)));
    }
    arena.run([Float64Array.of(1, Infinity, 2), new Float64Array(SUM_LENGTH)], (ptr, sum) => {
      kernels.accumulate(ptr, 3, sum);
      mean = kernels.mean(sum, 3);
    });
    expect(mean).toBe(Infinity);
  });
});

describe("the module", () => {
  it("computes everything itself: it imports its memory, and abort in the debug build", () => {
    const imports = WebAssembly.Module.imports(moduleFor(false) as WebAssembly.Module).map(({ name }) => name);
    expect(imports.sort()).toEqual(process.env.BUILD === "debug" ? ["abort", "memory"] : ["memory"]);
  });
});
