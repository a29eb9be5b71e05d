// Loops over the classes of a row, or of a pair of rows side by side, for the loss with options. Each takes `count` doubles, two in a
// vector. The result of a sum or a search is by lane for a pair; for one row it is in both lanes.

import { expFloor } from "../number/exp";
import { bytesOf, load1, load2, loadTail, splat, store1, store2, storeTail } from "../number/storage";
import { gapScale, Normalizer } from "../softmax/normalizer";
import { reducePair, twoSumError } from "../number/two-sum";

/** Σ a (max − x), where an x below floor counts as floor, and a term with a = 0 is 0 whatever x is. */
function sumGaps(isPair: bool, aPtr: usize, xPtr: usize, count: usize, max: v128, floor: v128): v128 {
  const zero = f64x2.splat(0);
  const scale = gapScale(max);
  const scaledMax = f64x2.mul(max, scale);
  const scaledFloor = f64x2.mul(floor, scale);
  let hi = zero;
  let lo = zero;
  for (let n = <isize>count; n > 0; n -= 2, aPtr += bytesOf<f64>(2), xPtr += bytesOf<f64>(2)) {
    const a = loadTail<f64>(aPtr, n, 0);
    const x = f64x2.pmax(f64x2.mul(loadTail<f64>(xPtr, n, 0), scale), scaledFloor);
    const term = v128.and(f64x2.mul(a, f64x2.sub(scaledMax, x)), f64x2.ne(a, zero));
    const next = f64x2.add(hi, term);
    lo = f64x2.add(lo, twoSumError(hi, term, next));
    hi = next;
  }
  return f64x2.div(reducePair(isPair, hi, lo), scale);
}

/**
 * sumGaps for a > 0, where max is not near the largest double. Eight terms, none of them negative, are added up in plain doubles before the
 * error of an addition is kept: less than half of the operations of sumGaps.
 */
function sumPositiveGaps(isPair: bool, aPtr: usize, xPtr: usize, count: usize, max: v128, floor: v128): v128 {
  let hi = f64x2.splat(0);
  let lo = hi;
  let n = <isize>count;
  for (; n >= 16; n -= 16, aPtr += bytesOf<f64>(16), xPtr += bytesOf<f64>(16)) {
    const term0 = f64x2.mul(load2<f64>(aPtr), f64x2.sub(max, f64x2.pmax(load2<f64>(xPtr), floor)));
    const term1 = f64x2.mul(load2<f64>(aPtr, 1), f64x2.sub(max, f64x2.pmax(load2<f64>(xPtr, 1), floor)));
    const term2 = f64x2.mul(load2<f64>(aPtr, 2), f64x2.sub(max, f64x2.pmax(load2<f64>(xPtr, 2), floor)));
    const term3 = f64x2.mul(load2<f64>(aPtr, 3), f64x2.sub(max, f64x2.pmax(load2<f64>(xPtr, 3), floor)));
    const term4 = f64x2.mul(load2<f64>(aPtr, 4), f64x2.sub(max, f64x2.pmax(load2<f64>(xPtr, 4), floor)));
    const term5 = f64x2.mul(load2<f64>(aPtr, 5), f64x2.sub(max, f64x2.pmax(load2<f64>(xPtr, 5), floor)));
    const term6 = f64x2.mul(load2<f64>(aPtr, 6), f64x2.sub(max, f64x2.pmax(load2<f64>(xPtr, 6), floor)));
    const term7 = f64x2.mul(load2<f64>(aPtr, 7), f64x2.sub(max, f64x2.pmax(load2<f64>(xPtr, 7), floor)));
    const half0 = f64x2.add(f64x2.add(term0, term1), f64x2.add(term2, term3));
    const half1 = f64x2.add(f64x2.add(term4, term5), f64x2.add(term6, term7));
    const term = f64x2.add(half0, half1);
    const next = f64x2.add(hi, term);
    lo = f64x2.add(lo, twoSumError(hi, term, next));
    hi = next;
  }
  for (; n > 0; n -= 2, aPtr += bytesOf<f64>(2), xPtr += bytesOf<f64>(2)) {
    const a = loadTail<f64>(aPtr, n, 0);
    const x = n > 1 ? load2<f64>(xPtr) : f64x2.replace_lane(max, 0, load1<f64>(xPtr));
    const term = f64x2.mul(a, f64x2.sub(max, f64x2.pmax(x, floor)));
    const next = f64x2.add(hi, term);
    lo = f64x2.add(lo, twoSumError(hi, term, next));
    hi = next;
  }
  return reducePair(isPair, hi, lo);
}

