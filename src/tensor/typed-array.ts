// Typed arrays as users give them: of any realm, of a subclass, on memory that can change its size. They are told by internal slots and read
// through the getters of this realm, so that no code of a user's runs.

import { Float16Bits } from "./float16.js";

const CONSTRUCTORS = {
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  BigInt64Array,
  BigUint64Array,
  Float32Array,
  Float64Array,
} as const;

type TypedArrayName = keyof typeof CONSTRUCTORS;

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

/** A Float16Array, as far as a program needs to know it that may have no type of that name. */
export interface Float16ArrayLike extends ArrayLike<number> {
  /** The name that a Float16Array gives itself. */
  readonly [Symbol.toStringTag]: "Float16Array";
}

/** Typed arrays of numbers. */
export type NumericArray = IntegerArray | Float32Array | Float64Array;

/** Typed arrays whose elements are of the type number. */
export type NumberArray = Exclude<NumericArray, BigInt64Array | BigUint64Array>;

interface Getters {
  readonly name: (this: unknown) => string | undefined;
  readonly buffer: (this: unknown) => ArrayBufferLike;
  readonly byteOffset: (this: unknown) => number;
  readonly length: (this: unknown) => number;
}

/** The getters of %TypedArray%.prototype. That of the name gives undefined for anything but a typed array, a Proxy of one included. */
const GETTERS = /* @__PURE__ */ (() => {
  const prototype = Object.getPrototypeOf(Int8Array.prototype);
  const getter = (key: PropertyKey) => Object.getOwnPropertyDescriptor(prototype, key)?.get;
  return { name: getter(Symbol.toStringTag), buffer: getter("buffer"), byteOffset: getter("byteOffset"), length: getter("length") };
})() as Getters;

/** The name of a typed array's kind, such as "Int32Array"; undefined for any other value. */
export function typedArrayName(value: unknown): string | undefined {
  return GETTERS.name.call(value);
}

/** The number of elements of a typed array; 0 if it has lost its memory. */
export function typedArrayLength(array: object): number {
  return GETTERS.length.call(array);
}

/** A Float16Array of this engine, by its bits; undefined for any other value. */
export function float16Of(value: unknown): Float16Bits | undefined {
  if (typedArrayName(value) !== "Float16Array") return undefined;
  const length = GETTERS.length.call(value);
  return new Float16Bits(
    length === 0 ? new Uint16Array(0) : new Uint16Array(GETTERS.buffer.call(value), GETTERS.byteOffset.call(value), length),
  );
}

/** A plain view of a typed array's memory, of this realm and of fixed length; undefined for any other value. */
export function plainView(value: unknown): NumericArray | undefined {
  const name = typedArrayName(value);
  if (name === undefined || !(name in CONSTRUCTORS)) return undefined;
  const Elements = CONSTRUCTORS[name as TypedArrayName] as new (...view: [number] | [ArrayBufferLike, number, number]) => NumericArray;
  const length = GETTERS.length.call(value);
  return length === 0 ? new Elements(0) : new Elements(GETTERS.buffer.call(value), GETTERS.byteOffset.call(value), length);
}
