// The terms of the loss: the type of each, and its reader. docs/loss.md has the formulas.

import { checkInteger, checkNumber, checkOneOf, rangeError, typeError } from "../errors.js";
import { type NumberArray, readValues } from "../tensor/containers.js";
import { FLOAT, type FloatArray, zeros } from "../tensor/element.js";

/** The reduction of the rows' losses to the result. */
export type Reduction = "mean" | "sum" | "none";
const REDUCTIONS: readonly Reduction[] = ["mean", "sum", "none"];

/** The terms of the loss, for functions and layers. */
export interface LossTerms<R extends Reduction = Reduction> {
  /** The result: the mean of the rows' losses (default), their sum, or the loss of each row. */
  reduction?: R;
  /** Replaces the mean's own divisor, the total weight of the rows. */
  divisor?: number;
  /** The mean of rows that weigh nothing, or of no rows, if there is no divisor: 0 (default) or NaN. */
  emptyMean?: number;
  /** A weight w_j >= 0 for each of C classes, which multiplies the loss of labels of that class. */
  weights?: NumberArray | readonly number[];
  /** A class index whose rows have neither loss nor gradient; none by default. */
  ignoreIndex?: number;
  /** ε from 0 (default) to 1: the part of each label that is spread evenly over the classes (Szegedy et al., 2016, section 7). */
  labelSmoothing?: number;
  /** Adds zLoss lse² to each row's loss; at least 0, the default (as in PaLM, Chowdhery et al., 2022). */
  zLoss?: number;
  /** Multiplies the logits before anything else, the inverse of a temperature; 1 by default. */
  scale?: number;
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
  weights: (value: unknown): FloatArray | undefined => checkWeights("weights", readNumbers("weights", value).numbers),
  ignoreIndex: (value: unknown): number | undefined => checkInteger("ignoreIndex", value, -(2 ** 31), 2 ** 31 - 1),
  labelSmoothing: (value: unknown): number => checkNumber("labelSmoothing", value, "a number from 0 to 1", isUpToOne),
  zLoss: (value: unknown): number => checkNumber("zLoss", value, "a finite number of at least 0", isFiniteNonNegative),
  scale: (value: unknown): number => checkNumber("scale", value, "a finite number above 0", isFinitePositive),
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
  scale: 1,
};

/** The names of the terms, as options. */
export const TERMS = /* @__PURE__ */ Object.keys(READERS) as readonly (keyof Terms)[];

export function readTerms(options: LossTerms): Terms {
  let terms = DEFAULTS;
  for (const name of TERMS) {
    if (options[name] !== undefined) terms = { ...terms, [name]: READERS[name](options[name]) };
  }
  const { divisor, reduction } = terms;
  if (divisor !== undefined && reduction !== "mean") {
    throw rangeError("divisor", `to be left out with reduction ${JSON.stringify(reduction)}`, divisor);
  }
  return terms;
}

/** The numbers of a container, as a copy, and its shape if it has one. */
export function readNumbers(argument: string, value: unknown): { numbers: FloatArray; shape?: readonly number[] } {
  const read = readValues(argument, value);
  if (read === undefined || read.values instanceof BigInt64Array || read.values instanceof BigUint64Array) {
    throw typeError(argument, "numbers, in a typed array or nested arrays", value);
  }
  const numbers = zeros(FLOAT, read.values.length);
  numbers.set(read.values);
  return { numbers, shape: read.shape };
}

/** Checks weights, which are finite and not negative. */
export function checkWeights(argument: string, weights: FloatArray): FloatArray {
  const bad = weights.findIndex((weight) => !isFiniteNonNegative(weight));
  if (bad >= 0) throw rangeError(`${argument}[${bad}]`, "a finite number of at least 0", weights[bad]);
  return weights;
}

/** Checks that there is a weight for each class. */
export function checkClasses({ weights }: Terms, classes: number): void {
  if (weights && weights.length !== classes) throw rangeError("weights", `${classes} numbers, one for each class`, weights);
}
