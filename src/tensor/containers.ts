// Containers of numbers: typed arrays, nested arrays, { data, shape }. They are read into row-major elements, and results are put into the
// same kind of container.

import { checkInteger, rangeError, typeError, Verbatim } from "../errors.js";
import { FLOAT, type FloatArray, isFloatArray, zeros } from "./element.js";
import { checkShape, MAX_AXES, sameShape, showShape, sizeOf } from "./shape.js";

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

/** The containers of a tensor. A Float64Array takes its shape from `options.shape`. */
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

/** The container of a result by row, which has no class axis. */
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

/** The containers of values that need not be doubles, such as labels and weights. */
export type Values<A extends NumericArray = NumericArray> = A | NestedArray | NdArray<A>;

type Form = "flat" | "nested" | "ndarray";

/** The elements of a tensor in row-major order, its shape, and the form of its container. */
export interface Elements {
  readonly data: FloatArray;
  readonly shape: readonly number[];
  readonly form: Form;
}

/** Reads a tensor from any container. */
export function readTensor(argument: string, value: unknown, shapeOption?: unknown): Elements {
  const wanted = shapeOption === undefined ? undefined : checkShape("shape", shapeOption);
  if (isFloatArray(value)) {
    const shape = wanted ?? [value.length];
    if (sizeOf(shape) !== value.length) {
      throw rangeError("shape", `a product of ${value.length}, the length of "${argument}"`, shape);
    }
    return { data: value, shape, form: "flat" };
  }
  const elements = Array.isArray(value) ? readNested(argument, value) : readNdArray(argument, value);
  if (wanted !== undefined && !sameShape(wanted, elements.shape)) {
    throw rangeError("shape", `${showShape(elements.shape)}, the shape of "${argument}"`, wanted);
  }
  return elements;
}

/** Checks that two arguments have one shape. */
export function checkSameShape(argument: string, { shape }: Elements, other: string, { shape: wanted }: Elements): void {
  if (!sameShape(shape, wanted)) throw rangeError(argument, `the shape of "${other}", ${showShape(wanted)}`, shape);
}

function isNumericArray(value: unknown): value is NumericArray {
  return ArrayBuffer.isView(value) && !(value instanceof DataView);
}

/** Reads values of any numeric type, and their shape if the container has one; undefined for anything else. */
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

/** Memory for the elements of a tensor; a RangeError if there is not so much. */
export function allocate(argument: string, size: number): FloatArray {
  try {
    return zeros(FLOAT, size);
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
  const data = allocate(argument, sizeOf(shape));
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
      throw misplaced(level);
    }
  };
  // A number or an array in the wrong place is ragged nesting, a RangeError; any other value is a TypeError.
  const misplaced = (level: unknown): Error => {
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
  if (!isFloatArray(value.data)) throw typeError(`${argument}.data`, "a Float64Array", value.data);
  const shape = checkShape(`${argument}.shape`, value.shape);
  return { data: contiguous(argument, value.data, shape, value), shape, form: "ndarray" };
}

/** The elements of an ndarray, which must lie in row-major order without gaps. */
function contiguous<A extends { length: number; subarray(begin: number, end: number): A }>(
  argument: string,
  data: A,
  shape: readonly number[],
  container: object,
): A {
  const { stride, strides, offset = 0 } = container as { stride?: unknown; strides?: unknown; offset?: unknown };
  const size = sizeOf(shape);
  for (const [name, given] of Object.entries({ stride, strides })) {
    if (given === undefined || typeof given === "function") continue;
    let step = size;
    const wanted = shape.map((length) => {
      step /= length;
      return step;
    });
    const steps = Array.isArray(given) || ArrayBuffer.isView(given) ? Array.from(given as ArrayLike<unknown>) : [];
    if (size > 0 && (steps.length !== shape.length || steps.some((s, i) => shape[i] > 1 && s !== wanted[i]))) {
      throw rangeError(`${argument}.${name}`, `${showShape(wanted)}, row-major and contiguous`, given);
    }
  }
  const start = checkInteger(`${argument}.offset`, offset, 0, data.length);
  // With strides or an offset the tensor may be a part of the data; without them it is all of the data.
  const isView = stride !== undefined || strides !== undefined || start > 0;
  if (isView ? size > data.length - start : size !== data.length) {
    throw rangeError(`${argument}.shape`, `a product of ${data.length - start}, the length of the data`, shape);
  }
  return data.length === size ? data : data.subarray(start, start + size);
}

function overlaps(a: ArrayBufferView, b: ArrayBufferView): boolean {
  return a.buffer === b.buffer && a.byteOffset < b.byteOffset + b.byteLength && b.byteOffset < a.byteOffset + a.byteLength;
}

/** The array for a result of `size` elements: a new one, or the option `out` if it fits; it may be an input itself. */
export function resultArray(out: unknown, size: number, inputs: readonly Elements[], labels?: ArrayBufferView): FloatArray {
  if (out === undefined) return allocate("shape", size);
  if (!isFloatArray(out)) throw typeError("out", "a Float64Array", out);
  if (inputs.some(({ form }) => form !== "flat")) {
    throw typeError("out", "to be used with Float64Array input only", new Verbatim("another container as input"));
  }
  if (out.length !== size) throw rangeError("out", `${size} elements`, out);
  for (const input of [...inputs.map(({ data }) => data), ...(labels ? [labels] : [])]) {
    const isSame = isFloatArray(input) && input.byteOffset === out.byteOffset && input.length === out.length;
    if (overlaps(out, input) && !isSame) {
      throw rangeError("out", "an input itself or memory of its own", new Verbatim("an array that overlaps an input in part"));
    }
  }
  return out;
}

/** Puts a result into a container of the given form. */
export function toForm(form: Form, data: FloatArray | Int32Array, shape: readonly number[]): unknown {
  if (form === "flat") return data;
  if (form === "ndarray") return { data, shape: [...shape] };
  let at = 0;
  const build = (axis: number): unknown =>
    axis === shape.length ? data[at++] : Array.from({ length: shape[axis] }, () => build(axis + 1));
  return build(0);
}
