// The types of elements: the typed array that holds them, and the bytes of one. No other file that lays out memory knows the width of an element.

/** Typed arrays by the type of their elements. */
interface Arrays {
  float64: Float64Array;
  float32: Float32Array;
  int32: Int32Array;
  uint8: Uint8Array;
}

/** The type of the elements of a buffer. */
export type ElementType = keyof Arrays;

/** The element type of a tensor, and of its results. */
export type Dtype = "float64" | "float32";

/** The typed array of an element type. */
export type ElementArray<T extends ElementType = ElementType> = Arrays[T];

/** The typed array of the dtype `D`. */
export type FloatArrayOf<D extends string> = D extends "float32"
  ? Float32Array
  : D extends "float64"
    ? Float64Array
    : Float64Array | Float32Array;

/** The array of a tensor's elements. */
export type FloatArray = ElementArray<Dtype>;

const CONSTRUCTORS = { float64: Float64Array, float32: Float32Array, int32: Int32Array, uint8: Uint8Array } as const;

export const DTYPES: readonly Dtype[] = ["float64", "float32"];

/** Bytes of `length` elements. */
export function bytesOf(type: ElementType, length: number): number {
  return length * CONSTRUCTORS[type].BYTES_PER_ELEMENT;
}

/** The number of elements that fill at least so many bytes. */
export function elementsOf(type: ElementType, bytes: number): number {
  return Math.ceil(bytes / CONSTRUCTORS[type].BYTES_PER_ELEMENT);
}

/** `length` elements of memory from the byte `offset` on. */
export function viewOf(type: ElementType, memory: ArrayBufferLike, offset: number, length: number): ElementArray {
  const Elements = CONSTRUCTORS[type] as new (memory: ArrayBufferLike, offset: number, length: number) => ElementArray;
  return new Elements(memory, offset, length);
}

/** An array of `length` zeros. */
export function zeros<T extends ElementType>(type: T, length: number): ElementArray<T> {
  return new CONSTRUCTORS[type](length) as ElementArray as ElementArray<T>;
}

/** The name of the typed array of an element type. */
export function arrayName(type: ElementType): string {
  return CONSTRUCTORS[type].name;
}

/** The element type of a plain array of floating-point numbers; undefined for any other one. */
export function dtypeOf(array: unknown): Dtype | undefined {
  return DTYPES.find((dtype) => array instanceof CONSTRUCTORS[dtype]);
}
