// Containers of numbers: typed arrays, nested arrays, arrays of typed rows, { data, shape }. They are read into row-major elements, and results
// are put into the same kind of container.

import { checkInteger, counted, isArray, isRevoked, rangeError, typeError, Verbatim } from "../errors.js";
import { FLOAT, FLOAT_ARRAY, type FloatArray, isFloatArray, zeros } from "./element.js";
import { checkShape, MAX_AXES, sameShape, showShape, sizeOf } from "./shape.js";
import { type NumericArray, plainView, typedArrayName } from "./typed-array.js";

/** Arrays of elements, or of such arrays, as deep as the tensor has axes. */
export type Nested<E> = readonly E[] | readonly Nested<E>[];

/** Nested arrays of numbers, as deep as the tensor has axes. */
export type NestedArray = Nested<number>;

/** A row-major array with its shape, the form that ndarray libraries share. */
export interface NdArray<A = Float64Array> {
  /** The elements, row-major. */
  readonly data: A;
  /** The lengths of the axes. */
  readonly shape: readonly number[];
}

/**
 * What ndarray libraries have: elements in a typed array, and the lengths of the axes. With `stride` or `strides`, and `offset`, both in
 * elements, the data may lie in any order.
 */
export interface NdArrayLike<E = number> {
  /** The elements, a typed array. */
  readonly data: ArrayLike<E>;
  /** The lengths of the axes. */
  readonly shape: ArrayLike<number>;
}

/** The containers of a tensor. A Float64Array takes its shape from `options.shape`; a number has no axes. */
export type Tensor = number | Float64Array | NdArrayLike | NestedArray | Nested<Float64Array>;

/** The container of a result with as many axes as `T`. */
export type SameAxes<T> = T extends number
  ? number
  : T extends Float64Array
    ? Float64Array
    : T extends NdArrayLike
      ? NdArray
      : T extends readonly number[]
        ? number[]
        : T extends readonly (infer Element)[]
          ? SameAxes<Element>[]
          : never;

/** The container of a result by row, which has no class axis. */
export type ByRow<T> = T extends number | readonly number[]
  ? number
  : T extends Float64Array
    ? Float64Array
    : T extends NdArrayLike
      ? NdArray
      : T extends readonly (infer Element)[]
        ? SameAxes<Element>
        : never;

/** A container of class indices in the place of one of doubles. */
export type Indices<T> = T extends Float64Array
  ? Int32Array
  : T extends NdArray
    ? NdArray<Int32Array>
    : T extends (infer Element)[]
      ? Indices<Element>[]
      : T;

/** The container of class indices by row. */
export type IndexByRow<T> = Indices<ByRow<T>>;

/** The container of a result with one more class axis. */
export type ExtraAxis<T> = T extends number
  ? number[]
  : T extends Float64Array
    ? Float64Array
    : T extends NdArrayLike
      ? NdArray
      : SameAxes<T>[];

/** The containers of values that need not be doubles, such as labels and weights. */
export type Values<A extends NumericArray = NumericArray> = A | NestedArray | Nested<A> | NdArrayLike<A[number]>;

type Form = "flat" | "nested" | "rows" | "ndarray";

/** The elements of a tensor in row-major order, its shape, and the form of its container. */
export interface Elements<A extends NumericArray = FloatArray> {
  readonly data: A;
  readonly shape: readonly number[];
  readonly form: Form;
}

/** Says if a value is a typed array of a tensor's elements. */
export function isFlat(value: unknown): boolean {
  return typedArrayName(value) === FLOAT_ARRAY;
}

/** The error for elements of another type than a tensor's, with a hint at a conversion. */
function otherElements(argument: string, expected: string, value: unknown): TypeError {
  const name = typedArrayName(value);
  const convert = name?.startsWith("Big") ? ", Number" : "";
  return typeError(argument, expected, value, name && `${FLOAT_ARRAY}.from(${argument}${convert}) converts it`);
}

