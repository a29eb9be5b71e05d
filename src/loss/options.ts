// The options of the loss: read, checked, and what they make of a batch. The formulas are in README.

import { checkInteger, checkOneOf, rangeError, typeError } from "../errors.js";
import { type Layout, type NumberArray, readValues, rowShape, sameShape, type Values } from "../tensor/shape.js";
import type { CheckedLabels } from "./labels.js";

/** How a tensor lies. */
export interface ShapeOptions {
  /** Axis lengths of a Float64Array, row-major; by default it is one vector. */
  shape?: readonly number[];
  /** The class axis; negative counts from the end. Default −1. */
  axis?: number;
}

/** What becomes of the losses of the rows. */
export type Reduction = "mean" | "sum" | "none";
const REDUCTIONS: readonly Reduction[] = ["mean", "sum", "none"];

/** What a loss can give besides, as {@link LossOutputs} has it. */
export type Output =
  | "losses"
  | "probs"
  | "logProbs"
  | "lse"
  | "entropy"
  | "argmax"
  | "correct"
  | "topK"
  | "validCount"
  | "totalWeight"
  | "firstBadRow";
const OUTPUTS: readonly Output[] = [
  "losses",
  "probs",
  "logProbs",
  "lse",
  "entropy",
  "argmax",
  "correct",
  "topK",
  "validCount",
  "totalWeight",
  "firstBadRow",
];

/** Nested arrays of booleans. */
export type NestedBooleans = readonly boolean[] | readonly NestedBooleans[];

/** What the loss is, for functions and layers. */
export interface LossTerms<R extends Reduction = Reduction> {
  /** What becomes of the losses of the rows: their mean (default), their sum, or one each. */
  reduction?: R;
  /** Replaces the mean's own divisor, the total weight of the rows. */
  divisor?: number;
  /** What the mean is of rows that weigh nothing, or of none, if it has no divisor: 0 (default) or NaN. */
  emptyMean?: number;
  /** A weight w_j >= 0 for each of C classes: what a label of that class counts. */
  weights?: NumberArray | readonly number[];
  /** A class index whose rows have neither loss nor gradient; none by default. */
  ignoreIndex?: number;
  /** ε from 0 (default) to 1: how much of each label is spread evenly over the classes (Szegedy et al., 2016, section 7). */
  labelSmoothing?: number;
  /** Adds zLoss lse² to each row's loss; at least 0, the default (as in PaLM, Chowdhery et al., 2022). */
  zLoss?: number;
  /** What logits are multiplied by before anything else, the inverse of a temperature; 1 by default. */
  scale?: number;
}

/** The options of a loss, of which `R` is the reduction and `O` the names of the outputs. */
export interface LossOptions<R extends Reduction = Reduction, O extends Output = never> extends LossTerms<R>, ShapeOptions {
  /** A weight s >= 0 for each row. */
  sampleWeights?: Values<NumberArray>;
  /** Which classes take part, 1 or true, and which are excluded, 0 or false: (C) for all rows, or laid out like the logits. */
  mask?: Values<NumberArray> | NestedBooleans;
  /** What is to be returned besides the loss. */
  outputs?: readonly O[];
  /** The k of the output `topK`; 5 by default. */
  topK?: number;
}

export const TERMS = ["reduction", "divisor", "emptyMean", "weights", "ignoreIndex", "labelSmoothing", "zLoss", "scale"] as const;
export const LOSS_OPTIONS = /* @__PURE__ */ (() => ["shape", "axis", ...TERMS, "sampleWeights", "mask", "outputs", "topK"] as const)();

/** The terms of a loss as they were read and checked. */
export interface Terms {
  readonly reduction: Reduction;
  readonly divisor: number | undefined;
  readonly emptyMean: number;
  readonly weights: Float64Array | undefined;
  readonly ignoreIndex: number | undefined;
  readonly labelSmoothing: number;
  readonly zLoss: number;
  readonly scale: number;
}

/** Which classes take part, 1 or 0: of every row, (C), or laid out like the logits. */
export interface Mask {
  readonly values: Uint8Array;
  readonly isShared: boolean;
}

/** A number for which `isGood` holds; `byDefault` if it is left out. */
function checkNumber(argument: string, value: unknown, byDefault: number, expected: string, isGood: (value: number) => boolean): number {
  if (value === undefined) return byDefault;
  if (typeof value !== "number") throw typeError(argument, "a number", value);
  if (!isGood(value)) throw rangeError(argument, expected, value);
  return value;
}

