// The kernels without @assemblyscript/loader: for workers, and for scopes that do not let it be evaluated.

import type { Kernels } from "./abi.js";

/** The function that a kernel calls when an assertion fails. Kernels of the release have no assertions. */
function abort(): void {
  throw new Error("softmax-wasm: an assertion has failed");
}

export function bareInstance(module: WebAssembly.Module, memory: WebAssembly.Memory): Kernels {
  return new WebAssembly.Instance(module, { env: { memory, abort } }).exports as unknown as Kernels;
}
