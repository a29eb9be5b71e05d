// The options of the loss: in random combinations against the exact results, and each by itself.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Random, seeded } from "../reference/data.js";
import { type Conditioned, exactTerms } from "../reference/exact-terms.js";
import { positionIn } from "../reference/layout.js";
import { LIMITS } from "../reference/limits.js";
import { exact } from "../reference/oracle.js";
import {
  crossEntropy,
  crossEntropyHessianDiagonal,
  crossEntropyHvp,
  crossEntropyWithGradient,
  type LossOptions,
  logSoftmax,
  SoftmaxCrossEntropy,
  softmax,
} from "../src/index.js";
import { type LossCase, lossCase, secondOrder } from "./loss-cases.js";
import { expectSameBits, type Floats, near, verifyLoss } from "./verify.js";

const OUTPUTS = [
  "losses",
  "probs",
  "logProbs",
  "lse",
  "entropy",
  "confidence",
  "argmax",
  "correct",
  "topK",
  "validCount",
  "totalWeight",
  "firstBadRow",
] as const;

function verify(lossCase: LossCase<Floats>): void {
  const { outer, classes, inner, logits, labels, vector, options, exact: rows } = lossCase;
  const labelGradient = !(labels instanceof Int32Array);
  const given = { ...options, shape: [outer, classes, inner], axis: 1, reduction: "none" } as const;
  const got = crossEntropyWithGradient(logits, labels, { ...given, outputs: OUTPUTS, labelGradient: labelGradient as true });
  const hessianProduct = crossEntropyHvp(logits, labels, vector, secondOrder(given));
  const hessianDiagonal = crossEntropyHessianDiagonal(logits, labels, secondOrder(given));
  verifyLoss(lossCase, { ...got, hessianProduct, hessianDiagonal });
  expect(got.validCount).toBe(rows.filter((row) => row !== undefined).length);
}

/** (outer, classes, inner) on both sides of every change of kernel. */
const SHAPES = [
  [5, 1, 1],
  [4, 2, 1],
  [7, 3, 1],
  [3, 10, 1],
  [2, 45, 1],
  [2, 4, 3],
  [1, 50, 2],
] as const;

const TYPES = [
  { dtype: "float64", Elements: Float64Array },
  { dtype: "float32", Elements: Float32Array },
] as const;

describe.each(TYPES)("random options of $dtype", ({ dtype, Elements }) => {
  it.each(SHAPES)("outer %d, %d classes, inner %d: every result is exact", (outer, classes, inner) => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        verify(lossCase<Floats>(seeded(seed), outer, classes, inner, Elements));
      }),
      { numRuns: Math.ceil(1200 / (outer * classes * inner)) },
    );
  });

  it.each(SHAPES)("outer %d, %d classes, inner %d: layers have the same bits as functions", (outer, classes, inner) => {
    fc.assert(
      fc.property(fc.nat(), fc.constantFrom("mean", "sum", "none"), (seed, reduction) => {
        const { logits, labels, options } = lossCase<Floats>(seeded(seed), outer, classes, inner, Elements);
        const shape = [outer, classes, inner];
        const isDistribution = !(labels instanceof Int32Array);
        const { mask, sampleWeights, ...terms } = options;
        const given = { ...options, shape, axis: 1, reduction, outputs: OUTPUTS, labelGradient: isDistribution } as const;
        const want = crossEntropyWithGradient(logits, labels, given) as unknown as Record<string, unknown>;
        using layer = new SoftmaxCrossEntropy({
          ...terms,
          dtype,
          shape,
          axis: 1,
          reduction,
          labels: isDistribution ? "distribution" : "indices",
          sampleWeights: sampleWeights !== undefined,
          mask: mask && (mask.length === classes ? mask : true),
          labelGradient: isDistribution,
          outputs: OUTPUTS,
        });
        layer.logits.set(logits);
        layer.labels.set(labels as Int32Array);
        if (sampleWeights) layer.sampleWeights.set(sampleWeights);
        if (mask && mask.length !== classes) layer.mask.set(mask);
        const loss = layer.forward();
        if (reduction === "none") expectSameBits(loss as unknown as Floats, want.loss as Floats);
        else expect(loss).toBe(want.loss);
        expectSameBits(layer.backward(), want.gradient as Floats);
        for (const name of OUTPUTS) expect(layer[name], name).toEqual(want[name]);
        if (isDistribution) expectSameBits(layer.labelGradient, want.labelGradient as Floats);

        // A layer computes probabilities that are not in its outputs when they are read; its other results stay unchanged.
        const lazyMask = mask && (mask.length === classes ? mask : (true as const));
        using lazy = new SoftmaxCrossEntropy({ ...terms, dtype, shape, axis: 1, mask: lazyMask, outputs: ["correct"] });
        if (mask && mask.length !== classes) lazy.mask.set(mask);
        lazy.forward(logits, labels);
        const { correct } = lazy;
        const gradient = lazy.gradient.slice();
        expectSameBits(lazy.probs, want.probs as Floats);
        expectSameBits(lazy.gradient, gradient);
        expect(lazy.correct).toBe(correct);
      }),
      { numRuns: Math.ceil(1200 / (outer * classes * inner)) },
    );
  });
});

