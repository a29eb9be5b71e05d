// Targets: labels with their class weights and their smoothing, t_j = w_j ((1 − ε) q_j + ε / C), C the number of classes that take part.

import { zeros } from "../tensor/element.js";
import type { Extent, Layout } from "../tensor/shape.js";
import type { NumberArray } from "../tensor/typed-array.js";
import type { LabelKind } from "./labels.js";
import type { Mask } from "./options.js";
import { countOpen } from "./rows.js";
import type { Terms } from "./terms.js";

/** Says if labels of a kind need targets: they are smoothed, or they are distributions with class weights. */
export function needTargets(kind: LabelKind, { weights, labelSmoothing }: Terms): boolean {
  return labelSmoothing > 0 || (kind === "distribution" && weights !== undefined);
}

/** Says if all rows have the same targets. The kernel adds the target of the index itself. */
export function areShared(kind: LabelKind | undefined, hasMaskByRow: boolean): boolean {
  return kind === "indices" && !hasMaskByRow;
}

/** The parts of targets that depend on the class alone. */
export interface ClassTargets {
  /** The factor of a label, w_j (1 − ε). */
  readonly own: Float64Array;
  /** The part that is spread evenly, w_j ε / C. Not used where rows differ in C. */
  readonly spread: Float64Array;
  /** True if all of `spread` is above 0 and there is no mask. A mask excludes it, as a row's bits must not depend on who shares the mask. */
  readonly arePositive: boolean;
}

export function classTargets(terms: Terms, { rows, classes }: Layout, mask: Partial<Mask> | undefined): ClassTargets {
  const { labelSmoothing } = terms;
  // Nobody asks for the targets of no rows, which may have more classes than fit in memory.
  const weights = terms.weights ?? zeros("float64", rows > 0 ? classes : 0).fill(1);
  const keep = 1 - labelSmoothing;
  const open = mask?.isShared ? mask.values : undefined;
  const share = shareOf(labelSmoothing, open ? countOpen(open) : classes);
  const spread = weights.map((weight, j) => (open?.[j] === 0 ? 0 : preciseProduct(weight, ...share)));
  return {
    own: weights.map((weight) => preciseProduct(weight, keep, 1 - keep - labelSmoothing)),
    spread,
    arePositive: mask === undefined && spread.every((target) => target > 0),
  };
}

/** ε / C as (hi, lo). */
function shareOf(labelSmoothing: number, open: number): readonly [hi: number, lo: number] {
  const share = labelSmoothing / open;
  return [share, -preciseProduct(share, open, 0, labelSmoothing) / open];
}

/** a (hi + lo) − less, rounded about once (Dekker's product). Where the low parts overflow, they are left out. */
function preciseProduct(a: number, hi: number, lo: number, less = 0): number {
  const SPLIT = 2 ** 27 + 1;
  const upper = (x: number): number => SPLIT * x - (SPLIT * x - x);
  const [aHi, bHi] = [upper(a), upper(hi)];
  const [aLo, bLo] = [a - aHi, hi - bHi];
  const rounded = a * hi;
  const lost = aLo * bLo - (rounded - aHi * bHi - aLo * bHi - aHi * bLo);
  const low = lost + a * lo;
  return rounded - less + (Number.isFinite(low) ? low : 0);
}

/** Writes targets that rows do not share: of the distributions q, or of indices without their own class if q is undefined. */
export function fillTargets(
  to: Float64Array,
  { outer, classes, inner }: Extent,
  { weights, labelSmoothing }: Terms,
  { own, spread }: ClassTargets,
  q: NumberArray | undefined,
  maskByRow: Uint8Array | undefined,
): void {
  const open = labelSmoothing > 0 ? maskByRow : undefined;
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < inner; i++) {
      const first = o * classes * inner + i;
      let count = 0;
      if (open) for (let j = 0; j < classes; j++) count += open[first + j * inner];
      const share = shareOf(labelSmoothing, count);
      for (let j = 0; j < classes; j++) {
        const k = first + j * inner;
        let target = spread[j];
        if (open) target = open[k] ? preciseProduct(weights ? weights[j] : 1, ...share) : 0;
        to[k] = q ? own[j] * q[k] + target : target;
      }
    }
  }
}

/** The class of each distribution that counts as its label: the first with the largest entry. */
export function targetClassesOf(labels: NumberArray, { outer, classes, inner, rows }: Layout): Int32Array {
  const targetClasses = zeros("int32", rows);
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < inner; i++) {
      const at = (j: number): number => labels[(o * classes + j) * inner + i];
      let best = 0;
      for (let j = 1; j < classes; j++) if (at(j) > at(best)) best = j;
      targetClasses[o * inner + i] = best;
    }
  }
  return targetClasses;
}
