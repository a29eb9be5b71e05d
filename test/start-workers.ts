// Starts workers and waits for them, so that the first call of a test has them.

import { Softmax } from "../src/index.js";

/** Resolves when a call of the layer has had more than one thread. */
export async function untilHelped(layer: { forward(): unknown; readonly threads: number }): Promise<void> {
  for (const end = performance.now() + 20_000; layer.threads < 2; layer.forward()) {
    if (performance.now() > end) throw new Error("no worker came");
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** A layer that has workers until it is disposed; other layers share them. */
export async function startWorkers(threads: number): Promise<Softmax> {
  const layer = new Softmax({ shape: [4096, 256], threads });
  await untilHelped(layer);
  return layer;
}
