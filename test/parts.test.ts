// Rows whose classes lie in several places: within the bounds for any cut, the same bits for any order and tree of merges, and the bits of the plain
// call for a single part.

import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { battery, float32Battery, type Group, LONG_ROWS } from "../reference/battery.js";
import { type Random, seeded } from "../reference/data.js";
import { layOut } from "../reference/layout.js";
import {
  CrossEntropyPart,
  crossEntropy,
  crossEntropyPart,
  crossEntropyWithGradient,
  LossTotal,
  logSoftmax,
  softmax,
} from "../src/index.js";
import { type LossCase, lossCase } from "./loss-cases.js";
import { type ArrayType, expectSameBits, type Floats, verifyForward, verifyLoss } from "./verify.js";

interface Shape {
  readonly outer: number;
  readonly classes: number;
  readonly inner: number;
}

/** Elements of the classes [first, first + count) of a tensor (outer, classes, inner). */
function columns<A extends ArrayLike<number>>(tensor: A, { outer, classes, inner }: Shape, first: number, count: number): A {
  const Elements = tensor.constructor as new (length: number) => { [i: number]: number } & A;
  const part = new Elements(outer * count * inner);
  for (let o = 0, k = 0; o < outer; o++) {
    for (let j = first; j < first + count; j++) for (let i = 0; i < inner; i++) part[k++] = tensor[(o * classes + j) * inner + i];
  }
  return part;
}

function putColumns(
  to: { [i: number]: number },
  part: ArrayLike<number>,
  { outer, classes, inner }: Shape,
  first: number,
  count: number,
): void {
  for (let o = 0, k = 0; o < outer; o++) {
    for (let j = first; j < first + count; j++) for (let i = 0; i < inner; i++) to[(o * classes + j) * inner + i] = part[k++];
  }
}

/** The first classes of parts, and the end: `parts` of them, each of one class at least. */
function cutInto(random: Random, classes: number, parts: number): number[] {
  const cuts = new Set([0]);
  while (cuts.size < Math.min(parts, classes)) cuts.add(Math.floor(random() * classes));
  return [...[...cuts].sort((a, b) => a - b), classes];
}

/** Merges parts in any order, two or more at a time. */
function mergeAnyhow(random: Random, parts: CrossEntropyPart[]): CrossEntropyPart {
  const left = [...parts];
  while (left.length > 1) {
    const some = Array.from({ length: Math.min(left.length, 2 + Math.floor(2 * random())) }, () => {
      return left.splice(Math.floor(random() * left.length), 1)[0];
    });
    left.push(CrossEntropyPart.merge(some));
  }
  return CrossEntropyPart.merge(left);
}

type Options = LossCase["options"];

/** The results of a batch whose classes are cut, each part by way of its bytes. */
function sharded<A extends Floats>(
  x: A,
  labels: Int32Array | A,
  shape: Shape,
  cuts: number[],
  random: Random,
  options: Options = {},
  divisor = 1,
) {
  const { outer, classes, inner } = shape;
  const isDistribution = labels.length === x.length && !(labels instanceof Int32Array);
  const parts = cuts.slice(0, -1).map((first, i) => {
    const count = cuts[i + 1] - first;
    const { mask, ...rest } = options;
    const isShared = mask?.length === classes;
    const itsMask = mask && Array.from(isShared ? mask.slice(first, first + count) : columns(Float64Array.from(mask), shape, first, count));
    const its = { shape: [outer, count, inner], axis: 1, ...(itsMask && { mask: itsMask }) };
    const itsLabels = isDistribution ? columns(labels as A, shape, first, count) : labels;
    const arguments_ = [columns(x, shape, first, count), itsLabels] as const;
    const outputs = ["entropy", "argmax"] as const;
    const part = crossEntropyPart(...arguments_, { ...rest, ...its, classes, classOffset: first, outputs });
    return { first, count, its, arguments_, part: CrossEntropyPart.fromBytes(part.toBytes()) };
  });
  const part = mergeAnyhow(
    random,
    parts.map(({ part }) => part),
  );
  const { weights, sampleWeights } = options;
  const empty = (): A => x.slice().fill(Number.NaN) as A;
  const [gradient, probs, logProbs, p] = [empty(), empty(), empty(), empty()];
  for (const { first, count, its, arguments_ } of parts) {
    const given = { ...its, part, classOffset: first };
    const outputs = ["probs", "logProbs"] as const;
    const back = crossEntropyWithGradient(...arguments_, { ...given, weights, sampleWeights, reduction: "mean", divisor, outputs });
    putColumns(gradient, back.gradient, shape, first, count);
    putColumns(probs, back.probs, shape, first, count);
    putColumns(logProbs, back.logProbs, shape, first, count);
    putColumns(p, softmax(arguments_[0], given), shape, first, count);
  }
  if (parts.length > 1) expectSameBits(p, probs);
  const { entropy, argmax, confidence } = part.loss({ outputs: ["entropy", "argmax", "confidence"] });
  return { part, losses: part.losses, lse: part.lse, gradient, probs, logProbs, entropy, argmax, confidence };
}

