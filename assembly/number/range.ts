// Numbers near the ends of the range of doubles: factors of a derivative that are huge or tiny are taken as a number near 1 and a power of 2,
// and the power comes back last, so that nothing overflows or underflows before the result does. Exponents k are the integers of an i64x2.

import { bytesOf, loadTail, storeTail } from "./storage";

const LEAST_NORMAL: f64 = reinterpret<f64>(0x0010000000000000); // 2^-1022

/** A factor between 2^-ORDINARY and 2^ORDINARY in magnitude needs no care. */
export const ORDINARY: i64 = 64;

/** 0 where |x| is between 2^-limit and 2^limit, or 0, or not finite. Elsewhere k such that |x| 2^-k is from 2 to 4, or less if x is subnormal. */
// @ts-ignore: decorator
@inline
export function exponentOf(x: v128, limit: i64): v128 {
  const size = f64x2.abs(x);
  const k = i64x2.sub(i64x2.shr_u(f64x2.pmax(f64x2.splat(LEAST_NORMAL), size), 52), i64x2.splat(1024));
  const isExtreme = i64x2.gt_s(i64x2.abs(k), i64x2.splat(limit));
  const isFinite = v128.and(f64x2.ne(x, f64x2.splat(0)), f64x2.lt(size, f64x2.splat(Infinity)));
  return v128.and(k, v128.and(isExtreme, isFinite));
}

/** 2^k, −1022 <= k <= 1023. */
// @ts-ignore: decorator
@inline
export function powerOfTwo(k: v128): v128 {
  return i64x2.shl(i64x2.add(k, i64x2.splat(1023)), 52);
}

/** x 2^-k. */
// @ts-ignore: decorator
@inline
export function withoutPower(k: v128, x: v128): v128 {
  return f64x2.mul(x, powerOfTwo(i64x2.neg(k)));
}

/** The lesser one of two numbers. */
// @ts-ignore: decorator
@inline
export function lesser(a: v128, b: v128): v128 {
  return v128.bitselect(a, b, i64x2.gt_s(b, a));
}

/** k, or the nearest number from `least` to `most`. */
// @ts-ignore: decorator
@inline
export function clamped(k: v128, least: i64, most: i64): v128 {
  const lowest = i64x2.splat(least), highest = i64x2.splat(most);
  const capped = v128.bitselect(highest, k, i64x2.gt_s(k, highest));
  return v128.bitselect(lowest, capped, i64x2.gt_s(lowest, capped));
}

/** What goes beyond the range of a number that is multiplied by an ordinary one and divided by a sum of e_j; `k` is its exponent. */
// @ts-ignore: decorator
@inline
export function excessOf(k: v128): v128 {
  return i64x2.sub(k, clamped(k, -200, 800));
}

/** Multiplies `count` elements by 2^k, by lane, whatever k is. */
export function timesPowers(ptr: usize, count: usize, k: v128): void {
  while (v128.any_true(k)) {
    const part = clamped(k, -1000, 1000);
    const power = powerOfTwo(part);
    for (let n = <isize>count, at = ptr; n > 0; n -= 2, at += bytesOf<f64>(2)) storeTail<f64>(at, n, f64x2.mul(loadTail<f64>(at, n, 0), power));
    k = i64x2.sub(k, part);
  }
}
