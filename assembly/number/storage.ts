// How numbers lie in memory. Tensors hold elements of a type T, f64 or f32, and this is the only file that knows how many bytes an element has.
// Whatever T is, kernels compute with pairs of doubles: `load2` gives two elements as doubles, `store2` rounds two doubles to elements.
// Results by row and scratch memory hold doubles, and a vector of two of them takes bytesOf<v128>(1).

/** True if elements are rounded to less than a double when they are stored. */
// @ts-ignore: decorator
@inline
export function isRounded<T>(): bool {
  return sizeof<T>() < sizeof<f64>();
}

/** The bytes of `count` elements. */
// @ts-ignore: decorator
@inline
export function bytesOf<T>(count: usize): usize {
  return count << alignof<T>();
}

/** The bytes of as many doubles as there are elements in `bytes` bytes. */
// @ts-ignore: decorator
@inline
export function asDoubles<T>(bytes: usize): usize {
  return bytes << (alignof<f64>() - alignof<T>());
}

/** Elements 2 i and 2 i + 1 from ptr on; i < 8 is a constant, so that it becomes part of the instruction. */
// @ts-ignore: decorator
@inline
export function load2<T>(ptr: usize, i: i32 = 0): v128 {
  if (isRounded<T>()) {
    if (i == 1) return f64x2.promote_low_f32x4(v128.load64_zero(ptr, 2 * sizeof<T>()));
    if (i == 2) return f64x2.promote_low_f32x4(v128.load64_zero(ptr, 4 * sizeof<T>()));
    if (i == 3) return f64x2.promote_low_f32x4(v128.load64_zero(ptr, 6 * sizeof<T>()));
    return f64x2.promote_low_f32x4(v128.load64_zero(ptr));
  }
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
  if (isRounded<T>()) {
    const rounded = f32x4.demote_f64x2_zero(values);
    if (i == 1) v128.store_lane<u64>(ptr, rounded, 0, 2 * sizeof<T>());
    else if (i == 2) v128.store_lane<u64>(ptr, rounded, 0, 4 * sizeof<T>());
    else if (i == 3) v128.store_lane<u64>(ptr, rounded, 0, 6 * sizeof<T>());
    else v128.store_lane<u64>(ptr, rounded, 0);
    return;
  }
  if (i == 1) v128.store(ptr, values, 2 * sizeof<T>());
  else if (i == 2) v128.store(ptr, values, 4 * sizeof<T>());
  else if (i == 3) v128.store(ptr, values, 6 * sizeof<T>());
  else v128.store(ptr, values);
}

/** Four float32 elements of one vector, the first two and the last two, as doubles. */
// @ts-ignore: decorator
@inline
export function lowHalfOf(elements: v128): v128 {
  return f64x2.promote_low_f32x4(elements);
}

// @ts-ignore: decorator
@inline
export function highHalfOf(elements: v128): v128 {
  return f64x2.promote_low_f32x4(i64x2.shuffle(elements, elements, 1, 0));
}

/** Stores elements 4 i to 4 i + 3 from ptr on; i < 2 is a constant. */
// @ts-ignore: decorator
@inline
export function store4<T>(ptr: usize, values0: v128, values1: v128, i: i32 = 0): void {
  if (isRounded<T>()) {
    const rounded = i64x2.shuffle(f32x4.demote_f64x2_zero(values0), f32x4.demote_f64x2_zero(values1), 0, 2);
    if (i == 1) v128.store(ptr, rounded, 4 * sizeof<T>());
    else if (i == 2) v128.store(ptr, rounded, 8 * sizeof<T>());
    else if (i == 3) v128.store(ptr, rounded, 12 * sizeof<T>());
    else v128.store(ptr, rounded);
    return;
  }
  store2<T>(ptr, values0, 2 * i);
  store2<T>(ptr, values1, 2 * i + 1);
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
  return isRounded<T>() ? f64x2.promote_low_f32x4(v128.load32_splat(ptr)) : v128.load64_splat(ptr);
}

/** The element at ptr0 in lane 0, the element at ptr1 in lane 1. */
// @ts-ignore: decorator
@inline
export function loadTwo<T>(ptr0: usize, ptr1: usize): v128 {
  if (isRounded<T>()) return f64x2.promote_low_f32x4(v128.load_lane<u32>(ptr1, v128.load32_zero(ptr0), 1));
  return v128.load_lane<u64>(ptr1, v128.load64_zero(ptr0), 1);
}

/** Stores lane `lane`, a constant, as one element. */
// @ts-ignore: decorator
@inline
export function storeLane<T>(ptr: usize, values: v128, lane: u8): void {
  if (isRounded<T>()) {
    const rounded = f32x4.demote_f64x2_zero(values);
    if (lane) v128.store_lane<u32>(ptr, rounded, 1);
    else v128.store_lane<u32>(ptr, rounded, 0);
    return;
  }
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

/** The results of two consecutive rows; a row that is alone is in both lanes. */
// @ts-ignore: decorator
@inline
export function loadByRow(ptr: usize, isAlone: bool): v128 {
  return isAlone ? splat<f64>(ptr) : load2<f64>(ptr);
}

/** Stores the results of two consecutive rows; of a row that is alone, lane 0. */
// @ts-ignore: decorator
@inline
export function storeByRow(ptr: usize, isAlone: bool, values: v128): void {
  if (isAlone) storeLane<f64>(ptr, values, 0);
  else store2<f64>(ptr, values);
}

/** Copies elements of `bytes` bytes each to doubles. */
export function widen(bytes: usize, from: usize, to: usize, count: usize): void {
  if (bytes == sizeof<f64>()) {
    memory.copy(to, from, bytesOf<f64>(count));
    return;
  }
  for (let n = <isize>count; n > 0; n -= 2, from += bytesOf<f32>(2), to += bytesOf<f64>(2)) storeTail<f64>(to, n, loadTail<f32>(from, n, 0));
}

/** Rounds doubles to elements of `bytes` bytes each. */
export function narrow(bytes: usize, from: usize, to: usize, count: usize): void {
  if (bytes == sizeof<f64>()) {
    memory.copy(to, from, bytesOf<f64>(count));
    return;
  }
  for (let n = <isize>count; n > 0; n -= 2, from += bytesOf<f64>(2), to += bytesOf<f32>(2)) storeTail<f32>(to, n, loadTail<f64>(from, n, 0));
}
