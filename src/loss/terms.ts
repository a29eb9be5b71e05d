// The terms of the loss: the type of each, and its reader. docs/loss.md has the formulas.

import { checkInteger, checkNumber, checkOneOf, counted, rangeError, typeError } from "../errors.js";
import { allocate, readValues, type ToNumber } from "../tensor/containers.js";
import type { Layout } from "../tensor/shape.js";
import type { NumberArray } from "../tensor/typed-array.js";

/** The reduction of the rows' losses to the result. */
export type Reduction = "mean" | "sum" | "none";
const REDUCTIONS: readonly Reduction[] = ["mean", "sum", "none"];

/** What the log-probabilities of ignored rows are. */
export type IgnoredLogProbs = "none" | "value";
const IGNORED_LOG_PROBS: readonly IgnoredLogProbs[] = ["none", "value"];

/** The most bins of a calibration. */
const MAX_BINS = 2 ** 16;

/**
 * A name among `Names`, or any string where its type tells no more: the value of an options object that was kept in a variable, which is checked
 * when it is read. A misspelt literal is an error of types.
 */
export type Known<N extends string, Names extends string> = string extends N ? N : N extends Names ? N : Names;

/** The terms of the loss, for functions and layers. */
export interface LossTerms<R extends string = Reduction> {
  /** The result: the mean of the rows' losses (default), their sum, or the loss of each row. */
  reduction?: R;
  /** Replaces the mean's own divisor, the total weight of the rows; for a micro-batch, that of the whole batch. */
  divisor?: number;
  /** The mean of rows that all weigh 0, or of no rows, if there is no divisor: 0 (default) or NaN. */
  emptyMean?: number;
  /** A weight w_j, of either sign, for each of C classes, which multiplies the loss of labels of that class. */
  weights?: NumberArray | readonly number[];
  /** A class index whose rows have neither loss nor gradient; none by default. */
  ignoreIndex?: number;
  /** ε from 0 (default) to 1: the part of each label that is spread evenly over the classes (Szegedy et al., 2016, section 7). */
  labelSmoothing?: number;
  /** Adds zLoss lse² to each row's loss; at least 0, the default (as in PaLM, Chowdhery et al., 2022). */
  zLoss?: number;
  /** β, of either sign, by default 0: adds −β H to each row's loss, H the entropy of p (the bonus of Williams and Peng, 1991). */
  entropyWeight?: number;
  /** A cap c above 0, none by default: logits x become c tanh(x / c) before anything else (as in Gemma 2, 2024). */
  softcap?: number;
  /** Multiplies the logits before anything but `softcap`, the inverse of a temperature; 1 by default. */
  scale?: number;
  /** The k of the outputs `topK` and `topKAccuracy`; 5 by default. */
  topK?: number;
  /** The number of bins of the output `calibration`; 15 by default. */
  bins?: number;
  /** The output `logProbs` of rows with `ignoreIndex`: "none", −∞ (default), or "value", the log-probabilities of their logits. */
  ignoredLogProbs?: IgnoredLogProbs | (string & {});
}

const isFinitePositive = (value: number): boolean => value > 0 && value < Number.POSITIVE_INFINITY;
const isFiniteNonNegative = (value: number): boolean => value === 0 || isFinitePositive(value);
const isZeroOrNaN = (value: number): boolean => value === 0 || Number.isNaN(value);
const isUpToOne = (value: number): boolean => value >= 0 && value <= 1;

