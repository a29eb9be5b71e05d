// The functions: shapes, axes, out, and batches of several chunks.

import { describe, expect, it } from "vitest";
import { ROWS, seeded } from "../reference/data.js";
import { LIMITS } from "../reference/limits.js";
import { exactRow, ulpError } from "../reference/oracle.js";
import { logSoftmax, logSoftmaxBackward, logSumExp, softmax, softmaxBackward, softmaxJacobian } from "../src/index.js";
import { expectSameBits } from "./verify.js";

/** The results of a function that gets each row by itself, as contiguous memory. */
function rowByRow(x: Float64Array, [outer, classes, inner]: readonly [number, number, number], f: (row: number[]) => number[]): number[] {
  const result = new Array<number>(x.length);
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < inner; i++) {
      const at = (j: number) => (o * classes + j) * inner + i;
      f(Array.from({ length: classes }, (_, j) => x[at(j)])).forEach((value, j) => {
        result[at(j)] = value;
      });
    }
  }
  return result;
}

const flat = (length: number, seed = 1) => Float64Array.from(ROWS.uniform(seeded(seed), length));

describe("axes", () => {
  const shape = [3, 4, 5, 2];
  const x = flat(120);
  const layouts = [
    [1, 3, 40],
    [3, 4, 10],
    [12, 5, 2],
    [60, 2, 1],
  ] as const;

  it.each([0, 1, 2, 3])("may be other than the last: axis %i is normalized", (axis) => {
    const want = rowByRow(x, layouts[axis], (row) => softmax(row));
    expect(Array.from(softmax(x, { shape, axis }))).toEqual(want);
    expect(softmax(x, { shape, axis: axis - 4 })).toEqual(softmax(x, { shape, axis }));
    const wantLog = rowByRow(x, layouts[axis], (row) => logSoftmax(row));
    expect(Array.from(logSoftmax(x, { shape, axis }))).toEqual(wantLog);
    const [outer, classes, inner] = layouts[axis];
    const lse = logSumExp(x, { shape, axis });
    expect(lse.length).toBe(outer * inner);
    expect(lse[0]).toBe(logSumExp(Array.from({ length: classes }, (_, j) => x[j * inner])));
  });

  it("keep the accuracy where they are long and strided", () => {
    const classes = 1000;
    const columns = flat(classes * 3, 5);
    const probs = softmax(columns, { shape: [classes, 3], axis: 0 });
    for (let i = 0; i < 3; i++) {
      const exact = exactRow(columns.filter((_, at) => at % 3 === i));
      exact.probs.forEach((p, j) => {
        expect(ulpError(probs[3 * j + i], p)).toBeLessThanOrEqual(LIMITS.probs);
      });
    }
  });
});

describe("out", () => {
  it("receives the result and is returned", () => {
    const x = flat(20);
    const out = new Float64Array(20);
    expect(softmax(x, { shape: [2, 10], out })).toBe(out);
    expect(out).toEqual(softmax(x, { shape: [2, 10] }));
    const jacobian = new Float64Array(200);
    expect(softmaxJacobian(out, { shape: [2, 10], out: jacobian })).toBe(jacobian);
  });

  it("may be an input", () => {
    for (const shape of [
      [4, 10],
      [2, 20],
      [1, 40],
    ]) {
      const x = flat(40);
      const want = softmax(x, { shape });
      const g = flat(40, 2);
      const wantBack = softmaxBackward(g, want, { shape });
      expect(softmax(x, { shape, out: x })).toEqual(want);
      expect(softmaxBackward(g, x, { shape, out: x })).toEqual(wantBack);
      const probs = want.slice();
      expect(softmaxBackward(g, probs, { shape, out: g })).toEqual(wantBack);
    }
  });

  it("may lie beside an input in one buffer", () => {
    const buffer = new Float64Array(20);
    const x = buffer.subarray(0, 10);
    x.set(flat(10));
    expect(softmax(x, { out: buffer.subarray(10) })).toEqual(softmax(x));
  });
});

