// Instances of the kernels, each with a memory of its own; the module is compiled on first use.

// First of all.
import "./preflight.js";

import { instantiateSync } from "@assemblyscript/loader";
import type { Kernels } from "./abi.js";
import { checkKernels } from "./self-test.js";
import { moduleFor, tolerance } from "./source.js";

export const PAGE_BYTES = 65536;
export const MAX_PAGES = 65536;
/** 64 MiB: a shared memory that may not grow to so much is of no use. */
const LEAST_SHARED_PAGES = 1024;

/** Kernels on a memory of their own; they are the instance's exports, without the loader's wrappers. */
interface Instance {
  readonly kernels: Kernels;
  readonly memory: WebAssembly.Memory;
  readonly module: WebAssembly.Module;
}

let isChecked = false;

/** The kernels on a fresh memory; the first time it is checked that they compute what they should. */
function instantiateOn(module: WebAssembly.Module, memory: WebAssembly.Memory): Instance {
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
export function instantiate(): Instance {
  plain ??= moduleFor(false) as WebAssembly.Module;
  return instantiateOn(plain, new WebAssembly.Memory({ initial: 1 }));
}

/** The same on a memory that threads can share; undefined if there are no addresses for one, or no such module. */
export function instantiateShared(): Instance | undefined {
  shared ??= moduleFor(true);
  if (!shared) return undefined;
  const memory = sharedMemory();
  return memory && instantiateOn(shared, memory);
}

function sharedMemory(): WebAssembly.Memory | undefined {
  // Its addresses are reserved for as much as it may ever hold: where there are fewer, for less.
  for (let maximum = MAX_PAGES; maximum >= LEAST_SHARED_PAGES; maximum /= 4) {
    try {
      return new WebAssembly.Memory({ initial: 1, maximum, shared: true });
    } catch {
      // Not so much, which engines say in their own ways.
    }
  }
  return undefined;
}