/** Reads a tensor from any container. A typed array is read as it is when the kernels run; other containers are copied. */
export function readTensor(argument: string, value: unknown, shapeOption?: unknown): Elements {
  const wanted = shapeOption === undefined ? undefined : checkShape("shape", shapeOption);
  const view = plainView(value);
  if (view && isFloatArray(view)) {
    const shape = wanted ?? [view.length];
    if (sizeOf(shape) !== view.length) throw rangeError("shape", `a product of ${view.length}, the length of "${argument}"`, shape);
    return { data: view, shape, form: "flat" };
  }
  const elements = readShaped(argument, value);
  if (!elements) throw otherElements(argument, `a ${FLOAT_ARRAY}, nested arrays of numbers, or { data: ${FLOAT_ARRAY}, shape }`, value);
  if (wanted !== undefined && !sameShape(wanted, elements.shape)) {
    throw rangeError("shape", `${showShape(elements.shape)}, the shape of "${argument}"`, wanted);
  }
  return elements;
}

function readShaped(argument: string, value: unknown): Elements | undefined {
  if (typeof value === "number") return { data: zeros(FLOAT, 1).fill(value), shape: [], form: "nested" };
  if (isArray(value)) return readNested(argument, value);
  const read = readNdArray(argument, value);
  if (!read) return undefined;
  const { data, shape } = read;
  if (!isFloatArray(data)) throw otherElements(`${argument}.data`, `a ${FLOAT_ARRAY}`, data);
  return { data, shape, form: "ndarray" };
}

/** Checks that two arguments have one shape. */
export function checkSameShape(argument: string, { shape }: Elements, other: string, { shape: wanted }: Elements): void {
  if (!sameShape(shape, wanted)) throw rangeError(argument, `the shape of "${other}", ${showShape(wanted)}`, shape);
}

/** The number that an entry of a nested array stands for, or undefined if it is of the wrong kind. */
export type ToNumber = (entry: unknown) => number | undefined;

/** Reads values of any numeric type, and their shape if the container has one; undefined for anything else. */
export function readValues(
  argument: string,
  value: unknown,
  toNumber: ToNumber = () => undefined,
): { values: NumericArray; shape?: readonly number[] } | undefined {
  const view = plainView(value);
  if (view) return { values: view };
  const read = isArray(value) ? readNested(argument, value, toNumber) : readNdArray(argument, value);
  return read && { values: read.data, shape: read.shape };
}

type ArrayConstructor<A> = new (length: number) => A;

/** Memory for the elements of a tensor; a RangeError if there is not so much. */
export function allocate(argument: string, size: number): FloatArray;
export function allocate<A>(argument: string, size: number, Elements: ArrayConstructor<A>): A;
export function allocate(argument: string, size: number, Elements?: ArrayConstructor<unknown>): unknown {
  try {
    return Elements ? new Elements(size) : zeros(FLOAT, size);
  } catch {
    throw rangeError(argument, "a size that fits in memory", new Verbatim(`${size} elements`));
  }
}

/**
 * Reads nested arrays, whose last axis may be one of typed arrays. A tensor has numbers or rows of its own element type; with `toNumber` rows may
 * be of any type, and it says which other entries stand for numbers.
 */
