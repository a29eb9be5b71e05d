// Raw kernels on a memory where every buffer, and their scratch memory, has canaries on both sides and the last one may end at the last
// byte.

import { expect } from "vitest";
import { type Kernels, PLAN_NUMBERS, PLAN_PLANES, PLANES } from "../src/kernels.js";
import { instantiate, PAGE_BYTES } from "../src/module.js";

const CANARY = 0x5afe_c0de;
const CANARY_WORDS = 8;

type Values = Float64Array | Int32Array;

/** The kernels that take scratch memory as their last argument, and the argument that is the number of classes; inner follows it. */
const SCRATCH_KERNELS = {
  softmax: 3,
  logSoftmax: 3,
  logSumExp: 3,
  softmaxBackward: 4,
  logSoftmaxBackward: 4,
  lossOfIndices: 4,
  lossOfDistributions: 4,
  gradientOfIndices: 5,
  gradientOfDistributions: 5,
} as const;

type ScratchKernel = keyof typeof SCRATCH_KERNELS | "lossWithOptions";

type WithoutLast<F> = F extends (...args: [...infer A, number]) => infer R ? (...args: A) => R : never;

/** The kernels, less the argument that the arena gives. */
type TestKernels = Omit<Kernels, ScratchKernel> & { [K in ScratchKernel]: WithoutLast<Kernels[K]> };

export class CanaryArena {
  readonly kernels: TestKernels;
  readonly #memory: WebAssembly.Memory;
  readonly #scratchEnd: number;
  /** As much as lies above the tables. */
  #canaries = new Uint8Array();
  /** The most scratch memory that a call has been given. */
  #scratchBytes = 0;

  /** `zoneBytes` are for scratch memory. What a call is to use ends where they end, with canaries on both sides. */
  constructor(zoneBytes = 2 ** 19) {
    const { kernels, memory } = instantiate();
    this.#memory = memory;
    this.#scratchEnd = Math.ceil(kernels.heapBase() / 16) * 16 + zoneBytes;
    const wrapped = Object.entries(SCRATCH_KERNELS).map(([name, classesAt]) => {
      const kernel = kernels[name as keyof typeof SCRATCH_KERNELS] as (...args: number[]) => void;
      return [
        name,
        (...args: number[]) =>
          kernel(...args, this.#scratch(zoneBytes, kernels.scratchBytes(args[classesAt], args[classesAt + 1], PLANES))),
      ];
    });
    const lossWithOptions: TestKernels["lossWithOptions"] = (planPtr, first, end) => {
      const [classes, inner] = new Uint32Array(memory.buffer, planPtr + PLAN_NUMBERS.length * 8, 2);
      kernels.lossWithOptions(planPtr, first, end, this.#scratch(zoneBytes, kernels.scratchBytes(classes, inner, PLAN_PLANES)));
    };
    this.kernels = { ...kernels, ...Object.fromEntries(wrapped), lossWithOptions };
  }

  #scratch(zoneBytes: number, bytes: number): number {
    if (bytes > zoneBytes) throw new Error(`the test needs ${bytes} bytes of scratch memory`);
    this.#scratchBytes = Math.max(this.#scratchBytes, bytes);
    return this.#scratchEnd - bytes;
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
      const ptr = Math.floor((end - array.byteLength) / 8) * 8 + (array instanceof Int32Array ? (end - array.byteLength) % 8 : 0);
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

    expect(Buffer.compare(tables, new Uint8Array(buffer, 0, start)), "the tables are untouched").toBe(0);
    const results = views.map((view) => view.slice());
    views.forEach((view) => {
      new Int32Array(buffer, view.byteOffset, view.byteLength / 4).fill(CANARY);
    });
    new Int32Array(buffer, this.#scratchEnd - this.#scratchBytes, this.#scratchBytes / 4).fill(CANARY);
    expect(Buffer.compare(this.#canaries, new Uint8Array(buffer, start)), "no byte outside the buffers has changed").toBe(0);
    return results as unknown as A;
  }
}