/**
 * sumGaps by the lighter loop in the lanes where it serves; `arePositive` says that all a > 0. Each lane takes the sum that it would take beside
 * any other row, so that a row's bits do not depend on its neighbour.
 */
export function sumGapsLightly(arePositive: bool, isPair: bool, aPtr: usize, xPtr: usize, count: usize, max: v128, floor: v128): v128 {
  const isSimple = v128.and(i64x2.splat(-<i64>arePositive), f64x2.eq(gapScale(max), f64x2.splat(1)));
  let gap = f64x2.splat(0);
  if (v128.any_true(isSimple)) gap = sumPositiveGaps(isPair, aPtr, xPtr, count, max, floor);
  if (!i64x2.all_true(isSimple)) gap = v128.bitselect(gap, sumGaps(isPair, aPtr, xPtr, count, max, floor), isSimple);
  return gap;
}

/** Σ e ((max − x) − mean)², where an x that is far below max counts as the floor of e. */
export function sumSquares(isPair: bool, ePtr: usize, xPtr: usize, count: usize, max: v128, mean: v128): v128 {
  const floor = expFloor(max);
  let hi = f64x2.splat(0);
  let lo = hi;
  for (let n = <isize>count; n > 0; n -= 2, ePtr += bytesOf<f64>(2), xPtr += bytesOf<f64>(2)) {
    const distance = f64x2.sub(f64x2.sub(max, f64x2.pmax(loadTail<f64>(xPtr, n, 0), floor)), mean);
    const term = f64x2.mul(loadTail<f64>(ePtr, n, 0), f64x2.mul(distance, distance));
    const next = f64x2.add(hi, term);
    lo = f64x2.add(lo, twoSumError(hi, term, next));
    hi = next;
  }
  return reducePair(isPair, hi, lo);
}

/** x becomes e (mean − (max − x)), and 0 where e is that of −∞ or as small. */
export function takeEntropyProducts(xPtr: usize, ePtr: usize, count: usize, max: v128, mean: v128): void {
  const floor = expFloor(max);
  for (let n = <isize>count; n > 0; n -= 2, ePtr += bytesOf<f64>(2), xPtr += bytesOf<f64>(2)) {
    const x = loadTail<f64>(xPtr, n, 0);
    const product = f64x2.mul(loadTail<f64>(ePtr, n, 0), f64x2.sub(mean, f64x2.sub(max, x)));
    // A comparison with NaN keeps it.
    storeTail<f64>(xPtr, n, v128.andnot(product, f64x2.le(x, floor)));
  }
}

/** out += (a factor) power. */
export function addScaled(aPtr: usize, outPtr: usize, count: usize, factor: v128, power: v128): void {
  for (let n = <isize>count; n > 0; n -= 2, aPtr += bytesOf<f64>(2), outPtr += bytesOf<f64>(2)) {
    storeTail<f64>(outPtr, n, f64x2.add(loadTail<f64>(outPtr, n, 0), f64x2.mul(f64x2.mul(loadTail<f64>(aPtr, n, 0), factor), power)));
  }
}

/** Σ e v · scale; scale is a power of 2. */
export function sumProducts(isPair: bool, ePtr: usize, vPtr: usize, count: usize, scale: v128): v128 {
  let hi = f64x2.splat(0);
  let lo = hi;
  for (let n = <isize>count; n > 0; n -= 2, ePtr += bytesOf<f64>(2), vPtr += bytesOf<f64>(2)) {
    const term = f64x2.mul(f64x2.mul(loadTail<f64>(ePtr, n, 0), scale), loadTail<f64>(vPtr, n, 0));
    const next = f64x2.add(hi, term);
    lo = f64x2.add(lo, twoSumError(hi, term, next));
    hi = next;
  }
  return reducePair(isPair, hi, lo);
}

