// The gate to WebAssembly: compiles the embedded module once, on first use, and makes instances, each with a memory of its own.

import { instantiateSync } from "@assemblyscript/loader";
import type { Kernels } from "./kernels.js";
import { feature, wasm } from "./wasm.generated.js";

export const PAGE_BYTES = 65536;
export const MAX_PAGES = 65536;

let compiled: WebAssembly.Module | undefined;

function compile(): WebAssembly.Module {
  const bytes = Uint8Array.from(atob(wasm), (char) => char.charCodeAt(0));
  if (!WebAssembly.validate(bytes)) throw new Error(`softmax-wasm expected an engine that has ${feature}`);
  return new WebAssembly.Module(bytes);
}

/** The kernels on a fresh memory of the least size. They are the instance's own exports, without the loader's wrappers. */
export function instantiate(): { kernels: Kernels; memory: WebAssembly.Memory } {
  compiled ??= compile();
  const memory = new WebAssembly.Memory({ initial: 1 });
  const { instance } = instantiateSync(compiled, { env: { memory } });
  return { kernels: instance.exports as unknown as Kernels, memory };
}