function readNested(argument: string, value: readonly unknown[], toNumber?: ToNumber): Elements {
  const shape: number[] = [];
  let level: unknown = value;
  for (; isArray(level); level = level[0]) {
    if (shape.length === MAX_AXES) throw rangeError(argument, `at most ${MAX_AXES} axes`, value);
    shape.push(checkInteger(`${argument}${"[0]".repeat(shape.length)}.length`, level.length, 0, Number.MAX_SAFE_INTEGER));
  }
  const firstRow = plainView(level);
  if (firstRow) shape.push(firstRow.length);
  const data = allocate(argument, sizeOf(shape));
  const last = shape.length - 1;
  const rowLength = shape[last];

  /** The numbers of a row of the last axis. */
  const fillRow = (row: unknown, index: number): void => {
    if (!isArray(row) || row.length !== rowLength) throw misplaced(row, last, index);
    const at = index * rowLength;
    for (let i = 0; i < rowLength; i++) {
      const entry: unknown = row[i];
      const number = typeof entry === "number" ? entry : toNumber?.(entry);
      if (number === undefined) throw misplaced(entry, last + 1, at + i);
      data[at + i] = number;
    }
  };

  const fillTypedRow = (value: unknown, index: number): void => {
    const row = plainView(value);
    if (row?.length !== rowLength || !(toNumber || isFloatArray(row))) throw misplaced(value, last, index);
    const at = index * rowLength;
    if (row instanceof BigInt64Array || row instanceof BigUint64Array) for (let i = 0; i < rowLength; i++) data[at + i] = Number(row[i]);
    else data.set(row, at);
  };

  const fillLast = firstRow ? fillTypedRow : fillRow;

  /** All that lies in an array of an axis before the last; `index` counts the arrays of that axis. */
  const fill = (level: unknown, axis: number, index: number): void => {
    const length = shape[axis];
    if (!isArray(level) || level.length !== length) throw misplaced(level, axis, index);
    const at = index * length;
    if (axis + 1 === last) for (let i = 0; i < length; i++) fillLast(level[i], at + i);
    else for (let i = 0; i < length; i++) fill(level[i], axis + 1, at + i);
  };

  // A number or an array in the wrong place is ragged nesting, a RangeError; any other value is a TypeError.
  const misplaced = (found: unknown, axis: number, index: number): Error => {
    const path =
      argument +
      indicesOf(index, shape.slice(0, axis))
        .map((i) => `[${i}]`)
        .join("");
    const row = axis === last && firstRow ? (toNumber ? "a typed array" : `a ${FLOAT_ARRAY}`) : "an array";
    const like = index > 0 ? `, as ${argument}${"[0]".repeat(axis)}` : "";
    const expected = axis > last ? "a number" : `${row} of length ${shape[axis]}${like}`;
    if (isArray(found)) return rangeError(path, expected, new Verbatim(`an array of length ${found.length}`));
    if (typeof found === "number" || isFlat(found)) return rangeError(path, expected, found);
    return otherElements(path, expected, found);
  };
  if (last === 0) fillLast(value, 0);
  else fill(value, 0, 0);
  return { data, shape, form: firstRow ? "rows" : "nested" };
}

/** The index on each axis of the element that is at `index` in row-major order. */
function indicesOf(index: number, shape: readonly number[]): number[] {
  const indices: number[] = [];
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    indices[axis] = index % shape[axis];
    index = Math.floor(index / shape[axis]);
  }
  return indices;
}

/** A property of a container; one that all objects inherit is none. */
function propertyOf(container: object, name: string): unknown {
  const value = (container as Record<string, unknown>)[name];
  return value === (Object.prototype as Record<string, unknown>)[name] ? undefined : value;
}

/** Reads the elements of an ndarray in row-major order: a view of its data if they lie there like that, else a copy. */
function readNdArray(argument: string, value: unknown): Omit<Elements<NumericArray>, "form"> | undefined {
  if (typeof value !== "object" || value === null || isRevoked(value)) return undefined;
  const data = propertyOf(value, "data");
  const lengths = propertyOf(value, "shape");
  if (data === undefined || lengths === undefined) return undefined;
  const [name, given] = ["stride", "strides"]
    .map((name) => [name, propertyOf(value, name)] as const)
    .find(([, steps]) => steps !== undefined && typeof steps !== "function") ?? ["stride"];
  const offset = propertyOf(value, "offset");

  const shape = checkShape(`${argument}.shape`, lengths);
  const strides = given === undefined ? undefined : readStrides(`${argument}.${name}`, given, shape);
  const view = plainView(data);
  if (!view) throw typeError(`${argument}.data`, "a typed array", data);
  const start = checkInteger(`${argument}.offset`, offset ?? 0, 0, view.length);
  const size = sizeOf(shape);
  // With strides or an offset the tensor may be a part of the data; without them it is all of the data.
  const isPart = strides !== undefined || start > 0;
  if (strides === undefined || isRowMajor(shape, strides)) {
    if (isPart ? size > view.length - start : size !== view.length) {
      throw rangeError(`${argument}.shape`, `a product of ${view.length - start}, the length of the data`, shape);
    }
    return { data: view.length === size ? view : view.subarray(start, start + size), shape };
  }
  // The first and the last element in memory.
  const reach = strides.map((step, i) => step * (shape[i] - 1));
  const least = reach.reduce((sum, step) => sum + Math.min(step, 0), start);
  const most = reach.reduce((sum, step) => sum + Math.max(step, 0), start);
  if (size > 0 && !(least >= 0 && most < view.length)) {
    throw rangeError(`${argument}.${name}`, `elements from 0 to ${view.length - 1} of the data`, new Verbatim(`${least} to ${most}`));
  }
  return { data: gathered(argument, view, shape, strides, start), shape };
}

