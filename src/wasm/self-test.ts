// A self-test of the engine: some old engines accept SIMD and compute it wrongly.

import { type Kernels, PAGE_BYTES } from "./abi.js";

const CLASSES = 4;
/** Two rows, side by side in the lanes of a vector. */
const LOGITS = [-1.25, 0.5, 3, 2.75, -7, 0.1, 1e-3, 2.9999];
const PROBS = [
  0.007606982796201685, 0.04377516355535178, 0.5332906656418798, 0.4153271880065667, 0.00004109314222612228, 0.04980353536550079,
  0.045109188991095256, 0.9050461825011779,
];

/** Throws unless softmax of some logits is right, to within a relative `tolerance`. Leaves the memory fresh, as it was. */
export function checkKernels(kernels: Kernels, memory: WebAssembly.Memory, tolerance: number): void {
  const start = Math.ceil(kernels.heapBase() / 16) * 16;
  const values = new Float64Array(memory.buffer, start, 2 * LOGITS.length);
  values.set(LOGITS);
  const probsPtr = start + values.byteLength / 2;
  kernels.softmax(start, probsPtr, CLASSES, 1, values.BYTES_PER_ELEMENT, 0, LOGITS.length / CLASSES, start + values.byteLength);
  const got = values.slice(LOGITS.length);
  // One page is enough for the test.
  new Uint8Array(memory.buffer, start, PAGE_BYTES - start).fill(0);
  if (!got.every((p, i) => Math.abs(p - PROBS[i]) <= tolerance * PROBS[i])) {
    throw new Error(`softmax-wasm expected an engine that computes WebAssembly SIMD right: softmax of ${LOGITS} is ${PROBS}, got ${got}`);
  }
}
