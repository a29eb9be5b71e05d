// Shapes, and the class axis of a tensor as (outer, classes, inner).

import { checkInteger, isArray, rangeError, typeError } from "../errors.js";
import { plainView } from "./typed-array.js";

/** The shape and the class axis of a tensor. */
export interface ShapeOptions {
  /** Axis lengths of a typed array, row-major; by default it is one vector. */
  shape?: readonly number[];
  /** The class axis; negative counts from the end. Default −1. Or several neighbouring axes, whose elements together are the classes. */
  axis?: number | readonly number[];
}

/** Rows of `classes` elements, `inner` apart, one for each (outer, inner). */
export interface Extent {
  readonly outer: number;
  readonly classes: number;
  readonly inner: number;
}

/** The class axis of a whole tensor. */
export interface Layout extends Extent {
  readonly rows: number;
  readonly size: number;
}

export const MAX_AXES = 32;

/** The number of elements of a tensor, or of those of its axes that are in [first, end). */
export function sizeOf(shape: readonly number[], first = 0, end = shape.length): number {
  let size = 1;
  for (let i = first; i < end; i++) size *= shape[i];
  return size;
}

export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((length, i) => length === b[i]);
}

/** A shape as a message shows it. */
export function showShape(shape: readonly number[]): string {
  return `[${shape.join(", ")}]`;
}

/** Checks a shape, lengths that are integers of at least 0. Gives a copy. */
export function checkShape(argument: string, shape: unknown): readonly number[] {
  const given = isArray(shape) ? shape : plainView(shape);
  if (given === undefined) throw typeError(argument, "an array of axis lengths", shape);
  const axes = given.length;
  if (!(axes <= MAX_AXES)) throw rangeError(argument, `at most ${MAX_AXES} axes`, given);
  const lengths: number[] = [];
  for (let i = 0; i < axes; i++) {
    const entry: unknown = given[i];
    const length = typeof entry === "bigint" ? Number(entry) : entry;
    lengths.push(Number.isSafeInteger(length) && (length as number) >= 0 ? (length as number) : checkLength(`${argument}[${i}]`, length));
  }
  return lengths;
}

const checkLength = (argument: string, length: unknown): number => checkInteger(argument, length, 0, Number.MAX_SAFE_INTEGER);

/** The class axis, or several axes. */
export type Axis = number | readonly number[];

const checkAxis = (argument: string, axis: unknown, axes = MAX_AXES): number => checkInteger(argument, axis, -axes, axes - 1);

/** Reads the option `axis`, which is checked where a shape is known. Several axes are copied, so that they stay what they were. */
export function readAxis(axis: unknown = -1): Axis {
  const given = isArray(axis) ? axis : plainView(axis);
  if (given === undefined) return axis as number;
  if (given.length === 0 || given.length > MAX_AXES) throw rangeError("axis", `from 1 to ${MAX_AXES} axes`, axis);
  return Array.from(given as ArrayLike<number>);
}

/** Checks what can be checked of the option `axis` without a shape. */
export function checkAxes(axis: Axis): Axis {
  if (isArray(axis)) axis.forEach((entry, i) => void checkAxis(`axis[${i}]`, entry));
  else checkAxis("axis", axis);
  return axis;
}

/** The class axes of a shape are [first, end). A shape without axes has one all the same. */
function spanOf(shape: readonly number[], axis: Axis): readonly [first: number, end: number] {
  const axes = Math.max(1, shape.length);
  if (!isArray(axis)) {
    const at = checkAxis("axis", axis, axes);
    const first = at < 0 ? at + axes : at;
    return [first, first + 1];
  }
  const places = axis.map((entry, i) => checkAxis(`axis[${i}]`, entry, axes)).map((at) => (at < 0 ? at + axes : at));
  const first = Math.min(...places);
  if (new Set(places).size !== places.length || Math.max(...places) !== first + places.length - 1) {
    throw rangeError("axis", "one axis, or several that are neighbours", axis);
  }
  return [first, first + places.length];
}

/** More classes than these have no addresses, whatever the number of rows. */
export const MAX_CLASSES = 2 ** 32;

/**
 * Finds the class axis in a shape; the number of elements must be a safe integer. A shape without axes is one row of one class. Without
 * rows, outer is 0 and inner 1.
 */
export function layoutOf(shape: readonly number[], axis: Axis = -1): Layout {
  const [first, end] = spanOf(shape, axis);
  const classes = sizeOf(shape, first, Math.min(end, shape.length));
  const outer = sizeOf(shape, 0, first);
  const inner = sizeOf(shape, end);
  const rows = outer * inner;
  const size = rows * classes;
  if (!Number.isSafeInteger(size) || !Number.isSafeInteger(rows)) throw rangeError("shape", "a countable number of elements", shape);
  if (classes > MAX_CLASSES) throw rangeError("shape", `at most ${MAX_CLASSES} classes on axis ${first}`, shape);
  return rows === 0 ? { outer: 0, classes, inner: 1, rows, size } : { outer, classes, inner, rows, size };
}

/** The shape of results by row: without the class axes. */
export function rowShape(shape: readonly number[], axis: Axis = -1): readonly number[] {
  const [first, end] = spanOf(shape, axis);
  return shape.filter((_, i) => i < first || i >= end);
}

/** The shape with so many classes: on the last class axis, where there are several; the others have the length 1. */
export function withClasses(shape: readonly number[], axis: Axis, classes: number): readonly number[] {
  const [first, end] = spanOf(shape, axis);
  return shape.map((length, i) => (i === end - 1 ? classes : i >= first && i < end ? 1 : length));
}

/** The shape with class axes of length 1. */
export const withOneClass = (shape: readonly number[], axis: Axis): readonly number[] => withClasses(shape, axis, 1);
