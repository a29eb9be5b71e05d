// Gradient accumulation: the gradients of a linear layer's weights, added up over micro-batches, are that of the whole batch.

import { expect, it } from "vitest";
import { seeded } from "../reference/data.js";
import { crossEntropyWithGradient, SoftmaxCrossEntropy } from "../src/index.js";
import { expectSameBits } from "./verify.js";

const FEATURES = 5;
const CLASSES = 7;
/** The numbers of rows of the micro-batches. All rows of the third are ignored. */
const SIZES = [1, 13, 2, 24];
const ROWS = 40;
const IGNORED = -100;

const random = seeded(18);
const draw = (length: number, make: (i: number) => number) => Float64Array.from({ length }, (_, i) => make(i));
const x = draw(ROWS * FEATURES, () => 2 * random() - 1);
const layerWeights = draw(FEATURES * CLASSES, () => 6 * random() - 3);
const labels = Int32Array.from({ length: ROWS }, (_, r) =>
  r === 14 || r === 15 || random() < 0.2 ? IGNORED : Math.floor(random() * CLASSES),
);
const sampleWeights = draw(ROWS, () => (random() < 0.1 ? 0 : 3 * random()));
const TERMS = { ignoreIndex: IGNORED, weights: draw(CLASSES, () => 0.5 + random()), labelSmoothing: 0.1 };

/** The logits x W (rows, classes). */
const logits = draw(ROWS * CLASSES, (at) => {
  const [r, j] = [Math.floor(at / CLASSES), at % CLASSES];
  let sum = 0;
  for (let i = 0; i < FEATURES; i++) sum += x[r * FEATURES + i] * layerWeights[i * CLASSES + j];
  return sum;
});

/** The gradient xᵀ g of the weights (features, classes), from inputs x (rows, features) and the gradient g (rows, classes) of the logits. */
function weightGradient(inputs: Float64Array, gradient: Float64Array): Float64Array {
  const sum = new Float64Array(FEATURES * CLASSES);
  for (let r = 0; r * CLASSES < gradient.length; r++) {
    for (let i = 0; i < FEATURES; i++) {
      for (let j = 0; j < CLASSES; j++) sum[i * CLASSES + j] += inputs[r * FEATURES + i] * gradient[r * CLASSES + j];
    }
  }
  return sum;
}

/** The gradient of the logits of the rows from `begin` to `end`, over a divisor. */
type GradientOf = (begin: number, end: number, divisor: number) => Float64Array;

const byFunction: GradientOf = (begin, end, divisor) =>
  crossEntropyWithGradient(logits.subarray(begin * CLASSES, end * CLASSES), labels.subarray(begin, end), {
    ...TERMS,
    shape: [end - begin, CLASSES],
    sampleWeights: sampleWeights.subarray(begin, end),
    divisor,
  }).gradient;

const byLayer: GradientOf = (begin, end, divisor) => {
  using layer = new SoftmaxCrossEntropy({ ...TERMS, shape: [end - begin, CLASSES], sampleWeights: true, divisor });
  layer.logits.set(logits.subarray(begin * CLASSES, end * CLASSES));
  layer.labels.set(labels.subarray(begin, end));
  layer.sampleWeights.set(sampleWeights.subarray(begin, end));
  layer.forward();
  return layer.backward().slice();
};

const WAYS: readonly (readonly [string, GradientOf])[] = [
  ["functions", byFunction],
  ["layers", byLayer],
];

it.each(WAYS)("%s: the gradients of micro-batches over the total weight of all rows add up to that of the whole batch", (_, gradientOf) => {
  const { gradient, totalWeight } = crossEntropyWithGradient(logits, labels, {
    ...TERMS,
    shape: [ROWS, CLASSES],
    sampleWeights,
    outputs: ["totalWeight"],
  });
  const accumulated = new Float64Array(FEATURES * CLASSES);
  let begin = 0;
  for (const size of SIZES) {
    const end = begin + size;
    const part = gradientOf(begin, end, totalWeight);
    expectSameBits(part, gradient.slice(begin * CLASSES, end * CLASSES));
    const partial = weightGradient(x.subarray(begin * FEATURES, end * FEATURES), part);
    for (let k = 0; k < accumulated.length; k++) accumulated[k] += partial[k];
    begin = end;
  }
  expect(begin).toBe(ROWS);

  // Both sums have the same terms x_ri g_rj. With n = ROWS and u = 2^-53, a term passes n roundings at most: that of the product and those of
  // the additions. So each sum is within n u / (1 - n u) Σ |x_ri g_rj| of the exact one, and their difference is within twice that. The
  // bound has n + 1 in place of n for 1 - n u and for the rounding errors of Σ |x_ri g_rj|.
  const whole = weightGradient(x, gradient);
  const magnitude = weightGradient(x.map(Math.abs), gradient.map(Math.abs));
  for (let k = 0; k < whole.length; k++) {
    expect(Math.abs(accumulated[k] - whole[k])).toBeLessThanOrEqual(2 * (ROWS + 1) * 2 ** -53 * magnitude[k]);
  }
});
