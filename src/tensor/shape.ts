// Shapes, and the class axis of a tensor as (outer, classes, inner).

import { checkInteger, rangeError, typeError } from "../errors.js";

/** The shape and the class axis of a tensor. */
export interface ShapeOptions {
  /** Axis lengths of a Float64Array, row-major; by default it is one vector. */
  shape?: readonly number[];
  /** The class axis; negative counts from the end. Default −1. */
  axis?: number;
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

/** The number of elements of a tensor. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((size, length) => size * length, 1);
}

export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((length, i) => length === b[i]);
}

/** A shape as a message shows it. */
export function showShape(shape: readonly number[]): string {
  return `[${shape.join(", ")}]`;
}

/** Checks a shape: at least one axis, lengths that are integers of at least 0. */
export function checkShape(argument: string, shape: unknown): readonly number[] {
  if (!Array.isArray(shape) && !ArrayBuffer.isView(shape)) throw typeError(argument, "an array of axis lengths", shape);
  const lengths = Array.from(shape as ArrayLike<unknown>);
  if (lengths.length === 0) throw rangeError(argument, "at least one axis", lengths);
  if (lengths.length > MAX_AXES) throw rangeError(argument, `at most ${MAX_AXES} axes`, lengths);
  return lengths.map((length, i) => checkInteger(`${argument}[${i}]`, length, 0, Number.MAX_SAFE_INTEGER));
}

/** Finds the class axis in a shape; the number of elements must be a safe integer. */
export function layoutOf(shape: readonly number[], axis: unknown = -1): Layout {
  const given = checkInteger("axis", axis, -shape.length, shape.length - 1);
  const at = given < 0 ? given + shape.length : given;
  const classes = shape[at];
  if (classes === 0) throw rangeError("shape", `at least one class on axis ${at}`, shape);
  const outer = sizeOf(shape.slice(0, at));
  const inner = sizeOf(shape.slice(at + 1));
  const rows = outer * inner;
  const size = rows * classes;
  if (!Number.isSafeInteger(size)) throw rangeError("shape", "a countable number of elements", shape);
  return { outer, classes, inner, rows, size };
}

/** The shape of results by row: without the class axis. */
export function rowShape(shape: readonly number[], axis = -1): readonly number[] {
  const at = axis < 0 ? axis + shape.length : axis;
  return shape.filter((_, i) => i !== at);
}
