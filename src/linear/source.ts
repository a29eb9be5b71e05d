// The source of the module of products: its binary as digits. The build for workerd puts source-workerd.ts in the place of this file.

import { compile, spliced } from "../wasm/compile.js";
import { BINARY_DIGIT_BITS, bytesOf } from "../wasm/digits.js";
import { linear, sharedMemory } from "../wasm/linear.generated.js";

const compiled = new Map<boolean, WebAssembly.Module>();

/** The module for a memory of one thread, or for a memory that threads share. */
export function linearModule(isShared: boolean): WebAssembly.Module {
  let module = compiled.get(isShared);
  if (!module) {
    const binary = bytesOf(linear, BINARY_DIGIT_BITS);
    module = compile(isShared ? spliced(binary, sharedMemory) : binary, "WebAssembly SIMD");
    compiled.set(isShared, module);
  }
  return module;
}
