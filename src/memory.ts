// One linear memory and the plan of it: which bytes hold logits, labels, gradient.
//
//   0 … heapBase      tables and constants of the kernels
//   offsets[0] …      the first buffer
//   offsets[i] …      the next ones, each on a 64-byte boundary

import { rangeError, Verbatim } from "./check.js";
import type { Kernels } from "./kernels.js";
import { instantiate, MAX_PAGES, PAGE_BYTES } from "./module.js";

const ALIGNMENT_BYTES = 64;

/** Kernels step past the end of a buffer by less than 64 bytes before they stop: there must be an address for it. */
const MAX_END = MAX_PAGES * PAGE_BYTES - 64;

function align(address: number): number {
  return Math.ceil(address / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
}

/** An instance of the kernels with its memory. */
export class Arena {
  readonly kernels: Kernels;
  readonly #memory: WebAssembly.Memory;

  constructor() {
    const { kernels, memory } = instantiate();
    this.kernels = kernels;
    this.#memory = memory;
  }

  /** Finds places for buffers of these sizes, growing the memory where it is too small; `argument` is whose fault it is if it can't. */
  plan(argument: string, bytes: readonly number[]): number[] {
    const offsets: number[] = [];
    let end = this.kernels.heapBase();
    for (const size of bytes) {
      offsets.push(align(end));
      end = align(end) + size;
    }
    this.#reserve(argument, end);
    return offsets;
  }

  /** What the kernels need besides the tensors of a batch; where those alone are too large, or empty, it does not matter. */
  scratchBytes({ classes, inner, size }: { classes: number; inner: number; size: number }): number {
    return size > 0 && size * 8 < MAX_END ? this.kernels.scratchBytes(classes, inner) : 0;
  }

  #reserve(argument: string, end: number): void {
    const missing = Math.ceil(end / PAGE_BYTES) - this.#memory.buffer.byteLength / PAGE_BYTES;
    if (missing <= 0) return;
    const tooLarge = () =>
      rangeError(argument, "a batch that fits in WebAssembly memory", new Verbatim(`one that needs ${Math.ceil(end / 2 ** 20)} MiB`));
    if (end > MAX_END) throw tooLarge();
    try {
      this.#memory.grow(missing);
    } catch {
      throw tooLarge();
    }
  }

  /** A view of doubles; valid until the memory grows. */
  float64(offset: number, length: number): Float64Array {
    return new Float64Array(this.#memory.buffer, offset, length);
  }

  /** A view of class indices; valid until the memory grows. */
  int32(offset: number, length: number): Int32Array {
    return new Int32Array(this.#memory.buffer, offset, length);
  }

  /** Whether a view is of the memory as it is now. */
  holds(view: ArrayBufferView): boolean {
    return view.buffer === this.#memory.buffer;
  }
}
