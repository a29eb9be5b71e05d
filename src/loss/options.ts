// The options of a loss that belong to a batch: read and checked.

import { checkInteger, counted, rangeError } from "../errors.js";
import { allocate, type Nested, type ToNumber, type Values } from "../tensor/containers.js";
import { type FloatArray, zeros } from "../tensor/element.js";
import { type Axis, type Extent, type Layout, rowShape, type ShapeOptions, sameShape, showShape } from "../tensor/shape.js";
import type { NumberArray } from "../tensor/typed-array.js";
import { checkWeights, type LossTerms, type Reduction, readNumbers, TERMS } from "./terms.js";

/** Nested arrays of booleans. */
export type NestedBooleans = Nested<boolean>;

/** What is done to the logits before anything else. */
export interface LogitsOptions {
  /** A cap c above 0, none by default: logits x become c tanh(x / c). */
  softcap?: number;
  /** Multiplies the logits after that, the inverse of a temperature; 1 by default. */
  scale?: number;
  /** The classes that take part, 1 or true, and those that are excluded, 0 or false: (C) for all rows, or laid out like the logits. */
  mask?: Values<NumberArray> | NestedBooleans;
}

/** The options of a loss, of which `R` is the reduction and `O` the names of the outputs. */
export interface LossOptions<R extends string = Reduction, O extends string = never> extends LossTerms<R>, ShapeOptions, LogitsOptions {
  /** A weight s, of either sign, for each row, or for all. */
  sampleWeights?: number | Values<NumberArray>;
  /** The group of each row, an integer of at least 0, for the output `groups`. */
  groups?: Values<NumberArray>;
  /** The names of what is returned besides the loss. */
  outputs?: readonly O[];
}

export const LOSS_OPTIONS = /* @__PURE__ */ (() => ["shape", "axis", ...TERMS, "sampleWeights", "mask", "groups", "outputs"] as const)();

/** Reads a number for each row. */
function readByRow(argument: string, noun: string, value: unknown, rows: number, rowShape: readonly number[]): Float64Array {
  const { numbers, shape: given } = readNumbers(argument, value);
  const isNested = given !== undefined && given.length > 1;
  if (numbers.length === rows && (!isNested || sameShape(given, rowShape))) return numbers;
  throw rangeError(argument, `${counted(rows, noun)}, one for each row`, isNested ? given : value);
}

/** Reads the weights of the rows. */
export function readSampleWeights(value: unknown, shape: readonly number[], axis: Axis, { rows }: Layout): Float64Array {
  if (typeof value === "number") return allocate("shape", "float64", rows).fill(checkWeights("sampleWeights", Float64Array.of(value))[0]);
  return checkWeights("sampleWeights", readByRow("sampleWeights", "number", value, rows, rowShape(shape, axis)));
}

/** Reads the groups of the rows. */
export function readGroups(value: unknown, shape: readonly number[], axis: Axis, { rows }: Layout): Int32Array {
  return checkGroups(readByRow("groups", "integer", value, rows, rowShape(shape, axis)));
}

/** Checks the groups of rows, which are integers. */
export function checkGroups(groups: Float64Array): Int32Array {
  return Int32Array.from(groups, (group, row) => checkInteger(`groups[${row}]`, group, 0, MAX_GROUPS - 1));
}

/** The most groups. */
const MAX_GROUPS = 2 ** 24;

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

/** Numbers by class: (C) for all rows, or laid out like the logits. */
export interface ByClass {
  readonly numbers: Float64Array;
  readonly isShared: boolean;
}

/** Reads numbers for classes that all rows share, or that are laid out like the logits. */
export function readByClass(
  argument: string,
  value: unknown,
  shape: readonly number[],
  { classes, size }: Layout,
  toNumber?: ToNumber,
): ByClass {
  const { numbers, shape: given } = readNumbers(argument, value, toNumber);
  // The nesting of arrays tells which of the two it is; without nesting their number does.
  const isNested = given !== undefined && given.length > 1;
  const isShared = numbers.length === classes && !isNested;
  if (!isShared && (isNested ? !sameShape(given, shape) : numbers.length !== size)) {
    throw rangeError(argument, `the shape [${classes}], or that of the logits, ${showShape(shape)}`, given ?? value);
  }
  return { numbers, isShared };
}

/** Reads a mask that all rows share, or one that is laid out like the logits. */
export function readMask(value: unknown, shape: readonly number[], layout: Layout): Mask {
  const { numbers, isShared } = readByClass("mask", value, shape, layout, numberOfBoolean);
  return { values: maskOf(numbers), isShared };
}

/** Fills the places of excluded classes. */
export function fillClosed(
  to: FloatArray | Uint8Array,
  { values, isShared }: Mask,
  { outer, classes, inner }: Extent,
  value: number,
): void {
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