const DIVISOR = 3;

/** Some rows of a group. */
const fewOf = ({ name, logits, indices, distributions }: Group, most: number): Group => {
  const step = Math.ceil(logits.length / most);
  const few = <T>(rows: readonly T[]): T[] => rows.filter((_, r) => r % step === 0);
  return { name, logits: few(logits), indices: few(Array.from(indices)), distributions: few(distributions) };
};

const ofDoubles = battery().map((group) => ({ group, Elements: Float64Array as ArrayType<Floats> }));
const ofFloats = float32Battery().map((group) => ({ group, Elements: Float32Array as ArrayType<Floats> }));

it.each([
  { type: "Float64Array", groups: ofDoubles },
  { type: "Float32Array", groups: ofFloats },
])("is within the bounds on the battery, $type", ({ groups }) => {
  const random = seeded(77);
  groups.forEach(({ group, Elements }, i) => {
    const classes = group.logits[0].length;
    if (classes === 1 || classes > 40 || i % (/^scale/.test(group.name) ? 7 : 2) !== 0) return;
    const few = fewOf(group, 4);
    const inner = random() < 0.5 ? few.logits.length : 1;
    const shape = { outer: few.logits.length / inner, classes, inner };
    const x = layOut(few.logits, inner, Elements);
    const q = layOut(few.distributions, inner, Elements);
    const cuts = cutInto(random, classes, 2 + Math.floor(random() * 4));
    const hard = sharded(x, Int32Array.from(few.indices), shape, cuts, random, {}, DIVISOR);
    const soft = sharded(x, q, shape, cuts, random, {}, DIVISOR);
    const { losses, lse, gradient, probs, logProbs } = hard;
    verifyForward(
      `${group.name}, cut at ${cuts}`,
      few,
      { losses, lse, gradient, probs, logProbs, softLosses: soft.losses, softGradient: soft.gradient },
      inner,
      DIVISOR,
    );
  });
});

const types = [
  { type: "Float64Array", Elements: Float64Array as ArrayType<Floats> },
  { type: "Float32Array", Elements: Float32Array as ArrayType<Floats> },
];

it.each(types)("is within the bounds where parts are relative to different maxima, $type", ({ Elements }) => {
  const random = seeded(5);
  const classes = 130;
  // Large maxima that rise from part to part, some on each side of the bound from which logits are taken relative to them; and late rises.
  const rows = [
    (j: number) => 39_990 + j / 7,
    (j: number) => -39_990 - j / 7,
    (j: number) => 250 + j / 11,
    (j: number) => 1e12 + j,
    (j: number) => (j % 50 === 49 ? 30 : -10) + random(),
    (j: number) => (j < 100 ? -1e5 : -39_999.5) + random(),
    (j: number) => 700 * Math.sin(j),
  ];
  const logits = rows.map((row) => Array.from(Elements.from(Array.from({ length: classes }, (_, j) => row(j)))));
  const q = logits.map(() => Array.from(Elements.from(Array.from({ length: classes }, () => random() / classes))));
  const group = { logits, indices: rows.map((_, r) => (r * 37) % classes), distributions: q };
  for (const cuts of [[0, 65, classes], [0, 50, 100, 101, classes], cutInto(random, classes, classes)]) {
    for (const inner of [1, rows.length]) {
      const shape = { outer: rows.length / inner, classes, inner };
      const x = layOut(logits, inner, Elements);
      const hard = sharded(x, Int32Array.from(group.indices), shape, cuts, random, {}, DIVISOR);
      const soft = sharded(x, layOut(q, inner, Elements), shape, cuts, random, {}, DIVISOR);
      const { losses, lse, gradient, probs, logProbs } = hard;
      const results = { losses, lse, gradient, probs, logProbs, softLosses: soft.losses, softGradient: soft.gradient };
      verifyForward(`${cuts.length - 1} parts`, group, results, inner, DIVISOR, [
        0,
        49,
        64,
        65,
        99,
        100,
        101,
        classes - 1,
        ...group.indices,
      ]);
    }
  }
});

