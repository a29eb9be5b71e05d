// A block of a row, two classes in a vector: its e_j and their sum, and meanwhile the maximum of the block that comes next.

import {
  C0, C1, C2, C3, C4, floored, SCALE, shiftedExp,
} from "../number/exp";
import { bytesOf, highHalfOf, isRounded, load2, loadTail, lowHalfOf, store2, storeTail } from "../number/storage";
import { laneMax } from "../number/sums";
import { fastTwoSumError, reduceAdd, twoSumError } from "../number/two-sum";
import { Normalizer } from "./normalizer";

/** Sets the maximum of the next block, `count` >= 2 logits, by lane. */
export function findMax<T>(n: Normalizer, xPtr: usize, count: usize): void {
  n.nextMax = laneMax<T>(load2<T>(xPtr), xPtr, count);
}

/**
 * The sum (hi, lo) of e_j of `count` logits, in the two lanes of one vector; with `stores`, e_j go to outPtr, as doubles.
 *   e_j = shiftedExp(x_j) for the base, round and floor of the row;  the sum starts from seed, which is subtracted in the end
 * Meanwhile it finds the maximum of the next block of `nextCount` >= 4 logits, so that these are on their way from memory while there is
 * something to compute: 10 % of the time of a batch beyond the second-level cache (measured).
 */
// @ts-ignore: decorator
@inline
function expBlock<T>(
  stores: bool, relative: bool, n: Normalizer, xPtr: usize, outPtr: usize, count: usize, nextPtr: usize, nextCount: usize,
  scratchPtr: usize,
): v128 {
  const base = relative ? n.base : f64x2.splat(0), round = n.round, floor = n.floor, seed = n.seed;
  const scale = SCALE(), c0 = C0<T>(round), c1 = C1<T>(), c2 = C2<T>(), c3 = C3(), c4 = C4();
  const nextLast = nextPtr + bytesOf<T>(nextCount - 4);
  let max = load2<T>(nextPtr);
  let hi = seed;
  let lo = f64x2.splat(0);
  let left = <isize>count;
  let next = nextPtr;
  for (; left >= 4; left -= 4, xPtr += bytesOf<T>(4), next += bytesOf<T>(4)) {
    const e0 = shiftedExp<T>(relative, scratchPtr, load2<T>(xPtr), base, round, floor, scale, c0, c1, c2, c3, c4);
    if (stores) store2<f64>(outPtr, e0);
    const sum0 = f64x2.add(hi, e0);
    const lost0 = fastTwoSumError(hi, e0, sum0);
    const e1 = shiftedExp<T>(
      relative, scratchPtr + bytesOf<v128>(1), load2<T>(xPtr, 1), base, round, floor, scale, c0, c1, c2, c3, c4,
    );
    if (stores) {
      store2<f64>(outPtr, e1, 1);
      outPtr += bytesOf<f64>(4);
    }
    hi = f64x2.add(sum0, e1);
    lo = f64x2.add(lo, f64x2.add(lost0, fastTwoSumError(sum0, e1, hi)));
    next = min(next, nextLast);
    max = f64x2.pmax(max, f64x2.pmax(load2<T>(next), load2<T>(next, 1)));
  }
  for (; left > 0; left -= 2, xPtr += bytesOf<T>(2)) {
    const x = loadTail<T>(xPtr, left, -Infinity);
    const e = shiftedExp<T>(relative, scratchPtr, x, base, round, floor, scale, c0, c1, c2, c3, c4);
    if (stores) {
      storeTail<f64>(outPtr, left, e);
      outPtr += bytesOf<f64>(2);
    }
    const sum = f64x2.add(hi, e);
    lo = f64x2.add(lo, fastTwoSumError(hi, e, sum));
    hi = sum;
  }
  const seen = min(count & ~3, nextCount);
  n.nextMax = nextCount > seen ? laneMax<T>(max, nextPtr + bytesOf<T>(seen), nextCount - seen) : max;
  return reduceAdd(f64x2.sub(hi, seed), lo);
}

/** So many e_j at most become a part of a sum (hi, lo) by plain additions. */
const PART: usize = 64;

/** By lane, the maximum of `max` and of eight elements as they lie in memory. */
// @ts-ignore: decorator
@inline
function maxOfEight<X>(max: v128, ptr: usize): v128 {
  if (isRounded<X>()) return f32x4.pmax(max, f32x4.pmax(v128.load(ptr), v128.load(ptr, 16)));
  const max0 = f64x2.pmax(load2<X>(ptr), load2<X>(ptr, 1)), max1 = f64x2.pmax(load2<X>(ptr, 2), load2<X>(ptr, 3));
  return f64x2.pmax(max, f64x2.pmax(max0, max1));
}

/**
 * expBlock where results are rounded to float32. e_j as doubles go to outPtr. Eight classes at a time, because what a loop costs
 * besides is a third of the time otherwise.
 */
