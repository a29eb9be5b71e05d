// Where the modules come from: binaries embedded in JavaScript, so that there is nothing to fetch. Entries that get them elsewhere have
// source-*.ts in its place.

import { compile, spliced } from "./compile.js";
import { feature, sharedMemory, wasm } from "./wasm.generated.js";

export { tolerance } from "./wasm.generated.js";

/** The binary, from hexadecimal digits. */
function decoded(): Uint8Array<ArrayBuffer> {
  const binary = new Uint8Array(wasm.length / 2);
  for (let i = 0; i < binary.length; i++) binary[i] = Number.parseInt(wasm.slice(2 * i, 2 * i + 2), 16);
  return binary;
}

/** The module on a memory of its own, or on one that threads share; undefined if there is none of the kind. */
export function moduleFor(isShared: boolean): WebAssembly.Module | undefined {
  return compile(isShared ? spliced(decoded(), sharedMemory) : decoded(), feature);
}
