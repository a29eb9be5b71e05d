// Prints, as JSON, the bytes that a call on resident buffers leaves on the heap. Run it with --expose-gc and a young generation that CALLS
// objects of 1 KiB do not fill, so that the engine collects nothing between two counts.

import { Softmax, SoftmaxCrossEntropy } from "../dist/index.js";

const CALLS = 20_000;
const ROUNDS = 5;

declare const gc: () => void;

/** Bytes per call, the least of several rounds: a call leaves the same bytes each time, the engine's compilers leave theirs once. */
function bytesPerCall(call: () => void): number {
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < CALLS; i++) call();
  for (let round = 0; round < ROUNDS; round++) {
    gc();
    const before = process.memoryUsage().heapUsed;
    for (let i = 0; i < CALLS; i++) call();
    least = Math.min(least, (process.memoryUsage().heapUsed - before) / CALLS);
  }
  return least;
}

const fill = (_: number, i: number) => Math.sin(i);

function callsOn(shape: readonly number[]): Record<string, () => void> {
  const softmax = new Softmax({ shape });
  softmax.logits.set(softmax.logits.map(fill));
  softmax.upstream.set(softmax.upstream.map(fill));
  const loss = new SoftmaxCrossEntropy({ shape });
  const soft = new SoftmaxCrossEntropy({ shape, labels: "distribution" });
  const losses = new SoftmaxCrossEntropy({ shape, reduction: "none" });
  for (const layer of [loss, soft, losses]) layer.logits.set(layer.logits.map(fill));
  soft.labels.fill(1 / shape[1]);
  return {
    "Softmax, forward and backward": () => {
      softmax.forward();
      softmax.backward();
    },
    "SoftmaxCrossEntropy, forward and backward": () => {
      loss.forward();
      loss.backward();
    },
    "SoftmaxCrossEntropy, forward, probs and scaled backward": () => {
      loss.forward();
      void loss.probs;
      loss.backward(2);
    },
    "SoftmaxCrossEntropy of distributions, forward and backward": () => {
      soft.forward();
      soft.backward();
    },
    "SoftmaxCrossEntropy without reduction, forward and backward": () => {
      losses.forward();
      losses.backward();
    },
  };
}

let kept: object | undefined;
const counts: Record<string, number> = {
  "an object": bytesPerCall(() => {
    kept = { isFirst: kept === undefined };
  }),
};
for (const shape of [
  [1, 10],
  [64, 10],
]) {
  for (const [name, call] of Object.entries(callsOn(shape))) counts[`${name}, ${shape.join("×")}`] = bytesPerCall(call);
}
console.log(JSON.stringify(counts));