it.each(types)("is within the bounds for confident rows in long parts, $type", ({ Elements }) => {
  const random = seeded(9);
  const classes = 100;
  const logits = Array.from({ length: 60 }, () => {
    const top = 15 + 60 * random();
    return Array.from(Elements.from(Array.from({ length: classes }, (_, j) => (j === 7 ? top : 0.3))));
  });
  const q = logits.map((row) => row.map((_, j) => Number(j === 7)));
  const group = { logits, indices: logits.map(() => 7), distributions: q };
  const shape = { outer: logits.length, classes, inner: 1 };
  const x = layOut(logits, 1, Elements);
  const hard = sharded(x, Int32Array.from(group.indices), shape, [0, 50, classes], random, {}, DIVISOR);
  const soft = sharded(x, layOut(q, 1, Elements), shape, [0, 50, classes], random, {}, DIVISOR);
  const { losses, lse, gradient, probs, logProbs } = hard;
  const results = { losses, lse, gradient, probs, logProbs, softLosses: soft.losses, softGradient: soft.gradient };
  verifyForward("confident", group, results, 1, DIVISOR, [0, 7, 50]);
});

it.each(types)("is within the bounds for parts of several blocks, $type", ({ Elements }) => {
  const random = seeded(6);
  const classes = 5000;
  const kinds = Object.values(LONG_ROWS);
  const logits = kinds.map((kind) => {
    const at = kind(random, classes);
    return Array.from(Elements.from(Array.from({ length: classes }, (_, j) => at(j))));
  });
  const q = kinds.map((_, r) => Array.from({ length: classes }, (_, j) => (j === 10 * r ? 0.5 : 0)));
  const group = { logits, indices: [0, 2507, 4999, 4995], distributions: q };
  const shape = { outer: kinds.length, classes, inner: 1 };
  for (const cuts of [
    [0, 2500, classes],
    [0, 40, 2600, classes],
  ]) {
    const x = layOut(logits, 1, Elements);
    const hard = sharded(x, Int32Array.from(group.indices), shape, cuts, random, {}, DIVISOR);
    const soft = sharded(x, layOut(q, 1, Elements), shape, cuts, random, {}, DIVISOR);
    const { losses, lse, gradient, probs, logProbs } = hard;
    const results = { losses, lse, gradient, probs, logProbs, softLosses: soft.losses, softGradient: soft.gradient };
    verifyForward(`cut at ${cuts}`, group, results, 1, DIVISOR, [0, 10, 39, 40, 2499, 2500, 2507, 2600, 4995, 4999]);
  }
});

it.each(types)("is within the bounds with any options, $type", ({ Elements }) => {
  const random = seeded(4711);
  for (let i = 0; i < 42; i++) {
    const classes = [2, 3, 7, 20, 90, 130][i % 6];
    const inner = i % 3 === 0 && classes < 90 ? 3 : 1;
    const drawn = lossCase(random, 2, classes, inner, Elements as ArrayType<Float64Array>);
    const { options } = drawn;
    if (options.mask && options.labelSmoothing) continue;
    const cuts = cutInto(random, classes, 1 + Math.floor(random() * 4));
    const results = sharded(drawn.logits, drawn.labels, drawn, cuts, random, options);
    verifyLoss(drawn, results);
  }
});

it("gives a confident row its loss wherever its label lies", () => {
  const first = crossEntropyPart([[48]], [0], { classes: 2 });
  const second = crossEntropyPart([[0]], [0], { classes: 2, classOffset: 1 });
  const part = CrossEntropyPart.merge([second, first]);
  expect(part.loss()).toBe(crossEntropy([[48, 0]], [0]));
  expect(part.loss()).toBeCloseTo(1.4251640827409352e-21, 34);
  const [[atLabel]] = crossEntropyWithGradient([[48]], [0], { part }).gradient;
  expect(atLabel).toBe(-part.loss());
  expect(crossEntropyWithGradient([[0]], [0], { part, classOffset: 1 }).gradient).toEqual([[part.loss()]]);
});

