// A block of a row, two classes a vector: its e_j, their sum, and meanwhile the maximum of the next one. The maximum is by lane.

import { LN2_HI, LN2_LO, P0, P1, P2, SCALE, shiftedExp } from "../number/exp";
import { bytesOf, load2, loadTail, store2, storeTail } from "../number/storage";
import { laneMax } from "../number/sums";
import { fastTwoSumError, reduceAdd } from "../number/two-sum";

/** The maximum of the block to be visited next. */
export let nextMax: v128 = f64x2(0, 0);

/** Sets nextMax for a block of `count` >= 2 logits. */
export function findMax<T>(xPtr: usize, count: usize): void {
  nextMax = laneMax<T>(load2<T>(xPtr), xPtr, count);
}

/**
 * e_j of `count` logits and, with `stores`, where they go; gives their sum (hi, lo), which starts from `seed`. Meanwhile finds nextMax of
 * a block of `nextCount` >= 4 logits, so that they are on their way from memory while there is something to compute: 10 % of the time of
 * a batch beyond the second-level cache (measured).
 */
// @ts-ignore: decorator
@inline
function expBlock<T>(
  stores: bool, relative: bool, xPtr: usize, outPtr: usize, count: usize,
  base: v128, round: v128, floor: v128, seed: v128, nextPtr: usize, nextCount: usize, scratchPtr: usize,
): v128 {
  const scale = SCALE(), ln2Hi = LN2_HI(), ln2Lo = LN2_LO();
  const p0 = P0(), p1 = P1(), p2 = P2();
  const nextLast = nextPtr + bytesOf<T>(nextCount - 4);
  let max = load2<T>(nextPtr);
  let hi = seed;
  let lo = f64x2.splat(0);
  let n = <isize>count;
  let next = nextPtr;
  for (; n >= 4; n -= 4, xPtr += bytesOf<T>(4), next += bytesOf<T>(4)) {
    const e0 = shiftedExp(relative, scratchPtr, load2<T>(xPtr), base, round, floor, scale, ln2Hi, ln2Lo, p0, p1, p2);
    if (stores) store2<T>(outPtr, e0);
    const sum0 = f64x2.add(hi, e0);
    const lost0 = fastTwoSumError(hi, e0, sum0);
    const e1 = shiftedExp(relative, scratchPtr + bytesOf<v128>(1), load2<T>(xPtr, 1), base, round, floor, scale, ln2Hi, ln2Lo, p0, p1, p2);
    if (stores) {
      store2<T>(outPtr, e1, 1);
      outPtr += bytesOf<T>(4);
    }
    hi = f64x2.add(sum0, e1);
    lo = f64x2.add(lo, f64x2.add(lost0, fastTwoSumError(sum0, e1, hi)));
    next = min(next, nextLast);
    max = f64x2.pmax(max, f64x2.pmax(load2<T>(next), load2<T>(next, 1)));
  }
  for (; n > 0; n -= 2, xPtr += bytesOf<T>(2)) {
    const e = shiftedExp(relative, scratchPtr, loadTail<T>(xPtr, n, -Infinity), base, round, floor, scale, ln2Hi, ln2Lo, p0, p1, p2);
    if (stores) {
      storeTail<T>(outPtr, n, e);
      outPtr += bytesOf<T>(2);
    }
    const sum = f64x2.add(hi, e);
    lo = f64x2.add(lo, fastTwoSumError(hi, e, sum));
    hi = sum;
  }
  const seen = min(count & ~3, nextCount);
  nextMax = nextCount > seen ? laneMax<T>(max, nextPtr + bytesOf<T>(seen), nextCount - seen) : max;
  return reduceAdd(f64x2.sub(hi, seed), lo);
}

// What of expBlock is in use, each compiled once.

export function storeExps<T>(
  x: usize, out: usize, count: usize, round: v128, floor: v128, seed: v128, next: usize, nextCount: usize, scratchPtr: usize,
): v128 {
  return expBlock<T>(true, false, x, out, count, f64x2.splat(0), round, floor, seed, next, nextCount, scratchPtr);
}

export function sumExps<T>(
  x: usize, count: usize, round: v128, floor: v128, seed: v128, next: usize, nextCount: usize, scratchPtr: usize,
): v128 {
  return expBlock<T>(false, false, x, 0, count, f64x2.splat(0), round, floor, seed, next, nextCount, scratchPtr);
}

export function storeRelativeExps<T>(
  x: usize, out: usize, count: usize,
  base: v128, round: v128, floor: v128, seed: v128, next: usize, nextCount: usize, scratchPtr: usize,
): v128 {
  return expBlock<T>(true, true, x, out, count, base, round, floor, seed, next, nextCount, scratchPtr);
}

export function sumRelativeExps<T>(
  x: usize, count: usize, base: v128, round: v128, floor: v128, seed: v128, next: usize, nextCount: usize, scratchPtr: usize,
): v128 {
  return expBlock<T>(false, true, x, 0, count, base, round, floor, seed, next, nextCount, scratchPtr);
}
