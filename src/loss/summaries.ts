// The outputs of the loss that are computed from its results by row, after the kernel.

import type { Dtype } from "../tensor/element.js";
import { CompensatedSum, type ExactWeight, sumOf, type Weighing } from "./rows.js";
import type { Terms } from "./terms.js";

/** Rows by their confidence, in bins of equal width ((b − 1) / B, b / B], B the option `bins` (Guo et al., 2017). */
export interface Calibration {
  /** The number of rows in each bin: those that are not ignored, and whose p is not NaN. */
  readonly counts: Uint32Array;
  /** The mean confidence of the rows in each bin; NaN where there are none. */
  readonly confidence: Float64Array;
  /** The part of the rows in each bin that are correct; NaN where there are none. */
  readonly accuracy: Float64Array;
  /** The expected calibration error, the mean of |accuracy − confidence| over the rows; 0 for no rows. */
  readonly error: number;
}

/** The derivatives of a loss with respect to the scale of its logits. */
export interface ScaleGradient {
  /** ∂loss/∂scale. */
  readonly first: number;
  /** ∂²loss/∂scale². */
  readonly second: number;
}

/** The losses of rows by group, which is their number in the option `groups`. */
export interface GroupLosses {
  /** The sum of the losses of each group's rows. */
  readonly losses: Float64Array;
  /** The number of rows of each group that are not ignored. */
  readonly counts: Uint32Array;
}

/** The results by row of a whole batch that values are computed from, as doubles. */
export interface ResultsByRow {
  readonly losses: Float64Array;
  readonly entropy: Float64Array;
  readonly confidence: Float64Array;
  readonly scaleGradients: Float64Array;
  readonly scaleCurvatures: Float64Array;
  readonly argmax: Int32Array;
  readonly ranks: Int32Array;
}

/** Everything that a value is computed from. */
export interface Computed extends ResultsByRow {
  readonly dtype: Dtype;
  readonly terms: Terms;
  readonly weighing: Weighing;
  /** The exact weight of the rows, for a total. */
  readonly weight: ExactWeight;
  /** The outputs of the call. */
  readonly outputs: readonly string[];
  readonly classes: number;
  /** The classes of the labels. */
  readonly targetClasses: Int32Array;
  /** The weight of each row, or NaN; undefined if none is ignored. */
  readonly rowWeights: Float64Array | undefined;
  readonly groups: Int32Array | undefined;
  /** The kernel exp. */
  readonly exp: (x: number) => number;
}

function countBelow(k: number, ranks: Int32Array): number {
  let count = 0;
  for (const rank of ranks) if (rank >= 0 && rank < k) count++;
  return count;
}

export const correct = ({ ranks }: Computed): number => countBelow(1, ranks);
export const topK = ({ ranks, terms }: Computed): number => countBelow(terms.topK, ranks);

/** A sum over the rows as their mean, or `emptyMean` of no rows. Ignored rows are 0 in the sum. */
const perRow = (sum: number, { weighing: { validCount }, terms }: Computed): number =>
  validCount > 0 ? sum / validCount : terms.emptyMean;

export const accuracy = (computed: Computed): number => perRow(correct(computed), computed);
export const topKAccuracy = (computed: Computed): number => perRow(topK(computed), computed);
export const meanEntropy = (computed: Computed): number => perRow(sumOf(computed.entropy), computed);

export function firstBadRow({ losses, dtype }: Computed): number {
  const rounded = dtype === "float32" ? Math.fround : (loss: number): number => loss;
  return losses.findIndex((loss) => !Number.isFinite(rounded(loss)));
}

/** exp of the mean of the rows' losses. */
export function perplexity({ losses, weighing: { isEmpty, totalWeight }, terms, exp }: Computed): number {
  return exp(isEmpty || totalWeight === 0 ? terms.emptyMean : sumOf(losses) / totalWeight);
}

/** Calls `visit` with each row that a calibration counts, and its bin. */
export function visitBins({ confidence, argmax, terms: { bins } }: Computed, visit: (bin: number, row: number) => void): void {
  for (let row = 0; row < confidence.length; row++) {
    if (argmax[row] >= 0) visit(Math.min(bins - 1, Math.max(0, Math.ceil(confidence[row] * bins) - 1)), row);
  }
}

export function calibration(computed: Computed): Calibration {
  const { confidence, ranks, terms } = computed;
  const counts = new Uint32Array(terms.bins);
  const correct = new Uint32Array(terms.bins);
  const sums = Array.from(counts, () => new CompensatedSum());
  visitBins(computed, (bin, row) => {
    counts[bin]++;
    sums[bin].add(confidence[row]);
    if (ranks[row] === 0) correct[bin]++;
  });
  return calibrationOf(
    counts,
    correct,
    Float64Array.from(sums, ({ value }) => value),
  );
}

/** A calibration by the rows of each bin: their number, the number of those that are correct, and the sum of their confidences. */
export function calibrationOf(counts: Uint32Array, correct: Uint32Array, sums: Float64Array): Calibration {
  const total = counts.reduce((sum, count) => sum + count, 0);
  return {
    counts,
    confidence: sums.map((sum, bin) => sum / counts[bin]),
    accuracy: Float64Array.from(correct, (count, bin) => count / counts[bin]),
    error: total === 0 ? 0 : sumOf(sums.map((sum, bin) => Math.abs(correct[bin] - sum))) / total,
  };
}

export function confusion({ argmax, targetClasses, classes }: Computed): Uint32Array {
  const counts = new Uint32Array(classes * classes);
  for (let row = 0; row < argmax.length; row++) if (argmax[row] >= 0) counts[targetClasses[row] * classes + argmax[row]]++;
  return counts;
}

export function scaleGradient({ scaleGradients, scaleCurvatures, weighing: { isEmpty, divisor, unit } }: Computed): ScaleGradient {
  const over = (rows: Float64Array): number => (isEmpty ? 0 : (sumOf(rows) / divisor) * unit);
  return { first: over(scaleGradients), second: over(scaleCurvatures) };
}

export function groupLosses({ losses, rowWeights, groups = new Int32Array(0) }: Computed): GroupLosses {
  const sums = Array.from({ length: groups.reduce((most, group) => Math.max(most, group + 1), 0) }, () => new CompensatedSum());
  const counts = new Uint32Array(sums.length);
  for (let row = 0; row < groups.length; row++) {
    if (rowWeights && Number.isNaN(rowWeights[row])) continue;
    sums[groups[row]].add(losses[row]);
    counts[groups[row]]++;
  }
  return { losses: Float64Array.from(sums, ({ value }) => value), counts };
}
