// Raw kernels on a memory where every buffer has canaries on both sides and the last one may end at the last byte.

import { expect } from "vitest";
import type { Kernels } from "../src/kernels.js";
import { instantiate, PAGE_BYTES } from "../src/module.js";

const CANARY = 0x5afe_c0de;
const CANARY_WORDS = 8;

type Values = Float64Array | Int32Array;

export class CanaryArena {
  readonly kernels: Kernels;
  readonly #memory: WebAssembly.Memory;

  constructor() {
    const { kernels, memory } = instantiate();
    this.kernels = kernels;
    this.#memory = memory;
  }

  /**
   * Places copies of the arrays, the last ending at the last byte of memory, runs `use` on their addresses, and gives back what the
   * buffers then hold. Fails if a byte outside them has changed.
   */
  run<A extends readonly Values[]>(arrays: A, use: (...ptrs: number[]) => void): A {
    const gap = CANARY_WORDS * 4;
    const bytes = arrays.reduce((sum, array) => sum + Math.ceil(array.byteLength / 8) * 8 + gap, this.kernels.heapBase() + 16);
    const missing = bytes - this.#memory.buffer.byteLength;
    if (missing > 0) this.#memory.grow(Math.ceil(missing / PAGE_BYTES));
    const buffer = this.#memory.buffer;

    const start = Math.ceil(this.kernels.heapBase() / 8) * 8;
    new Int32Array(buffer, start).fill(CANARY);
    // From the end downwards; doubles stay on 8-byte boundaries.
    const ptrs: number[] = [];
    let end = buffer.byteLength;
    for (const array of arrays.toReversed()) {
      const ptr = Math.floor((end - array.byteLength) / 8) * 8 + (array instanceof Int32Array ? (end - array.byteLength) % 8 : 0);
      ptrs.unshift(ptr);
      end = Math.floor(ptr / 8) * 8 - gap;
    }
    const views = arrays.map((array, i) => new (array.constructor as Float64ArrayConstructor)(buffer, ptrs[i], array.length));
    views.forEach((view, i) => {
      view.set(arrays[i]);
    });
    // All that lies below, but for what the kernels may write.
    const tablesNow = () =>
      new Uint8Array(buffer, 0, start)
        .slice()
        .fill(0, this.kernels.scratchBase(), this.kernels.scratchBase() + this.kernels.scratchBytes());
    const tables = tablesNow();

    use(...ptrs);

    expect(Buffer.compare(tables, tablesNow()), "the tables are untouched").toBe(0);
    const results = views.map((view) => view.slice());
    views.forEach((view) => {
      new Int32Array(buffer, view.byteOffset, view.byteLength / 4).fill(CANARY);
    });
    expect(
      new Int32Array(buffer, start).findIndex((word) => word !== CANARY),
      "no byte outside the buffers has changed",
    ).toBe(-1);
    return results as unknown as A;
  }
}
