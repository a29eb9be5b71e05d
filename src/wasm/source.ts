// The source of the modules: binaries packed into JavaScript, so that nothing must be fetched. Builds of other entries put source-slim.ts or
// source-workerd.ts in the place of this file.

import { feature, sharedMemory, wasm } from "./binary.generated.js";
import { compile, spliced } from "./compile.js";
import { unpack } from "./unpack.js";

export { tolerance } from "./binary.generated.js";

/** The module for a memory of its own, or for a memory that threads share; undefined if there is no such module. */
export function moduleFor(isShared: boolean): WebAssembly.Module | undefined {
  return compile(isShared ? spliced(unpack(wasm), sharedMemory) : unpack(wasm), feature);
}
