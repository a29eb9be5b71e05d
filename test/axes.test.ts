// Several class axes, axes that stay with the length 1, and log Σ b exp(x).

import { describe, expect, it } from "vitest";
import { seeded } from "../reference/data.js";
import { LIMITS, limitIn } from "../reference/limits.js";
import { type Exact, exact, exactRow, ulpError } from "../reference/oracle.js";
import {
  crossEntropyWithGradient,
  logSoftmax,
  logSoftmaxBackward,
  logSumExp,
  Softmax,
  SoftmaxCrossEntropy,
  softmax,
  softmaxBackward,
} from "../src/index.js";
import { type ArrayType, expectSameBits, type Floats, precisionOf } from "./verify.js";

const random = seeded(77);
const values = (length: number) => Float64Array.from({ length }, () => 8 * random() - 4);

describe("several class axes", () => {
  const shape = [2, 3, 4, 5];
  const x = values(120);

  it.each([
    [[1, 2], [2, 12, 5], 1],
    [[2, 1], [2, 12, 5], 1],
    [[-2, -1], [6, 20], 1],
    [[0, 1, 2], [24, 5], 0],
    [[3], [24, 5], 1],
    [[0, 1, 2, 3], [120], 0],
  ] as const)("%j are one axis of all their elements", (axis, merged, mergedAxis) => {
    const [several, one] = [
      { shape, axis },
      { shape: merged, axis: mergedAxis },
    ];
    const probs = softmax(x, one);
    expectSameBits(softmax(x, several), probs);
    expectSameBits(logSoftmax(x, several), logSoftmax(x, one));
    expectSameBits(logSumExp(x, several), logSumExp(x, one));
    expectSameBits(softmaxBackward(x, probs, several), softmaxBackward(x, probs, one));
    expectSameBits(logSoftmaxBackward(x, probs, several), logSoftmaxBackward(x, probs, one));
    const classes = merged[mergedAxis] as number;
    const labels = Int32Array.from({ length: 120 / classes }, (_, r) => (7 * r) % classes);
    const [got, want] = [several, one].map((options) => crossEntropyWithGradient(x, labels, { ...options, outputs: ["argmax"] }));
    expect(got).toEqual(want);
    const layer = new SoftmaxCrossEntropy({ axis });
    expect(layer.forward({ data: x, shape }, labels)).toBe(want.loss);
    expect(new Softmax({ axis }).forward({ data: x, shape }).data).toEqual(probs);
  });

  it("leave their places in results by row", () => {
    const data = { data: x, shape };
    expect(logSumExp(data, { axis: [1, 2] }).shape).toEqual([2, 5]);
    expect(logSumExp(data, { axis: [1, 2], keepDims: true }).shape).toEqual([2, 1, 1, 5]);
    expect(
      logSumExp(
        [
          [
            [1, 2],
            [3, 4],
          ],
        ],
        { axis: [1, 2] },
      ) as unknown,
    ).toEqual([logSumExp([1, 2, 3, 4])]);
    const losses = crossEntropyWithGradient(
      data,
      [
        [0, 1, 2, 3, 4],
        [5, 6, 7, 8, 9],
      ],
      { axis: [1, 2], reduction: "none" },
    ).loss;
    expect(losses.shape).toEqual([2, 5]);
  });

  it("are neighbours", () => {
    for (const axis of [
      [0, 2],
      [1, 1],
      [3, -1],
      [0, 3],
    ]) {
      expect(() => softmax(x, { shape, axis })).toThrow(
        `"axis" expected one axis, or several that are neighbours, got [${axis.join(", ")}]`,
      );
    }
    expect(() => softmax(x, { shape, axis: [] })).toThrow('"axis" expected from 1 to 32 axes, got []');
    expect(() => softmax(x, { shape, axis: [1, 4] })).toThrow('"axis[1]" expected an integer from -4 to 3, got 4');
    expect(() => softmax(x, { shape, axis: [1, "2"] as never })).toThrow('"axis[1]" expected a number, got "2"');
    for (const axis of [{}, null, "1", new Map()] as never[]) {
      expect(() => softmax(x, { shape, axis })).toThrow('"axis" expected a number, got');
      expect(() => new Softmax({ axis })).toThrow('"axis" expected a number, got');
    }
    expect(() => new Softmax({ axis: [40] })).toThrow('"axis[0]" expected an integer from -32 to 31, got 40');
  });
});

describe("keepDims", () => {
  it("keeps the class axis with the length 1", () => {
    expect(
      logSumExp(
        [
          [0, 0],
          [1, 1],
        ],
        { keepDims: true },
      ),
    ).toEqual([[Math.LN2], [1 + Math.LN2]]);
    expect(logSumExp([0, 0], { keepDims: true })).toEqual([Math.LN2]);
    expect(logSumExp({ data: Float32Array.of(0, 0), shape: [2, 1] }, { axis: 0, keepDims: true })).toEqual({
      data: Float32Array.of(Math.LN2),
      shape: [1, 1],
    });
    expect(() => logSumExp([1], { keepDims: 1 as never })).toThrow('"keepDims" expected true or false, got 1');
  });
});

