// Every result of kernels, functions and layers is within the bounds of limits.ts, on rows on which softmax code goes wrong.

import { describe, expect, it } from "vitest";
import { battery, float32Battery, LONG_ROWS } from "../reference/battery.js";
import { seeded } from "../reference/data.js";
import { layOut } from "../reference/layout.js";
import { LIMITS } from "../reference/limits.js";
import { exactLoss, exactRow, exactSum } from "../reference/oracle.js";
import { crossEntropy, crossEntropyWithGradient, logSoftmax, logSumExp, SoftmaxCrossEntropy, softmax } from "../src/index.js";
import { CanaryArena } from "./arena.js";
import { type ArrayType, expectSameBits, type Floats, precisionOf, runForward, verifyForward, within } from "./verify.js";

const arena = new CanaryArena();
const divisor = 3;

const batteries = [
  ...battery().map((group) => ({ group, Elements: Float64Array as ArrayType<Floats> })),
  ...float32Battery().map((group) => ({ group, Elements: Float32Array as ArrayType<Floats> })),
];
const titled = batteries.map((of) => ({ ...of, title: `${of.Elements.name}, ${of.group.name}, C = ${of.group.logits[0].length}` }));

describe.each(titled)("$title", ({ group, Elements }) => {
  const { name, logits, indices, distributions } = group;
  const dtype = Elements.BYTES_PER_ELEMENT === 4 ? "float32" : "float64";
  const [rows, classes] = [logits.length, logits[0].length];

  it.each([
    { layout: "contiguous", inner: 1, shape: [rows, classes], axis: -1 },
    { layout: "strided", inner: rows, shape: [classes, rows], axis: 0 },
  ])("is within the bounds in kernels, functions and layers, $layout", ({ inner, shape, axis }) => {
    const results = runForward(arena, group, inner, divisor, Elements);
    verifyForward(name, group, results, inner, divisor);

    const x = layOut(logits, inner, Elements);
    expectSameBits(softmax(x, { shape, axis }), results.probs);
    expectSameBits(logSoftmax(x, { shape, axis }), results.logProbs);
    expectSameBits(logSumExp(x, { shape, axis }), results.lse);
    const q = layOut(distributions, inner, Elements);
    const cases = [
      { kind: "indices", labels: Int32Array.from(indices), losses: results.losses, gradient: results.gradient },
      { kind: "distribution", labels: q, losses: results.softLosses, gradient: results.softGradient },
    ] as const;
    for (const { kind, labels, losses, gradient } of cases) {
      expectSameBits(crossEntropy(x, labels, { shape, axis, reduction: "none" }), losses);
      expectSameBits(crossEntropyWithGradient(x, labels, { shape, axis, divisor }).gradient, gradient);
      const layer = new SoftmaxCrossEntropy({ shape, axis, divisor, labels: kind, dtype });
      layer.logits.set(x);
      layer.labels.set(labels);
      const mean = layer.forward();
      if (dtype === "float64") within(LIMITS.mean, `${name}, the mean of the losses`, mean, exactSum(losses).div(divisor));
      else expect(mean, "the mean, of losses before they were rounded").toBe(crossEntropy(x, labels, { shape, axis, divisor }));
      expectSameBits(layer.losses, losses);
      expectSameBits(layer.backward(), gradient);
      expectSameBits(layer.probs, results.probs);
    }
  });

  it("has the same bits for indices and one-hot distributions", () => {
    const oneHot = logits.map((_, r) => Array.from({ length: classes }, (_, j) => (j === indices[r] ? 1 : 0)));
    for (const inner of [1, rows]) {
      const results = runForward(arena, { logits, indices, distributions: oneHot }, inner, divisor, Elements);
      expectSameBits(results.softLosses, results.losses);
      expectSameBits(results.softGradient, results.gradient);
    }
  });
});

/** The bound of p at any number of classes, in ulps. A sum with a rounding error for each term would exceed it. */
const SUM_LIMIT = 2;

describe("sums", () => {
  const arena = new CanaryArena(2 ** 25);
  const sampled = (classes: number) => [0, 1, classes >> 1, (classes >> 1) + 7, classes - 9, classes - 1];

  const kinds = Object.keys(LONG_ROWS) as (keyof typeof LONG_ROWS)[];
  const types: readonly ArrayType<Floats>[] = [Float64Array, Float32Array];
  const cases = kinds.flatMap((kind) => types.map((Elements) => ({ kind, Elements, type: Elements.name })));

  it.each(cases)("of rows $kind, $type, keep the bounds at 1e2, 1e4 and 1e6 classes", ({ kind, Elements }) => {
    for (const classes of [100, 10_000, 1_000_000]) {
      const random = seeded(classes);
      const logit = LONG_ROWS[kind](random, classes);
      const row = Elements.from(Array.from({ length: classes }, (_, j) => logit(j)));
      const q = Elements.from(Array.from({ length: classes }, () => 0.1 + (random() < 0.5 ? 0 : 0.3)));
      // One contiguous row; then two rows side by side, of which the second one is the first one reversed.
      for (const logits of [[row], [row, row.toReversed()]]) {
        const batch = { logits, indices: logits.map(() => (classes >> 1) + 7), distributions: logits.map(() => q) };
        const inner = logits.length;
        const results = runForward(arena, batch, inner, 1, Elements);
        verifyForward(kind, batch, results, inner, 1, sampled(classes));
        // Each e_j has its own rounding error only, so any further error of p comes from the sum.
        const dtype = precisionOf(results.probs);
        within(SUM_LIMIT, `p of ${classes} ${kind}`, results.probs[0], exactRow(row).probs[0], undefined, dtype);
        const x = layOut(logits, inner, Elements);
        const layout = inner === 1 ? { shape: [1, classes] } : { shape: [classes, inner], axis: 0 };
        expectSameBits(softmax(x, layout), results.probs);
        const layer = new SoftmaxCrossEntropy({ ...layout, reduction: "none", dtype });
        layer.logits.set(x);
        layer.labels.set(batch.indices);
        expectSameBits(layer.forward(), results.losses);
        expectSameBits(layer.backward(), results.gradient);
      }
    }
  });
});

