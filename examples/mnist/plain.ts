// The layers of a step in plain JavaScript, for a comparison: loss and gradients of a batch, with the time of products and of softmax and loss.

import { FORMS } from "../../reference/plain-javascript.js";
import { CLASSES } from "./digits.js";
import type { Layer } from "./network.js";

/** Weights (features, units), which the loops below go through in order, and biases. */
interface PlainLayer {
  readonly weights: Float64Array;
  readonly bias: Float64Array;
  readonly features: number;
  readonly units: number;
}

function plainLayer({ weights, bias }: Layer): PlainLayer {
  const units = bias.length;
  const features = weights.length / units;
  const transposed = Float64Array.from(weights, (_, k) => weights[(k % units) * features + Math.floor(k / units)]);
  return { weights: transposed, bias: Float64Array.from(bias), features, units };
}

/** X W + b. Skips zeros, which most pixels are. */
function forward(x: Float64Array, { weights, bias, features, units }: PlainLayer): Float64Array {
  const rows = x.length / features;
  const out = new Float64Array(rows * units);
  for (let row = 0; row < rows; row++) {
    const at = row * units;
    for (let j = 0; j < units; j++) out[at + j] = bias[j];
    for (let k = 0; k < features; k++) {
      const value = x[row * features + k];
      if (value === 0) continue;
      for (let j = 0; j < units; j++) out[at + j] += value * weights[k * units + j];
    }
  }
  return out;
}

/** The gradients of weights and bias, with the gradient of the result. */
function backward(upstream: Float64Array, x: Float64Array, { features, units }: PlainLayer): { weights: Float64Array; bias: Float64Array } {
  const [weights, bias] = [new Float64Array(features * units), new Float64Array(units)];
  const rows = x.length / features;
  for (let row = 0; row < rows; row++) {
    const at = row * units;
    for (let j = 0; j < units; j++) bias[j] += upstream[at + j];
    for (let k = 0; k < features; k++) {
      const value = x[row * features + k];
      if (value === 0) continue;
      for (let j = 0; j < units; j++) weights[k * units + j] += value * upstream[at + j];
    }
  }
  return { weights, bias };
}

/** The gradient of the input of a layer of rectified linear units, where these are above 0. */
function backwardToUnits(upstream: Float64Array, { weights, units }: PlainLayer, x: Float64Array): Float64Array {
  const features = weights.length / units;
  const gradient = new Float64Array(x.length);
  for (let i = 0; i < x.length; i++) {
    if (x[i] === 0) continue;
    const [row, k] = [Math.floor(i / features), i % features];
    let sum = 0;
    for (let j = 0; j < units; j++) sum += upstream[row * units + j] * weights[k * units + j];
    gradient[i] = sum;
  }
  return gradient;
}

/** Loss and times in ms of the layers of a step. */
export function plainStep(
  layers: readonly Layer[],
  pixels: Float32Array,
  labels: Int32Array,
): { loss: number; products: number; ofLoss: number } {
  const [first, second] = layers.map(plainLayer);
  const x = Float64Array.from(pixels);
  const rows = labels.length;
  const started = performance.now();
  let units = forward(x, first);
  let logits = units;
  if (second) {
    units = units.map((unit) => Math.max(0, unit));
    logits = forward(units, second);
  }
  const forwarded = performance.now();
  const gradient = new Float64Array(logits.length);
  const loss = FORMS.crossEntropyWithGradient.inPairs(logits, labels, gradient, rows, CLASSES);
  const withLoss = performance.now();
  if (second) {
    backward(gradient, units, second);
    backward(backwardToUnits(gradient, second, units), x, first);
  } else backward(gradient, x, first);
  return { loss, products: performance.now() - withLoss + forwarded - started, ofLoss: withLoss - forwarded };
}