/** Second derivatives and gradient of a batch whose factors, and vector, are of all magnitudes. */
function verifyExtremes(random: Random, outer: number, classes: number, inner: number): void {
  const rows = outer * inner;
  const at = positionIn(classes, inner);
  const maybe = <T>(value: T): T | undefined => (random() < 0.5 ? value : undefined);
  const magnitude = (least: number, most: number) => 10 ** (least + (most - least) * random());
  const array = (length: number, make: () => number) => Array.from({ length }, make);
  const scale = maybe(magnitude(-100, 100));
  // A p below 2^-1298 counts as 0. Beside tiny weights, masses or vectors also a greater one may be lost.
  const isDeep = random() < 0.3;
  const spread = isDeep ? 890 : 100;
  const logits = Float64Array.from({ length: rows * classes }, () => (spread * (random() - 0.5)) / (scale ?? 1));
  const size = magnitude(isDeep ? -150 : -250, 300);
  const weights = maybe(array(classes, () => size * (random() - 0.3)));
  const sampleWeights = maybe(array(rows, () => magnitude(-200, 200) * (random() < 0.5 ? -1 : 1)));
  const divisor = maybe(magnitude(-200, 200));
  // Of terms further apart than doubles are, the lesser one is lost; so are the digits of 2 zLoss lse that a subnormal number has no place for.
  const zLoss = maybe(Math.max(1e-290, (weights ? size : 1) * magnitude(-100, 0)));
  const vectorSize = magnitude(isDeep ? -20 : -120, 300);
  const vector = Float64Array.from({ length: rows * classes }, () => vectorSize * (2 * random() - 1));
  // The products of weights and distributions, which are targets, are doubles.
  const mass = weights || zLoss ? 1 : magnitude(isDeep ? -150 : -250, 300);
  const labels =
    random() < 0.5
      ? Int32Array.from({ length: rows }, () => Math.floor(random() * classes))
      : Float64Array.from({ length: rows * classes }, () => mass * random());
  const reduction = divisor === undefined ? "sum" : "mean";
  const given = { shape: [outer, classes, inner], axis: 1, weights, sampleWeights, divisor, zLoss, scale, reduction };
  const { gradient } = crossEntropyWithGradient(logits, labels, given);
  const product = crossEntropyHvp(logits, labels, vector, given);
  const diagonal = crossEntropyHessianDiagonal(logits, labels, given);
  for (let r = 0; r < rows; r++) {
    const row = (values: ArrayLike<number>) => array(classes, () => 0).map((_, j) => values[at(r, j)]);
    const exactRow = exactTerms({
      logits: row(logits).map((x) => x * (scale ?? 1)),
      open: new Array(classes).fill(true),
      label: labels instanceof Int32Array ? labels[r] : row(labels),
      weights: weights ?? new Array(classes).fill(1),
      labelSmoothing: 0,
      zLoss: zLoss ?? 0,
      sampleWeight: sampleWeights?.[r] ?? 1,
      scale: scale ?? 1,
    });
    const check = (limit: number, what: string, got: number, { value, size }: Conditioned) => {
      const result = { value: value.div(exact(divisor ?? 1)), size: size.div(exact(divisor ?? 1)) };
      // Where terms are as large as doubles can be, a result is known only if it is about as large.
      if (result.size.gt(1e307)) {
        if (result.value.abs().times(10).gt(result.size)) expect(got * result.value.s, what).toBeGreaterThan(1e306);
      } else near(limit, `${what} of row ${r}, ${JSON.stringify(given)}`, got, result);
    };
    const wantProduct = exactRow.product(row(vector));
    for (let j = 0; j < classes; j++) {
      check(LIMITS.gradient, "gradient", gradient[at(r, j)], exactRow.gradient[j]);
      check(LIMITS.secondOrder, "product", product[at(r, j)], wantProduct[j]);
      check(LIMITS.secondOrder, "diagonal", diagonal[at(r, j)], exactRow.diagonal[j]);
    }
  }
}

/** Rows of four classes, with a logit of −∞ and a nearly certain class. */
const LOGITS = [
  [0.5, -1, 2, 0],
  [3, -Infinity, 0, 1],
  [0, 60, -20, 5],
];
const FLAT = Float64Array.from(LOGITS.flat());
const SHAPE = { shape: [3, 4] };
const LABELS = [2, 0, 1];
const SOFT = [
  [0.1, 0.2, 0.3, 0.4],
  [0.5, 0, 0.5, 0],
  [0, 1, 0, 0],
];

describe("with options that change nothing", () => {
  // Weights of 1 and the like take the walk with options, whose results must be those without options.
  const idle: LossOptions[] = [
    { weights: [1, 1, 1, 1] },
    { sampleWeights: [1, 1, 1] },
    { mask: [true, true, true, true] },
    { outputs: [] as never[] },
    { labelSmoothing: 0, zLoss: 0, scale: 1, emptyMean: 0 },
  ];
  it.each(idle)("the bits are those without: %o", (options) => {
    for (const [classes, rows] of [
      [2, 9],
      [3, 9],
      [40, 5],
      [41, 5],
      [1500, 2],
    ]) {
      const random = seeded(classes);
      const x = Float64Array.from({ length: rows * classes }, () => 40 * random() - 20);
      const y = Int32Array.from({ length: rows }, () => Math.floor(random() * classes));
      const q = softmax(x, { shape: [rows, classes] });
      const ones = (values: unknown, length: number) => (values === undefined ? undefined : new Array(length).fill(1));
      const given = { ...options, shape: [rows, classes], weights: ones(options.weights, classes) };
      const all = { ...given, sampleWeights: ones(options.sampleWeights, rows), mask: ones(options.mask, classes) };
      for (const labels of [y, q]) {
        const want = crossEntropyWithGradient(x, labels, { shape: [rows, classes] });
        const got = crossEntropyWithGradient(x, labels, { ...all, outputs: ["losses"] });
        expect(got.loss).toBe(want.loss);
        expectSameBits(got.gradient, want.gradient);
        expectSameBits(got.losses, crossEntropy(x, labels, { shape: [rows, classes], reduction: "none" }));
        if (labels === q) continue;
        const inFloat32 = Float32Array.from(x);
        const roundedWant = crossEntropyWithGradient(inFloat32, y, { shape: [rows, classes], outputs: ["losses"] });
        const rounded = crossEntropyWithGradient(inFloat32, y, { ...all, outputs: ["losses"] });
        expectSameBits(rounded.gradient, roundedWant.gradient);
        expectSameBits(rounded.losses, roundedWant.losses);
      }
    }
  });

  it("the outputs probs and logProbs have the bits of softmax and logSoftmax", () => {
    const { probs, logProbs } = crossEntropy(LOGITS, LABELS, { outputs: ["probs", "logProbs"] });
    expect(probs).toEqual(softmax(LOGITS));
    expect(logProbs).toEqual(logSoftmax(LOGITS));
  });
});

