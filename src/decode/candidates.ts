// Classes of a row that may be kept, in ascending order, with their logits and probabilities.

import { softmax } from "../index.js";
import type { FloatArray } from "../tensor/element.js";
import { weightOf } from "./draw.js";
import { findPlaces, forEachPiece, places } from "./pieces.js";

/** Intervals of logits, of which one has the last class of the most probable ones. */
const INTERVALS = 1024;
/** Logits that are further below the greatest one have p = 0. */
const WIDEST = 1000;

/** The last of the most probable classes: its logit, and how many classes of this logit are among them. */
export interface Last {
  readonly logit: number;
  readonly ties: number;
}

const sumsOfIntervals = new Float64Array(INTERVALS);

/**
 * Finds the last of the most probable classes whose weights sum to at least a part of the weight of all; undefined if there is none, as a
 * probability is NaN, all are 0, or the part is above 1. The sums of intervals tell the one where the last class lies, and only the logits
 * there are sorted.
 */
export function lastOf(logits: Float64Array, probs: Float64Array, part: number): Last | undefined {
  let [least, greatest] = [logits[0], logits[0]];
  for (let i = 1; i < logits.length; i++) {
    if (logits[i] < least) least = logits[i];
    if (logits[i] > greatest) greatest = logits[i];
  }
  const perUnit = INTERVALS / Math.max(Math.min(greatest - least, WIDEST), 1e-300);
  const intervalSums = sumsOfIntervals.fill(0);
  let total = 0;
  for (let i = 0; i < logits.length; i++) {
    const weight = weightOf(probs[i]);
    total += weight;
    intervalSums[Math.min(INTERVALS - 1, (greatest - logits[i]) * perUnit) | 0] += weight;
  }
  const target = part * total;
  if (!(target > 0 && target <= total)) return undefined;
  let above = 0;
  let interval = 0;
  while (above + intervalSums[interval] < target) above += intervalSums[interval++];
  const last: number[] = [];
  for (let i = 0; i < logits.length; i++) {
    const at = (greatest - logits[i]) * perUnit;
    if (at >= interval && (at < interval + 1 || interval === INTERVALS - 1)) last.push(i);
  }
  return lastAmong(last, logits, probs, target - above);
}

/** Finds the last one among some classes, whose weights suffice. */
function lastAmong(some: number[], logits: Float64Array, probs: Float64Array, target: number): Last {
  some.sort((a, b) => logits[b] - logits[a]);
  let last = 0;
  for (let sum = weightOf(probs[some[0]]); sum < target; sum += weightOf(probs[some[last]])) last++;
  const logit = logits[some[last]];
  let ties = 1;
  while (ties <= last && logits[some[last - ties]] === logit) ties++;
  return { logit, ties };
}

/** Classes in ascending order, their logits, and room for their probabilities, in memory that the next row uses again. */
export class Candidates {
  #classes = new Int32Array(0);
  #logits = new Float64Array(0);
  #probs = new Float64Array(0);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  get classes(): Int32Array {
    return this.#classes.subarray(0, this.#count);
  }

  get logits(): Float64Array {
    return this.#logits.subarray(0, this.#count);
  }

  get probs(): Float64Array {
    return this.#probs.subarray(0, this.#count);
  }

  /** Computes the probabilities of the candidates among themselves. */
  computeProbs(): void {
    if (this.#probs.length < this.#count) this.#probs = new Float64Array(this.#logits.length);
    softmax(this.logits, { out: this.probs });
  }

  /** Makes room for more candidates. */
  #reserve(more: number): void {
    const needed = this.#count + more;
    if (needed <= this.#classes.length) return;
    const [classes, logits] = [this.classes, this.logits];
    this.#classes = new Int32Array(Math.max(needed, 2 * classes.length));
    this.#logits = new Float64Array(this.#classes.length);
    this.#classes.set(classes);
    this.#logits.set(logits);
  }

  /** Takes the given classes, which are in ascending order. */
  take(classes: Int32Array, row: FloatArray, scale: number): void {
    this.#count = 0;
    this.#reserve(classes.length);
    this.#count = classes.length;
    this.#classes.set(classes);
    for (let i = 0; i < classes.length; i++) this.#logits[i] = row[classes[i]] * scale;
  }

  /** Takes the classes whose scaled logits are at least `least`, and those of NaN. */
  gather(row: FloatArray, scale: number, least: number): void {
    // A little lower than what becomes `least`, as that is rounded.
    const bound = least / scale - 1e-12 * Math.abs(least / scale) - 1e-300;
    this.#count = 0;
    forEachPiece(row, (piece, start) => {
      this.#reserve(piece.length);
      this.#takeFrom(piece, start, scale, least, findPlaces(piece, bound));
    });
  }

  /** Takes such classes from the places that have been found. */
  #takeFrom(piece: Float64Array, start: number, scale: number, least: number, found: number): void {
    const [classes, logits, at] = [this.#classes, this.#logits, places];
    let count = this.#count;
    for (let f = 0; f < found; f++) {
      const logit = piece[at[f]] * scale;
      if (logit < least) continue;
      classes[count] = start + at[f];
      logits[count++] = logit;
    }
    this.#count = count;
  }

  /** Keeps the classes up to the last one, in the order of p, that are at least so probable. */
  keep({ logit, ties }: Last, prob: number): void {
    const [classes, logits, probs, end] = [this.#classes, this.#logits, this.#probs, this.#count];
    let count = 0;
    for (let i = 0, left = ties; i < end; i++) {
      const isKept = logits[i] > logit || (logits[i] === logit && left-- > 0);
      if (!isKept || probs[i] < prob) continue;
      classes[count] = classes[i];
      logits[count] = logits[i];
      probs[count++] = probs[i];
    }
    this.#count = count;
  }
}