const isFinitePositive = (value: number): boolean => value > 0 && value < Number.POSITIVE_INFINITY;
const isFiniteNonNegative = (value: number): boolean => value === 0 || isFinitePositive(value);
const isZeroOrNaN = (value: number): boolean => value === 0 || Number.isNaN(value);
const isUpToOne = (value: number): boolean => value >= 0 && value <= 1;

/** The numbers of a container, a copy. */
function readNumbers(argument: string, value: unknown): { numbers: Float64Array; shape?: readonly number[] } {
  const read = readValues(argument, value);
  if (read === undefined || read.values instanceof BigInt64Array || read.values instanceof BigUint64Array) {
    throw typeError(argument, "numbers, in a typed array or nested arrays", value);
  }
  return { numbers: Float64Array.from(read.values), shape: read.shape };
}

/** Weights, which are finite and not negative. */
export function checkWeights(argument: string, weights: Float64Array): Float64Array {
  const bad = weights.findIndex((weight) => !(weight >= 0 && weight < Number.POSITIVE_INFINITY));
  if (bad >= 0) throw rangeError(`${argument}[${bad}]`, "a finite number of at least 0", weights[bad]);
  return weights;
}

export function readTerms(options: LossTerms): Terms {
  const { divisor, weights, ignoreIndex } = options;
  const reduction: Reduction = options.reduction === undefined ? "mean" : checkOneOf("reduction", options.reduction, REDUCTIONS);
  if (divisor !== undefined) {
    checkNumber("divisor", divisor, 1, "a finite number above 0", isFinitePositive);
    if (reduction !== "mean") throw rangeError("divisor", `to be left out with reduction ${JSON.stringify(reduction)}`, divisor);
  }
  return {
    reduction,
    divisor,
    emptyMean: checkNumber("emptyMean", options.emptyMean, 0, "0 or NaN", isZeroOrNaN),
    weights: weights === undefined ? undefined : checkWeights("weights", readNumbers("weights", weights).numbers),
    ignoreIndex: ignoreIndex === undefined ? undefined : checkInteger("ignoreIndex", ignoreIndex, -(2 ** 31), 2 ** 31 - 1),
    labelSmoothing: checkNumber("labelSmoothing", options.labelSmoothing, 0, "a number from 0 to 1", isUpToOne),
    zLoss: checkNumber("zLoss", options.zLoss, 0, "a finite number of at least 0", isFiniteNonNegative),
    scale: checkNumber("scale", options.scale, 1, "a finite number above 0", isFinitePositive),
  };
}

const NO_OUTPUTS: readonly Output[] = [];

export function checkOutputs(outputs: unknown = NO_OUTPUTS): readonly Output[] {
  if (outputs === NO_OUTPUTS) return NO_OUTPUTS;
  if (!Array.isArray(outputs)) throw typeError("outputs", "an array of names", outputs);
  return outputs.map((name, i) => checkOneOf(`outputs[${i}]`, name, OUTPUTS));
}

/** Whether a loss is −log p of its labels and nothing else. */
export function arePlain({ weights, ignoreIndex, labelSmoothing, zLoss, scale }: Terms): boolean {
  return weights === undefined && ignoreIndex === undefined && labelSmoothing === 0 && zLoss === 0 && scale === 1;
}

/** That there is a weight for each class. */
export function checkClasses({ weights }: Terms, { classes }: Layout): void {
  if (weights && weights.length !== classes) throw rangeError("weights", `${classes} numbers, one for each class`, weights);
}

/** What each row weighs. */
export function readSampleWeights(value: unknown, shape: readonly number[], axis: number, { rows }: Layout): Float64Array {
  const { numbers, shape: given } = readNumbers("sampleWeights", value);
  if (numbers.length !== rows || (given && given.length > 1 && !sameShape(given, rowShape(shape, axis)))) {
    throw rangeError("sampleWeights", `${rows} numbers, one for each row`, given && given.length > 1 ? given : value);
  }
  return checkWeights("sampleWeights", numbers);
}

/** Nested arrays with numbers in the place of booleans. */
function asNumbers(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(asNumbers);
  return typeof value === "boolean" ? Number(value) : value;
}