describe("ignored rows", () => {
  it("have no loss and no gradient, and are not read", () => {
    const want = crossEntropyWithGradient(LOGITS.slice(0, 2), LABELS.slice(0, 2));
    const got = crossEntropyWithGradient([...LOGITS.slice(0, 2), [Number.NaN, Infinity, 0, 0]], [2, 0, -100], { ignoreIndex: -100 });
    expect(got.loss).toBe(want.loss);
    expect(got.gradient.slice(0, 2)).toEqual(want.gradient);
    expect(got.gradient[2].map((g) => g + 0)).toEqual([0, 0, 0, 0]);
  });

  it("may be marked by the index of a class", () => {
    expect(crossEntropy(LOGITS, LABELS, { ignoreIndex: 0 })).toBe(crossEntropy([LOGITS[0], LOGITS[2]], [2, 1]));
  });

  it("are those whose classes are all excluded", () => {
    const mask = [
      [1, 1, 1, 1],
      [0, 0, 0, 0],
      [1, 1, 1, 1],
    ];
    const got = crossEntropyWithGradient([LOGITS[0], [Number.NaN, 0, 0, 0], LOGITS[2]], LABELS, { mask, outputs: ["validCount"] });
    expect(got.loss).toBe(crossEntropy([LOGITS[0], LOGITS[2]], [2, 1]));
    expect(got.validCount).toBe(2);
    expect(got.gradient[1]).toEqual([0, 0, 0, 0]);
  });

  it("leave a mean of nothing: 0, or NaN if that is wanted, and a gradient of zeros whatever the logits are", () => {
    const nothing: [typeof LOGITS, number[], LossOptions][] = [
      [LOGITS, [5, 5, 5], { ignoreIndex: 5 }],
      [LOGITS, LABELS, { sampleWeights: [0, 0, 0] }],
      [LOGITS, LABELS, { mask: [0, 0, 0, 0] }],
      [[[Number.NaN, 1, 2, 3]], [0], { weights: [0, 1, 1, 1] }],
    ];
    for (const [logits, labels, options] of nothing) {
      const { loss, gradient } = crossEntropyWithGradient(logits, labels, options);
      expect(loss).toBe(0);
      expect(gradient.flat().every((g) => g === 0)).toBe(true);
      expect(crossEntropy(logits, labels, { ...options, emptyMean: Number.NaN })).toBeNaN();
      using layer = new SoftmaxCrossEntropy({ ignoreIndex: 5, emptyMean: Number.NaN });
      expect(layer.forward(LOGITS, [5, 5, 5])).toBeNaN();
      expect(layer.backward<number[][]>().flat()).toEqual(new Array(12).fill(0));
    }
    expect(crossEntropy(LOGITS, [5, 5, 5], { ignoreIndex: 5, reduction: "sum", emptyMean: Number.NaN })).toBe(0);
    // With a given divisor the mean is always defined, as a part of a batch may have no weight.
    expect(crossEntropy(LOGITS, [5, 5, 5], { ignoreIndex: 5, divisor: 3, emptyMean: Number.NaN })).toBe(0);
    expect(crossEntropy(new Float64Array(0), new Int32Array(0), { shape: [0, 4], emptyMean: Number.NaN })).toBeNaN();
  });
});

describe("weights", () => {
  it("a row of weight 0 counts nothing, whatever it holds, and is there", () => {
    const broken = [LOGITS[0], [Number.NaN, 1, 1, 1], LOGITS[2]];
    const options = { sampleWeights: [1, 0, 3], outputs: ["validCount", "totalWeight", "losses", "probs"] } as const;
    const got = crossEntropyWithGradient(broken, LABELS, options);
    const [a, , c] = crossEntropy(LOGITS, LABELS, { reduction: "none" });
    expect(got.loss).toBeCloseTo((a + 3 * c) / 4, 15);
    expect(got.losses[1]).toBe(0);
    expect(got.gradient[1]).toEqual([0, 0, 0, 0]);
    expect(got.probs[1]).toEqual([Number.NaN, Number.NaN, Number.NaN, Number.NaN]);
    expect([got.validCount, got.totalWeight]).toEqual([3, 4]);
  });

  it("total weights are summed without loss", () => {
    const sampleWeights = [1e16, 1, 1];
    expect(crossEntropy(LOGITS, LABELS, { sampleWeights, outputs: ["totalWeight"] }).totalWeight).toBe(1e16 + 2);
    const weights = [1, 2, 4, 8];
    expect(crossEntropy(LOGITS, LABELS, { weights, outputs: ["totalWeight"] }).totalWeight).toBe(4 + 1 + 2);
    expect(crossEntropy(LOGITS, SOFT, { weights, outputs: ["totalWeight"] }).totalWeight).toBe(3);
  });

  it("and masks may be in every kind of container", () => {
    const want = crossEntropy(LOGITS, LABELS, { weights: [1, 2, 3, 4], sampleWeights: [1, 2, 3], mask: [1, 1, 1, 0] });
    for (const weights of [Float32Array.of(1, 2, 3, 4), Int8Array.of(1, 2, 3, 4)]) {
      for (const sampleWeights of [Uint8Array.of(1, 2, 3), { data: Float64Array.of(1, 2, 3), shape: [3] }]) {
        for (const mask of [Uint8Array.of(1, 1, 1, 0), [true, true, true, false], LOGITS.map(() => [true, true, true, false])]) {
          expect(crossEntropy(LOGITS, LABELS, { weights, sampleWeights, mask })).toBe(want);
        }
      }
    }
  });
});

