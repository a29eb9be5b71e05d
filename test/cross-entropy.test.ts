// The loss and its gradient: the numbers of a textbook, labels, reductions, and functions against layers.

import { describe, expect, it } from "vitest";
import { distribution, ROWS, seeded } from "../reference/data.js";
import { LIMITS } from "../reference/limits.js";
import { exactGradient, exactLoss, exactRow, exactSum, ulpError } from "../reference/oracle.js";
import { crossEntropy, crossEntropyWithGradient, SoftmaxCrossEntropy, softmax } from "../src/index.js";
import { expectSameBits } from "./verify.js";

const flat = (length: number, seed = 1) => Float64Array.from(ROWS.uniform(seeded(seed), length));

describe("the textbook", () => {
  const x = [-1.2, 1.6, 0.9];

  it("has this softmax", () => {
    const probs = softmax(x);
    [0.039046, 0.64209771, 0.31885629].forEach((p, j) => {
      expect(probs[j]).toBeCloseTo(p, 8);
    });
  });

  it.each([
    [0, 1.081, [-0.320318, 0.21403257, 0.10628543]],
    [1, 0.148, [0.01301533, -0.11930076, 0.10628543]],
    [2, 0.381, [0.01301533, 0.21403257, -0.2270479]],
  ])("has these losses and gradients, divided by 3, for label %i", (label, loss, gradient) => {
    const got = crossEntropyWithGradient(x, label, { divisor: 3 });
    expect(got.loss).toBeCloseTo(loss, 3);
    got.gradient.forEach((value, j) => {
      expect(value).toBeCloseTo(gradient[j], 8);
    });
    const layer = new SoftmaxCrossEntropy({ divisor: 3 });
    expect(layer.forward(x, [label])).toBe(got.loss);
    expect(layer.backward<number[]>()).toEqual(got.gradient);
  });

  it("normalizes its batches over axis 0 and divides by N", () => {
    // The textbook's code takes a batch (N, C), sums exp down each column, takes the loss of a column at a row, and divides by N.
    const [rows, classes] = [5, 4];
    const batch = Array.from({ length: rows }, (_, r) => ROWS.uniform(seeded(r), classes));
    const labels = [0, 2, 4, 1];
    const exps = batch.map((row) => row.map(Math.exp));
    const sums = exps[0].map((_, j) => exps.reduce((sum, row) => sum + row[j], 0));
    const probs = exps.map((row) => row.map((e, j) => e / sums[j]));
    const loss = labels.reduce((sum, r, j) => sum - Math.log(probs[r][j]), 0) / rows;
    const gradient = probs.map((row, r) => row.map((p, j) => (p - (labels[j] === r ? 1 : 0)) / rows));

    const got = crossEntropyWithGradient(batch, labels, { axis: 0, divisor: rows });
    expect(got.loss).toBeCloseTo(loss, 13);
    got.gradient.forEach((row, r) => {
      row.forEach((value, j) => {
        expect(value).toBeCloseTo(gradient[r][j], 14);
      });
    });
    softmax(batch, { axis: 0 }).forEach((row, r) => {
      row.forEach((value, j) => {
        expect(value).toBeCloseTo(probs[r][j], 14);
      });
    });
  });
});

