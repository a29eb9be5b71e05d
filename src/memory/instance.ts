// An instance of the kernels with its memory, and the workers that share the memory if it has any.

import { bytesOf, type Dtype, type ElementArray, type ElementType, viewOf } from "../tensor/element.js";
import type { Extent } from "../tensor/shape.js";
import type { SharedInstance, Team } from "../threads/team.js";
import { type Kernels, MAX_PAGES, PAGE_BYTES } from "../wasm/abi.js";
import { instantiate } from "../wasm/instantiate.js";
import { growTo } from "../wasm/memory.js";

const ALIGNMENT_BYTES = 64;

/** Kernels step past the end of a buffer by less than 64 bytes before they stop: there must be an address for it. */
const MAX_END = MAX_PAGES * PAGE_BYTES - 64;

/** The first address from `address` on where a buffer may begin. */
export function alignUp(address: number): number {
  return Math.ceil(address / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
}

export class Instance {
  readonly kernels: Kernels;
  readonly memory: WebAssembly.Memory;
  readonly team: Team | undefined;
  /** The threads that may work at once, each of which needs scratch memory. */
  readonly mostThreads: number;

  /** An instance that threads share, or one for the calling thread alone, which works without the code of threads. */
  constructor(shared?: SharedInstance) {
    const { kernels, memory } = shared ?? instantiate();
    this.kernels = kernels;
    this.memory = memory;
    this.team = shared?.team;
    this.mostThreads = shared?.threads ?? 1;
  }

  /** The number of threads that shared the last call of shared kernels. */
  get threads(): number {
    return this.team?.threads ?? 1;
  }

  /** The kernels for batches of an extent; threads share the rows of large ones. `scratchBytes` is the scratch memory of all threads. */
  kernelsFor(extent: Extent, scratchBytes: number): Kernels {
    return this.team?.kernelsFor(extent, scratchBytes / this.mostThreads) ?? this.kernels;
  }

  /** Throws if a worker was lost in a call, so that the memory has no results. */
  check(): void {
    this.team?.check();
  }

  /** The reason why no worker can be started; undefined as far as none is known. */
  get threadsReason(): string | undefined {
    return this.team?.reason;
  }

  /** The size of the memory. */
  get byteLength(): number {
    return this.memory.buffer.byteLength;
  }

  /** Lets the workers go. The memory goes with this object, or to another layer if `isReusable`: nobody writes to a view of it any more. */
  dispose(isReusable: boolean): void {
    this.team?.dispose(isReusable);
  }

  /** Scratch memory for all threads, in bytes; 0 for a batch that is empty, or too large for the memory by itself. */
  scratchBytes({ outer, classes, inner }: Extent, planes: number, dtype: Dtype): number {
    const tensorBytes = bytesOf(dtype, outer * classes * inner);
    if (tensorBytes === 0 || tensorBytes >= MAX_END) return 0;
    return alignUp(this.kernels.scratchBytes(classes, inner, planes, bytesOf(dtype, 1))) * this.mostThreads;
  }

  /** Makes the memory grow until it has the address `end`; false if it can't. */
  reserve(end: number): boolean {
    return end <= MAX_END && growTo(this.memory, end);
  }

  /** True if threads share the memory. Old views of shared memory stay valid. */
  get isShared(): boolean {
    return this.team !== undefined;
  }

  /** Makes all views of the memory lose it, so that nobody writes to a place that now holds something else. Not for shared memory. */
  detachViews(): void {
    this.memory.grow(0);
  }

  /** A view of the memory; valid until the memory grows. */
  view(type: ElementType, offset: number, length: number): ElementArray {
    return viewOf(type, this.memory.buffer, offset, length);
  }

  /** Says if a view is of the memory as it is now. */
  holds(view: ArrayBufferView): boolean {
    return view.buffer === this.memory.buffer;
  }

  /** Says if a view may be of the memory, as it is now or before it grew. */
  mayHold(view: ArrayBufferView): boolean {
    return this.holds(view) || (this.isShared && !(view.buffer instanceof ArrayBuffer));
  }
}
