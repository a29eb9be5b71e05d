// The k greatest logits of a row, by one scan against the least of those found so far.

import type { FloatArray } from "../tensor/element.js";
import { findPlaces, forEachPiece, places } from "./pieces.js";

/** Says if a number comes before another one in ascending order, in which NaN is the last. */
const isLess = (a: number, b: number): boolean => a < b || (Number.isNaN(b) && !Number.isNaN(a));

/** Says if a logit comes after another one in the order of the greatest: it is less, or equal and of a higher class. */
const isAfter = (a: number, classOfA: number, b: number, classOfB: number): boolean =>
  isLess(a, b) || (classOfA > classOfB && !isLess(b, a));

/** The classes of the k greatest logits of a row; of equal logits the lower class is the greater one. */
export class Greatest {
  /**
   * A heap of logits, which are scaled where they are compared: each comes after those at 2 i + 1 and 2 i + 2, so that the last one is at
   * 0.
   */
  readonly #values: Float64Array;
  readonly #classes: Int32Array;
  #filled = 0;
  #scale = 1;

  constructor(readonly count: number) {
    this.#values = new Float64Array(count);
    this.#classes = new Int32Array(count);
  }

  /** Finds those of a row of at least k logits, which are multiplied by `scale`. */
  find(row: FloatArray, scale: number): void {
    this.#filled = 0;
    this.#scale = scale;
    forEachPiece(row, (piece, start) => {
      const taken = this.#filled < this.count ? this.#fill(piece, start) : 0;
      if (this.#filled === this.count) this.#scan(piece.subarray(taken), start + taken);
    });
  }

  /** The classes in ascending order. */
  ascending(): Int32Array {
    return this.#classes.sort();
  }

  /** The classes from the greatest logit to the least. The heap is used up: its least goes to the end, again and again. */
  descending(): Int32Array {
    for (let end = this.count - 1; end > 0; end--) {
      const [value, index] = [this.#values[end], this.#classes[end]];
      this.#values[end] = this.#values[0];
      this.#classes[end] = this.#classes[0];
      this.#sink(value, index, 0, end);
    }
    return this.#classes;
  }

  /** Takes the first k logits as they come, and makes a heap of them. Returns the number that it took from the piece. */
  #fill(piece: Float64Array, start: number): number {
    const taken = Math.min(this.count - this.#filled, piece.length);
    for (let i = 0; i < taken; i++, this.#filled++) {
      this.#values[this.#filled] = piece[i];
      this.#classes[this.#filled] = start + i;
    }
    if (this.#filled === this.count) {
      for (let at = (this.count >> 1) - 1; at >= 0; at--) this.#sink(this.#values[at], this.#classes[at], at, this.count);
    }
    return taken;
  }

  /**
   * Looks for logits that are greater than the last one in the heap. One that is equal has a higher class, so it is not. What is not
   * greater is not greater when it is scaled either.
   */
  #scan(piece: Float64Array, start: number): void {
    // Where NaN is the last one, nothing is greater.
    const bound = Number.isNaN(this.#values[0]) ? Number.POSITIVE_INFINITY : this.#values[0];
    const found = findPlaces(piece, bound);
    for (let f = 0; f < found; f++) this.#offer(piece[places[f]], start + places[f]);
  }

  /** Takes a logit in the place of the last one if it is greater. */
  #offer(value: number, index: number): void {
    if (isLess(this.#values[0] * this.#scale, value * this.#scale)) this.#sink(value, index, 0, this.count);
  }

  /** Puts an entry where `at` is, or below, in a heap of `count` entries. */
  #sink(value: number, index: number, at: number, count: number): void {
    const [values, classes, scale] = [this.#values, this.#classes, this.#scale];
    for (let child = 2 * at + 1; child < count; child = 2 * at + 1) {
      const other = child + 1;
      if (other < count && isAfter(values[other] * scale, classes[other], values[child] * scale, classes[child])) child = other;
      if (!isAfter(values[child] * scale, classes[child], value * scale, index)) break;
      values[at] = values[child];
      classes[at] = classes[child];
      at = child;
    }
    values[at] = value;
    classes[at] = index;
  }
}