describe("weights of either sign", () => {
  it("take a row's loss and gradient times minus the magnitude", () => {
    const want = crossEntropyWithGradient(LOGITS, LABELS, { sampleWeights: [1, 2, 3], reduction: "sum", outputs: ["losses"] });
    const got = crossEntropyWithGradient(LOGITS, LABELS, { sampleWeights: [-1, 2, -3], reduction: "sum", outputs: ["losses"] });
    const [a, b, c] = want.losses;
    expect(got.losses).toEqual([-a, b, -c]);
    expect(got.gradient).toEqual(want.gradient.map((row, r) => row.map((g) => (r === 1 ? g : 0 - g))));
    const ofClasses = crossEntropyWithGradient(LOGITS, LABELS, { weights: [2, -3, -1, 7], reduction: "sum" });
    expect(ofClasses.loss).toBe(crossEntropy(LOGITS, LABELS, { sampleWeights: [-1, 2, -3], reduction: "sum" }));
  });

  it("give a distribution of one class the bits of its index", () => {
    for (const weights of [
      [-2, 1, -1, 3],
      [-1, -1, -1, -1],
      [1, 0, -5, 2],
    ]) {
      const oneHot = LABELS.map((y) => [0, 1, 2, 3].map((j) => Number(j === y)));
      const options = { weights, outputs: ["losses"], zLoss: 0.1, reduction: "sum" } as const;
      expect(crossEntropyWithGradient(LOGITS, oneHot, options)).toEqual(crossEntropyWithGradient(LOGITS, LABELS, options));
    }
  });

  it("have a mean over their sum, which need not be positive, and is empty for zeros alone", () => {
    const [a, b, c] = crossEntropy(LOGITS, LABELS, { reduction: "none" });
    const mean = (sampleWeights: number[]) => crossEntropy(LOGITS, LABELS, { sampleWeights, emptyMean: Number.NaN });
    expect(mean([-1, -2, 1])).toBeCloseTo((-a - 2 * b + c) / -2, 14);
    expect(mean([1, -1, 0])).toBe(a > b ? Infinity : -Infinity);
    expect(mean([0, -0, 0])).toBeNaN();
    expect(crossEntropy(LOGITS, LABELS, { sampleWeights: -0 })).toBe(0);
  });

  it("may be one number for all rows", () => {
    const options = { outputs: ["losses", "totalWeight"] } as const;
    const got = crossEntropy(LOGITS, LABELS, { ...options, sampleWeights: 2.5 });
    expect(got).toEqual(crossEntropy(LOGITS, LABELS, { ...options, sampleWeights: [2.5, 2.5, 2.5] }));
  });
});

