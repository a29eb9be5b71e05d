// One linear memory and the plan of it: which bytes hold logits, labels, gradient.
//
//   0 … heapBase      tables and constants of the kernels
//   offsets[0] …      the first buffer
//   offsets[i] …      the next ones, each on a 64-byte boundary

import { rangeError, Verbatim } from "../errors.js";
import type { Crew, Shared } from "../threads/team.js";
import { type Kernels, PLANES } from "../wasm/abi.js";
import { instantiate, MAX_PAGES, PAGE_BYTES } from "../wasm/instantiate.js";

const ALIGNMENT_BYTES = 64;

/** Elements of a tensor that are visited in one piece: 256 KiB, so that two tensors stay in a second-level cache. */
export const STAGE_ELEMENTS = 32768;

/** Kernels step past the end of a buffer by less than 64 bytes before they stop: there must be an address for it. */
const MAX_END = MAX_PAGES * PAGE_BYTES - 64;

function align(address: number): number {
  return Math.ceil(address / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
}

type View = Float64Array | Int32Array | Uint8Array;
type ViewType = "float64" | "int32" | "uint8";

const ELEMENT_BYTES: Readonly<Record<ViewType, number>> = { float64: 8, int32: 4, uint8: 1 };

/** A buffer: its name, what it holds, and how many. */
export type Buffer = readonly [name: string, type: ViewType, length: number];

/** Where a buffer lies, and the view of it that was last asked for. */
interface Place {
  readonly type: ViewType;
  readonly offset: number;
  readonly length: number;
  view?: View;
}

/** An instance of the kernels with its memory. */
export class Arena {
  readonly kernels: Kernels;
  readonly #memory: WebAssembly.Memory;
  /** Of a memory that is shared: who works with it. */
  readonly #crew: Crew | undefined;
  readonly #hands: number;

  /**
   * `shared` is a memory with its crew. Without it the calling thread works alone, and bundles leave the threads out.
   *
   * @internal Declarations are for programs without the types of WebAssembly, too.
   */
  constructor(shared?: Shared) {
    const { kernels, memory } = shared ?? instantiate();
    this.kernels = kernels;
    this.#memory = memory;
    this.#crew = shared?.crew;
    this.#hands = shared?.threads ?? 1;
  }

  /** How many hands the last call of shared kernels had. */
  get hands(): number {
    return this.#crew?.hands ?? 1;
  }

  /** The kernels for batches of a layout, whose rows hands share if there are many; `scratchBytes` are for all of them. */
  sharedKernels(layout: { inner: number; size: number }, scratchBytes: number): Kernels {
    return this.#crew?.kernelsFor(layout, scratchBytes / this.#hands) ?? this.kernels;
  }

  /** Throws if the memory has no good results, because a worker was lost. */
  check(): void {
    this.#crew?.check();
  }

  /** Ends what does not end with the object itself. */
  dispose(): void {
    this.#crew?.dispose();
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

  /** What the kernels need besides the tensors of a batch, each hand; where those alone are too large, or empty, it does not matter. */
  scratchBytes({ classes, inner, size }: { classes: number; inner: number; size: number }, planes: number = PLANES): number {
    return size > 0 && size * 8 < MAX_END ? align(this.kernels.scratchBytes(classes, inner, planes)) * this.#hands : 0;
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

  /** A view of bytes; valid until the memory grows. */
  uint8(offset: number, length: number): Uint8Array {
    return new Uint8Array(this.#memory.buffer, offset, length);
  }

  /** Whether a view is of the memory as it is now. */
  holds(view: ArrayBufferView): boolean {
    return view.buffer === this.#memory.buffer;
  }

  /** Whether a view may be of the memory, now or before it grew: a shared one's views stay. */
  mayHold(view: ArrayBufferView): boolean {
    return this.holds(view) || (this.#crew !== undefined && view.buffer instanceof SharedArrayBuffer);
  }
}

/** Buffers of a memory by name. */
export class Buffers {
  readonly #arena: Arena;
  readonly #places: ReadonlyMap<string, Place>;

  /** Finds places for them; `argument` is whose fault it is if there are none. */
  constructor(arena: Arena, argument: string, buffers: readonly Buffer[]) {
    const bytes = buffers.map(([, type, length]) => length * ELEMENT_BYTES[type]);
    const offsets = arena.plan(argument, bytes);
    this.#arena = arena;
    this.#places = new Map(buffers.map(([name, type, length], i) => [name, { type, offset: offsets[i], length }]));
  }

  has(name: string): boolean {
    return this.#places.has(name);
  }

  #placeOf(name: string): Place {
    const place = this.#places.get(name);
    if (!place) throw new Error(`softmax-wasm has no buffer ${name}`);
    return place;
  }

  /** Where a buffer lies. */
  ptr(name: string): number {
    return this.#placeOf(name).offset;
  }

  /** Where a buffer lies, 0 for one that is not there. */
  ptrIfAny(name: string): number {
    return this.#places.get(name)?.offset ?? 0;
  }

  /** A buffer as it lies in memory now: the same view until the memory grows. */
  view(name: string): View {
    const place = this.#placeOf(name);
    if (!place.view || !this.#arena.holds(place.view)) place.view = this.#arena[place.type](place.offset, place.length);
    return place.view;
  }

  float64(name: string): Float64Array {
    return this.view(name) as Float64Array;
  }

  int32(name: string): Int32Array {
    return this.view(name) as Int32Array;
  }

  uint8(name: string): Uint8Array {
    return this.view(name) as Uint8Array;
  }
}