describe("a part of all classes has the bits of the plain call", () => {
  const shapes = [
    { outer: 40, classes: 2, inner: 1 },
    { outer: 40, classes: 9, inner: 1 },
    { outer: 30, classes: 1500, inner: 1 },
    { outer: 3, classes: 9, inner: 11 },
  ];
  const cases = types.flatMap((type) => shapes.map((shape) => ({ ...type, shape, title: JSON.stringify(shape) })));
  it.each(cases)("$type, $title", ({ Elements, shape }) => {
    const random = seeded(3);
    const { outer, classes, inner } = shape;
    const rows = outer * inner;
    const x = Elements.from(Array.from({ length: rows * classes }, () => 20 * random() - 10));
    const labels = Int32Array.from({ length: rows }, () => Math.floor(random() * classes));
    const q = x.map(() => random() / classes) as Floats;
    const weights = Array.from({ length: classes }, random);
    const at = { shape: [outer, classes, inner], axis: 1 };
    for (const terms of [{}, { ignoreIndex: 1, weights }, { labelSmoothing: 0.1, zLoss: 0.01 }, { sampleWeights: 0.3, scale: 2 }]) {
      for (const y of "ignoreIndex" in terms ? [labels] : [labels, q]) {
        const part = CrossEntropyPart.merge([crossEntropyPart(x, y, { ...at, ...terms, classes })]);
        for (const reduction of ["mean", "sum"] as const) {
          expect(part.loss({ reduction })).toBe(crossEntropy(x, y, { ...at, ...terms, reduction }));
        }
        expect(part.loss({ divisor: 7 })).toBe(crossEntropy(x, y, { ...at, ...terms, divisor: 7 }));
        expectSameBits(part.losses, crossEntropy(x, y, { ...at, ...terms, reduction: "none" }));
        expectSameBits(part.lse, crossEntropy(x, y, { ...at, ...terms, outputs: ["lse"] }).lse as Floats);
        const want = crossEntropyWithGradient(x, y, { ...at, ...terms });
        const got = crossEntropyWithGradient(x, y, { ...at, ...terms, part });
        expect(got.loss).toBe(want.loss);
        expectSameBits(got.gradient as Floats, want.gradient as Floats);
        if (!("ignoreIndex" in terms)) expectSameBits(softmax(x, { ...at, part }), softmax(x, { ...at, scale: terms.scale }));
      }
    }
  });
});

it("has the same bytes for any order and tree of merges", () => {
  const random = seeded(8);
  const shape = { outer: 5, classes: 23, inner: 1 };
  const x = Float64Array.from({ length: 115 }, () => 60 * random() - 30);
  const labels = [0, 22, 7, 8, 9];
  const cuts = cutInto(random, 23, 7);
  const parts = cuts.slice(0, -1).map((first, i) => {
    const count = cuts[i + 1] - first;
    return crossEntropyPart(columns(x, shape, first, count), labels, { shape: [5, count], classes: 23, classOffset: first });
  });
  const want = CrossEntropyPart.merge(parts);
  for (let i = 0; i < 20; i++) {
    const part = mergeAnyhow(random, parts);
    expect(part.toBytes()).toEqual(want.toBytes());
    expectSameBits(part.losses, want.losses);
  }
  expect(want.ranges.map(({ classOffset }) => classOffset)).toEqual(cuts.slice(0, -1));
  expect(want.classes).toBe(23);
});