/** The maximum of the elements; if there is a NaN, any value. */
export function maxOf(isPair: bool, tPtr: usize, count: usize): v128 {
  let max = f64x2.splat(-Infinity);
  for (let n = <isize>count; n > 0; n -= 2, tPtr += bytesOf<f64>(2)) max = f64x2.pmax(max, loadTail<f64>(tPtr, n, -Infinity));
  return isPair ? max : f64x2.pmax(max, i64x2.shuffle(max, max, 1, 0));
}

/** The minimum of the elements; if there is a NaN, any value. */
export function minOf(isPair: bool, tPtr: usize, count: usize): v128 {
  let min = f64x2.splat(Infinity);
  for (let n = <isize>count; n > 0; n -= 2, tPtr += bytesOf<f64>(2)) min = f64x2.pmin(min, loadTail<f64>(tPtr, n, Infinity));
  return isPair ? min : f64x2.pmin(min, i64x2.shuffle(min, min, 1, 0));
}

/** The first class with this value, or Infinity. */
export function findFirst(isPair: bool, xPtr: usize, count: usize, value: v128): v128 {
  const none = f64x2.splat(Infinity);
  let first = none;
  for (let n = <isize>count; n > 0; n -= 2, xPtr += bytesOf<f64>(2)) {
    const isIt = f64x2.eq(loadTail<f64>(xPtr, n, NaN), value);
    if (!v128.any_true(isIt)) continue;
    const passed = <f64>(<isize>count - n);
    const j = isPair ? f64x2.splat(passed * 0.5) : f64x2(passed, passed + 1);
    first = f64x2.pmin(first, v128.bitselect(j, none, isIt));
    if (!isPair || i64x2.all_true(f64x2.lt(first, none))) break;
  }
  return isPair ? first : f64x2.pmin(first, i64x2.shuffle(first, first, 1, 0));
}

/** The number of classes before class y, whose element is `value`: those with more than that, or with as much and a lower index. */
export function countBefore(isPair: bool, xPtr: usize, count: usize, value: v128, y: v128): v128 {
  let sum = i64x2.splat(0);
  let ties = sum;
  for (let n = <isize>count, x = xPtr; n > 0; n -= 2, x += bytesOf<f64>(2)) {
    const element = loadTail<f64>(x, n, NaN);
    sum = i64x2.sub(sum, f64x2.gt(element, value));
    ties = i64x2.sub(ties, f64x2.eq(element, value));
  }
  // Another class has the same element as y.
  if (v128.any_true(i64x2.gt_s(isPair ? ties : i64x2.add(ties, i64x2.shuffle(ties, ties, 1, 0)), i64x2.splat(1)))) {
    const step = f64x2.splat(isPair ? 1 : 2);
    let j = isPair ? f64x2.splat(0) : f64x2(0, 1);
    for (let n = <isize>count, x = xPtr; n > 0; n -= 2, x += bytesOf<f64>(2), j = f64x2.add(j, step)) {
      sum = i64x2.sub(sum, v128.and(f64x2.eq(loadTail<f64>(x, n, NaN), value), f64x2.lt(j, y)));
    }
  }
  const total = isPair ? sum : i64x2.add(sum, i64x2.shuffle(sum, sum, 1, 0));
  return f64x2(<f64>i64x2.extract_lane(total, 0), <f64>i64x2.extract_lane(total, 1));
}

/** A weight of 1 in both lanes, for classes that have no weights. */
const ONES: usize = memory.data<f64>([1, 1], 16);

