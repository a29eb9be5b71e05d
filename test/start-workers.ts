// Waiting for workers: in a test, a call is to have them from the beginning.

import { Softmax } from "../src/index.js";

/** Comes back when a call of the layer has found more than one hand. */
export async function untilHelped(layer: { forward(): unknown; readonly threads: number }): Promise<void> {
  for (const end = performance.now() + 20_000; layer.threads < 2; layer.forward()) {
    if (performance.now() > end) throw new Error("no worker came");
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** A layer for which workers are at hand until it is disposed, as they then are for others. */
export async function startWorkers(threads: number): Promise<Softmax> {
  const layer = new Softmax({ shape: [4096, 256], threads });
  await untilHelped(layer);
  return layer;
}
