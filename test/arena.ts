// Raw kernels on a memory where every buffer, and their scratch memory, has canaries on both sides and the last one may end at the last
// byte.

import { expect } from "vitest";
import { PLAN_NUMBERS } from "../src/loss/plan.generated.js";
import { type Kernels, LOSS_PLANES, PAGE_BYTES, PLANES } from "../src/wasm/abi.js";
import { instantiate } from "../src/wasm/instantiate.js";

const CANARY = 0x5afe_c0de;
const CANARY_WORDS = 8;

export type Values = Float64Array | Float32Array | Int32Array | Uint8Array;

const haveSameBytes = (a: Uint8Array, b: Uint8Array) => Buffer.compare(a, b) === 0;

/** The kernels that visit a range of rows, and how many pointers they take before classes and inner. */
const VISITS = {
  softmax: 2,
  logSoftmax: 2,
  logSumExp: 2,
  softmaxBackward: 3,
  logSoftmaxBackward: 3,
} as const;

/**
 * The kernels; those that visit rows take outer before classes and inner instead of first, end and scratchPtr, and elementBytes and scale, which are
 * 8 and 1 by default, last.
 */
type TestKernels = Omit<Kernels, keyof typeof VISITS | "loss"> & Record<keyof typeof VISITS, (...args: number[]) => void>;

export class CanaryArena {
  readonly kernels: TestKernels;
  /** The kernel `loss` of a plan at an address, for the rows [first, end). */
  readonly loss: (planPtr: number, first: number, end: number) => void;
  readonly #memory: WebAssembly.Memory;
  readonly #scratchEnd: number;
  /** As much as lies above the tables. */
  #canaries = new Uint8Array();
  /** The most scratch memory that a call has been given. */
  #scratchBytes = 0;

  /**
   * `planesBytes` are for scratch memory of PLANES planes; `loss`, which takes more planes, has as much for each. The scratch memory of a
   * call ends where this zone ends, with canaries on both sides.
   */
  constructor(planesBytes = 2 ** 19) {
    const zoneBytes = planesBytes * (LOSS_PLANES / PLANES);
    const { kernels, memory } = instantiate();
    this.#memory = memory;
    this.#scratchEnd = Math.ceil(kernels.heapBase() / 16) * 16 + zoneBytes;
    const wrapped = Object.entries(VISITS).map(([name, pointers]) => {
      const kernel = kernels[name as keyof typeof VISITS] as (...args: number[]) => void;
      const inTwoParts = (...args: number[]): void => {
        const [outer, classes, inner, elementBytes = 8, scale = 1] = args.splice(pointers);
        const scratch = this.#scratch(zoneBytes, kernels.scratchBytes(classes, inner, PLANES, elementBytes));
        const rows = outer * inner;
        // As threads that share a batch would.
        for (const [first, end] of [
          [rows >> 1, rows],
          [0, rows >> 1],
        ]) {
          // Kernels with two inputs take the scale of the logits.
          kernel(...args, classes, inner, elementBytes, ...(pointers === 3 ? [scale] : []), first, end, scratch);
        }
      };
      return [name, inTwoParts];
    });
    this.kernels = { ...kernels, ...Object.fromEntries(wrapped) };
    this.loss = (planPtr, first, end) => {
      const [classes, inner, elementBytes] = new Uint32Array(memory.buffer, planPtr + PLAN_NUMBERS.length * 8, 3);
      kernels.loss(planPtr, first, end, this.#scratch(zoneBytes, kernels.scratchBytes(classes, inner, LOSS_PLANES, elementBytes)));
    };
  }

  #scratch(zoneBytes: number, bytes: number): number {
    if (bytes > zoneBytes) throw new Error(`the test needs ${bytes} bytes of scratch memory`);
    const aligned = Math.ceil(bytes / 16) * 16;
    this.#scratchBytes = Math.max(this.#scratchBytes, aligned);
    return this.#scratchEnd - aligned;
  }

  /** Writes into a buffer while `run` has it: addresses are known only then. */
  write(ptr: number, values: Float64Array): void {
    new Float64Array(this.#memory.buffer, ptr, values.length).set(values);
  }

  /**
   * Places copies of the arrays, the last ending at the last byte of memory, runs `use` on their addresses, and gives back what the
   * buffers then hold. Fails if a byte outside them has changed.
   */
  run<A extends readonly Values[]>(arrays: A, use: (...ptrs: number[]) => void): A {
    const gap = CANARY_WORDS * 4;
    const bytes = arrays.reduce((sum, array) => sum + Math.ceil(array.byteLength / 8) * 8 + gap, this.#scratchEnd + gap);
    const missing = bytes - this.#memory.buffer.byteLength;
    if (missing > 0) this.#memory.grow(Math.ceil(missing / PAGE_BYTES));
    const buffer = this.#memory.buffer;

    const start = Math.ceil(this.kernels.heapBase() / 8) * 8;
    const words = (buffer.byteLength - start) / 4;
    if (this.#canaries.byteLength !== words * 4) this.#canaries = new Uint8Array(new Int32Array(words).fill(CANARY).buffer);
    new Uint8Array(buffer, start).set(this.#canaries);
    // From the end downwards; doubles stay on 8-byte boundaries.
    const ptrs: number[] = [];
    let end = buffer.byteLength;
    for (const array of arrays.toReversed()) {
      const ptr = Math.floor((end - array.byteLength) / 8) * 8 + (array instanceof Float64Array ? 0 : (end - array.byteLength) % 8);
      ptrs.unshift(ptr);
      end = Math.floor(ptr / 8) * 8 - gap;
    }
    const views = arrays.map((array, i) => new (array.constructor as Float64ArrayConstructor)(buffer, ptrs[i], array.length));
    views.forEach((view, i) => {
      view.set(arrays[i]);
    });
    const tables = new Uint8Array(buffer, 0, start).slice();
    this.#scratchBytes = 0;

    use(...ptrs);

    expect(haveSameBytes(tables, new Uint8Array(buffer, 0, start)), "the tables are untouched").toBe(true);
    const results = views.map((view) => view.slice());
    const canaries = new Uint8Array(Int32Array.of(CANARY).buffer);
    for (const { byteOffset, byteLength } of views) {
      const bytes = new Uint8Array(buffer, byteOffset, byteLength);
      for (let i = 0; i < byteLength; i++) bytes[i] = canaries[(byteOffset + i) % 4];
    }
    new Int32Array(buffer, this.#scratchEnd - this.#scratchBytes, this.#scratchBytes / 4).fill(CANARY);
    expect(haveSameBytes(this.#canaries, new Uint8Array(buffer, start)), "no byte outside the buffers has changed").toBe(true);
    return results as unknown as A;
  }
}