/** Σ b exp(x) relative to exp(max), and the sum of the sizes of its terms. */
function exactSums(x: readonly number[], b: readonly number[]): { sum: Exact; size: Exact; max: Exact } {
  const used = x.filter((_, j) => b[j] !== 0);
  const row = exactRow(used);
  const exps = row.probs.map((p) => p.div(row.logSum.neg().exp()));
  const terms = exps.map((e, j) => e.times(exact(b.filter((factor) => factor !== 0)[j])));
  return {
    sum: terms.reduce((a, c) => a.plus(c)),
    size: terms.reduce((a, c) => a.plus(c.abs()), exact(0)),
    max: row.max,
  };
}

describe("log Σ b exp(x)", () => {
  it.each([
    [Float64Array, 5, 1],
    [Float64Array, 60, 1],
    [Float64Array, 4, 3],
    [Float32Array, 5, 1],
    [Float32Array, 60, 1],
    [Float32Array, 4, 3],
  ] as [ArrayType<Floats>, number, number][])("is exact: %o, %i classes, inner %i", (Elements, classes, inner) => {
    const rows = 40 * inner;
    const x = Elements.from(Array.from({ length: rows * classes }, () => 100 * (random() - 0.5)));
    const b = Float64Array.from(x, () => (random() < 0.2 ? 0 : (random() < 0.4 ? -1 : 1) * 10 ** (20 * (random() - 0.5))));
    const shape = [40, classes, inner];
    const { lse, sign } = logSumExp(x, { shape, axis: 1, b, returnSign: true });
    const precision = precisionOf(x);
    expect(precisionOf(lse)).toBe(precision);
    for (let r = 0; r < rows; r++) {
      const at = (j: number) => (Math.floor(r / inner) * classes + j) * inner + (r % inner);
      const rowOf = (from: Floats) => Array.from({ length: classes }, (_, j) => from[at(j)]);
      if (rowOf(b).every((factor) => factor === 0)) {
        expect([lse[r], sign[r]]).toEqual([-Infinity, 0]);
        continue;
      }
      const { sum, size, max } = exactSums(rowOf(x), rowOf(b));
      const log = sum.abs().ln();
      expect(sign[r]).toBe(sum.isNegative() ? -1 : 1);
      // The error of the sum is relative to the sizes of its terms; that of the result to its largest part.
      const unit = [max.abs(), log.abs()].reduce((a, c) => (c.gt(a) ? c : a));
      const condition = size.div(sum.abs()).toNumber();
      const error = ulpError(lse[r], max.plus(log), unit, precision);
      expect(error).toBeLessThanOrEqual(limitIn(precision, LIMITS.lse * (1 + condition)));
    }
    // Factors that all rows share.
    const shared = Array.from({ length: classes }, (_, j) => j - 1.5);
    const repeated = Float64Array.from(x, (_, i) => shared[Math.floor(i / inner) % classes]);
    expect(logSumExp(x, { shape, axis: 1, b: shared, returnSign: true })).toEqual(
      logSumExp(x, { shape, axis: 1, b: repeated, returnSign: true }),
    );
    const scaled = { shape, axis: 1, scale: 0.3, mask: Uint8Array.from(x, () => Number(random() < 0.8)) };
    const ones = new Float64Array(x.length).fill(1);
    logSumExp(x, { ...scaled, b: ones }).forEach((value, r) => {
      const want = logSumExp(x, scaled)[r];
      if (want === -Infinity) expect(value).toBe(want);
      else expect(Math.abs(value - want)).toBeLessThan(precision === "float64" ? 1e-14 : 2e-6);
    });
  });

  it("is NaN where the sum is negative, unless its sign is returned", () => {
    expect(
      logSumExp(
        [
          [1, 2],
          [2, 1],
        ],
        { b: [1, -1] },
      ),
    ).toEqual([Number.NaN, logSumExp([2, 1], { b: [1, -1] })]);
    expect(logSumExp([0, 0], { b: [1, -1], returnSign: true })).toEqual({ lse: -Infinity, sign: 0 });
    expect(logSumExp([0, 0], { returnSign: true })).toEqual({ lse: Math.LN2, sign: 1 });
    expect(logSumExp([-Infinity], { mask: [0], returnSign: true })).toEqual({ lse: -Infinity, sign: 0 });
  });

  it("does not read logits under a factor of 0, and takes factors of every size", () => {
    expect(logSumExp([1, Number.NaN, Infinity], { b: [1, 0, 0] })).toBe(1);
    expect(logSumExp([1, Number.NaN], { b: [1, 1], returnSign: true })).toEqual({ lse: Number.NaN, sign: Number.NaN });
    for (const factor of [1e-300, 1e300])
      expect(logSumExp([3, 3], { b: [factor, factor] })).toBeCloseTo(3 + Math.log(factor) + Math.LN2, 11);
    const long = new Float64Array(100).fill(0);
    expect(logSumExp(long, { b: new Float64Array(100).fill(1e307) })).toBeCloseTo(Math.log(1e307) + Math.log(100), 11);
  });

  it("says what is wrong with b", () => {
    expect(() => logSumExp([1, 2], { b: [1] })).toThrow('"b" expected the shape [2], or that of the logits, [2], got [1]');
    expect(() => logSumExp([1, 2], { b: [1, Infinity] })).toThrow('"b[1]" expected a finite number, got Infinity');
    expect(() => logSumExp([1, 2], { b: 3 as never })).toThrow('"b" expected numbers, in a typed array or nested arrays, got 3');
    expect(() => logSumExp([1, 2], { returnSign: 1 as never })).toThrow('"returnSign" expected true or false, got 1');
  });
});
