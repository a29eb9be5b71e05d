// Sums and maxima of the elements of a tensor. A sum is a pair (hi, lo), as in two-sum.ts, in the two lanes of one vector.

import { bytesOf, load2, loadTail, splat } from "./storage";
import { maxOfLanes, reduceAdd, twoSumError } from "./two-sum";

/** Σ a · scale as (hi, lo); scale is a power of 2. */
export function sum<T>(aPtr: usize, count: usize, scale: f64): v128 {
  const scales = f64x2.splat(scale);
  let hi0 = f64x2.splat(0), hi1 = hi0, lo0 = hi0, lo1 = hi0;
  let n = <isize>count;
  for (; n >= 4; n -= 4, aPtr += bytesOf<T>(4)) {
    const term0 = f64x2.mul(load2<T>(aPtr), scales);
    const term1 = f64x2.mul(load2<T>(aPtr, 1), scales);
    const next0 = f64x2.add(hi0, term0);
    const next1 = f64x2.add(hi1, term1);
    lo0 = f64x2.add(lo0, twoSumError(hi0, term0, next0));
    lo1 = f64x2.add(lo1, twoSumError(hi1, term1, next1));
    hi0 = next0;
    hi1 = next1;
  }
  for (; n > 0; n -= 2, aPtr += bytesOf<T>(2)) {
    const term = f64x2.mul(loadTail<T>(aPtr, n, 0), scales);
    const next = f64x2.add(hi0, term);
    lo0 = f64x2.add(lo0, twoSumError(hi0, term, next));
    hi0 = next;
  }
  const hi = f64x2.add(hi0, hi1);
  return reduceAdd(hi, f64x2.add(f64x2.add(lo0, lo1), twoSumError(hi0, hi1, hi)));
}

/** Σ a (b · scale − shift) as (hi, lo), where a term with a = 0 is 0 whatever b is. */
export function dot<T>(aPtr: usize, bPtr: usize, scale: v128, shift: v128, classes: usize): v128 {
  let hi = f64x2.splat(0);
  let lo = f64x2.splat(0);
  for (let n = <isize>classes; n > 0; n -= 2, aPtr += bytesOf<T>(2), bPtr += bytesOf<T>(2)) {
    const a = loadTail<T>(aPtr, n, 0);
    const product = f64x2.mul(a, f64x2.sub(f64x2.mul(loadTail<T>(bPtr, n, 0), scale), shift));
    const term = v128.and(product, f64x2.ne(a, f64x2.splat(0)));
    const next = f64x2.add(hi, term);
    lo = f64x2.add(lo, twoSumError(hi, term, next));
    hi = next;
  }
  return reduceAdd(hi, lo);
}

/**
 * By lane, the maximum of `max` and of `count` elements; the last element of an odd count counts for both lanes. If there is a NaN, the
 * result is NaN or one of the elements.
 */
export function laneMax<T>(max: v128, xPtr: usize, count: usize): v128 {
  const end = xPtr + bytesOf<T>(count);
  let max1 = max, max2 = max, max3 = max;
  for (; xPtr + bytesOf<T>(8) <= end; xPtr += bytesOf<T>(8)) {
    max = f64x2.pmax(max, load2<T>(xPtr));
    max1 = f64x2.pmax(max1, load2<T>(xPtr, 1));
    max2 = f64x2.pmax(max2, load2<T>(xPtr, 2));
    max3 = f64x2.pmax(max3, load2<T>(xPtr, 3));
  }
  max = f64x2.pmax(f64x2.pmax(max, max1), f64x2.pmax(max2, max3));
  for (; xPtr + bytesOf<T>(2) <= end; xPtr += bytesOf<T>(2)) max = f64x2.pmax(max, load2<T>(xPtr));
  return xPtr < end ? f64x2.pmax(max, splat<T>(xPtr)) : max;
}

/** The maximum of `count` >= 2 elements, in both lanes. */
// @ts-ignore: decorator
@inline
export function reduceMax<T>(xPtr: usize, count: usize): v128 {
  return maxOfLanes(laneMax<T>(load2<T>(xPtr), xPtr, count));
}