describe("factors near the ends of the doubles", () => {
  it("have a mean also where their sum is infinite", () => {
    const want = crossEntropyWithGradient(LOGITS, LABELS);
    for (const sampleWeights of [[1e308, 1e308, 1e308], 1.7e308, [-1e308, -1e308, -1e308]]) {
      const got = crossEntropyWithGradient(LOGITS, LABELS, { sampleWeights, outputs: ["totalWeight"] });
      expect(got.loss).toBeCloseTo(want.loss, 14);
      for (const [i, g] of got.gradient.flat().entries()) expect(g).toBeCloseTo(want.gradient.flat()[i], 15);
      expect(Math.abs(got.totalWeight)).toBe(Infinity);
      const soft = crossEntropyWithGradient(LOGITS, SOFT, { sampleWeights, labelGradient: true });
      const softWant = crossEntropyWithGradient(LOGITS, SOFT, { labelGradient: true });
      soft.labelGradient.flat().forEach((g, i) => {
        const w = softWant.labelGradient.flat()[i];
        if (Number.isFinite(w)) expect(g).toBeCloseTo(w, 13);
        else expect(g).toBe(w);
      });
    }
    const weights = new Array(LOGITS[0].length).fill(1.7e308);
    for (const ignoreIndex of [undefined, -1]) {
      const got = crossEntropyWithGradient(LOGITS, LABELS, { weights, ignoreIndex, outputs: ["totalWeight"] });
      expect(got.loss).toBeCloseTo(want.loss, 14);
      for (const [i, g] of got.gradient.flat().entries()) expect(g).toBeCloseTo(want.gradient.flat()[i], 15);
      expect(got.totalWeight).toBe(Infinity);
    }
  });

  it.each(SHAPES)("outer %d, %d classes, inner %d: derivatives are exact until they overflow themselves", (outer, classes, inner) => {
    fc.assert(
      fc.property(fc.nat(), (seed) => verifyExtremes(seeded(seed), outer, classes, inner)),
      { numRuns: Math.ceil(3000 / (outer * classes * inner)) },
    );
  });

  it("make the derivative at a logit of −∞, and of a row without another one, exactly 0", () => {
    const rows = [
      [0, -Infinity, 1],
      [-Infinity, 2, -Infinity],
    ];
    const zeros = (values: readonly (readonly number[])[]) => [values[0][1], ...values[1]].every((value) => value === 0);
    for (const factor of [1e60, 1e100, 1e300, -1e308]) {
      for (const labels of [
        [0, 1],
        [
          [0.5, 0, 0.5],
          [0, 1, 0],
        ],
      ]) {
        const all: LossOptions[] = [
          { weights: [factor, factor, factor] },
          { sampleWeights: factor },
          { scale: 1e200, weights: [1e200, 1e200, 1e200] },
        ];
        for (const options of all) {
          const given = { ...options, reduction: "sum" } as const;
          const { loss, gradient } = crossEntropyWithGradient(rows, labels, given);
          expect(zeros(gradient)).toBe(true);
          expect(crossEntropy(rows.slice(1), labels.slice(1) as number[], given) + 0).toBe(0);
          expect(loss).not.toBeNaN();
          expect(zeros(crossEntropyHessianDiagonal(rows, labels, given))).toBe(true);
          expect(
            zeros(
              crossEntropyHvp(
                rows,
                labels,
                [
                  [1, 2, 3],
                  [4, 5, 6],
                ],
                given,
              ),
            ),
          ).toBe(true);
        }
        for (const reduction of ["sum", "none"] as const) {
          using layer = new SoftmaxCrossEntropy({ reduction });
          layer.forward(rows, labels);
          expect(zeros(layer.backward<number[][]>(reduction === "sum" ? factor : [factor, factor]))).toBe(true);
        }
      }
      const mass = [
        [factor, 0, 0],
        [0, factor, 0],
      ];
      const { loss, gradient } = crossEntropyWithGradient(rows, mass, { reduction: "sum" });
      expect(zeros(gradient)).toBe(true);
      expect(loss).toBe(crossEntropy(rows.slice(0, 1), mass.slice(0, 1), { reduction: "sum" }));
    }
  });

  it("have the right Hessian products beside a huge vector", () => {
    const options = { sampleWeights: 1e19, reduction: "sum" } as const;
    const [[a, b]] = crossEntropyHvp([[0, 0]], [[1e-200, 0]], [[1e290, -1e290]], options);
    expect(a / 5e108).toBeCloseTo(1, 14);
    expect(b).toBe(-a);
  });

  it.each([0, 0.3])("have the right upstream gradients, with entropyWeight %d", (entropyWeight) => {
    const want = crossEntropyWithGradient(LOGITS, SOFT, { reduction: "none", entropyWeight }).gradient.flat();
    for (const power of [-1000, -800, -600, -100, 100, 600, 1000]) {
      const factor = 2 ** power;
      using layer = new SoftmaxCrossEntropy({ reduction: "none", entropyWeight });
      layer.forward(LOGITS, SOFT);
      for (const upstream of [factor, [factor, factor, factor]]) {
        layer
          .backward<number[][]>(upstream)
          .flat()
          .forEach((g, i) => {
            const exact = want[i] * factor;
            if (Math.abs(exact) > 1e-300 && Math.abs(want[i]) > 1e-300) expect(g).toBe(exact);
            else expect(Math.abs(g - exact)).toBeLessThan(1e-300);
          });
      }
    }
  });
});

