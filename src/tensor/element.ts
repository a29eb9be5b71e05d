// The types of elements: the typed array that holds them, and the bytes of one. No other file of src/ knows the width of an element.

/** Typed arrays by the type of their elements. */
interface Arrays {
  float64: Float64Array;
  int32: Int32Array;
  uint8: Uint8Array;
}

/** The type of the elements of a buffer. */
export type ElementType = keyof Arrays;

/** The typed array of an element type. */
export type ElementArray<T extends ElementType = ElementType> = Arrays[T];

const CONSTRUCTORS = { float64: Float64Array, int32: Int32Array, uint8: Uint8Array } as const;

/** The element type of tensors, and of results by row. */
export const FLOAT = "float64";

/** The array of a tensor's elements. */
export type FloatArray = ElementArray<typeof FLOAT>;

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

/** The name of the typed array of a tensor's elements. */
export const FLOAT_ARRAY = /* @__PURE__ */ (() => CONSTRUCTORS[FLOAT].name)();

/** Says if a plain array has the element type of tensors. */
export function isFloatArray(array: ArrayBufferView): array is FloatArray {
  return array instanceof CONSTRUCTORS[FLOAT];
}