/** out = g w (max − x + logS), and 0 where g w is 0, whatever x is. The weights w are by class; all are 1 if wPtr is 0. */
export function writeLabelGradient(
  isPair: bool, wPtr: usize, xPtr: usize, outPtr: usize, count: usize, max: v128, logS: v128, g: v128,
): void {
  const step = wPtr ? bytesOf<f64>(isPair ? 1 : 2) : 0;
  if (!wPtr) wPtr = ONES;
  for (let n = <isize>count; n > 0; n -= 2, xPtr += bytesOf<f64>(2), outPtr += bytesOf<f64>(2), wPtr += step) {
    const w = isPair ? splat<f64>(wPtr) : loadTail<f64>(wPtr, n, 0);
    const product = f64x2.mul(g, w);
    const surprise = f64x2.add(f64x2.sub(max, loadTail<f64>(xPtr, n, 0)), logS);
    storeTail<f64>(outPtr, n, v128.and(f64x2.mul(product, surprise), f64x2.ne(product, f64x2.splat(0))));
  }
}

/** e · (factor + factorLo) − g t, where t > 0: scaledLess without its choice. */
// @ts-ignore: decorator
@inline
function scaledLessPositive(e: v128, factor: v128, factorLo: v128, t: v128, g: v128): v128 {
  return f64x2.add(f64x2.mul(e, factor), f64x2.sub(f64x2.mul(e, factorLo), f64x2.mul(t, g)));
}

/** e becomes e · (factor + factorLo) − g t, for targets t > 0. */
export function writeGradient(ePtr: usize, tPtr: usize, count: usize, factor: v128, factorLo: v128, g: v128): void {
  let n = <isize>count;
  for (; n >= 8; n -= 8, ePtr += bytesOf<f64>(8), tPtr += bytesOf<f64>(8)) {
    store2<f64>(ePtr, scaledLessPositive(load2<f64>(ePtr), factor, factorLo, load2<f64>(tPtr), g));
    store2<f64>(ePtr, scaledLessPositive(load2<f64>(ePtr, 1), factor, factorLo, load2<f64>(tPtr, 1), g), 1);
    store2<f64>(ePtr, scaledLessPositive(load2<f64>(ePtr, 2), factor, factorLo, load2<f64>(tPtr, 2), g), 2);
    store2<f64>(ePtr, scaledLessPositive(load2<f64>(ePtr, 3), factor, factorLo, load2<f64>(tPtr, 3), g), 3);
  }
  for (; n > 0; n -= 2, ePtr += bytesOf<f64>(2), tPtr += bytesOf<f64>(2)) {
    storeTail<f64>(ePtr, n, scaledLessPositive(loadTail<f64>(ePtr, n, 0), factor, factorLo, loadTail<f64>(tPtr, n, 0), g));
  }
}

/** e becomes e factor (a (v − mean) + b). */
export function writeProduct(ePtr: usize, vPtr: usize, count: usize, factor: v128, a: v128, mean: v128, b: v128): void {
  for (let n = <isize>count; n > 0; n -= 2, ePtr += bytesOf<f64>(2), vPtr += bytesOf<f64>(2)) {
    const inner = f64x2.add(f64x2.mul(a, f64x2.sub(loadTail<f64>(vPtr, n, 0), mean)), b);
    storeTail<f64>(ePtr, n, f64x2.mul(loadTail<f64>(ePtr, n, 0), f64x2.mul(factor, inner)));
  }
}

/** e becomes e / S factor (a (S − e) + b e), where S − e_max is the rest. */
export function writeDiagonal(ePtr: usize, count: usize, n: Normalizer, inverse: v128, factor: v128, a: v128, b: v128): void {
  const sumHi = n.hi, sumLo = n.lo, rest = n.restHi, eMax = n.eMax;
  for (let left = <isize>count; left > 0; left -= 2, ePtr += bytesOf<f64>(2)) {
    const e = loadTail<f64>(ePtr, left, 0);
    const others = v128.bitselect(rest, f64x2.add(f64x2.sub(sumHi, e), sumLo), f64x2.eq(e, eMax));
    const inner = f64x2.add(f64x2.mul(a, others), f64x2.mul(b, e));
    storeTail<f64>(ePtr, left, f64x2.mul(f64x2.mul(f64x2.mul(e, inner), inverse), factor));
  }
}

/** Sets the lanes to 0 that are not in `mask`. */
export function maskLanes(ptr: usize, count: usize, mask: v128): void {
  for (let n = <isize>count; n > 0; n -= 2, ptr += bytesOf<f64>(2)) storeTail<f64>(ptr, n, v128.and(loadTail<f64>(ptr, n, 0), mask));
}