describe("outputs", () => {
  it("are in the kind of container that the logits are in", () => {
    const flat = crossEntropy(FLAT, LABELS, { ...SHAPE, outputs: OUTPUTS });
    const nested = crossEntropy(LOGITS, LABELS, { outputs: OUTPUTS });
    const ndarray = crossEntropy({ data: FLAT, shape: [3, 4] }, LABELS, { outputs: OUTPUTS });
    expect(flat.argmax).toEqual(Int32Array.of(2, 0, 1));
    expect(nested.argmax).toEqual([2, 0, 1]);
    expect(ndarray.argmax).toEqual({ data: Int32Array.of(2, 0, 1), shape: [3] });
    for (const name of ["losses", "lse", "entropy", "probs", "logProbs"] as const) {
      expect(Array.from(flat[name])).toEqual(nested[name].flat());
      expect(ndarray[name].data).toEqual(flat[name]);
    }
  });

  it("are exactly those that the option names", () => {
    expect(crossEntropy(LOGITS, LABELS, { outputs: [] })).toBe(crossEntropy(LOGITS, LABELS));
    expect(Object.keys(crossEntropy(LOGITS, LABELS, { outputs: ["lse"] }))).toEqual(["loss", "lse"]);
    expect(Object.keys(crossEntropyWithGradient(LOGITS, LABELS)).sort()).toEqual(["gradient", "loss"]);
  });

  it("rank equal logits by their index, and count only rows that have a result", () => {
    const logits = [
      [1, 1, 0],
      [1, 1, 0],
      [Number.NaN, 1, 2],
      [0, 5, 5],
      [3, 2, 1],
    ];
    const count = (topK: number) =>
      crossEntropy(logits, [0, 1, 1, 2, -1], { ignoreIndex: -1, topK, outputs: ["argmax", "correct", "topK", "firstBadRow"] });
    expect(count(1)).toMatchObject({ argmax: [0, 0, -1, 1, -1], correct: 1, topK: 1, firstBadRow: 2 });
    expect(count(2)).toMatchObject({ correct: 1, topK: 3 });
    expect(count(100)).toMatchObject({ topK: 3 });
    // The label of a distribution is the first of its largest entries.
    const soft = crossEntropy([[0, 1, 2]], [[0.4, 0.4, 0.2]], { topK: 2, outputs: ["correct", "topK"] });
    expect(soft).toMatchObject({ correct: 0, topK: 0 });
    expect(crossEntropy([[0, 1, 2]], [[0.2, 0.4, 0.4]], { topK: 2, outputs: ["topK"] }).topK).toBe(1);
  });

  it("count no row whose label is masked", () => {
    const logits = [
      [9, 1, 2],
      [9, 1, 2],
      [0, 3, -Infinity],
    ];
    const options = { outputs: ["correct", "topK"], topK: 3 } as const;
    const columns = [0, 1, 2].map((j) => logits.map((row) => row[j]));
    const byRow = [
      [0, 1, 1],
      [1, 1, 1],
      [1, 0, 1],
    ];
    const expected: [number[] | number[][], number, number][] = [
      [[0, 1, 1], 1, 1],
      [[1, 0, 1], 2, 2],
      [byRow, 1, 1],
    ];
    const soft = [
      [1, 0, 0],
      [0.5, 0.3, 0.2],
      [0, 1, 0],
    ];
    const isByRow = (values: readonly unknown[]): values is number[][] => Array.isArray(values[0]);
    const turned = (values: number[][]) => [0, 1, 2].map((j) => values.map((row) => row[j]));
    const extended = (row: number[], value: number) => [...row, ...new Array<number>(50).fill(value)];
    for (const [mask, correct, topK] of expected) {
      for (const labels of [[0, 0, 1], soft]) {
        const counts = (x: number[][], y: number[] | number[][], mask: number[] | number[][], axis = -1) => {
          expect(crossEntropy(x, y, { ...options, mask, axis })).toMatchObject({ correct, topK });
        };
        counts(logits, labels, mask);
        counts(columns, isByRow(labels) ? turned(labels) : labels, isByRow(mask) ? turned(mask) : mask, 0);
        counts(
          logits.map((row) => extended(row, -100)),
          isByRow(labels) ? labels.map((row) => extended(row, 0)) : labels,
          isByRow(mask) ? mask.map((row) => extended(row, 1)) : extended(mask, 1),
        );
      }
    }
    // A logit of −∞ that takes part is at a place.
    expect(crossEntropy([logits[2]], [2], options)).toMatchObject({ correct: 0, topK: 1 });
  });

  it("name the row of a scale that makes logits overflow", () => {
    const got = crossEntropy(
      [
        [1, 2],
        [1e308, 0],
      ],
      [1, 0],
      { scale: 10, outputs: ["firstBadRow", "probs"] },
    );
    expect(got.firstBadRow).toBe(1);
    expect(got.probs[1]).toEqual([Number.NaN, Number.NaN]);
  });

  it("know the first row whose loss is no finite number", () => {
    const firstBadRow = (labels: number[]) => crossEntropy(LOGITS, labels, { outputs: ["firstBadRow"] }).firstBadRow;
    expect(firstBadRow(LABELS)).toBe(-1);
    expect(firstBadRow([2, 1, 1])).toBe(1);
  });

  it("of a batch of many blocks are those of its rows", () => {
    const random = seeded(5);
    const [rows, classes] = [700, 100];
    const x = Float64Array.from({ length: rows * classes }, () => 4 * random());
    const y = Int32Array.from({ length: rows }, () => Math.floor(random() * (classes + 1)) - 1);
    const sampleWeights = Array.from({ length: rows }, random);
    const options = { ignoreIndex: -1, labelSmoothing: 0.1, topK: 3, outputs: OUTPUTS } as const;
    const all = crossEntropyWithGradient(x, y, { ...options, shape: [rows, classes], sampleWeights, reduction: "none" });
    let correct = 0;
    let topK = 0;
    for (let r = 0; r < rows; r++) {
      const row = x.subarray(r * classes, (r + 1) * classes);
      const one = crossEntropyWithGradient(row, [y[r]], { ...options, sampleWeights: [sampleWeights[r]], reduction: "none" });
      expect([all.losses[r], all.lse[r], all.entropy[r], all.argmax[r]]).toEqual([
        one.losses[0],
        one.lse[0],
        one.entropy[0],
        one.argmax[0],
      ]);
      expectSameBits(all.gradient.subarray(r * classes, (r + 1) * classes), one.gradient);
      expectSameBits(all.probs.subarray(r * classes, (r + 1) * classes), one.probs);
      correct += one.correct;
      topK += one.topK;
    }
    expect([all.correct, all.topK]).toEqual([correct, topK]);
    expect(all.validCount).toBe(y.filter((label) => label >= 0).length);
  });
});

