// What options ask of the classes of a row, or of a pair on the stage: loops over `count` doubles, by lane. Two lanes of a row are still to
// be added up; those of a pair are its rows.

import { loadTail, storeTail } from "../softmax/exp-block";
import { gapScale } from "../softmax/normalizer";
import { Pair } from "../softmax/tile";
import { reduceAdd, splatLane, total, twoSumError } from "../number/two-sum";

/** A sum by lane, hi + lo, of a pair; of a row, that of both lanes in each. */
// @ts-ignore: decorator
@inline
function settled(isPair: bool, hi: v128, lo: v128): v128 {
  if (isPair) return total(hi, lo);
  const sum = reduceAdd(hi, lo);
  return total(splatLane(sum, 0), splatLane(sum, 1));
}

/** Sets the mass of `pair`, Σ t. */
export function sumTargets(isPair: bool, pair: Pair, tPtr: usize, count: usize): void {
  let hi = f64x2.splat(0);
  let lo = hi;
  for (let n = <isize>count; n > 0; n -= 2, tPtr += 16) {
    const t = loadTail(tPtr, n, 0);
    const next = f64x2.add(hi, t);
    lo = f64x2.add(lo, twoSumError(hi, t, next));
    hi = next;
  }
  const sum = reduceAdd(hi, lo);
  pair.massHi = isPair ? hi : splatLane(sum, 0);
  pair.massLo = isPair ? lo : splatLane(sum, 1);
}

/** Σ a (max − x), where x less than floor counts as floor, and a = 0 counts nothing. */
export function sumGaps(isPair: bool, aPtr: usize, xPtr: usize, count: usize, max: v128, floor: v128): v128 {
  const zero = f64x2.splat(0);
  const scale = gapScale(max);
  const scaledMax = f64x2.mul(max, scale);
  const scaledFloor = f64x2.mul(floor, scale);
  let hi = zero;
  let lo = zero;
  for (let n = <isize>count; n > 0; n -= 2, aPtr += 16, xPtr += 16) {
    const a = loadTail(aPtr, n, 0);
    const x = f64x2.pmax(f64x2.mul(loadTail(xPtr, n, 0), scale), scaledFloor);
    const term = v128.and(f64x2.mul(a, f64x2.sub(scaledMax, x)), f64x2.ne(a, zero));
    const next = f64x2.add(hi, term);
    lo = f64x2.add(lo, twoSumError(hi, term, next));
    hi = next;
  }
  return f64x2.div(settled(isPair, hi, lo), scale);
}

/**
 * The same for a > 0 and no floor, and max not near the largest double: eight terms, none of them negative, are rounded to one before what
 * an addition loses is kept, for less than half of the operations.
 */
export function sumPositiveGaps(isPair: bool, aPtr: usize, xPtr: usize, count: usize, max: v128): v128 {
  let hi = f64x2.splat(0);
  let lo = hi;
  let n = <isize>count;
  for (; n >= 16; n -= 16, aPtr += 128, xPtr += 128) {
    const term0 = f64x2.mul(v128.load(aPtr), f64x2.sub(max, v128.load(xPtr)));
    const term1 = f64x2.mul(v128.load(aPtr, 16), f64x2.sub(max, v128.load(xPtr, 16)));
    const term2 = f64x2.mul(v128.load(aPtr, 32), f64x2.sub(max, v128.load(xPtr, 32)));
    const term3 = f64x2.mul(v128.load(aPtr, 48), f64x2.sub(max, v128.load(xPtr, 48)));
    const term4 = f64x2.mul(v128.load(aPtr, 64), f64x2.sub(max, v128.load(xPtr, 64)));
    const term5 = f64x2.mul(v128.load(aPtr, 80), f64x2.sub(max, v128.load(xPtr, 80)));
    const term6 = f64x2.mul(v128.load(aPtr, 96), f64x2.sub(max, v128.load(xPtr, 96)));
    const term7 = f64x2.mul(v128.load(aPtr, 112), f64x2.sub(max, v128.load(xPtr, 112)));
    const half0 = f64x2.add(f64x2.add(term0, term1), f64x2.add(term2, term3));
    const half1 = f64x2.add(f64x2.add(term4, term5), f64x2.add(term6, term7));
    const term = f64x2.add(half0, half1);
    const next = f64x2.add(hi, term);
    lo = f64x2.add(lo, twoSumError(hi, term, next));
    hi = next;
  }
  for (; n > 0; n -= 2, aPtr += 16, xPtr += 16) {
    const a = loadTail(aPtr, n, 0);
    const x = n > 1 ? v128.load(xPtr) : f64x2.replace_lane(max, 0, load<f64>(xPtr));
    const term = f64x2.mul(a, f64x2.sub(max, x));
    const next = f64x2.add(hi, term);
    lo = f64x2.add(lo, twoSumError(hi, term, next));
    hi = next;
  }
  return settled(isPair, hi, lo);
}