/** A mask of every row. */
export function readClassMask(value: unknown): Uint8Array {
  return Uint8Array.from(checkMask(readNumbers("mask", asNumbers(value)).numbers));
}

export function readMask(value: unknown, shape: readonly number[], { classes, size }: Layout): Mask {
  const { numbers, shape: given } = readNumbers("mask", asNumbers(value));
  // Nested arrays say whether they are laid out like the logits; others by their number.
  const isNested = given !== undefined && given.length > 1;
  const isShared = numbers.length === classes && !isNested;
  if (!isShared && (isNested ? !sameShape(given, shape) : numbers.length !== size)) {
    throw rangeError("mask", `the shape [${classes}], or that of the logits, [${shape.join(", ")}]`, given ?? value);
  }
  return { values: Uint8Array.from(checkMask(numbers)), isShared };
}

/** The entries of a mask, which are 0 or 1. */
export function checkMask<A extends Float64Array | Uint8Array>(values: A): A {
  for (let k = 0; k < values.length; k++) {
    if (values[k] !== 0 && values[k] !== 1) throw rangeError(`mask[${k}]`, "0 or 1, false or true", values[k]);
  }
  return values;
}

/** What the rows of a batch come to. */
export interface Weighing {
  /** How many rows are not ignored. */
  readonly validCount: number;
  /** What the mean is divided by unless a divisor is given. */
  readonly totalWeight: number;
}

/** The number of classes that take part in each row, if they are not the same for all. */
function openClasses({ values, isShared }: Mask, { outer, classes, inner, rows }: Layout): Uint32Array {
  const counts = new Uint32Array(rows);
  if (isShared) return counts.fill(values.reduce((sum, entry) => sum + entry, 0));
  for (let o = 0; o < outer; o++) {
    for (let j = 0; j < classes; j++) {
      for (let i = 0; i < inner; i++) counts[o * inner + i] += values[(o * classes + j) * inner + i];
    }
  }
  return counts;
}

/** Weighs the rows of a batch; `to` receives what each counts, −1 for one that is ignored. */
function weighRows(
  { ignoreIndex, weights }: Terms,
  labels: CheckedLabels,
  layout: Layout,
  sampleWeights: Float64Array | undefined,
  mask: Mask | undefined,
  to: Float64Array,
): Weighing {
  const open = mask && openClasses(mask, layout);
  const indices = labels.kind === "indices" ? labels.values : undefined;
  let validCount = 0;
  let sum = 0;
  let lost = 0;
  for (let row = 0; row < layout.rows; row++) {
    if (open?.[row] === 0 || (indices && indices[row] === ignoreIndex)) {
      to[row] = -1;
      continue;
    }
    const weight = sampleWeights ? sampleWeights[row] : 1;
    to[row] = weight;
    validCount++;
    const term = indices && weights ? weight * weights[indices[row]] : weight;
    // What the addition loses (Neumaier): no sum is less than its terms.
    const next = sum + term;
    lost += sum >= term ? sum - next + term : term - next + sum;
    sum = next;
  }
  return { validCount, totalWeight: Number.isFinite(sum) ? sum + lost : sum };
}

/** Whether labels are to be made into targets: weighted, or spread. */
export function needTargets(kind: CheckedLabels["kind"], { weights, labelSmoothing }: Terms): boolean {
  return labelSmoothing > 0 || (kind === "distribution" && weights !== undefined);
}

/** Whether the targets of a smoothed index are the same for every row. */
export function areShared(kind: CheckedLabels["kind"], mask: Mask | undefined): boolean {
  return kind === "indices" && (mask === undefined || mask.isShared);
}

/** What the sum of the losses is divided by. */
export function divisorOf({ reduction, divisor }: Terms, totalWeight: number): number {
  return reduction === "mean" ? (divisor ?? totalWeight) : 1;
}

/** What labels are made into, by class. */
export interface ClassTargets {
  /** What a class counts of its own label, w_j (1 − ε). */
  readonly own: Float64Array;
  /** What is spread, w_j ε / C; not where each row has a C of its own. */
  readonly spread: Float64Array;
  /** Whether all that is spread is above 0. Not with a mask: a row's bits do not depend on whether others have the same. */
  readonly isPositive: boolean;
}