describe("excluded classes", () => {
  it("have no probability and no gradient, and count nothing of what is spread", () => {
    const mask = [1, 0, 1, 1];
    const without = (row: number[]) => row.filter((_, j) => mask[j]);
    const options = { labelSmoothing: 0.3, outputs: ["probs", "logProbs"] } as const;
    const got = crossEntropyWithGradient([[0.5, Number.NaN, 2, 0]], [2], { ...options, mask });
    const want = crossEntropyWithGradient([[0.5, 2, 0]], [1], options);
    expect(got.loss).toBeCloseTo(want.loss, 15);
    expect([got.probs[0][1], got.logProbs[0][1], got.gradient[0][1]]).toEqual([0, -Infinity, 0]);
    for (const name of ["probs", "logProbs", "gradient"] as const) {
      without(got[name][0]).forEach((value, j) => {
        expect(value).toBeCloseTo(want[name][0][j], 15);
      });
    }
  });

  it("make the loss infinite where they are the label, with a gradient of 0", () => {
    const { loss, gradient } = crossEntropyWithGradient([[1, 2, 3]], [1], { mask: [1, 0, 1] });
    expect(loss).toBe(Infinity);
    expect(gradient[0][1]).toBe(0);
  });
});

describe("accumulation", () => {
  const DIVISOR = 3;
  const parts = LOGITS.map((row, r) => [Float64Array.from(row), [LABELS[r]]] as const);
  const whole = crossEntropyWithGradient(FLAT, LABELS, { ...SHAPE, labelSmoothing: 0.1 }).gradient;

  it("adds to out, once for each call", () => {
    const out = new Float64Array(4).fill(7);
    crossEntropyWithGradient(parts[0][0], parts[0][1], { out, accumulate: true });
    const alone = crossEntropyWithGradient(parts[0][0], parts[0][1]).gradient;
    expectSameBits(
      out,
      alone.map((g) => 7 + g),
    );
  });

  it("of several losses of the same logits is the gradient of their sum", () => {
    const out = crossEntropyWithGradient(FLAT, LABELS, { ...SHAPE, labelSmoothing: 0.1 }).gradient;
    const distributions = Float64Array.from(FLAT, (_, i) => (i % 4) / 6);
    const other = { ...SHAPE, scale: 0.5, zLoss: 0.01 };
    crossEntropyWithGradient(FLAT, distributions, { ...other, out, accumulate: true });
    const alone = crossEntropyWithGradient(FLAT, distributions, other).gradient;
    expectSameBits(
      out,
      whole.map((g, i) => g + alone[i]),
    );
  });

  it("and row weights and masks survive a resize to the same shape, but not to another one", () => {
    using layer = new SoftmaxCrossEntropy({ shape: [1, 4], accumulate: true, sampleWeights: true, mask: true });
    const write = () => {
      layer.gradient.fill(5);
      layer.sampleWeights.fill(3);
      layer.mask[1] = 0;
    };
    write();
    layer.resize([1, 4]);
    expect([layer.gradient[0], layer.sampleWeights[0], layer.mask[1]]).toEqual([5, 3, 0]);
    layer.resize([2, 2]);
    expect([layer.gradient[0], layer.sampleWeights[0], layer.mask[1]]).toEqual([0, 1, 1]);
  });

  it("of a layer adds with each backward until the gradient is cleared", () => {
    using layer = new SoftmaxCrossEntropy({ shape: [1, 4], accumulate: true, divisor: DIVISOR, labelSmoothing: 0.1 });
    const sum = new Float64Array(4);
    parts.forEach(([x, y], r) => {
      layer.forward(x, y);
      layer.backward();
      for (let j = 0; j < 4; j++) sum[j] += whole[4 * r + j];
      expectSameBits(layer.gradient, sum);
    });
    layer.backward(-1);
    for (let j = 0; j < 4; j++) sum[j] -= whole[8 + j];
    expectSameBits(layer.gradient, sum);
    layer.gradient.fill(0);
    layer.backward(-1);
    expectSameBits(
      layer.gradient,
      whole.slice(8).map((g) => -g),
    );
  });
});

describe("upstream gradients by row", () => {
  it.each(SHAPES)(
    "outer %d, %d classes, inner %d: multiply the gradients of each row, exactly for powers of 2",
    (outer, classes, inner) => {
      const random = seeded(classes);
      for (let draw = 0; draw < 10; draw++) {
        const { logits, labels, options } = lossCase(random, outer, classes, inner);
        const { mask, sampleWeights, ...terms } = options;
        const isDistribution = labels instanceof Float64Array;
        using layer = new SoftmaxCrossEntropy({
          ...terms,
          shape: [outer, classes, inner],
          axis: 1,
          reduction: "none",
          labels: isDistribution ? "distribution" : "indices",
          sampleWeights: true,
          labelGradient: isDistribution,
          mask: mask && (mask.length === classes ? mask : true),
        });
        if (sampleWeights) layer.sampleWeights.set(sampleWeights);
        if (mask && mask.length !== classes) layer.mask.set(mask);
        layer.logits.set(logits);
        layer.labels.set(labels as Int32Array);
        layer.forward();
        const gradient = layer.backward().slice();
        const labelGradient = isDistribution ? layer.labelGradient.slice() : undefined;
        const upstream = Float64Array.from({ length: outer * inner }, () => [-2, 0.5, 4, 0][Math.floor(4 * random())]);
        const rowAt = (k: number) => Math.floor(k / (classes * inner)) * inner + (k % inner);
        // Subnormal numbers may be rounded twice, so they count as 0; adding 0 makes both zeros the same.
        const coarse = (value: number) => (Math.abs(value) < 1e-290 ? 0 : value);
        const times = (values: Float64Array) =>
          values.map((value, k) => (upstream[rowAt(k)] === 0 ? 0 : coarse(value * upstream[rowAt(k)]) + 0));
        expectSameBits(
          layer.backward(upstream).map((value) => coarse(value) + 0),
          times(gradient),
        );
        if (labelGradient) {
          expectSameBits(
            layer.labelGradient.map((value) => coarse(value) + 0),
            times(labelGradient),
          );
        }
      }
    },
  );
});

