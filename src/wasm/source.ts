// The source of the modules: binaries embedded in JavaScript, so that nothing must be fetched. Builds of other entries put source-slim.ts or
// source-workerd.ts in the place of this file.

import { feature, sharedMemory, wasm } from "./binary.generated.js";
import { compile, spliced } from "./compile.js";
import { binaryOf } from "./text.js";

export { tolerance } from "./binary.generated.js";

/** The module for a memory of its own, or for a memory that threads share; undefined if there is no such module. */
export function moduleFor(isShared: boolean): WebAssembly.Module | undefined {
  return compile(isShared ? spliced(binaryOf(wasm), sharedMemory) : binaryOf(wasm), feature);
}