function classTargets(terms: Terms, classes: number, mask: Mask | undefined): ClassTargets {
  const { labelSmoothing } = terms;
  const weights = terms.weights ?? new Float64Array(classes).fill(1);
  const keep = 1 - labelSmoothing;
  const open = mask?.isShared ? mask.values : undefined;
  const share = shareOf(labelSmoothing, open ? open.reduce((sum, entry) => sum + entry, 0) : classes);
  const spread = weights.map((weight, j) => (open?.[j] === 0 ? 0 : product(weight, ...share)));
  return {
    own: weights.map((weight) => product(weight, keep, 1 - keep - labelSmoothing)),
    spread,
    isPositive: mask === undefined && spread.every((target) => target > 0),
  };
}

/** ε / C as (hi, lo). */
export function shareOf(labelSmoothing: number, open: number): readonly [hi: number, lo: number] {
  const share = labelSmoothing / open;
  return [share, -product(share, open, 0, labelSmoothing) / open];
}

/** a (hi + lo) − less, rounded once or little more (Dekker); without the low parts where these overflow. */
export function product(a: number, hi: number, lo: number, less = 0): number {
  const SPLIT = 2 ** 27 + 1;
  const upper = (x: number): number => SPLIT * x - (SPLIT * x - x);
  const [aHi, bHi] = [upper(a), upper(hi)];
  const [aLo, bLo] = [a - aHi, hi - bHi];
  const rounded = a * hi;
  const lost = aLo * bLo - (rounded - aHi * bHi - aLo * bHi - aHi * bLo);
  const low = lost + a * lo;
  return rounded - less + (Number.isFinite(low) ? low : 0);
}

/** A batch and its options on the way to the kernels. */
export interface Prepared extends Weighing {
  /** Whether the loss is the mean of no weight. */
  readonly isEmpty: boolean;
  readonly divisor: number;
  /** Undefined where labels are targets as they are. */
  readonly targets: ClassTargets | undefined;
  /** Whether what is spread is the target of every row. */
  readonly isShared: boolean;
}

/** Prepares a batch; `rowWeights` receives what each row counts. `targets` are those of the same terms and classes, if they are known. */
export function prepare(
  terms: Terms,
  labels: CheckedLabels,
  layout: Layout,
  sampleWeights: Float64Array | undefined,
  mask: Mask | undefined,
  rowWeights: Float64Array,
  targets?: ClassTargets,
): Prepared {
  const weighing = weighRows(terms, labels, layout, sampleWeights, mask, rowWeights);
  const isEmpty = isEmptyMean(terms, weighing.totalWeight);
  const needsTargets = needTargets(labels.kind, terms);
  return {
    ...weighing,
    isEmpty,
    divisor: isEmpty ? 1 : divisorOf(terms, weighing.totalWeight),
    targets: needsTargets ? (targets ?? classTargets(terms, layout.classes, mask)) : undefined,
    isShared: needsTargets && areShared(labels.kind, mask),
  };
}

/** Whether a loss is the mean of no weight: then it is emptyMean, and its gradient 0 whatever the logits are. */
export function isEmptyMean({ reduction, divisor }: Terms, totalWeight: number): boolean {
  return reduction === "mean" && divisor === undefined && totalWeight === 0;
}

/** The classes that the distributions of a batch are for: of each row the first with most of it. */
export function answersOf(labels: NumberArray, { outer, classes, inner, rows }: Layout): Int32Array {
  const answers = new Int32Array(rows);
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < inner; i++) {
      const at = (j: number): number => labels[(o * classes + j) * inner + i];
      let best = 0;
      for (let j = 1; j < classes; j++) if (at(j) > at(best)) best = j;
      answers[o * inner + i] = best;
    }
  }
  return answers;
}

/** What is counted of the rows of a batch. */
export interface Counts {
  correct: number;
  topK: number;
  readonly validCount: number;
  readonly totalWeight: number;
  firstBadRow: number;
}

/** Counts the rows of a part of a batch that begins at `firstRow`. */
export function tally(
  counts: Counts,
  firstRow: number,
  losses: Float64Array | undefined,
  ranks: Int32Array | undefined,
  topK: number,
): void {
  if (ranks) {
    for (const rank of ranks) {
      if (rank === 0) counts.correct++;
      if (rank >= 0 && rank < topK) counts.topK++;
    }
  }
  if (losses && counts.firstBadRow < 0) {
    const bad = losses.findIndex((loss) => !(loss < Number.POSITIVE_INFINITY));
    if (bad >= 0) counts.firstBadRow = firstRow + bad;
  }
}
