// The rows of a batch: their weights, and the divisor of their mean.

import type { Extent, Layout } from "../tensor/shape.js";
import { type ExactSum, exactSum, sumOfOnes } from "./exact-sum.js";
import type { CheckedLabels } from "./labels.js";
import type { Mask } from "./options.js";
import type { Terms } from "./terms.js";

/** The weights of a batch. */
export interface Weighing {
  /** The number of rows that are not ignored. */
  readonly validCount: number;
  /** The divisor of the mean unless another is given. */
  readonly totalWeight: number;
  /** True for the mean of rows that all weigh 0: it is emptyMean, and its gradient is 0 whatever the logits are. */
  readonly isEmpty: boolean;
  /** The divisor of the sum of the losses times `unit`. */
  readonly divisor: number;
  /** 1, or a power of 2 where the total weight itself would be infinite. */
  readonly unit: number;
}

/** 2^-64: the sum of 2^64 weights times this is finite. */
const SMALL_UNIT = 2 ** -64;

/** Says if rows can weigh something else than 1, or be ignored. */
export function haveWeights({ ignoreIndex }: Terms, hasSampleWeights: boolean, hasMask: boolean): boolean {
  return ignoreIndex !== undefined || hasSampleWeights || hasMask;
}

/** The weight of a row that is ignored. */
export const IGNORED = Number.NaN;

/** The number of classes that take part in each row. */
export function openClasses({ values, isShared }: Mask, { outer, classes, inner }: Extent): Uint32Array {
  const counts = new Uint32Array(outer * inner);
  if (isShared) return counts.fill(countOpen(values));
  for (let o = 0; o < outer; o++) {
    for (let j = 0; j < classes; j++) {
      for (let i = 0; i < inner; i++) counts[o * inner + i] += values[(o * classes + j) * inner + i];
    }
  }
  return counts;
}

/** The number of classes that take part. */
export function countOpen(mask: Uint8Array): number {
  return mask.reduce((sum, entry) => sum + entry, 0);
}

/** Weighs the rows of a batch. `to` receives the weight of each row, or IGNORED; it may be left out where `haveWeights` is false. */
export function weighRows(
  terms: Terms,
  labels: CheckedLabels | undefined,
  layout: Layout,
  sampleWeights: Float64Array | undefined,
  mask: Mask | undefined,
  to: Float64Array | undefined,
): Weighing {
  const { ignoreIndex, weights } = terms;
  const { rows } = layout;
  const indices = labels?.kind === "indices" ? labels.values : undefined;
  if (to === undefined && !(indices && weights)) return weighingOf(terms, rows, rows, rows === 0);
  const open = mask && openClasses(mask, layout);
  const termOf = (row: number, weight: number): number => (indices && weights ? weight * weights[indices[row]] : weight);
  const total = new CompensatedSum();
  let validCount = 0;
  let isEmpty = true;
  for (let row = 0; row < rows; row++) {
    if (open?.[row] === 0 || (indices && indices[row] === ignoreIndex)) {
      if (to) to[row] = IGNORED;
      continue;
    }
    const weight = sampleWeights ? sampleWeights[row] : 1;
    if (to) to[row] = weight;
    validCount++;
    const term = termOf(row, weight);
    isEmpty &&= term === 0;
    total.add(term);
  }
  if (Number.isFinite(total.value)) return weighingOf(terms, validCount, total.value, isEmpty);
  const small = new CompensatedSum();
  for (let row = 0; row < rows; row++) {
    const weight = to ? to[row] : 1;
    if (!Number.isNaN(weight)) small.add(termOf(row, weight * SMALL_UNIT));
  }
  return weighingOf(terms, validCount, total.value, isEmpty, small.value, SMALL_UNIT);
}

/** The weight of all rows of a batch. */
export interface ExactWeight {
  readonly sum: ExactSum;
  /** The number of rows that do not weigh 0. */
  readonly count: number;
}

/** The exact sum of the weights of rows, each with that of its label's class; `rowWeights` are those that weighRows has written, if any. */
export function exactWeight(
  { weights }: Terms,
  labels: CheckedLabels,
  { rows }: Layout,
  rowWeights: Float64Array | undefined,
): ExactWeight {
  const indices = weights && labels.kind === "indices" ? labels.values : undefined;
  if (rowWeights === undefined && indices === undefined) return { sum: sumOfOnes(rows), count: rows };
  const terms = new Float64Array(rows);
  for (let row = 0; row < rows; row++) {
    const weight = rowWeights ? rowWeights[row] : 1;
    if (!Number.isNaN(weight)) terms[row] = weights && indices ? weight * weights[indices[row]] : weight;
  }
  return { sum: exactSum(terms), count: terms.reduce((count, term) => count + Number(term !== 0), 0) };
}

/** A sum that keeps what its additions lose (Neumaier). */
export class CompensatedSum {
  private sum = 0;
  private lost = 0;

  add(term: number): void {
    const next = this.sum + term;
    this.lost += Math.abs(this.sum) >= Math.abs(term) ? this.sum - next + term : term - next + this.sum;
    this.sum = next;
  }

  get value(): number {
    return Number.isFinite(this.sum) ? this.sum + this.lost : this.sum;
  }
}

export function sumOf(values: Float64Array): number {
  const sum = new CompensatedSum();
  for (let i = 0; i < values.length; i++) sum.add(values[i]);
  return sum.value;
}

function weighingOf(
  { reduction, divisor }: Terms,
  validCount: number,
  totalWeight: number,
  areAllZero: boolean,
  total = totalWeight,
  unit = 1,
): Weighing {
  if (reduction !== "mean") return { validCount, totalWeight, isEmpty: false, divisor: 1, unit: 1 };
  if (divisor !== undefined) return { validCount, totalWeight, isEmpty: false, divisor, unit: 1 };
  return { validCount, totalWeight, isEmpty: areAllZero, divisor: areAllZero ? 1 : total, unit };
}
