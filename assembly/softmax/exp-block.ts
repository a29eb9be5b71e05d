// A block of a row, two classes in a vector: its e_j and their sum, and meanwhile the maximum of the block that comes next.

import { LN2_HI, LN2_LO, P0, P1, P2, SCALE, shiftedExp } from "../number/exp";
import { bytesOf, load2, loadTail, store2, storeTail } from "../number/storage";
import { laneMax } from "../number/sums";
import { fastTwoSumError, reduceAdd } from "../number/two-sum";
import { Normalizer } from "./normalizer";

/** Sets the maximum of the next block, `count` >= 2 logits, by lane. */
export function findMax<T>(n: Normalizer, xPtr: usize, count: usize): void {
  n.nextMax = laneMax<T>(load2<T>(xPtr), xPtr, count);
}

/**
 * The sum (hi, lo) of e_j of `count` logits, in the two lanes of one vector; with `stores`, e_j go to outPtr.
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
  const scale = SCALE(), ln2Hi = LN2_HI(), ln2Lo = LN2_LO();
  const p0 = P0(), p1 = P1(), p2 = P2();
  const nextLast = nextPtr + bytesOf<T>(nextCount - 4);
  let max = load2<T>(nextPtr);
  let hi = seed;
  let lo = f64x2.splat(0);
  let left = <isize>count;
  let next = nextPtr;
  for (; left >= 4; left -= 4, xPtr += bytesOf<T>(4), next += bytesOf<T>(4)) {
    const e0 = shiftedExp(relative, scratchPtr, load2<T>(xPtr), base, round, floor, scale, ln2Hi, ln2Lo, p0, p1, p2);
    if (stores) store2<T>(outPtr, e0);
    const sum0 = f64x2.add(hi, e0);
    const lost0 = fastTwoSumError(hi, e0, sum0);
    const e1 = shiftedExp(
      relative, scratchPtr + bytesOf<v128>(1), load2<T>(xPtr, 1), base, round, floor, scale, ln2Hi, ln2Lo, p0, p1, p2,
    );
    if (stores) {
      store2<T>(outPtr, e1, 1);
      outPtr += bytesOf<T>(4);
    }
    hi = f64x2.add(sum0, e1);
    lo = f64x2.add(lo, f64x2.add(lost0, fastTwoSumError(sum0, e1, hi)));
    next = min(next, nextLast);
    max = f64x2.pmax(max, f64x2.pmax(load2<T>(next), load2<T>(next, 1)));
  }
  for (; left > 0; left -= 2, xPtr += bytesOf<T>(2)) {
    const x = loadTail<T>(xPtr, left, -Infinity);
    const e = shiftedExp(relative, scratchPtr, x, base, round, floor, scale, ln2Hi, ln2Lo, p0, p1, p2);
    if (stores) {
      storeTail<T>(outPtr, left, e);
      outPtr += bytesOf<T>(2);
    }
    const sum = f64x2.add(hi, e);
    lo = f64x2.add(lo, fastTwoSumError(hi, e, sum));
    hi = sum;
  }
  const seen = min(count & ~3, nextCount);
  n.nextMax = nextCount > seen ? laneMax<T>(max, nextPtr + bytesOf<T>(seen), nextCount - seen) : max;
  return reduceAdd(f64x2.sub(hi, seed), lo);
}

// The four kinds of expBlock, each compiled once: with and without stores, for base = 0 and for logits relative to a base.

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
