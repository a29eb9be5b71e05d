// Named buffers of an instance's memory: this is the only place that decides which bytes hold which values.
//
//   0 … heapBase      tables and constants of the kernels
//   ptr(first name)   the first buffer
//   ptr(next name)    the next buffers, each on a 64-byte boundary

import { rangeError, Verbatim } from "../errors.js";
import { bytesOf, type ElementArray, type ElementType, type FloatArray } from "../tensor/element.js";
import { alignUp, type Instance } from "./instance.js";

/** A buffer to be laid out: its name, the type of its elements, and their number. */
export type BufferSpec = readonly [name: string, type: ElementType, length: number];

/** A buffer as it lies in memory, with room for `capacity` elements, and the view of it that was made last. */
interface Place {
  readonly type: ElementType;
  readonly offset: number;
  readonly capacity: number;
  readonly length: number;
  view?: ElementArray;
}

/** The first address behind buffers that are laid out in a fresh memory. */
export function endOf({ kernels }: Instance, specs: readonly BufferSpec[]): number {
  return specs.reduce((end, [, type, length]) => alignUp(end) + bytesOf(type, length), kernels.heapBase());
}

export class Buffers {
  readonly #instance: Instance;
  #places = new Map<string, Place>();
  /** The places of all buffers that there have been: each name keeps its own. */
  readonly #reserved = new Map<string, Place>();
  #end: number;

  /** Lays buffers out in their order and makes the memory grow if they need it; the RangeError names the argument "shape" if it can't. */
  constructor(instance: Instance, specs: readonly BufferSpec[]) {
    this.#instance = instance;
    this.#end = instance.kernels.heapBase();
    if (this.layOut(specs)) return;
    const needed = `one that needs ${Math.ceil(endOf(instance, specs) / 2 ** 20)} MiB`;
    throw rangeError("shape", "a batch that fits in WebAssembly memory", new Verbatim(needed));
  }

  /**
   * Lays buffers out anew, each in its place, and new ones behind all others. False if one is too large for its place, or the memory can't
   * grow: then nothing has changed.
   */
  layOut(specs: readonly BufferSpec[]): boolean {
    const places = new Map<string, Place>();
    let end = this.#end;
    for (const [name, type, length] of specs) {
      const { offset, capacity } = this.#reserved.get(name) ?? { offset: alignUp(end), capacity: length };
      if (length > capacity) return false;
      places.set(name, { type, offset, capacity, length });
      end = Math.max(end, offset + bytesOf(type, capacity));
    }
    if (!this.#instance.reserve(end)) return false;
    for (const [name, place] of places) this.#reserved.set(name, place);
    this.#places = places;
    this.#end = end;
    return true;
  }

  has(name: string): boolean {
    return this.#places.has(name);
  }

  #placeOf(name: string): Place {
    const place = this.#places.get(name);
    if (!place) throw new Error(`softmax-wasm has no buffer ${name}`);
    return place;
  }

  /** The address of a buffer. */
  ptr(name: string): number {
    return this.#placeOf(name).offset;
  }

  /** The address of a buffer, or 0 if there is no such buffer. */
  ptrIfAny(name: string): number {
    return this.#places.get(name)?.offset ?? 0;
  }

  /** The elements of a buffer: the same view until the memory grows. */
  view(name: string): ElementArray {
    const place = this.#placeOf(name);
    if (!place.view || !this.#instance.holds(place.view)) place.view = this.#instance.view(place.type, place.offset, place.length);
    return place.view;
  }

  /** The elements of a tensor. */
  float(name: string): FloatArray {
    return this.view(name) as FloatArray;
  }

  float64(name: string): Float64Array {
    return this.view(name) as Float64Array;
  }

  /** The bytes of an element of a buffer. */
  elementBytes(name: string): number {
    return bytesOf(this.#placeOf(name).type, 1);
  }

  int32(name: string): Int32Array {
    return this.view(name) as Int32Array;
  }

  uint8(name: string): Uint8Array {
    return this.view(name) as Uint8Array;
  }
}