it("has the special values of whole rows", () => {
  const [inf, nan] = [Number.POSITIVE_INFINITY, Number.NaN];
  const rows = [
    [1, -inf, 2, 3],
    [-inf, -inf, 2, 3],
    [1, 2, -inf, -inf],
    [-inf, -inf, -inf, -inf],
    [1, inf, 2, 3],
    [-inf, -inf, inf, 3],
    [1, 2, nan, 3],
    [inf, 2, nan, -inf],
    [nan, nan, -inf, -inf],
    [1e300, 1e300, -1e300, -inf],
    [0, 0, -2000, -800],
  ];
  const bits = (values: unknown) =>
    JSON.parse(JSON.stringify(values, (_, value) => (Number.isFinite(value) || typeof value !== "number" ? value : String(value))));
  const close = (got: unknown, want: unknown) => {
    const [a, b] = [bits(got).flat(3), bits(want).flat(3)];
    a.forEach((value: unknown, i: number) => {
      if (typeof value === "number" && typeof b[i] === "number") expect(value).toBeCloseTo(b[i], 12);
      else expect([i, value]).toEqual([i, b[i]]);
    });
  };
  const [left, right] = [rows.map((row) => row.slice(0, 2)), rows.map((row) => row.slice(2))];
  for (const y of [0, 1, 2, 3]) {
    const labels = rows.map(() => y);
    const q = rows.map(() => [0, 1, 2, 3].map((j) => (j === y ? 0.5 : j === 2 ? 0.25 : 0)));
    for (const [whole, first, second] of [
      [labels, labels, labels],
      [q, q.map((row) => row.slice(0, 2)), q.map((row) => row.slice(2))],
    ]) {
      const options = { classes: 4, outputs: ["entropy", "argmax"] } as const;
      const part = CrossEntropyPart.merge([
        crossEntropyPart(right, second, { ...options, classOffset: 2 }),
        crossEntropyPart(left, first, options),
      ]);
      const got = part.loss({ reduction: "none", outputs: ["lse", "argmax", "entropy", "correct", "firstBadRow", "validCount"] });
      const want = crossEntropyWithGradient(rows, whole, {
        reduction: "none",
        outputs: ["lse", "argmax", "entropy", "correct", "firstBadRow", "validCount", "probs"],
      });
      close(Array.from(got.loss as Float64Array), want.loss);
      close(Array.from(got.lse), want.lse);
      close(Array.from(got.entropy), want.entropy);
      expect(Array.from(got.argmax)).toEqual(want.argmax);
      expect([got.correct, got.firstBadRow, got.validCount]).toEqual([want.correct, want.firstBadRow, want.validCount]);
      const back = [left, right].map((x, i) => {
        return crossEntropyWithGradient(x, [first, second][i], { reduction: "none", part, classOffset: 2 * i }).gradient;
      });
      close(
        back[0].map((row, r) => [...row, ...back[1][r]]),
        want.gradient,
      );
      const [p, logP] = [softmax, logSoftmax].map((f) => [f(left, { part }), f(right, { part, classOffset: 2 })]);
      close(
        p[0].map((row, r) => [...row, ...p[1][r]]),
        want.probs,
      );
      close(
        logP[0].map((row, r) => [...row, ...logP[1][r]]),
        logSoftmax(rows),
      );
    }
  }
});

it("has the summaries of whole rows", () => {
  const random = seeded(12);
  const shape = { outer: 60, classes: 5, inner: 1 };
  const x = Float64Array.from({ length: 300 }, () => Math.round(4 * random()));
  const labels = Int32Array.from({ length: 60 }, () => Math.floor(5 * random()));
  const q = x.map(() => Math.round(3 * random()));
  const names = [
    "argmax",
    "correct",
    "accuracy",
    "perplexity",
    "meanEntropy",
    "calibration",
    "confusion",
    "validCount",
    "totalWeight",
  ] as const;
  for (const y of [labels, q]) {
    const parts = [
      [0, 2],
      [2, 3],
    ].map(([first, count]) => {
      const its = y === labels ? labels : columns(q, shape, first, count);
      return crossEntropyPart(columns(x, shape, first, count), its, { shape: [60, count], classes: 5, classOffset: first, outputs: names });
    });
    const got = CrossEntropyPart.merge(parts).loss({ outputs: names });
    const want = crossEntropy(x, y, { shape: [60, 5], outputs: names });
    expect(got.argmax).toEqual(want.argmax);
    for (const name of ["correct", "accuracy", "validCount", "totalWeight"] as const) expect(got[name]).toBe(want[name]);
    expect(got.confusion).toEqual(want.confusion);
    expect(got.calibration.counts).toEqual(want.calibration.counts);
    expect(got.perplexity).toBeCloseTo(want.perplexity, 12);
    expect(got.meanEntropy).toBeCloseTo(want.meanEntropy, 12);
  }
});

