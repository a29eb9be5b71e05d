// A linear classifier, and a batch for it.

import { seeded } from "../../reference/data.js";

export const CLASSES = 6;
export const FEATURES = 4;
const ROWS = 32;
const RATE = 0.5;

/** (classes, FEATURES) of some of the classes. */
export type Weights = Float64Array;

/** Inputs (ROWS, FEATURES), near a corner of their own for each class, and the labels. */
export function problem(): { inputs: Float64Array; labels: Int32Array } {
  const random = seeded(1);
  const labels = Int32Array.from({ length: ROWS }, (_, r) => r % CLASSES);
  const inputs = Float64Array.from({ length: ROWS * FEATURES }, (_, k) => {
    const [row, feature] = [Math.floor(k / FEATURES), k % FEATURES];
    return Number(labels[row] % FEATURES === feature) + (labels[row] >= FEATURES ? 1 : 0) + 0.1 * random();
  });
  return { inputs, labels };
}

/** Logits (ROWS, classes). */
export function logitsOf(inputs: Float64Array, weights: Weights): Float64Array {
  const classes = weights.length / FEATURES;
  return Float64Array.from({ length: ROWS * classes }, (_, k) => {
    const [row, j] = [Math.floor(k / classes), k % classes];
    let sum = 0;
    for (let f = 0; f < FEATURES; f++) sum += inputs[row * FEATURES + f] * weights[j * FEATURES + f];
    return sum;
  });
}

/** A step of gradient descent. */
export function step(inputs: Float64Array, weights: Weights, gradient: Float64Array): void {
  const classes = weights.length / FEATURES;
  for (let row = 0; row < ROWS; row++) {
    for (let j = 0; j < classes; j++) {
      for (let f = 0; f < FEATURES; f++) weights[j * FEATURES + f] -= RATE * gradient[row * classes + j] * inputs[row * FEATURES + f];
    }
  }
}
