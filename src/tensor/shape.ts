// Containers of numbers, their shapes, and a class axis as (outer, classes, inner).

import { checkInteger, rangeError, typeError, Verbatim } from "../errors.js";

/** Nested arrays of numbers, as deep as the tensor has axes. */
export type NestedArray = readonly number[] | readonly NestedArray[];

/** A row-major array with its shape, the form that ndarray libraries share. */
export interface NdArray<A = Float64Array> {
  /** The elements, row-major. */
  readonly data: A;
  /** The lengths of the axes. */
  readonly shape: readonly number[];
}

/** Typed arrays of integers. */
export type IntegerArray =
  | Int8Array
  | Uint8Array
  | Uint8ClampedArray
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

/** Typed arrays of numbers. */
export type NumericArray = IntegerArray | Float32Array | Float64Array;

/** Typed arrays whose elements are of the type number. */
export type NumberArray = Exclude<NumericArray, BigInt64Array | BigUint64Array>;

/** What a tensor may be given as. A Float64Array takes its shape from `options.shape`. */
export type Tensor = Float64Array | NdArray | NestedArray;

/** The container of a result with as many axes as `T`. */
export type SameAxes<T> = T extends Float64Array
  ? Float64Array
  : T extends NdArray
    ? NdArray
    : T extends readonly number[]
      ? number[]
      : T extends readonly (infer Element)[]
        ? SameAxes<Element>[]
        : never;

/** The container of a result by row: the class axis is gone. */
export type ByRow<T> = T extends Float64Array
  ? Float64Array
  : T extends NdArray
    ? NdArray
    : T extends readonly number[]
      ? number
      : T extends readonly (infer Element)[]
        ? SameAxes<Element>
        : never;

/** The container of class indices by row. */
export type IndexByRow<T> = T extends Float64Array ? Int32Array : T extends NdArray ? NdArray<Int32Array> : ByRow<T>;

/** The container of a result with one more class axis. */
export type ExtraAxis<T> = T extends Float64Array ? Float64Array : T extends NdArray ? NdArray : SameAxes<T>[];

type Form = "flat" | "nested" | "ndarray";

/** A tensor as it was read: its elements in row-major order, its shape, and the form to answer in. */
export interface Elements {
  readonly data: Float64Array;
  readonly shape: readonly number[];
  readonly form: Form;
}

/** The class axis of a tensor: rows of `classes` elements, `inner` apart, one for each (outer, inner). */
export interface Layout {
  readonly outer: number;
  readonly classes: number;
  readonly inner: number;
  readonly rows: number;
  readonly size: number;
}

export const MAX_AXES = 32;

export function product(shape: readonly number[]): number {
  return shape.reduce((size, length) => size * length, 1);
}

export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((length, i) => length === b[i]);
}

/** A shape from the outside: at least one axis, lengths that are integers of at least 0. */
export function checkShape(argument: string, shape: unknown): readonly number[] {
  if (!Array.isArray(shape) && !ArrayBuffer.isView(shape)) throw typeError(argument, "an array of axis lengths", shape);
  const lengths = Array.from(shape as ArrayLike<unknown>);
  if (lengths.length === 0) throw rangeError(argument, "at least one axis", lengths);
  if (lengths.length > MAX_AXES) throw rangeError(argument, `at most ${MAX_AXES} axes`, lengths);
  return lengths.map((length, i) => checkInteger(`${argument}[${i}]`, length, 0, Number.MAX_SAFE_INTEGER));
}

/** Where the class axis lies; the shape's product must fit a number exactly. */
export function layoutOf(shape: readonly number[], axis: unknown = -1): Layout {
  const given = checkInteger("axis", axis, -shape.length, shape.length - 1);
  const at = given < 0 ? given + shape.length : given;
  const classes = shape[at];
  if (classes === 0) throw rangeError("shape", `at least one class on axis ${at}`, shape);
  const outer = product(shape.slice(0, at));
  const inner = product(shape.slice(at + 1));
  const rows = outer * inner;
  const size = rows * classes;
  if (!Number.isSafeInteger(size)) throw rangeError("shape", "a countable number of elements", shape);
  return { outer, classes, inner, rows, size };
}

/** The shape without its class axis. */
export function rowShape(shape: readonly number[], axis = -1): readonly number[] {
  const at = axis < 0 ? axis + shape.length : axis;
  return shape.filter((_, i) => i !== at);
}

/** Reads a tensor in any of its forms. */
export function readTensor(argument: string, value: unknown, shapeOption?: unknown): Elements {
  const wanted = shapeOption === undefined ? undefined : checkShape("shape", shapeOption);
  if (value instanceof Float64Array) {
    const shape = wanted ?? [value.length];
    if (product(shape) !== value.length) {
      throw rangeError("shape", `a product of ${value.length}, the length of "${argument}"`, shape);
    }
    return { data: value, shape, form: "flat" };
  }
  const elements = Array.isArray(value) ? readNested(argument, value) : readNdArray(argument, value);
  if (wanted !== undefined && !sameShape(wanted, elements.shape)) {
    throw rangeError("shape", `[${elements.shape.join(", ")}], the shape of "${argument}"`, wanted);
  }
  return elements;
}

