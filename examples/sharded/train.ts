// A step of training in one of two places, each of which has half of the classes, with their weights. What the places exchange are the bytes of
// parts of the loss, some hundred for each row; neither sees the logits of the other.

import { CrossEntropyPart, crossEntropyPart, crossEntropyWithGradient } from "../../src/index.js";
import type { Exchange } from "./exchanges.js";
import { CLASSES, FEATURES, logitsOf, problem, step, type Weights } from "./model.js";

/** One step of the place that has the classes from `classOffset` on: its gradient, and the loss of all. */
async function trainStep(weights: Weights, classOffset: number, exchange: Exchange) {
  const { inputs, labels } = problem();
  const logits = logitsOf(inputs, weights);
  const shape = [labels.length, weights.length / FEATURES];
  const mine = crossEntropyPart(logits, labels, { shape, classes: CLASSES, classOffset });
  const others = CrossEntropyPart.fromBytes(await exchange(mine.toBytes()));
  const part = CrossEntropyPart.merge([mine, others]);
  const { loss, gradient } = crossEntropyWithGradient(logits, labels, { shape, part, classOffset });
  step(inputs, weights, gradient);
  return { loss, gradient };
}

/** Trains half 0 or 1 of the classes, and yields each step. */
export async function* train(half: number, steps: number, exchange: Exchange): AsyncGenerator<{ loss: number; gradient: Float64Array }> {
  const weights = new Float64Array((CLASSES / 2) * FEATURES);
  for (let i = 0; i < steps; i++) yield await trainStep(weights, (half * CLASSES) / 2, exchange);
}