describe("a row's bits", () => {
  /** Compares the losses and gradients of all rows at once with those of each row alone. */
  const compare = (rows: readonly number[][], options: LossOptions, masks?: readonly number[][]) => {
    const labels = rows.map((_, r) => r);
    const shape = [rows.length, rows[0].length];
    const all = { ...options, reduction: "none", mask: masks?.flat() } as const;
    const together = crossEntropyWithGradient(Float64Array.from(rows.flat()), labels, { ...all, shape });
    const alone = rows.map((row, r) => crossEntropyWithGradient(Float64Array.from(row), [r], { ...all, mask: masks?.[r] }));
    expectSameBits(
      together.loss,
      Float64Array.from(alone, ({ loss }) => loss[0]),
    );
    expectSameBits(together.gradient, Float64Array.from(alone.flatMap(({ gradient }) => Array.from(gradient))));
  };

  it.each([10, 21, 40, 41, 100])("do not depend on neighbours with huge logits or masks: %d classes", (classes) => {
    const random = seeded(classes);
    for (let draw = 0; draw < 20; draw++) {
      const ordinary = () => Array.from({ length: classes }, () => 30 * random());
      const rows = [ordinary(), ordinary().map((x) => x * 1e305), ordinary().map((x) => x - 1e304), ordinary()];
      compare(rows, { labelSmoothing: 0.1 });
      compare(rows, { labelSmoothing: 0.3, weights: ordinary(), zLoss: 0.1 });
      const open = () => Array.from({ length: classes }, () => 1);
      compare(rows, { labelSmoothing: 0.1 }, [open(), open().fill(0, 5, 7), open(), open()]);
    }
  });
});

describe("huge logits", () => {
  it("have the right loss, also further apart than the largest double", () => {
    const far = [1.7e308, -1.7e308, 0, 1.6e308];
    const { loss, gradient } = crossEntropyWithGradient([far], [0], { labelSmoothing: 0.1, outputs: ["entropy"] });
    expect(loss / (0.025 * 1.7e308 + 0.025 * 1.7e308 + 0.025 * 1.7e308 + 0.025 * 1e307)).toBeCloseTo(1, 15);
    expect(gradient[0].map((g) => Number(g.toFixed(15)))).toEqual([0.075, -0.025, -0.025, -0.025]);
    expect(crossEntropy([far], [[0, 0.1, 0, 0]], { outputs: ["losses"] }).losses[0] / 3.4e307).toBeCloseTo(1, 15);
    expect(crossEntropy([far], [1], { weights: [1, 0.1, 1, 1], reduction: "sum" }) / 3.4e307).toBeCloseTo(1, 15);
  });
});

describe("second order", () => {
  it("is the change of the gradient", () => {
    const v = [
      [1, -2, 0.5, 3],
      [0, 1, 1, -1],
      [2, 0, 0, 1],
    ];
    const smooth = [LOGITS[0], [3, -1, 0, 1], [0, 2, -2, 1]];
    const options = { weights: [1, 2, 0.5, 3], labelSmoothing: 0.2, zLoss: 0.1, scale: 0.7, sampleWeights: [1, 0.5, 2] };
    for (const labels of [LABELS, SOFT]) {
      const h = 1e-6;
      const gradientAt = (t: number) =>
        crossEntropyWithGradient(
          smooth.map((row, r) => row.map((x, j) => x + t * v[r][j])),
          labels,
          options,
        ).gradient;
      const [after, before] = [gradientAt(h), gradientAt(-h)];
      crossEntropyHvp(smooth, labels, v, options).forEach((row, r) => {
        row.forEach((value, j) => {
          expect(value).toBeCloseTo((after[r][j] - before[r][j]) / (2 * h), 8);
        });
      });
      crossEntropyHessianDiagonal(smooth, labels, options).forEach((row, r) => {
        row.forEach((value, j) => {
          const unit = smooth.map((other, s) => other.map((_, k) => Number(s === r && k === j)));
          expect(value).toBeCloseTo(crossEntropyHvp(smooth, labels, unit, options)[r][j], 14);
        });
      });
    }
  });

  it("of labels is the change of the loss", () => {
    const options = { weights: [1, 2, 0.5, 3], labelSmoothing: 0.2, sampleWeights: [1, 0.5, 2], labelGradient: true } as const;
    const smooth = [LOGITS[0], [3, -1, 0, 1], [0, 2, -2, 1]];
    const { labelGradient } = crossEntropyWithGradient(smooth, SOFT, options);
    const h = 1e-6;
    SOFT.forEach((row, r) => {
      row.forEach((_, j) => {
        const lossAt = (t: number) =>
          crossEntropy(
            smooth,
            SOFT.map((q, s) => q.map((value, k) => value + (s === r && k === j ? t : 0))),
            { weights: options.weights, labelSmoothing: options.labelSmoothing, sampleWeights: options.sampleWeights },
          );
        expect(labelGradient[r][j]).toBeCloseTo((lossAt(h) - lossAt(-h)) / (2 * h), 8);
      });
    });
  });

  it("goes to out, which may be the logits", () => {
    const want = crossEntropyHvp(
      FLAT,
      LABELS,
      FLAT.map((_, k) => k),
      SHAPE,
    );
    const out = FLAT.slice();
    expect(
      crossEntropyHvp(
        out,
        LABELS,
        FLAT.map((_, k) => k),
        { ...SHAPE, out },
      ),
    ).toBe(out);
    expectSameBits(out, want);
  });
});