function isNumericArray(value: unknown): value is NumericArray {
  return ArrayBuffer.isView(value) && !(value instanceof DataView);
}

/** What a tensor may be given as whose elements need not be doubles: labels, weights. */
export type Values<A extends NumericArray = NumericArray> = A | NestedArray | NdArray<A>;

/** Its elements in row-major order, and its shape if the container has one; undefined for anything else. */
export function readValues(argument: string, value: unknown): { values: NumericArray; shape?: readonly number[] } | undefined {
  if (isNumericArray(value)) return { values: value };
  if (Array.isArray(value)) {
    const { data, shape } = readTensor(argument, value);
    return { values: data, shape };
  }
  if (typeof value === "object" && value !== null && "data" in value && "shape" in value && isNumericArray(value.data)) {
    const shape = checkShape(`${argument}.shape`, value.shape);
    return { values: contiguous<NumericArray>(argument, value.data, shape, value), shape };
  }
  return undefined;
}

/** Memory for a tensor; a RangeError if there is none of that size. */
export function allocate(argument: string, size: number): Float64Array {
  try {
    return new Float64Array(size);
  } catch {
    throw rangeError(argument, "a size that fits in memory", new Verbatim(`${size} elements`));
  }
}

function readNested(argument: string, value: readonly unknown[]): Elements {
  const shape: number[] = [];
  for (let level: unknown = value; Array.isArray(level); level = level[0]) {
    if (shape.length === MAX_AXES) throw rangeError(argument, `at most ${MAX_AXES} axes`, value);
    shape.push(level.length);
  }
  const data = allocate(argument, product(shape));
  const position: number[] = [];
  let at = 0;
  const fill = (level: unknown): void => {
    const axis = position.length;
    if (axis === shape.length && typeof level === "number") {
      data[at++] = level;
    } else if (axis < shape.length && Array.isArray(level) && level.length === shape[axis]) {
      for (let i = 0; i < level.length; i++) {
        position.push(i);
        fill(level[i]);
        position.pop();
      }
    } else {
      throw unlike(level);
    }
  };
  // A number or an array out of place is ragged nesting; anything else is of the wrong kind.
  const unlike = (level: unknown): Error => {
    const path = argument + position.map((i) => `[${i}]`).join("");
    const axis = position.length;
    const expected = axis === shape.length ? "a number" : `an array of length ${shape[axis]}, as ${argument}${"[0]".repeat(axis)}`;
    if (Array.isArray(level)) return rangeError(path, expected, new Verbatim(`an array of length ${level.length}`));
    return typeof level === "number" ? rangeError(path, expected, level) : typeError(path, expected, level);
  };
  fill(value);
  return { data, shape, form: "nested" };
}

function readNdArray(argument: string, value: unknown): Elements {
  if (typeof value !== "object" || value === null || !("data" in value) || !("shape" in value)) {
    throw typeError(argument, "a Float64Array, nested arrays of numbers, or { data: Float64Array, shape }", value);
  }
  if (!(value.data instanceof Float64Array)) throw typeError(`${argument}.data`, "a Float64Array", value.data);
  const shape = checkShape(`${argument}.shape`, value.shape);
  return { data: contiguous(argument, value.data, shape, value), shape, form: "ndarray" };
}

/** The elements of an ndarray, which must lie in row-major order without gaps. */
export function contiguous<A extends { length: number; subarray(begin: number, end: number): A }>(
  argument: string,
  data: A,
  shape: readonly number[],
  container: object,
): A {
  const { stride, strides, offset = 0 } = container as { stride?: unknown; strides?: unknown; offset?: unknown };
  const size = product(shape);
  for (const [name, given] of Object.entries({ stride, strides })) {
    if (given === undefined || typeof given === "function") continue;
    let step = size;
    const wanted = shape.map((length) => {
      step /= length;
      return step;
    });
    const steps = Array.isArray(given) || ArrayBuffer.isView(given) ? Array.from(given as ArrayLike<unknown>) : [];
    if (size > 0 && (steps.length !== shape.length || steps.some((s, i) => shape[i] > 1 && s !== wanted[i]))) {
      throw rangeError(`${argument}.${name}`, `[${wanted.join(", ")}], row-major and contiguous`, given);
    }
  }
  const start = checkInteger(`${argument}.offset`, offset, 0, data.length);
  // A view may be of part of the data; without strides and offset it is the data.
  const isView = stride !== undefined || strides !== undefined || start > 0;
  if (isView ? size > data.length - start : size !== data.length) {
    throw rangeError(`${argument}.shape`, `a product of ${data.length - start}, the length of the data`, shape);
  }
  return data.length === size ? data : data.subarray(start, start + size);
}

/** Puts a result into a container of the given form. */
export function toForm(form: Form, data: Float64Array | Int32Array, shape: readonly number[]): unknown {
  if (form === "flat") return data;
  if (form === "ndarray") return { data, shape: [...shape] };
  let at = 0;
  const build = (axis: number): unknown =>
    axis === shape.length ? data[at++] : Array.from({ length: shape[axis] }, () => build(axis + 1));
  return build(0);
}