// @ts-ignore: decorator
@inline
function roundedExpBlock<X>(
  relative: bool, n: Normalizer, xPtr: usize, outPtr: usize, count: usize, nextPtr: usize, nextCount: usize, scratchPtr: usize,
): v128 {
  const base = relative ? n.base : f64x2.splat(0), round = n.round, floor = n.floor;
  const scale = SCALE(), c0 = C0<f32>(round), c1 = C1<f32>(), c2 = C2<f32>();
  const none = f64x2.splat(0);
  const second = scratchPtr + bytesOf<v128>(1);
  // A part looks at as many classes of the next block as it has itself, where that block has so many.
  const step: usize = nextCount < PART ? 0 : bytesOf<X>(8);
  let max = v128.load(nextPtr);
  let hi = none;
  let lo = none;
  let next = nextPtr;
  let left = <isize>count;
  while (left >= 8) {
    const taken = min<usize>(left, PART) & ~7;
    left -= taken;
    if (step) next = min(next, nextPtr + bytesOf<X>(nextCount - taken));
    let part = none;
    for (const end = xPtr + bytesOf<X>(taken); xPtr < end; xPtr += bytesOf<X>(8), outPtr += bytesOf<f64>(8), next += step) {
      const e0 = shiftedExp<f32>(relative, scratchPtr, floored<f32>(relative, load2<X>(xPtr, 0), floor), base, round, floor, scale, c0, c1, c2, none, none);
      store2<f64>(outPtr, e0);
      const e1 = shiftedExp<f32>(relative, second, floored<f32>(relative, load2<X>(xPtr, 1), floor), base, round, floor, scale, c0, c1, c2, none, none);
      store2<f64>(outPtr, e1, 1);
      const sum0 = f64x2.add(e0, e1);
      const e2 = shiftedExp<f32>(relative, scratchPtr, floored<f32>(relative, load2<X>(xPtr, 2), floor), base, round, floor, scale, c0, c1, c2, none, none);
      store2<f64>(outPtr, e2, 2);
      const e3 = shiftedExp<f32>(relative, second, floored<f32>(relative, load2<X>(xPtr, 3), floor), base, round, floor, scale, c0, c1, c2, none, none);
      store2<f64>(outPtr, e3, 3);
      part = f64x2.add(part, f64x2.add(sum0, f64x2.add(e2, e3)));
      max = maxOfEight<X>(max, next);
    }
    const sum = f64x2.add(hi, part);
    lo = f64x2.add(lo, twoSumError(hi, part, sum));
    hi = sum;
  }
  for (; left > 0; left -= 2, xPtr += bytesOf<X>(2), outPtr += bytesOf<f64>(2)) {
    const x = floored<f32>(relative, loadTail<X>(xPtr, left, -Infinity), floor);
    const e = shiftedExp<f32>(relative, scratchPtr, x, base, round, floor, scale, c0, c1, c2, none, none);
    storeTail<f64>(outPtr, left, e);
    const sum = f64x2.add(hi, e);
    lo = f64x2.add(lo, twoSumError(hi, e, sum));
    hi = sum;
  }
  const byLane = isRounded<X>() ? f64x2.pmax(lowHalfOf(max), highHalfOf(max)) : max;
  const nextEnd = nextPtr + bytesOf<X>(nextCount);
  n.nextMax = next < nextEnd ? laneMax<X>(byLane, next, (nextEnd - next) / sizeof<X>()) : byLane;
  return reduceAdd(hi, lo);
}

// The kinds of expBlock, each compiled once: with and without stores, for base = 0 and for logits relative to a base.

export function storeExps<T>(
  n: Normalizer, x: usize, out: usize, count: usize, next: usize, nextCount: usize, scratchPtr: usize,
): v128 {
  return expBlock<T>(true, false, n, x, out, count, next, nextCount, scratchPtr);
}

export function sumExps<T>(n: Normalizer, x: usize, count: usize, next: usize, nextCount: usize, scratchPtr: usize): v128 {
  return expBlock<T>(false, false, n, x, 0, count, next, nextCount, scratchPtr);
}

export function storeRelativeExps<T>(
  n: Normalizer, x: usize, out: usize, count: usize, next: usize, nextCount: usize, scratchPtr: usize,
): v128 {
  return expBlock<T>(true, true, n, x, out, count, next, nextCount, scratchPtr);
}

export function sumRelativeExps<T>(n: Normalizer, x: usize, count: usize, next: usize, nextCount: usize, scratchPtr: usize): v128 {
  return expBlock<T>(false, true, n, x, 0, count, next, nextCount, scratchPtr);
}

export function storeRoundedExps<X>(
  n: Normalizer, x: usize, out: usize, count: usize, next: usize, nextCount: usize, scratchPtr: usize,
): v128 {
  return roundedExpBlock<X>(false, n, x, out, count, next, nextCount, scratchPtr);
}

export function storeRoundedRelativeExps<X>(
  n: Normalizer, x: usize, out: usize, count: usize, next: usize, nextCount: usize, scratchPtr: usize,
): v128 {
  return roundedExpBlock<X>(true, n, x, out, count, next, nextCount, scratchPtr);
}
