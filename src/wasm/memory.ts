// Memories: those that are not shared, and how a memory grows.

import { MAX_PAGES, PAGE_BYTES } from "./abi.js";
import { freeAddresses } from "./addresses.js";

/** Under a limit of addresses an engine may give a memory all that it finds, if it may grow. */
function mostPages(): number | undefined {
  const free = freeAddresses();
  return free < Number.POSITIVE_INFINITY ? Math.min(Math.ceil(free / 4 / PAGE_BYTES), MAX_PAGES) : undefined;
}

/** A memory of `initial` pages, which grows to at most `maximum`. */
export function plainMemory(initial: number, maximum = mostPages()): WebAssembly.Memory {
  try {
    return new WebAssembly.Memory({ initial, maximum });
  } catch (cause) {
    const help = "raise the limit of addresses (ulimit -v), or start Node with --disable-wasm-trap-handler";
    throw new Error(`softmax-wasm expected addresses for a WebAssembly memory, got: ${(cause as Error).message}; ${help}`, { cause });
  }
}

/** Makes a memory grow until it has at least `bytes`; false if it can't. */
export function growTo(memory: WebAssembly.Memory, bytes: number): boolean {
  const missing = Math.ceil(bytes / PAGE_BYTES) - memory.buffer.byteLength / PAGE_BYTES;
  if (missing <= 0) return true;
  try {
    memory.grow(missing);
    return true;
  } catch {
    return false;
  }
}
