// The gate to WebAssembly: compiles the embedded module once, on first use, and makes instances, each with a memory of its own.

import { instantiateSync } from "@assemblyscript/loader";
import type { Kernels } from "./kernels.js";
import { feature, sharedMemory, wasm } from "./wasm.generated.js";

export const PAGE_BYTES = 65536;
export const MAX_PAGES = 65536;
/** 64 MiB: a shared memory that may not grow to so much is of no use. */
const LEAST_SHARED_PAGES = 1024;

/** The embedded module, which imports a memory, or one that threads can share. */
function compile(isShared: boolean): WebAssembly.Module {
  let binary = atob(wasm);
  if (isShared) binary = binary.slice(0, sharedMemory.start) + String.fromCharCode(...sharedMemory.bytes) + binary.slice(sharedMemory.end);
  const bytes = Uint8Array.from(binary, (char) => char.charCodeAt(0));
  if (!WebAssembly.validate(bytes)) throw new Error(`softmax-wasm expected an engine that has ${feature}`);
  return new WebAssembly.Module(bytes);
}

let compiled: WebAssembly.Module | undefined;
let compiledShared: WebAssembly.Module | undefined;

/** Kernels on a memory of their own; they are the instance's exports, without the loader's wrappers. */
interface Instance {
  readonly kernels: Kernels;
  readonly memory: WebAssembly.Memory;
  readonly module: WebAssembly.Module;
}

function instantiateOn(module: WebAssembly.Module, memory: WebAssembly.Memory): Instance {
  const { instance } = instantiateSync(module, { env: { memory } });
  return { kernels: instance.exports as unknown as Kernels, memory, module };
}

/** The kernels on a fresh memory of the least size. */
export function instantiate(): Instance {
  compiled ??= compile(false);
  return instantiateOn(compiled, new WebAssembly.Memory({ initial: 1 }));
}

/** The same on a memory that threads can share; undefined if there are no addresses for one. */
export function instantiateShared(): Instance | undefined {
  compiledShared ??= compile(true);
  // Its addresses are reserved for as much as it may ever hold: where there are fewer, for less.
  for (let maximum = MAX_PAGES; maximum >= LEAST_SHARED_PAGES; maximum /= 4) {
    try {
      return instantiateOn(compiledShared, new WebAssembly.Memory({ initial: 1, maximum, shared: true }));
    } catch {
      // Not so much, which engines say in their own ways.
    }
  }
  return undefined;
}