describe("a total of parts", () => {
  const outputs = ["calibration", "confusion", "total"] as const;
  const valuesOf = ({ loss, meanEntropy, accuracy, topKAccuracy, validCount, totalWeight, calibration, confusion }: LossTotal) => ({
    near: [loss, meanEntropy, ...calibration.confidence.filter((mean) => !Number.isNaN(mean))],
    same: { accuracy, topKAccuracy, validCount, totalWeight, confusion, counts: calibration.counts, rows: calibration.accuracy },
  });

  it.each(types)("is that of the whole rows, for every cut of the rows, $type", ({ Elements }) => {
    const random = seeded(21);
    const [rows, classes] = [90, 12];
    const x = Elements.from(Array.from({ length: rows * classes }, () => Math.round(8 * random()) / 2));
    const labels = Int32Array.from({ length: rows }, () => Math.floor(random() * (classes + 1)) - 1);
    const weights = Array.from({ length: classes }, (_, j) => j % 5);
    const sampleWeights = Array.from({ length: rows }, (_, r) => (r % 7) - 1);
    const terms = { ignoreIndex: -1, weights, labelSmoothing: 0.1 };
    const whole = crossEntropy(x, labels, { shape: [rows, classes], ...terms, sampleWeights, topK: 1, bins: 6, outputs }).total;
    const partsOf = (first: number, end: number, cuts: number[]) => {
      const its = x.slice(first * classes, end * classes);
      const itsShape = { outer: end - first, classes, inner: 1 };
      return cuts.slice(0, -1).map((classOffset, i) => {
        const count = cuts[i + 1] - classOffset;
        const options = {
          shape: [end - first, count],
          classes,
          classOffset,
          ...terms,
          sampleWeights: sampleWeights.slice(first, end),
          outputs,
        };
        return crossEntropyPart(columns(its, itsShape, classOffset, count), labels.subarray(first, end), options);
      });
    };
    const totalOf = (ends: number[], cuts: number[]) =>
      ends.reduce((total, end, i) => {
        const parts = partsOf(ends[i - 1] ?? 0, end, cuts);
        return total.add(CrossEntropyPart.merge(parts).loss({ reduction: "none", bins: 6, outputs }));
      }, new LossTotal());
    const cuts = [0, 5, 9, classes];
    const [want, got] = [valuesOf(whole), valuesOf(totalOf([rows], cuts))];
    expect(got.same).toEqual(want.same);
    got.near.forEach((value, i) => {
      expect(value).toBeCloseTo(want.near[i], 11);
    });
    expect(got.near[0]).not.toBe(0);
    expect(totalOf([13, 60, rows], cuts).toBytes()).toEqual(totalOf([rows], cuts).toBytes());
    // A part of all classes has the bits of the plain call.
    expect(totalOf([13, 60, rows], [0, classes]).toBytes()).toEqual(whole.toBytes());
  });

  it("goes with the gradient, and needs the outputs of the parts", () => {
    const [first, second] = [0, 1].map((classOffset) =>
      crossEntropyPart([[classOffset]], [1], { classes: 2, classOffset, outputs: ["total"] }),
    );
    const part = CrossEntropyPart.merge([second, first]);
    const { total } = crossEntropyWithGradient([[0]], [1], { part, outputs: ["total"] });
    expect(total.toBytes()).toEqual(part.loss({ outputs: ["total"] }).total.toBytes());
    expect(new LossTotal().add([[0, 1]], [1], { topK: 1 }).add({ total }).validCount).toBe(2);
    expect(() => new LossTotal().add([[0, 1]], [1]).add({ total })).toThrow(/^"result" expected topK: 5, as this total has, got topK: 1$/);
    const without = crossEntropyPart([[1, 2]], [1], { classes: 2, outputs: ["argmax"] });
    expect(() => without.loss({ outputs: ["total"] })).toThrow(/^"outputs" expected those that the parts were made for/);
  });
});

it("adds gradients to out, and gives that of labels", () => {
  const x = [Float64Array.of(1, 2, 0.5, -1), Float64Array.of(3, 0, 1, 1)];
  const q = [Float64Array.of(0.2, 0.3, 0, 1), Float64Array.of(0.5, 0, 0, 0)];
  const wholeX = Float64Array.of(1, 2, 3, 0, 0.5, -1, 1, 1);
  const wholeQ = Float64Array.of(0.2, 0.3, 0.5, 0, 0, 1, 0, 0);
  const parts = x.map((logits, i) => crossEntropyPart(logits, q[i], { shape: [2, 2], classes: 4, classOffset: 2 * i, softcap: 5 }));
  const part = CrossEntropyPart.merge(parts);
  const want = crossEntropyWithGradient(wholeX, wholeQ, { shape: [2, 4], softcap: 5, labelGradient: true });
  x.forEach((logits, i) => {
    const out = new Float64Array(4).fill(1);
    const options = { shape: [2, 2], part, classOffset: 2 * i, out, accumulate: true, labelGradient: true } as const;
    const { gradient, labelGradient, loss } = crossEntropyWithGradient(logits, q[i], options);
    expect(gradient).toBe(out);
    expect(loss).toBeCloseTo(want.loss, 14);
    [0, 1, 2, 3].forEach((k) => {
      const at = Math.floor(k / 2) * 4 + 2 * i + (k % 2);
      expect(out[k]).toBeCloseTo(1 + want.gradient[at], 14);
      expect(labelGradient[k]).toBeCloseTo(want.labelGradient[at], 14);
    });
  });
});

