// The source of the modules: binaries embedded in JavaScript, so that nothing must be fetched. Builds of other entries put source-slim.ts or
// source-workerd.ts in the place of this file.

import { feature, sharedMemory, wasm } from "./binary.generated.js";
import { compile, spliced } from "./compile.js";

export { tolerance } from "./binary.generated.js";

/** A hexadecimal digit, 0-9 or a-f. */
function digitAt(i: number): number {
  const code = wasm.charCodeAt(i);
  return (code & 15) + (code >> 6) * 9;
}

/** The binary, decoded digit by digit: parseInt of pairs of digits takes twice as long (measured). */
function decoded(): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length: wasm.length / 2 }, (_, i) => 16 * digitAt(2 * i) + digitAt(2 * i + 1));
}

/** The module for a memory of its own, or for a memory that threads share; undefined if there is no such module. */
export function moduleFor(isShared: boolean): WebAssembly.Module | undefined {
  return compile(isShared ? spliced(decoded(), sharedMemory) : decoded(), feature);
}
