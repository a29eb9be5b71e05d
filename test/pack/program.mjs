// What every consumer of the package runs.

import { crossEntropyWithGradient, Softmax, SoftmaxCrossEntropy, softmax } from "softmax-wasm";

/** The digest of the bits of some results: FNV-1a, 64 bits. */
export function digest() {
  let seed = 1;
  const next = () => {
    seed = (seed * 48271) % 2147483647;
    return seed / 2 ** 26 - 16;
  };
  const shape = [60, 10];
  const logits = Float64Array.from({ length: 600 }, next);
  const labels = Int32Array.from({ length: 60 }, (_, r) => (7 * r) % 10);
  const layer = new SoftmaxCrossEntropy({ shape, labelSmoothing: 0.1 });
  layer.logits.set(logits);
  layer.labels.set(labels);
  const loss = Float64Array.of(layer.forward());
  const { gradient } = crossEntropyWithGradient(logits, labels.subarray(0, 10), { shape, axis: 0, reduction: "sum" });
  const float32 = crossEntropyWithGradient(Float32Array.from(logits), labels, { shape });
  let hash = 0xcbf29ce484222325n;
  for (const result of [softmax(logits, { shape }), loss, layer.backward(), gradient, float32.gradient]) {
    for (const byte of new Uint8Array(result.slice().buffer)) hash = ((hash ^ BigInt(byte)) * 0x100000001b3n) % 2n ** 64n;
  }
  return hash.toString(16).padStart(16, "0");
}

/** The number of threads of a large batch, of two that are asked for. Workers take a moment to start. */
async function threads() {
  const layer = new Softmax({ shape: [512, 512], threads: 2 });
  for (let call = 0; call < 1000 && layer.threads < 2 && layer.threadsReason === undefined; call++) {
    layer.forward();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  const found = layer.threadsReason === undefined ? `${layer.threads}` : `${layer.threads} (${layer.threadsReason})`;
  layer.dispose();
  return found;
}

/** Both, as a text. */
export async function say() {
  return `digest ${digest()} threads ${await threads()}`;
}
