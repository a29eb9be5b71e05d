// Where the modules come from: binaries embedded in JavaScript, so that there is nothing to fetch. Entries that get them elsewhere have
// source-*.ts in its place.

import { feature, sharedMemory, wasm } from "./binary.generated.js";
import { compile, spliced } from "./compile.js";

export { tolerance } from "./binary.generated.js";

/** A hexadecimal digit, 0-9 or a-f. */
function digitAt(i: number): number {
  const code = wasm.charCodeAt(i);
  return (code & 15) + (code >> 6) * 9;
}

/** The binary, digit by digit: parseInt of pairs takes twice as long, measured. */
function decoded(): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length: wasm.length / 2 }, (_, i) => 16 * digitAt(2 * i) + digitAt(2 * i + 1));
}

/** The module on a memory of its own, or on one that threads share; undefined if there is none of the kind. */
export function moduleFor(isShared: boolean): WebAssembly.Module | undefined {
  return compile(isShared ? spliced(decoded(), sharedMemory) : decoded(), feature);
}
