// Containers of numbers: typed arrays, nested arrays, arrays of typed rows, { data, shape }. They are read into row-major elements, and results
// are put into the same kind of container. A tensor's element type is that of its container; nested arrays are doubles, and float16 becomes
// float32.

import { checkInteger, counted, isArray, isRevoked, rangeError, typeError, Verbatim } from "../errors.js";
import { arrayName, type Dtype, dtypeOf, type ElementArray, type ElementType, type FloatArray, zeros } from "./element.js";
import { Float16Bits } from "./float16.js";
import { checkShape, MAX_AXES, sameShape, showShape, sizeOf } from "./shape.js";
import { type Float16ArrayLike, float16Of, type NumericArray, plainView, typedArrayName } from "./typed-array.js";

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
export interface ShapedArray<E = number> {
  /** The elements, a typed array. */
  readonly data: ArrayLike<E>;
  /** The lengths of the axes. */
  readonly shape: ArrayLike<number>;
}

/** A tensor as onnxruntime and transformers.js have it: elements in a typed array, and the lengths of the axes. */
export interface DimsArray<E = number> {
  /** The elements, a typed array: of float16, the bits in a Uint16Array if the type says so. */
  readonly data: ArrayLike<E>;
  /** The lengths of the axes. */
  readonly dims: ArrayLike<number | bigint>;
  /** The type of the elements: "float16" for the bits of float16. */
  readonly type?: string;
}

/** Elements in a typed array with the lengths of their axes. */
export type NdArrayLike<E = number> = ShapedArray<E> | DimsArray<E>;

/** A typed array of a tensor's elements. */
export type FloatElements = Float64Array | Float32Array | Float16ArrayLike;

/** The containers of a tensor. A typed array takes its shape from `options.shape`; a number has no axes. */
export type Tensor =
  | number
  | FloatElements
  | NdArrayLike
  | NestedArray
  | Nested<Float64Array>
  | Nested<Float32Array>
  | Nested<Float16ArrayLike>;

/** The array of a result for the data `A` of a tensor. */
export type ResultData<A> = A extends Float64Array
  ? Float64Array
  : A extends Float32Array | Float16ArrayLike | Uint16Array
    ? Float32Array
    : Float64Array | Float32Array;

/** The container of a result with as many axes as `T`. */
export type SameAxes<T> = T extends number
  ? number
  : T extends FloatElements
    ? ResultData<T>
    : T extends NdArrayLike
      ? NdArray<ResultData<T["data"]>>
      : T extends readonly number[]
        ? number[]
        : T extends readonly (infer Element)[]
          ? SameAxes<Element>[]
          : never;

/** The container of a result by row, which has no class axis. */
export type ByRow<T> = T extends number | readonly number[]
  ? number
  : T extends FloatElements
    ? ResultData<T>
    : T extends NdArrayLike
      ? NdArray<ResultData<T["data"]>>
      : T extends readonly (infer Element)[]
        ? SameAxes<Element>
        : never;

/** A container of class indices in the place of one of floating-point numbers. */
export type Indices<T> = T extends Float64Array | Float32Array
  ? Int32Array
  : T extends NdArray<Float64Array | Float32Array>
    ? NdArray<Int32Array>
    : T extends (infer Element)[]
      ? Indices<Element>[]
      : T;

/** The container of class indices by row. */
export type IndexByRow<T> = Indices<ByRow<T>>;

/** The container of a result with one more class axis. */
export type ExtraAxis<T> = T extends number ? number[] : T extends FloatElements | NdArrayLike ? SameAxes<T> : SameAxes<T>[];

/** The containers of values that need not be doubles, such as labels and weights. */
export type Values<A extends NumericArray = NumericArray> = A | NestedArray | Nested<A> | NdArrayLike<A[number]>;

type Form = "flat" | "nested" | "rows" | "ndarray";

/** The elements of a tensor, as they can be copied into memory. */
export type TensorData = FloatArray | Float16Bits;

/** The elements of a tensor in row-major order, the type of its results, its shape, and the form of its container. */
export interface Elements {
  readonly data: TensorData;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly form: Form;
}

/** The elements of a tensor as numbers. */
export const numbersOf = ({ data }: Elements): FloatArray => (data instanceof Float16Bits ? data.toFloat32() : data);

/** A typed array that can hold the elements of a tensor, as it can be read; undefined for any other value. */
function flatOf(value: unknown): TensorData | undefined {
  const view = plainView(value);
  return dtypeOf(view) ? (view as FloatArray) : float16Of(value);
}

/** The type of the results of a tensor's elements. */
const resultTypeOf = (data: TensorData): Dtype => dtypeOf(data) ?? "float32";

/** Says if a value is a typed array that can hold the elements of a tensor. */
export function isFlat(value: unknown): boolean {
  return /^Float(64|32|16)Array$/.test(typedArrayName(value) ?? "");
}