/** A reader for each term: it checks the value that a user gives. */
const READERS = {
  reduction: (value: unknown): Reduction => checkOneOf("reduction", value, REDUCTIONS),
  divisor: (value: unknown): number | undefined => checkNumber("divisor", value, "a finite number above 0", isFinitePositive),
  emptyMean: (value: unknown): number => checkNumber("emptyMean", value, "0 or NaN", isZeroOrNaN),
  weights: (value: unknown): Float64Array | undefined => checkWeights("weights", readNumbers("weights", value).numbers),
  ignoreIndex: (value: unknown): number | undefined => checkInteger("ignoreIndex", value, -(2 ** 31), 2 ** 31 - 1),
  labelSmoothing: (value: unknown): number => checkNumber("labelSmoothing", value, "a number from 0 to 1", isUpToOne),
  zLoss: (value: unknown): number => checkNumber("zLoss", value, "a finite number of at least 0", isFiniteNonNegative),
  entropyWeight: (value: unknown): number => checkNumber("entropyWeight", value, "a finite number", Number.isFinite),
  softcap: (value: unknown): number | undefined => checkNumber("softcap", value, "a finite number above 0", isFinitePositive),
  scale: (value: unknown): number => checkNumber("scale", value, "a finite number above 0", isFinitePositive),
  topK: (value: unknown): number => checkInteger("topK", value, 1, Number.MAX_SAFE_INTEGER),
  bins: (value: unknown): number => checkInteger("bins", value, 1, MAX_BINS),
  ignoredLogProbs: (value: unknown): IgnoredLogProbs => checkOneOf("ignoredLogProbs", value, IGNORED_LOG_PROBS),
};

/** The terms of a loss as they were read and checked. */
export type Terms = { readonly [Name in keyof typeof READERS]: ReturnType<(typeof READERS)[Name]> };

/** The terms that a user leaves out. */
const DEFAULTS: Terms = {
  reduction: "mean",
  divisor: undefined,
  emptyMean: 0,
  weights: undefined,
  ignoreIndex: undefined,
  labelSmoothing: 0,
  zLoss: 0,
  entropyWeight: 0,
  softcap: undefined,
  scale: 1,
  topK: 5,
  bins: 15,
  ignoredLogProbs: "none",
};

/** The names of the terms, as options. */
export const TERMS = /* @__PURE__ */ Object.keys(READERS) as readonly (keyof Terms)[];

/** The terms with one of them as a user sets it; undefined gives back its default. */
export function withTerm(terms: Terms, name: keyof Terms, value: unknown): Terms {
  return readTerms({ [name]: value }, { ...terms, [name]: DEFAULTS[name] });
}

/** Reads the terms among options; those that are left out stay as they are in `terms`. */
export function readTerms(options: LossTerms<string>, terms: Terms = DEFAULTS): Terms {
  // The names that are there, as a look for every term would take longer than a small batch.
  for (const name of Object.keys(options) as (keyof Terms)[]) {
    if (Object.hasOwn(READERS, name) && options[name] !== undefined) terms = { ...terms, [name]: READERS[name](options[name]) };
  }
  const { divisor, reduction } = terms;
  if (divisor !== undefined && reduction !== "mean") {
    throw rangeError("divisor", `to be left out with reduction ${JSON.stringify(reduction)}`, divisor);
  }
  return terms;
}

/** The numbers of a container, as a copy, and its shape if it has one. `toNumber` says which other entries of nested arrays are numbers. */
export function readNumbers(argument: string, value: unknown, toNumber?: ToNumber): { numbers: Float64Array; shape?: readonly number[] } {
  const read = readValues(argument, value, toNumber);
  if (read === undefined || read.values instanceof BigInt64Array || read.values instanceof BigUint64Array) {
    throw typeError(argument, "numbers, in a typed array or nested arrays", value);
  }
  const numbers = allocate(argument, "float64", read.values.length);
  numbers.set(read.values);
  return { numbers, shape: read.shape };
}

/** Checks weights, which are finite numbers. */
export function checkWeights(argument: string, weights: Float64Array): Float64Array {
  const bad = weights.findIndex((weight) => !Number.isFinite(weight));
  if (bad >= 0) throw rangeError(`${argument}[${bad}]`, "a finite number", weights[bad]);
  return weights;
}

/** Checks that rows have classes, and that there is a weight for each class. */
export function checkClasses({ weights }: Terms, { rows, classes }: Layout, shape: readonly number[]): void {
  if (classes === 0 && rows > 0) throw rangeError("shape", `at least one class on axis ${shape.indexOf(0)}`, shape);
  if (weights && weights.length !== classes) {
    throw rangeError("weights", `${counted(classes, "number")}, one for each class`, Array.from(weights));
  }
}
