// Instances of the kernels, each with a memory of its own. The module is compiled on first use.

import { type Kernels, MAX_PAGES, PAGE_BYTES } from "./abi.js";
import { freeAddresses } from "./addresses.js";
import { bareInstance } from "./bare-instance.js";
import { instantiateSync } from "./loader.js";
import { plainMemory } from "./memory.js";
import { checkKernels } from "./self-test.js";
import { moduleFor, tolerance } from "./source.js";

/** 64 MiB. A shared memory that can't grow to so many pages is of no use. */
const LEAST_SHARED_PAGES = 1024;

/** Kernels on a memory of their own. They are the instance's exports, without the loader's wrappers. */
export interface ModuleInstance {
  readonly kernels: Kernels;
  readonly memory: WebAssembly.Memory;
  readonly module: WebAssembly.Module;
}

let isChecked = false;

/** Says if this scope lets the loader be evaluated: audio worklets and jsdom have no TextDecoder, and some programs freeze Object. */
function hasLoader(): boolean {
  return typeof TextDecoder === "function" && !Object.isFrozen(Object);
}

/** The kernels on a fresh memory. The first time, a self-test checks their results. */
function instantiateOn(module: WebAssembly.Module, memory: WebAssembly.Memory): ModuleInstance {
  const kernels = hasLoader()
    ? (instantiateSync(module, { env: { memory } }).instance.exports as unknown as Kernels)
    : bareInstance(module, memory);
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
  return instantiateOn(plain, plainMemory(1));
}

/** The kernels on a fresh memory of at least `leastBytes` that threads can share, or the reason why there are none. */
export function instantiateShared(leastBytes: number): ModuleInstance | string {
  shared ??= moduleFor(true);
  if (!shared) return "the kernels are a module, and threads need its bytes";
  const memory = sharedMemory(Math.max(1, Math.ceil(leastBytes / PAGE_BYTES)));
  return memory ? instantiateOn(shared, memory) : "there are no addresses for a shared memory";
}

function sharedMemory(initial: number): WebAssembly.Memory | undefined {
  // Engines reserve addresses for the maximum, and may give a memory that can't grow where there are not so many.
  const most = freeAddresses() < Number.POSITIVE_INFINITY ? 2 * initial + LEAST_SHARED_PAGES : MAX_PAGES;
  for (let maximum = Math.min(most, MAX_PAGES); maximum >= Math.max(initial, LEAST_SHARED_PAGES); maximum = Math.floor(maximum / 4)) {
    try {
      return new WebAssembly.Memory({ initial, maximum, shared: true });
    } catch {
      // Each engine throws an error of its own for a maximum that is too large.
    }
  }
  return undefined;
}