/** The error for elements of another type than a tensor's, with a hint at a conversion. */
function otherElements(argument: string, expected: string, value: unknown): TypeError {
  const name = typedArrayName(value);
  const convert = name?.startsWith("Big") ? ", Number" : "";
  const isBits = name === "Uint16Array" && argument.endsWith(".data");
  const hint = isBits ? 'of float16 the tensor has type: "float16"' : `Float64Array.from(${argument}${convert}) converts it`;
  return typeError(argument, expected, value, name && hint);
}

/** Checks that two tensors have one element type. */
export function checkSameType(argument: string, { dtype }: Elements, other: string, wanted: Dtype): void {
  if (dtype !== wanted) throw typeError(argument, `${wanted}, the element type of "${other}"`, new Verbatim(dtype));
}

/** Reads a tensor from any container. A typed array is read as it is when the kernels run; other containers are copied. */
export function readTensor(argument: string, value: unknown, shapeOption?: unknown): Elements {
  const wanted = shapeOption === undefined ? undefined : checkShape("shape", shapeOption);
  const data = flatOf(value);
  if (data) {
    const shape = wanted ?? [data.length];
    if (sizeOf(shape) !== data.length) throw rangeError("shape", `a product of ${data.length}, the length of "${argument}"`, shape);
    return { data, dtype: resultTypeOf(data), shape, form: "flat" };
  }
  const elements = readShaped(argument, value);
  if (!elements) throw otherElements(argument, "a Float64Array or Float32Array, nested arrays of numbers, or { data, shape }", value);
  if (wanted !== undefined && !sameShape(wanted, elements.shape)) {
    throw rangeError("shape", `${showShape(elements.shape)}, the shape of "${argument}"`, wanted);
  }
  return elements;
}

function readShaped(argument: string, value: unknown): Elements | undefined {
  if (typeof value === "number") return { data: Float64Array.of(value), dtype: "float64", shape: [], form: "nested" };
  if (isArray(value)) return readNested(argument, value);
  const read = readNdArray(argument, value);
  if (!read) return undefined;
  const { shape, isFloat16 } = read;
  const data = isFloat16 ? new Float16Bits(read.data as Uint16Array) : read.data;
  if (!dtypeOf(data) && !isFloat16) throw otherElements(`${argument}.data`, "a Float64Array, Float32Array or Float16Array", data);
  return { data: data as TensorData, dtype: resultTypeOf(data as TensorData), shape, form: "ndarray" };
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
  const view = plainView(value) ?? float16Of(value)?.toFloat32();
  if (view) return { values: view };
  if (isArray(value)) {
    const { data, shape } = readNested(argument, value, toNumber);
    return { values: data as Float64Array, shape };
  }
  const read = readNdArray(argument, value);
  if (!read) return undefined;
  const { data, shape, isFloat16 } = read;
  return { values: isFloat16 ? new Float16Bits(data as Uint16Array).toFloat32() : data, shape };
}

/** Memory for elements; a RangeError if there is not so much. */
export function allocate<T extends ElementType>(argument: string, type: T, size: number): ElementArray<T> {
  return allocated(argument, size, () => zeros(type, size));
}