function readStrides(argument: string, given: unknown, shape: readonly number[]): readonly number[] {
  const steps = isArray(given) ? given : plainView(given);
  if (!steps) throw typeError(argument, "an array of strides", given);
  const strides = shape.map((_, i) => Number(steps[i]));
  if (steps.length !== shape.length || !strides.every(Number.isSafeInteger)) {
    throw rangeError(argument, `${counted(shape.length, "integer")}, one for each axis`, given);
  }
  return strides;
}

/** Says if the elements lie in row-major order without gaps. The stride of an axis with one element does not count. */
function isRowMajor(shape: readonly number[], strides: readonly number[]): boolean {
  let step = sizeOf(shape);
  return (
    step === 0 ||
    shape.every((length, i) => {
      step /= length;
      return length === 1 || strides[i] === step;
    })
  );
}

/** The elements of an ndarray of any strides, row-major. */
function gathered(argument: string, data: NumericArray, shape: readonly number[], strides: readonly number[], start: number): NumericArray {
  const size = sizeOf(shape);
  const to: { [i: number]: unknown } & NumericArray = allocate(argument, size, data.constructor as ArrayConstructor<NumericArray>);
  const last = shape.length - 1;
  let at = 0;
  const gather = (from: number, axis: number): void => {
    const length = shape[axis];
    const step = strides[axis];
    if (axis < last) for (let i = 0; i < length; i++) gather(from + i * step, axis + 1);
    else for (let i = 0; i < length; i++) to[at++] = data[from + i * step];
  };
  if (size > 0) gather(start, 0);
  return to;
}

function overlaps(a: ArrayBufferView, b: ArrayBufferView): boolean {
  return a.buffer === b.buffer && a.byteOffset < b.byteOffset + b.byteLength && b.byteOffset < a.byteOffset + a.byteLength;
}

/** The array for a result of `size` elements: a new one, or a view of the option `out` if it fits; it may be an input itself. */
export function resultArray(out: unknown, size: number, inputs: readonly Elements[], labels?: ArrayBufferView): FloatArray {
  if (out === undefined) return allocate("shape", size);
  const view = plainView(out);
  if (!view || !isFloatArray(view)) throw typeError("out", `a ${FLOAT_ARRAY}`, out);
  if (inputs.some(({ form }) => form !== "flat")) {
    throw typeError("out", `to be used with ${FLOAT_ARRAY} input only`, new Verbatim("another container as input"));
  }
  if (view.length !== size) throw rangeError("out", counted(size, "element"), out);
  for (const input of [...inputs.map(({ data }) => data), ...(labels ? [labels] : [])]) {
    const isSame = isFloatArray(input) && input.byteOffset === view.byteOffset && input.length === view.length;
    if (overlaps(view, input) && !isSame) {
      throw rangeError("out", "an input itself or memory of its own", new Verbatim("an array that overlaps an input in part"));
    }
  }
  return view;
}

/** Puts a result into a container of the given form. */
export function toForm(form: Form, data: FloatArray | Int32Array, shape: readonly number[]): unknown {
  if (form === "flat") return data;
  if (form === "ndarray") return { data, shape: [...shape] };
  const last = shape.length - 1;
  if (last < 0) return data[0];
  let at = 0;
  const build = (axis: number): unknown => {
    const length = shape[axis];
    if (axis === last && form === "rows") {
      at += length;
      return data.slice(at - length, at);
    }
    const level = new Array<unknown>(length);
    if (axis < last) for (let i = 0; i < length; i++) level[i] = build(axis + 1);
    else for (let i = 0; i < length; i++) level[i] = data[at + i];
    if (axis === last) at += length;
    return level;
  };
  return build(0);
}
