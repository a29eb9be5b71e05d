// Named buffers of an instance's memory: this is the only place that decides which bytes hold which values.
//
//   0 … heapBase      tables and constants of the kernels
//   ptr(first name)   the first buffer
//   ptr(next name)    the next buffers, each on a 64-byte boundary

import { bytesOf, type ElementArray, type ElementType, type FloatArray } from "../tensor/element.js";
import { alignUp, type Instance } from "./instance.js";

/** A buffer to be laid out: its name, the type of its elements, and their number. */
export type BufferSpec = readonly [name: string, type: ElementType, length: number];

/** A buffer as it lies in memory, with the view of it that was made last. */
interface Place {
  readonly type: ElementType;
  readonly offset: number;
  readonly length: number;
  view?: ElementArray;
}

export class Buffers {
  readonly #instance: Instance;
  readonly #places = new Map<string, Place>();

  /** Lays buffers out in their order and makes the memory grow if they need it; `argument` is named in the error if it can't. */
  constructor(instance: Instance, argument: string, specs: readonly BufferSpec[]) {
    this.#instance = instance;
    let end = instance.kernels.heapBase();
    for (const [name, type, length] of specs) {
      const offset = alignUp(end);
      this.#places.set(name, { type, offset, length });
      end = offset + bytesOf(type, length);
    }
    instance.reserve(argument, end);
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

  float64(name: string): FloatArray {
    return this.view(name) as FloatArray;
  }

  int32(name: string): Int32Array {
    return this.view(name) as Int32Array;
  }

  uint8(name: string): Uint8Array {
    return this.view(name) as Uint8Array;
  }
}