it("travels as its state", () => {
  const { port1, port2 } = new MessageChannel();
  const part = crossEntropyPart([[1, 2]], [3], { classes: 4 });
  const { state } = part;
  const bytes = part.toBytes();
  port1.postMessage(state, [state.buffer as ArrayBuffer]);
  expect(() => part.toBytes()).toThrow(/"state" expected the state of a CrossEntropyPart; one that was transferred/);
  return new Promise<void>((resolve) => {
    port2.onmessage = ({ data }) => {
      expect(CrossEntropyPart.fromState(data).toBytes()).toEqual(bytes);
      port2.close();
      resolve();
    };
  });
});

it("takes arrays of another realm, and buffers of Node", () => {
  const part = crossEntropyPart([[1, 2]], [1], { classes: 2 });
  const state = runInNewContext("Float64Array").from(part.state);
  expect(CrossEntropyPart.fromState(state).loss()).toBe(part.loss());
  expect(CrossEntropyPart.fromBytes(Buffer.from(part.toBytes())).loss()).toBe(part.loss());
});

describe("bad input", () => {
  const make = (options: object = {}, x: unknown = [[1, 2]], y: unknown = [0]) =>
    crossEntropyPart(x as number[][], y as number[], { classes: 4, ...options });
  const first = make();
  const second = make({ classOffset: 2 });
  const whole = CrossEntropyPart.merge([first, second]);
  const gradient = (options: object, x: unknown = [[1, 2]], y: unknown = [0]) =>
    crossEntropyWithGradient(x as number[][], y as number[], { part: whole, ...options });

  it.each<[string, () => unknown, ErrorConstructor, RegExp]>([
    ["no classes", () => make({ classes: undefined }), TypeError, /^"classes" expected a number, got undefined$/],
    ["few classes", () => make({ classes: 1 }), RangeError, /^"classes" expected at least 2, as the logits have, got 1$/],
    ["no place", () => make({ classOffset: 3 }), RangeError, /^"classOffset" expected an integer from 0 to 2, got 3$/],
    ["a label beyond", () => make({}, [[1, 2]], [4]), RangeError, /^"labels" expected an integer from 0 to 3 \(C = 4\) at row 0, got 4$/],
    ["few weights", () => make({ weights: [1, 2] }), RangeError, /^"weights" expected 4 numbers, one for each class/],
    ["topK", () => make({ topK: 2 }), RangeError, /^"topK" expected to be left out with parts: the rank of a label/],
    [
      "a reduction",
      () => make({ reduction: "sum" }),
      RangeError,
      /^"reduction" expected to be an option of the part's loss\(\), got "sum"$/,
    ],
    ["an output of ranks", () => make({ outputs: ["topK"] }), RangeError, /^"outputs\[0\]" expected one of "losses", .*, got "topK"$/],
    ["a mask and smoothing", () => make({ mask: [1, 0], labelSmoothing: 0.1 }), RangeError, /^"labelSmoothing" expected 0 beside a mask/],
    ["nothing to merge", () => CrossEntropyPart.merge([]), RangeError, /^"parts" expected at least one part, got \[\]$/],
    ["no part", () => CrossEntropyPart.merge([{} as never]), TypeError, /^"parts\[0\]" expected a CrossEntropyPart, got an object/],
    ["no array", () => CrossEntropyPart.merge(first as never), TypeError, /^"parts" expected an array of CrossEntropyPart/],
    [
      "an overlap",
      () => CrossEntropyPart.merge([first, make({ classOffset: 1 })]),
      RangeError,
      /got one from class 1 on beside one of classes 0 to 1$/,
    ],
    [
      "other rows",
      () =>
        CrossEntropyPart.merge([
          first,
          make(
            { classOffset: 2 },
            [
              [1, 2],
              [3, 4],
            ],
            [0, 0],
          ),
        ]),
      RangeError,
      /^"parts\[1\]" expected the rows of parts\[0\]/,
    ],
    [
      "other labels",
      () => CrossEntropyPart.merge([first, make({ classOffset: 2 }, [[1, 2]], [1])]),
      RangeError,
      /^"parts\[1\]" expected the labels of parts\[0\], got 1 beside 0 at row 0$/,
    ],
    [
      "other terms",
      () => CrossEntropyPart.merge([first, make({ classOffset: 2, zLoss: 1 })]),
      RangeError,
      /^"parts\[1\]" expected the zLoss of parts\[0\], got zLoss 1 beside 0$/,
    ],
    [
      "another type",
      () => CrossEntropyPart.merge([first, make({ classOffset: 2, shape: [1, 2] }, new Float32Array(2))]),
      RangeError,
      /expected the dtype of parts/,
    ],
    [
      "missing classes",
      () => CrossEntropyPart.merge([second]).loss(),
      RangeError,
      /^"part" expected all 4 classes, got none of the classes 0 to 1$/,
    ],
    [
      "missing classes for p",
      () => softmax([[1, 2]], { part: first }),
      RangeError,
      /^"part" expected all 4 classes, got none of the classes 2 to 3$/,
    ],
    [
      "outputs that it has not",
      () => whole.loss({ outputs: ["entropy"] }),
      RangeError,
      /^"outputs" expected those that the parts were made for/,
    ],
    ["something else", () => softmax([[1, 2]], { part: {} as never }), TypeError, /^"part" expected a CrossEntropyPart, got an object/],
    [
      "an offset alone",
      () => softmax([[1, 2]], { classOffset: 1 }),
      RangeError,
      /^"classOffset" expected "part", the part of all classes, got 1$/,
    ],
    ["another offset", () => gradient({ classOffset: 1 }), RangeError, /^"classOffset" expected one of 0, 2, where parts begin, got 1$/],
    [
      "other classes",
      () => gradient({}, [[1, 2, 3]]),
      RangeError,
      /^"logits" expected 2 classes, those of the part from class 0 on, got 3 classes$/,
    ],
    [
      "other rows of logits",
      () =>
        gradient(
          {},
          [
            [1, 2],
            [3, 4],
          ],
          [0, 0],
        ),
      RangeError,
      /^"logits" expected 1 row, those of "part", got 2 rows$/,
    ],
    ["other labels of the gradient", () => gradient({}, [[1, 2]], [1]), RangeError, /^"labels" expected 0 at row 0, as in "part", got 1$/],
    ["another term", () => gradient({ scale: 2 }), RangeError, /^"scale" expected 1, as in "part", got 2$/],
    ["weights", () => gradient({ weights: [1, 1, 1, 1] }), RangeError, /^"weights" expected those of "part"/],
    ["another weight of a row", () => gradient({ sampleWeights: 2 }), RangeError, /^"sampleWeights\[0\]" expected 1, as in "part", got 2$/],
    ["topK of the gradient", () => gradient({ topK: 3 }), RangeError, /^"topK" expected to be left out with parts/],
    [
      "another type of logits",
      () => gradient({ shape: [1, 2] }, new Float32Array(2)),
      TypeError,
      /^"logits" expected float64, the element type of "part", got float32$/,
    ],
  ])("%s", (_, call, Type, message) => {
    expect(call).toThrow(Type);
    expect(call).toThrow(message);
  });

  it("bytes that are not those of a part", () => {
    const bytes = whole.toBytes();
    const changed = (at: number, value: number) => Uint8Array.from(bytes, (byte, i) => (i === at ? value : byte));
    const read = (given: unknown) => () => CrossEntropyPart.fromBytes(given as Uint8Array);
    expect(read("x")).toThrow(/^"bytes" expected a Uint8Array, got "x"$/);
    for (const foreign of [new Uint8Array(3), changed(0, 0), new LossTotal().toBytes()]) {
      expect(read(foreign)).toThrow(/^"bytes" expected those of a CrossEntropyPart, got a Uint8Array of length \d+$/);
    }
    expect(read(changed(4, 2))).toThrow(/^"bytes" expected version 1, got 2; a newer softmax-wasm has written them$/);
    expect(read(bytes.subarray(0, bytes.length - 8))).toThrow(/^"bytes" expected \d+ bytes, as their head says, got \d+$/);
    expect(read(changed(bytes.length - 1, 7))).toThrow(/^"bytes" expected those of a CrossEntropyPart, unchanged, got another checksum$/);
    const { state } = whole;
    for (const at of [0, 1, 2, 3, 16, 17, 18, 20]) {
      const wrong = Float64Array.from(state, (value, i) => (i === at ? 1e9 : value));
      expect(() => CrossEntropyPart.fromState(wrong), `element ${at}`).toThrow(/^"state" expected the state of a CrossEntropyPart/);
    }
    expect(() => CrossEntropyPart.fromState([1] as never)).toThrow(/^"state" expected a Float64Array/);
  });
});