/** Σ e v. */
export function sumProducts(isPair: bool, ePtr: usize, vPtr: usize, count: usize): v128 {
  let hi = f64x2.splat(0);
  let lo = hi;
  for (let n = <isize>count; n > 0; n -= 2, ePtr += 16, vPtr += 16) {
    const term = f64x2.mul(loadTail(ePtr, n, 0), loadTail(vPtr, n, 0));
    const next = f64x2.add(hi, term);
    lo = f64x2.add(lo, twoSumError(hi, term, next));
    hi = next;
  }
  return settled(isPair, hi, lo);
}

/** The greatest, some value if there is a NaN. */
export function maxOf(isPair: bool, tPtr: usize, count: usize): v128 {
  let max = f64x2.splat(-Infinity);
  for (let n = <isize>count; n > 0; n -= 2, tPtr += 16) max = f64x2.pmax(max, loadTail(tPtr, n, -Infinity));
  return isPair ? max : f64x2.pmax(max, i64x2.shuffle(max, max, 1, 0));
}

/** The first class with this value, Infinity if there is none. */
export function findFirst(isPair: bool, xPtr: usize, count: usize, value: v128): v128 {
  const none = f64x2.splat(Infinity);
  let first = none;
  for (let n = <isize>count; n > 0; n -= 2, xPtr += 16) {
    const isIt = f64x2.eq(loadTail(xPtr, n, NaN), value);
    if (!v128.any_true(isIt)) continue;
    const passed = <f64>(<isize>count - n);
    const j = isPair ? f64x2.splat(passed * 0.5) : f64x2(passed, passed + 1);
    first = f64x2.pmin(first, v128.bitselect(j, none, isIt));
    if (!isPair || i64x2.all_true(f64x2.lt(first, none))) break;
  }
  return isPair ? first : f64x2.pmin(first, i64x2.shuffle(first, first, 1, 0));
}

/** How many classes have more than `value`, that of class y, or as much and a lower index. */
export function countBefore(isPair: bool, xPtr: usize, count: usize, value: v128, y: v128): v128 {
  let sum = i64x2.splat(0);
  let ties = sum;
  for (let n = <isize>count, x = xPtr; n > 0; n -= 2, x += 16) {
    const element = loadTail(x, n, NaN);
    sum = i64x2.sub(sum, f64x2.gt(element, value));
    ties = i64x2.sub(ties, f64x2.eq(element, value));
  }
  // Where y is not the only one.
  if (v128.any_true(i64x2.gt_s(isPair ? ties : i64x2.add(ties, i64x2.shuffle(ties, ties, 1, 0)), i64x2.splat(1)))) {
    const step = f64x2.splat(isPair ? 1 : 2);
    let j = isPair ? f64x2.splat(0) : f64x2(0, 1);
    for (let n = <isize>count, x = xPtr; n > 0; n -= 2, x += 16, j = f64x2.add(j, step)) {
      sum = i64x2.sub(sum, v128.and(f64x2.eq(loadTail(x, n, NaN), value), f64x2.lt(j, y)));
    }
  }
  const total = isPair ? sum : i64x2.add(sum, i64x2.shuffle(sum, sum, 1, 0));
  return f64x2(<f64>i64x2.extract_lane(total, 0), <f64>i64x2.extract_lane(total, 1));
}

/** out = e / s. */
export function writeProbs(ePtr: usize, outPtr: usize, count: usize, s: v128): void {
  for (let n = <isize>count; n > 0; n -= 2, ePtr += 16, outPtr += 16) storeTail(outPtr, n, f64x2.div(loadTail(ePtr, n, 0), s));
}

/** out = x − max − logS. */
export function writeLogProbs(xPtr: usize, outPtr: usize, count: usize, max: v128, logS: v128): void {
  for (let n = <isize>count; n > 0; n -= 2, xPtr += 16, outPtr += 16) {
    storeTail(outPtr, n, f64x2.sub(f64x2.sub(loadTail(xPtr, n, 0), max), logS));
  }
}

/** out = g w (max − x + logS), 0 where g w is; w is by class, whatever x is. */
export function writeLabelGradient(
  isPair: bool, wPtr: usize, xPtr: usize, outPtr: usize, count: usize, max: v128, logS: v128, g: v128,
): void {
  for (let n = <isize>count; n > 0; n -= 2, xPtr += 16, outPtr += 16) {
    const w = !wPtr ? f64x2.splat(1) : isPair ? v128.load64_splat(wPtr) : loadTail(wPtr, n, 0);
    const product = f64x2.mul(g, w);
    const surprise = f64x2.add(f64x2.sub(max, loadTail(xPtr, n, 0)), logS);
    storeTail(outPtr, n, v128.and(f64x2.mul(product, surprise), f64x2.ne(product, f64x2.splat(0))));
    if (wPtr) wPtr += isPair ? 8 : 16;
  }
}