describe("labels", () => {
  const x = flat(12);
  const shape = [4, 3];
  const indices = [2, 0, 1, 2];
  const want = crossEntropyWithGradient(x, indices, { shape });

  it.each([Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, Float32Array, Float64Array])(
    "may be class indices in any numeric typed array (%o)",
    (Container) => {
      expect(crossEntropyWithGradient(x, Container.from(indices), { shape })).toEqual(want);
    },
  );

  it("may be 64-bit class indices, an ndarray of them, or one number for one row", () => {
    expect(crossEntropyWithGradient(x, BigInt64Array.from(indices, BigInt), { shape })).toEqual(want);
    expect(crossEntropyWithGradient(x, BigUint64Array.from(indices, BigInt), { shape })).toEqual(want);
    expect(crossEntropyWithGradient(x, { data: Uint8Array.from(indices), shape: [4] }, { shape })).toEqual(want);
    expect(crossEntropy([1, 2, 3], 1)).toBe(crossEntropy([[1, 2, 3]], [1]));
  });

  it("may be distributions in any container; one-hot ones give the same bits as indices", () => {
    const oneHot = indices.map((y) => [0, 1, 2].map((j) => (j === y ? 1 : 0)));
    expect(crossEntropyWithGradient(x, oneHot, { shape })).toEqual(want);
    for (const Container of [Uint8Array, Int32Array, Float32Array, Float64Array]) {
      expect(crossEntropyWithGradient(x, Container.from(oneHot.flat()), { shape })).toEqual(want);
    }
    expect(crossEntropyWithGradient(x, oneHot.flat(), { shape })).toEqual(want);
    expect(crossEntropyWithGradient(x, { data: Float32Array.from(oneHot.flat()), shape }, { shape })).toEqual(want);
  });

  it("follow the logits' axes", () => {
    // (2, 3, 4) with 3 classes on axis 1: one label for each (2, 4).
    const volume = flat(24);
    const labels = [
      [0, 1, 2, 0],
      [2, 2, 1, 0],
    ];
    const options = { shape: [2, 3, 4], axis: 1, reduction: "none" } as const;
    const losses = crossEntropy(volume, labels, options);
    expect(losses).toEqual(crossEntropy(volume, labels.flat(), options));
    losses.forEach((loss, r) => {
      const row = [0, 1, 2].map((j) => volume[(Math.floor(r / 4) * 3 + j) * 4 + (r % 4)]);
      expect(loss).toBe(crossEntropy(row, labels.flat()[r]));
    });
  });

  it("are read before the gradient is written, also from the memory of out", () => {
    const out = new Float64Array(12);
    const inside = new Int32Array(out.buffer, 8, 4);
    inside.set(indices);
    const got = crossEntropyWithGradient(x, inside, { shape, out });
    expect(got).toEqual(want);
  });

  it("of a single class are indices as integers and distributions as floating-point numbers", () => {
    const one = [[3], [4]];
    expect(crossEntropyWithGradient(one, [0, 0])).toEqual({ loss: 0, gradient: [[0], [0]] });
    expect(crossEntropyWithGradient(one, Float64Array.of(1, 1))).toEqual({ loss: 0, gradient: [[0], [0]] });
    expect(crossEntropyWithGradient([3], 0)).toEqual({ loss: 0, gradient: [0] });
  });

  it("need not sum to 1: loss and gradient are Σ −q log p and Q p − q", () => {
    const row = exactRow([1, 2, 4]);
    const { loss, gradient } = crossEntropyWithGradient([1, 2, 4], [2, 0, 0.5]);
    expect(ulpError(loss, exactLoss(row, [2, 0, 0.5]))).toBeLessThanOrEqual(LIMITS.loss);
    gradient.forEach((value, j) => {
      expect(value).toBeCloseTo(2.5 * row.probs[j].toNumber() - [2, 0, 0.5][j], 14);
    });
  });
});

describe("confident rows", () => {
  it.each([1, 30, 50, 700, 744])("keep their digits at a gap of %d", (gap) => {
    const row = exactRow([0, gap]);
    const { loss, gradient } = crossEntropyWithGradient([0, gap], 1);
    expect(loss).toBeGreaterThan(0);
    expect(ulpError(loss, exactLoss(row, 1))).toBeLessThanOrEqual(LIMITS.loss);
    expect(ulpError(gradient[1], row.others[1].neg())).toBeLessThanOrEqual(LIMITS.gradient);
  });
});

describe("rows that came out wrong once", () => {
  it("stay right", () => {
    const probs = softmax([-3.446084129877074, -31.176243450617264]);
    expect(ulpError(probs[1], exactRow([-3.446084129877074, -31.176243450617264]).probs[1])).toBeLessThanOrEqual(LIMITS.probs);
    const logits = [-3.4468332472340943, -31.17665555464199];
    const { gradient } = crossEntropyWithGradient(logits, 0);
    expect(ulpError(gradient[1], exactRow(logits).probs[1])).toBeLessThanOrEqual(LIMITS.gradient);
    for (const x of [[0, -744.4], Array.from({ length: 20 }, (_, j) => (j ? -747 : 0))]) {
      for (const mass of [9, 1e5, 1e30]) {
        const q = x.map((_, j) => (j ? 0 : mass));
        expect(ulpError(crossEntropy(x, q), exactLoss(exactRow(x), q))).toBeLessThanOrEqual(LIMITS.loss);
      }
    }
  });

  it("have an infinite loss where it overflows, not NaN", () => {
    expect(crossEntropy([[1e308, 0]], [1], { divisor: 0.5 })).toBe(Infinity);
    expect(crossEntropy([[3, 0]], [1], { divisor: 1e-309 })).toBe(Infinity);
    expect(crossEntropy([[1e-5, 0]], [0], { divisor: 1e-309 })).toBe(Infinity);
  });
});

