// Two processes train one classifier together. Each has half of the classes, with their weights. What they exchange are the bytes of parts of the
// loss, some hundred for each row; neither sees the logits of the other.
//
//   npx tsx examples/sharded/main.ts

import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { CrossEntropyPart, crossEntropyPart, crossEntropyWithGradient } from "../../src/index.js";
import { CLASSES, FEATURES, logitsOf, problem, step, type Weights } from "./model.js";

/** Sends the bytes of a part, and waits for those of the other process. */
type Exchange = (bytes: Uint8Array) => Promise<Uint8Array>;

/** One step of a process that has the classes from `classOffset` on: its gradient, and the loss of all. */
export async function trainStep(weights: Weights, classOffset: number, exchange: Exchange) {
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

/** The exchange with the process at the other end of a channel. Messages wait until they are asked for. */
function through(channel: {
  send?(message: unknown): unknown;
  on(event: "message", listener: (message: unknown) => void): unknown;
}): Exchange {
  const received: Uint8Array[] = [];
  let wake = (): void => {};
  channel.on("message", (message) => {
    received.push(message as Uint8Array);
    wake();
  });
  return async (bytes) => {
    channel.send?.(bytes);
    while (received.length === 0) await new Promise<void>((resolve) => (wake = resolve));
    return received.shift() as Uint8Array;
  };
}

async function train(exchange: Exchange, classOffset: number, log: (loss: number) => void): Promise<void> {
  const weights = new Float64Array((CLASSES / 2) * FEATURES);
  for (let i = 0; i < 20; i++) log((await trainStep(weights, classOffset, exchange)).loss);
}

const file = fileURLToPath(import.meta.url);
if (process.argv[1] === file && process.argv[2] === "other") {
  await train(through(process), CLASSES / 2, () => {});
  process.disconnect();
} else if (process.argv[1] === file) {
  const other = fork(file, ["other"], { serialization: "advanced" });
  await train(through(other), 0, console.log);
}