/** The mask of eight classes that take part, for elements that have none. */
const ALL_OPEN: usize = memory.data<u8>([1, 1, 1, 1, 1, 1, 1, 1], 8);

/** a scale, or `other` in the lanes that are not open. */
// @ts-ignore: decorator
@inline
function scaledWhere(open: v128, a: v128, scale: v128, other: v128): v128 {
  return v128.bitselect(f64x2.mul(a, scale), other, open);
}

/** out = a scale as doubles, or `value` where the mask, a byte for each element, is 0. Without a mask, maskPtr is 0. */
// @ts-ignore: decorator
@inline
export function scaleWhere<T>(aPtr: usize, outPtr: usize, maskPtr: usize, count: usize, scale: f64, value: f64): void {
  const scales = f64x2.splat(scale), values = f64x2.splat(value), zero = f64x2.splat(0);
  const step = bytesOf<u8>(maskPtr ? 8 : 0);
  if (!maskPtr) maskPtr = ALL_OPEN;
  let n = <isize>count;
  for (; n >= 8; n -= 8, aPtr += bytesOf<T>(8), outPtr += bytesOf<f64>(8), maskPtr += step) {
    // From bytes to lanes of bits that are all set or all clear.
    const open = i16x8.extend_low_i8x16_s(i8x16.ne(v128.load64_zero(maskPtr), zero));
    const low = i32x4.extend_low_i16x8_s(open), high = i32x4.extend_high_i16x8_s(open);
    store2<f64>(outPtr, scaledWhere(i64x2.extend_low_i32x4_s(low), load2<T>(aPtr), scales, values));
    store2<f64>(outPtr, scaledWhere(i64x2.extend_high_i32x4_s(low), load2<T>(aPtr, 1), scales, values), 1);
    store2<f64>(outPtr, scaledWhere(i64x2.extend_low_i32x4_s(high), load2<T>(aPtr, 2), scales, values), 2);
    store2<f64>(outPtr, scaledWhere(i64x2.extend_high_i32x4_s(high), load2<T>(aPtr, 3), scales, values), 3);
  }
  for (; n > 0; n--, aPtr += bytesOf<T>(1), outPtr += bytesOf<f64>(1), maskPtr += step >> 3) {
    store1<f64>(outPtr, load<u8>(maskPtr) ? load1<T>(aPtr) * scale : value);
  }
}

/** scaleWhere of elements of `bytes` bytes. */
export function scaleWhereOf(bytes: usize, aPtr: usize, outPtr: usize, maskPtr: usize, count: usize, scale: f64, value: f64): void {
  if (bytes == sizeof<f64>()) scaleWhere<f64>(aPtr, outPtr, maskPtr, count, scale, value);
  else scaleWhere<f32>(aPtr, outPtr, maskPtr, count, scale, value);
}

/** Elements of a pair in a tile become `value` where the mask is 0: each lane has a mask, in which the next class is `step` bytes further. */
export function fillWhereInTile(ptr: usize, mask0: usize, mask1: usize, step: usize, classes: usize, value: f64): void {
  const values = f64x2.splat(value);
  for (const end = ptr + bytesOf<v128>(classes); ptr < end; ptr += bytesOf<v128>(1), mask0 += step, mask1 += step) {
    const open = i64x2(load<u8>(mask0), load<u8>(mask1));
    v128.store(ptr, v128.bitselect(v128.load(ptr), values, i64x2.ne(open, i64x2.splat(0))));
  }
}

/** out = a scale, or with `adds` out += a scale. */
// @ts-ignore: decorator
@inline
export function scaleTo<T>(adds: bool, aPtr: usize, outPtr: usize, count: usize, scale: f64): void {
  const scales = f64x2.splat(scale);
  for (let n = <isize>count; n > 0; n -= 2, aPtr += bytesOf<T>(2), outPtr += bytesOf<T>(2)) {
    const product = f64x2.mul(loadTail<T>(aPtr, n, 0), scales);
    storeTail<T>(outPtr, n, adds ? f64x2.add(loadTail<T>(outPtr, n, 0), product) : product);
  }
}
