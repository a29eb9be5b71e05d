// Instances of the kernels, each with a memory of its own. The module is compiled on first use.

// This import must come before that of the loader.
import "./preflight.js";

import { instantiateSync } from "@assemblyscript/loader";
import type { Kernels } from "./abi.js";
import { checkKernels } from "./self-test.js";
import { moduleFor, tolerance } from "./source.js";

export const PAGE_BYTES = 65536;
export const MAX_PAGES = 65536;
/** 64 MiB. A shared memory that can't grow to so many pages is of no use. */
const LEAST_SHARED_PAGES = 1024;

/** Kernels on a memory of their own. They are the instance's exports, without the loader's wrappers. */
interface ModuleInstance {
  readonly kernels: Kernels;
  readonly memory: WebAssembly.Memory;
  readonly module: WebAssembly.Module;
}

let isChecked = false;

/** The kernels on a fresh memory. The first time, a self-test checks their results. */
function instantiateOn(module: WebAssembly.Module, memory: WebAssembly.Memory): ModuleInstance {
  const { instance } = instantiateSync(module, { env: { memory } });
  const kernels = instance.exports as unknown as Kernels;
  if (!isChecked) {
    checkKernels(kernels, memory, tolerance);
    isChecked = true;
  }
  return { kernels, memory, module };
}

let plain: WebAssembly.Module | undefined;
let shared: WebAssembly.Module | undefined;

/** The kernels on a fresh memory of the least size. */
export function instantiate(): ModuleInstance {
  plain ??= moduleFor(false) as WebAssembly.Module;
  return instantiateOn(plain, new WebAssembly.Memory({ initial: 1 }));
}

/** The kernels on a fresh memory that threads can share; undefined if there are no addresses for it, or no module. */
export function instantiateShared(): ModuleInstance | undefined {
  shared ??= moduleFor(true);
  if (!shared) return undefined;
  const memory = sharedMemory();
  return memory && instantiateOn(shared, memory);
}

function sharedMemory(): WebAssembly.Memory | undefined {
  // Engines reserve addresses for the maximum. Where there are not so many, a smaller maximum is tried.
  for (let maximum = MAX_PAGES; maximum >= LEAST_SHARED_PAGES; maximum /= 4) {
    try {
      return new WebAssembly.Memory({ initial: 1, maximum, shared: true });
    } catch {
      // Each engine throws an error of its own for a maximum that is too large.
    }
  }
  return undefined;
}
