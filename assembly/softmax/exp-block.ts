// A block of a row, two classes a vector: its e_j, their sum, and meanwhile the maximum of the next one. The maximum is by lane.

import { expConstant, shiftedExp } from "../number/exp";
import { fastTwoSumError, laneMax, reduceAdd } from "../number/two-sum";

/** The next two elements, or the last one and `pad`. */
// @ts-ignore: decorator
@inline
export function loadTail(ptr: usize, count: isize, pad: f64): v128 {
  return count > 1 ? v128.load(ptr) : f64x2.replace_lane(f64x2.splat(pad), 0, load<f64>(ptr));
}

// @ts-ignore: decorator
@inline
export function storeTail(ptr: usize, count: isize, value: v128): void {
  if (count > 1) v128.store(ptr, value);
  else v128.store_lane<u64>(ptr, value, 0);
}

/** The maximum of the block to be visited next. */
export let nextMax: v128 = f64x2(0, 0);

/** Sets nextMax for a block of `count` >= 2 logits. */
export function findMax(xPtr: usize, count: usize): void {
  nextMax = laneMax(v128.load(xPtr), xPtr, count);
}

/**
 * e_j of `count` logits and, with `stores`, where they go; gives their sum (hi, lo), which starts from `seed`. Meanwhile finds nextMax of
 * a block of `nextCount` >= 4 logits, so that they are on their way from memory while there is something to compute: 10 % of the time of
 * a batch beyond the second-level cache (measured).
 */
// @ts-ignore: decorator
@inline
function expBlock(
  stores: bool, relative: bool, xPtr: usize, outPtr: usize, count: usize,
  base: v128, round: v128, floor: v128, seed: v128, nextPtr: usize, nextCount: usize, scratchPtr: usize,
): v128 {
  const scale = expConstant(0), ln2Hi = expConstant(1), ln2Lo = expConstant(2);
  const p0 = expConstant(3), p1 = expConstant(4), p2 = expConstant(5);
  const nextLast = nextPtr + (nextCount << 3) - 32;
  let max = v128.load(nextPtr);
  let hi = seed;
  let lo = f64x2.splat(0);
  let n = <isize>count;
  let next = nextPtr;
  for (; n >= 4; n -= 4, xPtr += 32, next += 32) {
    const e0 = shiftedExp(relative, scratchPtr, v128.load(xPtr), base, round, floor, scale, ln2Hi, ln2Lo, p0, p1, p2);
    if (stores) v128.store(outPtr, e0);
    const sum0 = f64x2.add(hi, e0);
    const lost0 = fastTwoSumError(hi, e0, sum0);
    const e1 = shiftedExp(relative, scratchPtr + 16, v128.load(xPtr, 16), base, round, floor, scale, ln2Hi, ln2Lo, p0, p1, p2);
    if (stores) {
      v128.store(outPtr, e1, 16);
      outPtr += 32;
    }
    hi = f64x2.add(sum0, e1);
    lo = f64x2.add(lo, f64x2.add(lost0, fastTwoSumError(sum0, e1, hi)));
    next = min(next, nextLast);
    max = f64x2.pmax(max, f64x2.pmax(v128.load(next), v128.load(next, 16)));
  }
  for (; n > 0; n -= 2, xPtr += 16) {
    const e = shiftedExp(relative, scratchPtr, loadTail(xPtr, n, -Infinity), base, round, floor, scale, ln2Hi, ln2Lo, p0, p1, p2);
    if (stores) {
      storeTail(outPtr, n, e);
      outPtr += 16;
    }
    const sum = f64x2.add(hi, e);
    lo = f64x2.add(lo, fastTwoSumError(hi, e, sum));
    hi = sum;
  }
  const seen = min(count & ~3, nextCount);
  nextMax = nextCount > seen ? laneMax(max, nextPtr + (seen << 3), nextCount - seen) : max;
  return reduceAdd(f64x2.sub(hi, seed), lo);
}

// What of expBlock is in use, each compiled once.

export function storeExps(
  x: usize, out: usize, count: usize, round: v128, floor: v128, seed: v128, next: usize, nextCount: usize, scratchPtr: usize,
): v128 {
  return expBlock(true, false, x, out, count, f64x2.splat(0), round, floor, seed, next, nextCount, scratchPtr);
}

export function sumExps(
  x: usize, count: usize, round: v128, floor: v128, seed: v128, next: usize, nextCount: usize, scratchPtr: usize,
): v128 {
  return expBlock(false, false, x, 0, count, f64x2.splat(0), round, floor, seed, next, nextCount, scratchPtr);
}

export function storeRelativeExps(
  x: usize, out: usize, count: usize,
  base: v128, round: v128, floor: v128, seed: v128, next: usize, nextCount: usize, scratchPtr: usize,
): v128 {
  return expBlock(true, true, x, out, count, base, round, floor, seed, next, nextCount, scratchPtr);
}

export function sumRelativeExps(
  x: usize, count: usize, base: v128, round: v128, floor: v128, seed: v128, next: usize, nextCount: usize, scratchPtr: usize,
): v128 {
  return expBlock(false, true, x, 0, count, base, round, floor, seed, next, nextCount, scratchPtr);
}