/** e becomes e · (factor + factorLo) − g t, for t > 0: scaledLess without its choice. */
export function writeGradient(ePtr: usize, tPtr: usize, count: usize, factor: v128, factorLo: v128, g: v128): void {
  let n = <isize>count;
  for (; n >= 8; n -= 8, ePtr += 64, tPtr += 64) {
    const e0 = v128.load(ePtr);
    const e1 = v128.load(ePtr, 16);
    const e2 = v128.load(ePtr, 32);
    const e3 = v128.load(ePtr, 48);
    const low0 = f64x2.sub(f64x2.mul(e0, factorLo), f64x2.mul(v128.load(tPtr), g));
    const low1 = f64x2.sub(f64x2.mul(e1, factorLo), f64x2.mul(v128.load(tPtr, 16), g));
    const low2 = f64x2.sub(f64x2.mul(e2, factorLo), f64x2.mul(v128.load(tPtr, 32), g));
    const low3 = f64x2.sub(f64x2.mul(e3, factorLo), f64x2.mul(v128.load(tPtr, 48), g));
    v128.store(ePtr, f64x2.add(f64x2.mul(e0, factor), low0));
    v128.store(ePtr, f64x2.add(f64x2.mul(e1, factor), low1), 16);
    v128.store(ePtr, f64x2.add(f64x2.mul(e2, factor), low2), 32);
    v128.store(ePtr, f64x2.add(f64x2.mul(e3, factor), low3), 48);
  }
  for (; n > 0; n -= 2, ePtr += 16, tPtr += 16) {
    const e = loadTail(ePtr, n, 0);
    const low = f64x2.sub(f64x2.mul(e, factorLo), f64x2.mul(loadTail(tPtr, n, 0), g));
    storeTail(ePtr, n, f64x2.add(f64x2.mul(e, factor), low));
  }
}

/** e becomes e factor (a (v − mean) + b). */
export function writeProduct(ePtr: usize, vPtr: usize, count: usize, factor: v128, a: v128, mean: v128, b: v128): void {
  for (let n = <isize>count; n > 0; n -= 2, ePtr += 16, vPtr += 16) {
    const inner = f64x2.add(f64x2.mul(a, f64x2.sub(loadTail(vPtr, n, 0), mean)), b);
    storeTail(ePtr, n, f64x2.mul(loadTail(ePtr, n, 0), f64x2.mul(factor, inner)));
  }
}

/** e becomes e / S factor (a (S − e) + b e), where S − e_max is the rest. */
export function writeDiagonal(ePtr: usize, count: usize, pair: Pair, inverse: v128, factor: v128, a: v128, b: v128): void {
  const sumHi = pair.hi, sumLo = pair.lo, rest = pair.restHi, eMax = pair.eMax;
  for (let n = <isize>count; n > 0; n -= 2, ePtr += 16) {
    const e = loadTail(ePtr, n, 0);
    const others = v128.bitselect(rest, f64x2.add(f64x2.sub(sumHi, e), sumLo), f64x2.eq(e, eMax));
    const inner = f64x2.add(f64x2.mul(a, others), f64x2.mul(b, e));
    storeTail(ePtr, n, f64x2.mul(f64x2.mul(f64x2.mul(e, inner), inverse), factor));
  }
}

/** Clears the lanes that are not in `mask`. */
export function keepLanes(ptr: usize, count: usize, mask: v128): void {
  for (let n = <isize>count; n > 0; n -= 2, ptr += 16) storeTail(ptr, n, v128.and(loadTail(ptr, n, 0), mask));
}

/** Elements become `value` where the mask, a byte each, is 0. */
export function exclude(ptr: usize, maskPtr: usize, count: usize, value: f64): void {
  const values = f64x2.splat(value);
  for (let n = <isize>count; n > 0; n -= 2, ptr += 16, maskPtr += 2) {
    const open = i64x2.replace_lane(i64x2.splat(load<u8>(maskPtr)), 1, n > 1 ? load<u8>(maskPtr, 1) : 0);
    storeTail(ptr, n, v128.bitselect(loadTail(ptr, n, 0), values, i64x2.ne(open, i64x2.splat(0))));
  }
}

/** The same for a pair on the stage: a mask for each lane, the next class `step` bytes further. */
export function excludePair(ptr: usize, mask0: usize, mask1: usize, step: usize, count: usize, value: f64): void {
  const values = f64x2.splat(value);
  for (const end = ptr + (count << 3); ptr < end; ptr += 16, mask0 += step, mask1 += step) {
    const open = i64x2(load<u8>(mask0), load<u8>(mask1));
    v128.store(ptr, v128.bitselect(v128.load(ptr), values, i64x2.ne(open, i64x2.splat(0))));
  }
}

/** out = a scale, or with `adds` out += a scale. */
// @ts-ignore: decorator
@inline
export function scaleTo(adds: bool, aPtr: usize, outPtr: usize, count: usize, scale: f64): void {
  const scales = f64x2.splat(scale);
  for (let n = <isize>count; n > 0; n -= 2, aPtr += 16, outPtr += 16) {
    const product = f64x2.mul(loadTail(aPtr, n, 0), scales);
    storeTail(outPtr, n, adds ? f64x2.add(loadTail(outPtr, n, 0), product) : product);
  }
}