function allocated<A>(argument: string, size: number, make: () => A): A {
  try {
    return make();
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
  const firstRow = toNumber ? plainView(level) : (flatOf(level) ?? plainView(level));
  if (firstRow) shape.push(firstRow.length);
  const isFloat16 = firstRow instanceof Float16Bits;
  const dtype = toNumber ? "float64" : isFloat16 ? "float32" : (dtypeOf(firstRow) ?? "float64");
  const data = allocate(argument, dtype, sizeOf(shape));
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
    const row = isFloat16 ? float16Of(value) : plainView(value);
    const isGood = row?.length === rowLength && (toNumber || isFloat16 || dtypeOf(row) === dtype);
    if (!row || !isGood) throw misplaced(value, last, index);
    const at = index * rowLength;
    if (row instanceof Float16Bits) row.writeTo(data as Float32Array, at);
    else if (row instanceof BigInt64Array || row instanceof BigUint64Array)
      for (let i = 0; i < rowLength; i++) data[at + i] = Number(row[i]);
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
    const typed = toNumber ? "a typed array" : `a ${isFloat16 ? "Float16Array" : arrayName(dtype)}`;
    const row = axis === last && firstRow ? typed : "an array";
    const like = index > 0 ? `, as ${argument}${"[0]".repeat(axis)}` : "";
    const expected = axis > last ? "a number" : `${row} of length ${shape[axis]}${like}`;
    if (isArray(found)) return rangeError(path, expected, new Verbatim(`an array of length ${found.length}`));
    const isFitting = isFlat(found) && (!firstRow || typedArrayName(found) === typedArrayName(level));
    if (typeof found === "number" || isFitting) return rangeError(path, expected, found);
    return otherElements(path, expected, found);
  };
  if (last === 0) fillLast(value, 0);
  else fill(value, 0, 0);
  return { data, dtype, shape, form: firstRow ? "rows" : "nested" };
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

/** The elements of an ndarray in row-major order; of float16 their bits. */
interface NdElements {
  readonly data: NumericArray;
  readonly shape: readonly number[];
  readonly isFloat16: boolean;
}

/** Reads the elements of an ndarray: a view of its data if they lie there in row-major order, else a copy. */
function readNdArray(argument: string, value: unknown): NdElements | undefined {
  if (typeof value !== "object" || value === null || isRevoked(value)) return undefined;
  const data = propertyOf(value, "data");
  const shapeName = propertyOf(value, "shape") === undefined ? "dims" : "shape";
  const lengths = propertyOf(value, shapeName);
  if (data === undefined || lengths === undefined) return undefined;
  const [name, given] = ["stride", "strides"]
    .map((name) => [name, propertyOf(value, name)] as const)
    .find(([, steps]) => steps !== undefined && typeof steps !== "function") ?? ["stride"];
  const offset = propertyOf(value, "offset");

  const shape = checkShape(`${argument}.${shapeName}`, lengths);
  const strides = given === undefined ? undefined : readStrides(`${argument}.${name}`, given, shape);
  const float16 = float16Of(data);
  const view = float16?.bits ?? plainView(data);
  const isFloat16 = float16 !== undefined || (view instanceof Uint16Array && propertyOf(value, "type") === "float16");
  if (!view) throw typeError(`${argument}.data`, "a typed array", data);
  const start = checkInteger(`${argument}.offset`, offset ?? 0, 0, view.length);
  const size = sizeOf(shape);
  // With strides or an offset the tensor may be a part of the data; without them it is all of the data.
  const isPart = strides !== undefined || start > 0;
  if (strides === undefined || isRowMajor(shape, strides)) {
    if (isPart ? size > view.length - start : size !== view.length) {
      throw rangeError(`${argument}.${shapeName}`, `a product of ${view.length - start}, the length of the data`, shape);
    }
    return { data: view.length === size ? view : view.subarray(start, start + size), shape, isFloat16 };
  }
  // The first and the last element in memory.
  const reach = strides.map((step, i) => step * (shape[i] - 1));
  const least = reach.reduce((sum, step) => sum + Math.min(step, 0), start);
  const most = reach.reduce((sum, step) => sum + Math.max(step, 0), start);
  if (size > 0 && !(least >= 0 && most < view.length)) {
    throw rangeError(`${argument}.${name}`, `elements from 0 to ${view.length - 1} of the data`, new Verbatim(`${least} to ${most}`));
  }
  return { data: gathered(argument, view, shape, strides, start), shape, isFloat16 };
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
  const Elements = data.constructor as new (length: number) => NumericArray;
  const to: { [i: number]: unknown } & NumericArray = allocated(argument, size, () => new Elements(size));
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
  const { dtype, data, form } = inputs[0];
  if (out === undefined) {
    // The elements of nested arrays are a copy, which has room for the result.
    const isCopy = (form === "nested" || form === "rows") && data.length === size;
    return isCopy ? (data as FloatArray) : allocate("shape", dtype, size);
  }
  const view = plainView(out);
  if (dtypeOf(view) !== dtype) throw typeError("out", `a ${arrayName(dtype)}`, out);
  const result = view as FloatArray;
  if (inputs.some(({ form }) => form !== "flat")) {
    throw typeError("out", "to be used with typed arrays as input only", new Verbatim("another container as input"));
  }
  if (result.length !== size) throw rangeError("out", counted(size, "element"), out);
  for (const { data } of inputs) checkOverlap(result, data instanceof Float16Bits ? data.bits : data);
  if (labels) checkOverlap(result, labels);
  return result;
}

/** Checks that the array for a result is an input itself, or has nothing in common with it. */
function checkOverlap(out: FloatArray, input: ArrayBufferView): void {
  if (!overlaps(out, input)) return;
  const isSame = dtypeOf(input) === dtypeOf(out) && input.byteOffset === out.byteOffset && input.byteLength === out.byteLength;
  if (!isSame) throw rangeError("out", "an input itself or memory of its own", new Verbatim("an array that overlaps an input in part"));
}

/** Some numbers as an array. Made in a place of its own, as engines box numbers in arrays from where arrays of arrays come from as well. */
function numbersAt(data: FloatArray | Int32Array, at: number, length: number): number[] {
  const numbers = new Array<number>(length);
  for (let i = 0; i < length; i++) numbers[i] = data[at + i];
  return numbers;
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
    if (axis === last) {
      at += length;
      return numbersAt(data, at - length, length);
    }
    const level = new Array<unknown>(length);
    for (let i = 0; i < length; i++) level[i] = build(axis + 1);
    return level;
  };
  return build(0);
}