describe("chunks", () => {
  // More than one chunk of rows, of columns, and rows longer than a chunk.
  const shapes: [number, number, number][] = [
    [1000, 100, 1],
    [5, 40000, 1],
    [3, 700, 101],
    [2, 33000, 3],
    [40, 21, 64],
    [2, 17000, 2],
  ];

  it.each(shapes)("give each row of (%i, %i, %i) the bits that it has by itself", (outer, classes, inner) => {
    const x = flat(outer * classes * inner, 3);
    const shape = [outer, classes, inner];
    const all = softmax(x, { shape, axis: 1 });
    const allLse = logSumExp(x, { shape, axis: 1 });
    for (const [o, i] of [
      [0, 0],
      [outer - 1, inner - 1],
      [Math.floor(outer / 2), Math.floor(inner / 2)],
    ]) {
      const at = (j: number) => (o * classes + j) * inner + i;
      const row = Float64Array.from({ length: classes }, (_, j) => x[at(j)]);
      // A row of a strided axis gets a copy beside it, so that its axis stays strided.
      const alone = inner === 1 ? row : Float64Array.from({ length: 2 * classes }, (_, k) => row[k >> 1]);
      const step = inner === 1 ? 1 : 2;
      const want = softmax(alone, { shape: [classes, step], axis: 0 });
      expect(Float64Array.from({ length: classes }, (_, j) => all[at(j)])).toEqual(want.filter((_, k) => k % step === 0));
      expect(allLse[o * inner + i]).toBe(logSumExp(alone, { shape: [classes, step], axis: 0 })[0]);
    }
  });
});

describe("backward", () => {
  it("of softmax is the product with the explicit Jacobian", () => {
    const p = softmax(flat(7));
    const g = flat(7, 9);
    const jacobian = softmaxJacobian(p);
    const product = Array.from(p, (_, i) => g.reduce((sum, value, j) => sum + jacobian[i * 7 + j] * value, 0));
    softmaxBackward(g, p).forEach((value, i) => {
      expect(value).toBeCloseTo(product[i], 14);
    });
  });

  it("of log-softmax is that of softmax with g / p upstream", () => {
    const x = flat(40);
    const g = flat(40, 9);
    const p = softmax(x, { shape: [2, 20] });
    const viaSoftmax = softmaxBackward(
      g.map((value, i) => value / p[i]),
      p,
      { shape: [2, 20] },
    );
    logSoftmaxBackward(g, logSoftmax(x, { shape: [2, 20] }), { shape: [2, 20] }).forEach((value, i) => {
      expect(value).toBeCloseTo(viaSoftmax[i], 12);
    });
  });

  it("gives a result in the container of the upstream gradient", () => {
    expect(softmaxBackward([1, 0], Float64Array.of(0.5, 0.5))).toEqual([0.25, -0.25]);
    expect(softmaxBackward(Float64Array.of(1, 0), [0.5, 0.5])).toEqual(Float64Array.of(0.25, -0.25));
  });
});

describe("the Jacobian", () => {
  it("has the same bits for all rows at once and row by row", () => {
    for (const [rows, classes] of [
      [7, 3],
      [3, 300],
      [200, 20],
    ]) {
      const p = softmax(flat(rows * classes), { shape: [rows, classes] });
      const all = softmaxJacobian(p, { shape: [rows, classes] });
      for (const r of [0, rows - 1]) {
        const alone = softmaxJacobian(p.slice(r * classes, (r + 1) * classes));
        expectSameBits(all.slice(r * classes ** 2, (r + 1) * classes ** 2), alone);
      }
    }
    expect(softmaxJacobian(new Float64Array(0), { shape: [0, 40000] }).length).toBe(0);
  });
});

describe("two classes", () => {
  it("are the sigmoid of the difference", () => {
    for (const z of [-30, -1, 0, 0.3, 5, 20]) {
      const [, p] = softmax([0, z]);
      expect(Math.abs(p - 1 / (1 + Math.exp(-z)))).toBeLessThanOrEqual(4 * 2 ** -53);
    }
  });
});
