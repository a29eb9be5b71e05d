// Shapes, and the class axis of a tensor as (outer, classes, inner).

import { checkInteger, isArray, rangeError, typeError } from "../errors.js";
import { plainView } from "./typed-array.js";

/** The shape and the class axis of a tensor. */
export interface ShapeOptions {
  /** Axis lengths of a typed array, row-major; by default it is one vector. */
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

/** More classes than these have no addresses, whatever the number of rows. */
const MAX_CLASSES = 2 ** 32;

/**
 * Finds the class axis in a shape; the number of elements must be a safe integer. A shape without axes is one row of one class. Without rows, outer is
 * 0 and inner 1.
 */
export function layoutOf(shape: readonly number[], axis: unknown = -1): Layout {
  const axes = Math.max(1, shape.length);
  const given = checkInteger("axis", axis, -axes, axes - 1);
  const at = given < 0 ? given + axes : given;
  const classes = shape[at] ?? 1;
  const outer = sizeOf(shape.slice(0, at));
  const inner = sizeOf(shape.slice(at + 1));
  const rows = outer * inner;
  const size = rows * classes;
  if (!Number.isSafeInteger(size) || !Number.isSafeInteger(rows)) throw rangeError("shape", "a countable number of elements", shape);
  if (classes > MAX_CLASSES) throw rangeError("shape", `at most ${MAX_CLASSES} classes on axis ${at}`, shape);
  return rows === 0 ? { outer: 0, classes, inner: 1, rows, size } : { outer, classes, inner, rows, size };
}

/** The position of the class axis in a shape. */
const positionOf = (shape: readonly number[], axis: number): number => (axis < 0 ? axis + shape.length : axis);

/** The shape of results by row: without the class axis. */
export function rowShape(shape: readonly number[], axis = -1): readonly number[] {
  const at = positionOf(shape, axis);
  return shape.filter((_, i) => i !== at);
}

/** The shape with a class axis of length 1. */
export function withOneClass(shape: readonly number[], axis: number): readonly number[] {
  const at = positionOf(shape, axis);
  return shape.map((length, i) => (i === at ? 1 : length));
}
