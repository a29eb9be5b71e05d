// The contract: every result within the bounds of limits.ts on the inputs that break others, through kernels, functions and layers.

import { describe, expect, it } from "vitest";
import { crossEntropy, crossEntropyWithGradient, logSoftmax, logSumExp, SoftmaxCrossEntropy, softmax } from "../src/index.js";
import { CanaryArena } from "./arena.js";
import { battery, LONG_ROWS } from "./battery.js";
import { seeded } from "./data.js";
import * as doubleDouble from "./double-double.js";
import { LIMITS } from "./limits.js";
import { exact, exactLoss, exactRow, exactSum } from "./oracle.js";
import { expectSameBits, layOut, runForward, verifyForward, within } from "./verify.js";

const arena = new CanaryArena();
const groups = battery();
const divisor = 3;

describe.each(groups.map((group) => ({ group, title: `${group.name}, C = ${group.logits[0].length}` })))("$title", ({ group }) => {
  const { name, logits, indices, distributions } = group;
  const [rows, classes] = [logits.length, logits[0].length];

  it.each([
    { what: "contiguous", inner: 1, shape: [rows, classes], axis: -1 },
    { what: "strided", inner: rows, shape: [classes, rows], axis: 0 },
  ])("is within the bounds, $what, in kernels, functions and layers", ({ inner, shape, axis }) => {
    const results = runForward(arena, group, inner, divisor);
    verifyForward(name, group, results, inner, divisor);

    const x = layOut(logits, inner);
    expectSameBits(softmax(x, { shape, axis }), results.probs);
    expectSameBits(logSoftmax(x, { shape, axis }), results.logProbs);
    expectSameBits(logSumExp(x, { shape, axis }), results.lse);
    const q = layOut(distributions, inner);
    const cases = [
      { kind: "indices", labels: Int32Array.from(indices), losses: results.losses, gradient: results.gradient },
      { kind: "distribution", labels: q, losses: results.softLosses, gradient: results.softGradient },
    ] as const;
    for (const { kind, labels, losses, gradient } of cases) {
      expectSameBits(crossEntropy(x, labels, { shape, axis, reduction: "none" }), losses);
      expectSameBits(crossEntropyWithGradient(x, labels, { shape, axis, divisor }).gradient, gradient);
      const layer = new SoftmaxCrossEntropy({ shape, axis, divisor, labels: kind });
      layer.logits.set(x);
      layer.labels.set(labels);
      const mean = layer.forward();
      within(LIMITS.mean, `${name}, the mean of the losses`, mean, exactSum(losses).div(divisor));
      expectSameBits(layer.losses, losses);
      expectSameBits(layer.backward(), gradient);
      expectSameBits(layer.probs, results.probs);
    }
  });

  it("has the same bits for indices and one-hot distributions", () => {
    const oneHot = logits.map((_, r) => Array.from({ length: classes }, (_, j) => (j === indices[r] ? 1 : 0)));
    for (const inner of [1, rows]) {
      const results = runForward(arena, { logits, indices, distributions: oneHot }, inner, divisor);
      expectSameBits(results.softLosses, results.losses);
      expectSameBits(results.softGradient, results.gradient);
    }
  });
});

describe("sums", () => {
  const sampled = (classes: number) => [0, 1, classes >> 1, (classes >> 1) + 7, classes - 9, classes - 1];

  it.each(Object.keys(LONG_ROWS) as (keyof typeof LONG_ROWS)[])("of rows %s keep the bounds at 1e2, 1e4 and 1e6 classes", (kind) => {
    for (const classes of [100, 10_000, 1_000_000]) {
      const random = seeded(classes);
      const logit = LONG_ROWS[kind](random, classes);
      const row = Float64Array.from({ length: classes }, (_, j) => logit(j));
      const q = Float64Array.from({ length: classes }, () => 0.1 + (random() < 0.5 ? 0 : 0.3));
      // Side by side, the second row is the first one backwards.
      for (const logits of [[row], [row, row.toReversed()]]) {
        const batch = { logits, indices: logits.map(() => (classes >> 1) + 7), distributions: logits.map(() => q) };
        const inner = logits.length;
        verifyForward(kind, batch, runForward(arena, batch, inner, 1), inner, 1, sampled(classes));
      }
    }
  });
});

describe("means", () => {
  it("of huge losses are right where their sum is infinite", () => {
    const x = Float64Array.of(1.7e308, 0, 0, 1.6e308, 1.7e308, 0);
    const want = exactSum([1.7e308, 1.6e308, 1.7e308]);
    const labels = [1, 0, 1];
    within(LIMITS.mean, "mean", crossEntropy(x, labels, { shape: [3, 2] }), want.div(3));
    const layer = new SoftmaxCrossEntropy({ shape: [3, 2] });
    layer.logits.set(x);
    layer.labels.set(labels);
    within(LIMITS.mean, "mean", layer.forward(), want.div(3));
    expect(crossEntropy(x, labels, { shape: [3, 2], reduction: "sum" })).toBe(Infinity);
    expect(crossEntropy(x, labels, { shape: [3, 2], divisor: 0.5 })).toBe(Infinity);
  });

  it("add at most one ulp to the exact mean of the exact losses, over many rows", () => {
    const random = seeded(5);
    const [rows, classes] = [1001, 3];
    // Half of the rows confident: losses of all sizes.
    const logits = Array.from({ length: rows }, (_, r) => [random(), 2 * random(), r % 2 ? 40 * random() : 0]);
    const labels = logits.map(() => 2);
    const want = exactSum(logits.map((row) => exactLoss(exactRow(row), 2).toNumber())).div(rows);
    const mean = crossEntropy(Float64Array.from(logits.flat()), labels, { shape: [rows, classes] });
    within(LIMITS.loss + LIMITS.mean, "mean", mean, want);
  });
});

describe("the reference in pairs of doubles", () => {
  it("agrees with the decimal oracle", () => {
    const random = seeded(3);
    const value = ([hi, lo]: doubleDouble.Pair) => exact(hi).plus(exact(lo));
    for (let i = 0; i < 300; i++) {
      const x = 600 * (random() - 0.9);
      const { mantissa, exponent } = doubleDouble.exp([x, 0]);
      const row = exactRow([0, x]);
      // exp(x) = p / (1 − p).
      const want = row.probs[1].div(row.others[1]);
      expect(value(mantissa).times(exact(2).pow(exponent)).div(want).minus(1).abs().toNumber()).toBeLessThan(2 ** -79);
      if (x > 0) continue;
      const scale = 2 ** exponent;
      const logSum = doubleDouble.log1p([mantissa[0] * scale, mantissa[1] * scale]);
      expect(value(logSum).div(row.logSum).minus(1).abs().toNumber()).toBeLessThan(2 ** -72);
    }
  });
});