describe("reductions", () => {
  const x = flat(500 * 20);
  const shape = [500, 20];
  const labels = Int32Array.from({ length: 500 }, (_, r) => (r * 7) % 20);
  const losses = crossEntropy(x, labels, { shape, reduction: "none" });

  it("are the mean, the sum, or each row's loss", () => {
    const sum = exactSum(losses);
    expect(ulpError(crossEntropy(x, labels, { shape }), sum.div(500))).toBeLessThanOrEqual(LIMITS.mean);
    expect(ulpError(crossEntropy(x, labels, { shape, reduction: "sum" }), sum)).toBeLessThanOrEqual(LIMITS.mean);
    expect(crossEntropy(x, labels, { shape, divisor: 7 })).toBeCloseTo(sum.div(7).toNumber(), 10);
  });

  it("scale the gradient as they scale the loss, without an error of their own", () => {
    const plain = crossEntropyWithGradient(x, labels, { shape, reduction: "none" }).gradient;
    expect(crossEntropyWithGradient(x, labels, { shape, reduction: "sum" }).gradient).toEqual(plain);
    const mean = crossEntropyWithGradient(x, labels, { shape }).gradient;
    for (const [r, label] of labels.entries()) {
      const want = exactGradient(exactRow(x.subarray(20 * r, 20 * (r + 1))), label);
      want.forEach((value, j) => {
        expect(ulpError(mean[20 * r + j], value.div(500))).toBeLessThanOrEqual(LIMITS.gradient);
      });
    }
  });

  it("of no rows are 0 or empty", () => {
    const none = { shape: [0, 5] };
    const empty = new Float64Array(0);
    expect(crossEntropy(empty, [], none)).toBe(0);
    expect(crossEntropy(empty, [], { ...none, reduction: "sum" })).toBe(0);
    expect(crossEntropy(empty, [], { ...none, reduction: "none" })).toEqual(empty);
    expect(crossEntropyWithGradient(empty, new Int32Array(0), none)).toEqual({ loss: 0, gradient: empty });
    const layer = new SoftmaxCrossEntropy(none);
    expect(layer.forward()).toBe(0);
    expect(layer.backward()).toEqual(empty);
    for (const [shape, axis] of [
      [[0, 2 ** 32], -1],
      [[0, 2 ** 30, 3], 1],
    ] as const) {
      const wide = new SoftmaxCrossEntropy({ shape, axis });
      expect(wide.forward()).toBe(0);
      expect(wide.backward()).toEqual(empty);
    }
  });
});

describe("functions and layers", () => {
  const cases: { shape: number[]; axis: number }[] = [
    { shape: [3, 2], axis: -1 },
    { shape: [7, 10], axis: -1 },
    { shape: [700, 100], axis: -1 },
    { shape: [3, 40000], axis: -1 },
    { shape: [2, 21, 9], axis: 1 },
    { shape: [9, 30], axis: 0 },
    { shape: [33000, 3], axis: 0 },
  ];
  const bitsOf = (loss: number | Float64Array) => (typeof loss === "number" ? Float64Array.of(loss) : loss);

  it.each(cases)("agree bit for bit at $shape, axis $axis", ({ shape, axis }) => {
    const size = shape.reduce((a, b) => a * b);
    const classes = shape.at(axis) as number;
    const rows = size / classes;
    const random = seeded(size);
    const x = flat(size);
    const indices = Int32Array.from({ length: rows }, () => Math.floor(random() * classes));
    const q = Float64Array.from(Array.from({ length: rows }, (_, r) => distribution(random, classes, r)).flat());
    for (const reduction of ["mean", "sum", "none"] as const) {
      for (const labels of [indices, q]) {
        const { loss, gradient } = crossEntropyWithGradient(x, labels, { shape, axis, reduction });
        expectSameBits(bitsOf(crossEntropy(x, labels, { shape, axis, reduction })), bitsOf(loss));

        const copying = new SoftmaxCrossEntropy({ axis, reduction });
        const container = { data: x, shape };
        const forward = copying.forward(container, labels);
        expectSameBits(bitsOf(typeof forward === "number" ? forward : forward.data), bitsOf(loss));
        expectSameBits(copying.backward<typeof container>().data, gradient);

        const resident = new SoftmaxCrossEntropy({ shape, axis, reduction, labels: labels === q ? "distribution" : "indices" });
        resident.logits.set(x);
        resident.labels.set(labels);
        expectSameBits(bitsOf(resident.forward()), bitsOf(loss));
        expectSameBits(resident.backward(), gradient);
        expectSameBits(resident.probs, softmax(x, { shape, axis }));

        const inPlace = x.slice();
        expect(crossEntropyWithGradient(inPlace, labels, { shape, axis, reduction, out: inPlace }).gradient).toBe(inPlace);
        expectSameBits(inPlace, gradient);
      }
    }
  });
});
