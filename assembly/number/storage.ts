// How numbers lie in memory. Tensors hold elements of a type T, and this is the only file that knows how many bytes an element has.
// Whatever T is, kernels compute with pairs of doubles: `load2` gives two elements as doubles, `store2` rounds two doubles to elements.
// Scratch memory holds doubles, and a vector of two of them takes bytesOf<v128>(1).
// T = f64 is the only element type.

/** The bytes of `count` elements. */
// @ts-ignore: decorator
@inline
export function bytesOf<T>(count: usize): usize {
  return count << alignof<T>();
}

/** Elements 2 i and 2 i + 1 from ptr on; i < 8 is a constant, so that it becomes part of the instruction. */
// @ts-ignore: decorator
@inline
export function load2<T>(ptr: usize, i: i32 = 0): v128 {
  if (sizeof<T>() != sizeof<f64>()) ERROR("the only element type is f64");
  if (i == 1) return v128.load(ptr, 2 * sizeof<T>());
  if (i == 2) return v128.load(ptr, 4 * sizeof<T>());
  if (i == 3) return v128.load(ptr, 6 * sizeof<T>());
  if (i == 4) return v128.load(ptr, 8 * sizeof<T>());
  if (i == 5) return v128.load(ptr, 10 * sizeof<T>());
  if (i == 6) return v128.load(ptr, 12 * sizeof<T>());
  if (i == 7) return v128.load(ptr, 14 * sizeof<T>());
  return v128.load(ptr);
}

/** Stores elements 2 i and 2 i + 1 from ptr on; i < 4 is a constant. */
// @ts-ignore: decorator
@inline
export function store2<T>(ptr: usize, values: v128, i: i32 = 0): void {
  if (sizeof<T>() != sizeof<f64>()) ERROR("the only element type is f64");
  if (i == 1) v128.store(ptr, values, 2 * sizeof<T>());
  else if (i == 2) v128.store(ptr, values, 4 * sizeof<T>());
  else if (i == 3) v128.store(ptr, values, 6 * sizeof<T>());
  else v128.store(ptr, values);
}

/** One element as a double. */
// @ts-ignore: decorator
@inline
export function load1<T>(ptr: usize): f64 {
  return <f64>load<T>(ptr);
}

/** Stores a double as one element. */
// @ts-ignore: decorator
@inline
export function store1<T>(ptr: usize, value: f64): void {
  store<T>(ptr, <T>value);
}

/** One element in both lanes. */
// @ts-ignore: decorator
@inline
export function splat<T>(ptr: usize): v128 {
  if (sizeof<T>() != sizeof<f64>()) ERROR("the only element type is f64");
  return v128.load64_splat(ptr);
}

/** The element at ptr0 in lane 0, the element at ptr1 in lane 1. */
// @ts-ignore: decorator
@inline
export function loadTwo<T>(ptr0: usize, ptr1: usize): v128 {
  if (sizeof<T>() != sizeof<f64>()) ERROR("the only element type is f64");
  return v128.load_lane<u64>(ptr1, v128.load64_zero(ptr0), 1);
}

/** Stores lane `lane`, a constant, as one element. */
// @ts-ignore: decorator
@inline
export function storeLane<T>(ptr: usize, values: v128, lane: u8): void {
  if (sizeof<T>() != sizeof<f64>()) ERROR("the only element type is f64");
  if (lane) v128.store_lane<u64>(ptr, values, 1);
  else v128.store_lane<u64>(ptr, values, 0);
}

/** Two elements; where only one is left, that one and `pad`. */
// @ts-ignore: decorator
@inline
export function loadTail<T>(ptr: usize, left: isize, pad: f64): v128 {
  return left > 1 ? load2<T>(ptr) : f64x2.replace_lane(f64x2.splat(pad), 0, load1<T>(ptr));
}

/** Stores two elements; where only one is left, lane 0. */
// @ts-ignore: decorator
@inline
export function storeTail<T>(ptr: usize, left: isize, values: v128): void {
  if (left > 1) store2<T>(ptr, values);
  else storeLane<T>(ptr, values, 0);
}

/** The elements of two consecutive rows in a tensor by row; a row that is alone is in both lanes. */
// @ts-ignore: decorator
@inline
export function loadByRow<T>(ptr: usize, isAlone: bool): v128 {
  return isAlone ? splat<T>(ptr) : load2<T>(ptr);
}

/** Stores the elements of two consecutive rows in a tensor by row; of a row that is alone, lane 0. */
// @ts-ignore: decorator
@inline
export function storeByRow<T>(ptr: usize, isAlone: bool, values: v128): void {
  if (isAlone) storeLane<T>(ptr, values, 0);
  else store2<T>(ptr, values);
}