describe("rows that came out wrong once", () => {
  // Found by climbing: errors of 4.4 to 5.2 ulp in loss, log-sum-exp or the gradient at the label when kernels dropped low parts of sums.
  const found = [
    { logits: [990.314831941868, 1005.7639161904712, 1016.1611127095028, 989.8794756325285], label: 2 },
    { logits: [990.314831941868, 1005.7639161904712, 1016.1611127095028, 989.5903566125194], label: 2 },
    { logits: [-9.385335672729441, -1.7629417221833803, -0.0751588018445696, -3.686117514107371], label: 3 },
    {
      logits: [
        [13.96995869535062, -19.637838648877203, -27.96266527902947, -64.18303426521308, -10.642478100034056, -27.26615963039834],
        [-38.66401152152478, -52.7730546371218, -3.1257892118832324, 0.4940763890119016, -16.540919250591465, -13.139462989941567],
        [-29.432482980582733, -1.4531700580237479, -53.19792211803774, 3.5080521706702203, -28.24739764037789, -37.13084063271642],
      ].flat(),
      label: 0,
    },
    {
      logits: [
        [-0.4888319154853144, -0.6032452604295682, -58.48625317129819, -34.0626519202401, -19.679484915966633, -70.94394764788267],
        [-27.68089003007059, -12.984193634623676, -11.60309025053647, -39.46806768968439, -30.045859778407717, -27.935822618825604],
        [-58.87662021504282, -5.655533572007105, -38.217828520186515, -9.98989021149401, -30.126397859081397],
      ].flat(),
      label: 9,
    },
  ];

  it("stay right where a small label takes the gradient to the next binade", () => {
    const v = [-4.000000004388328, -5.74202701479874, -5.356125920306102, -5.950960509342013, -4.145856668615733];
    const q = [0.0061662740062664876, 0.4713125098881694, 0.8847763875830914, 0, 0.8757326119414501];
    const places = Array.from({ length: 20 }, (_, j) => (j ? 1 + ((j >> 1) % 4) : 0));
    const batch = { logits: [places.map((k) => v[k])], indices: [0], distributions: [places.map((k) => q[k])] };
    verifyForward("a small label", batch, runForward(arena, batch, 1, divisor), 1, divisor);
  });

  it("stay right where logits are further apart than the largest double", () => {
    for (const classes of [2, 20]) {
      const logits = [Array.from({ length: classes }, (_, j) => (j ? -1.7e308 : 1.7e308))];
      for (const q of [0.25, 1e-3]) {
        const batch = { logits, indices: [0], distributions: [logits[0].map((_, j) => [0.75, q][j] ?? 0)] };
        verifyForward("far apart", batch, runForward(arena, batch, 1, divisor), 1, divisor);
      }
    }
  });

  it("stay right under a large label mass", () => {
    const batch = { logits: [[0, -46.1, -46.1]], indices: [0], distributions: [[1e250, 0, 0]] };
    const { softLosses } = runForward(arena, batch, 1, 1);
    within(LIMITS.loss, "soft loss", softLosses[0], exactLoss(exactRow(batch.logits[0]), batch.distributions[0]));
  });

  it.each(found)("stay right: $logits", ({ logits, label }) => {
    const batch = { logits: [logits], indices: [label], distributions: [logits.map((_, j) => (j === label ? 0.3 : 0))] };
    verifyForward("found by climbing", batch, runForward(arena, batch, 1, divisor), 1, divisor);
  });
});

describe("means", () => {
  it("of huge losses are right although their sum is infinite", () => {
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
    // Every second row may be confident, so that losses have all sizes.
    const logits = Array.from({ length: rows }, (_, r) => [random(), 2 * random(), r % 2 ? 40 * random() : 0]);
    const labels = logits.map(() => 2);
    const want = exactSum(logits.map((row) => exactLoss(exactRow(row), 2).toNumber())).div(rows);
    const mean = crossEntropy(Float64Array.from(logits.flat()), labels, { shape: [rows, classes] });
    within(LIMITS.loss + LIMITS.mean, "mean", mean, want);
  });
});
