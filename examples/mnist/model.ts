// A linear model of digits, logits = W image + b, which softmax regression trains.

import { CLASSES, type Digits, PIXELS } from "./digits.js";

/** Weights (PIXELS, CLASSES), and in the last row the bias (CLASSES). */
export type Weights = Float64Array;

export function zeroWeights(): Weights {
  return new Float64Array((PIXELS + 1) * CLASSES);
}

/** Writes logits (order.length, CLASSES) of the digits whose numbers are in `order`. Skips pixels of 0, which are most. */
export function forward(weights: Weights, { images }: Digits, order: Uint32Array, logits: Float64Array): void {
  for (let i = 0; i < order.length; i++) {
    const row = i * CLASSES;
    for (let j = 0; j < CLASSES; j++) logits[row + j] = weights[PIXELS * CLASSES + j];
    const image = order[i] * PIXELS;
    for (let pixel = 0; pixel < PIXELS; pixel++) {
      const value = images[image + pixel] / 255;
      if (value === 0) continue;
      for (let j = 0; j < CLASSES; j++) logits[row + j] += value * weights[pixel * CLASSES + j];
    }
  }
}

/** Does a step of gradient descent, with the gradient of the loss with respect to the logits (order.length, CLASSES). */
export function descend(weights: Weights, { images }: Digits, order: Uint32Array, gradient: Float64Array, rate: number): void {
  for (let i = 0; i < order.length; i++) {
    const row = i * CLASSES;
    const image = order[i] * PIXELS;
    for (let pixel = 0; pixel < PIXELS; pixel++) {
      const step = (rate * images[image + pixel]) / 255;
      if (step === 0) continue;
      for (let j = 0; j < CLASSES; j++) weights[pixel * CLASSES + j] -= step * gradient[row + j];
    }
    for (let j = 0; j < CLASSES; j++) weights[PIXELS * CLASSES + j] -= rate * gradient[row + j];
  }
}

/** The number of digits by true class and predicted class: (CLASSES, CLASSES). */
export function confusionOf(weights: Weights, digits: Digits): number[][] {
  const all = Uint32Array.from({ length: digits.count }, (_, i) => i);
  const logits = new Float64Array(digits.count * CLASSES);
  forward(weights, digits, all, logits);
  const confusion = Array.from({ length: CLASSES }, () => new Array<number>(CLASSES).fill(0));
  for (let i = 0; i < digits.count; i++) {
    const row = logits.subarray(i * CLASSES, (i + 1) * CLASSES);
    confusion[digits.labels[i]][row.indexOf(Math.max(...row))]++;
  }
  return confusion;
}

/** The share of digits whose predicted class is the true one. */
export function accuracyOf(confusion: readonly (readonly number[])[]): number {
  const right = confusion.reduce((sum, row, j) => sum + row[j], 0);
  return right / confusion.flat().reduce((sum, count) => sum + count, 0);
}
