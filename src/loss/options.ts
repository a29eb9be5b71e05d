// The options of a loss that belong to a batch: read and checked.

import { counted, rangeError } from "../errors.js";
import { allocate, type Nested, type ToNumber, type Values } from "../tensor/containers.js";
import { type FloatArray, zeros } from "../tensor/element.js";
import { type Extent, type Layout, rowShape, type ShapeOptions, sameShape, showShape } from "../tensor/shape.js";
import type { NumberArray } from "../tensor/typed-array.js";
import { checkWeights, type LossTerms, type Reduction, readNumbers, TERMS } from "./terms.js";

/** Nested arrays of booleans. */
export type NestedBooleans = Nested<boolean>;

/** What is done to the logits before anything else. */
export interface LogitsOptions {
  /** Multiplies the logits, the inverse of a temperature; 1 by default. */
  scale?: number;
  /** The classes that take part, 1 or true, and those that are excluded, 0 or false: (C) for all rows, or laid out like the logits. */
  mask?: Values<NumberArray> | NestedBooleans;
}

/** The options of a loss, of which `R` is the reduction and `O` the names of the outputs. */
export interface LossOptions<R extends string = Reduction, O extends string = never> extends LossTerms<R>, ShapeOptions, LogitsOptions {
  /** A weight s, of either sign, for each row, or for all. */
  sampleWeights?: number | Values<NumberArray>;
  /** The names of what is returned besides the loss. */
  outputs?: readonly O[];
}

export const LOSS_OPTIONS = /* @__PURE__ */ (() => ["shape", "axis", ...TERMS, "sampleWeights", "mask", "outputs"] as const)();

/** Reads the weights of the rows. */
export function readSampleWeights(value: unknown, shape: readonly number[], axis: number, { rows }: Layout): Float64Array {
  if (typeof value === "number") return allocate("shape", "float64", rows).fill(checkWeights("sampleWeights", Float64Array.of(value))[0]);
  const { numbers, shape: given } = readNumbers("sampleWeights", value);
  if (numbers.length !== rows || (given && given.length > 1 && !sameShape(given, rowShape(shape, axis)))) {
    throw rangeError("sampleWeights", `${counted(rows, "number")}, one for each row`, given && given.length > 1 ? given : value);
  }
  return checkWeights("sampleWeights", numbers);
}

/** The classes that take part, 1 or 0: (C) for all rows, or laid out like the logits. */
export interface Mask {
  readonly values: Uint8Array;
  readonly isShared: boolean;
}

const numberOfBoolean: ToNumber = (entry) => (typeof entry === "boolean" ? Number(entry) : undefined);

/** Checks the entries of a mask, which are 0 or 1. */
export function checkMask<A extends Float64Array | Uint8Array>(values: A): A {
  for (let k = 0; k < values.length; k++) {
    if (values[k] !== 0 && values[k] !== 1) throw rangeError(`mask[${k}]`, "0 or 1, false or true", values[k]);
  }
  return values;
}

function maskOf(numbers: Float64Array): Uint8Array {
  const values = zeros("uint8", numbers.length);
  values.set(checkMask(numbers));
  return values;
}

/** Reads a mask that all rows share. */
export function readClassMask(value: unknown): Uint8Array {
  return maskOf(readNumbers("mask", value, numberOfBoolean).numbers);
}

/** Reads a mask that all rows share, or one that is laid out like the logits. */
export function readMask(value: unknown, shape: readonly number[], { classes, size }: Layout): Mask {
  const { numbers, shape: given } = readNumbers("mask", value, numberOfBoolean);
  // The nesting of arrays tells which of the two it is; without nesting their number does.
  const isNested = given !== undefined && given.length > 1;
  const isShared = numbers.length === classes && !isNested;
  if (!isShared && (isNested ? !sameShape(given, shape) : numbers.length !== size)) {
    throw rangeError("mask", `the shape [${classes}], or that of the logits, ${showShape(shape)}`, given ?? value);
  }
  return { values: maskOf(numbers), isShared };
}

/** Fills the places of excluded classes. */
export function fillClosed(to: FloatArray, { values, isShared }: Mask, { outer, classes, inner }: Extent, value: number): void {
  if (!isShared) {
    for (let k = 0; k < values.length; k++) if (values[k] === 0) to[k] = value;
    return;
  }
  for (let j = 0; j < classes; j++) {
    if (values[j] === 1) continue;
    for (let o = 0; o < outer; o++) {
      const at = (o * classes + j) * inner;
      for (let k = at; k < at + inner; k++) to[k] = value;
    }
  }
}
