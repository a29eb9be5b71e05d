// The sum of losses over any number of calls, and its mean.

import { load2, store2 } from "../number/storage";
import { sum } from "../number/sums";
import { highHalf, quotientLow, twoSumError } from "../number/two-sum";

/** 2^-64: the sum of 2^64 losses times this is finite. */
const SUM_SCALE: f64 = reinterpret<f64>(0x3bf0000000000000);

/**
 * Adds `count` values to the sum at sumPtr, two vectors: (hi, hi · 2^-64), (lo, lo · 2^-64). The sum and the scaled sum are each a pair
 * (hi, lo), added up for itself.
 */
export function accumulate(valuesPtr: usize, count: usize, sumPtr: usize): void {
  const plain = sum<f64>(valuesPtr, count, 1);
  const fits = abs(f64x2.extract_lane(plain, 0)) < Infinity;
  const scaled = fits ? f64x2.mul(plain, f64x2.splat(SUM_SCALE)) : sum<f64>(valuesPtr, count, SUM_SCALE);
  const hi = load2<f64>(sumPtr);
  const term = i64x2.shuffle(plain, scaled, 0, 2);
  const next = f64x2.add(hi, term);
  const lost = f64x2.add(i64x2.shuffle(plain, scaled, 1, 3), twoSumError(hi, term, next));
  store2<f64>(sumPtr, next);
  store2<f64>(sumPtr, f64x2.add(load2<f64>(sumPtr, 1), lost), 1);
}

/** The sum at sumPtr over `divisor`, with one rounding or little more, also where the sum itself is not finite. */
export function mean(sumPtr: usize, divisor: f64): f64 {
  const hi = load2<f64>(sumPtr);
  const lo = load2<f64>(sumPtr, 1);
  const plainHi = f64x2.extract_lane(hi, 0);
  const plainLo = f64x2.extract_lane(lo, 0);
  // No low part, or a subnormal sum, whose quotient has no low part that could be right.
  if (plainLo == 0) return plainHi / divisor;
  const divisors = f64x2.splat(divisor);
  const inverse = f64x2.div(f64x2.splat(1), divisors);
  const q = highHalf(f64x2.mul(hi, inverse));
  const means = f64x2.add(q, quotientLow(q, inverse, hi, lo, divisors));
  const plain = f64x2.extract_lane(means, 0);
  const scaled = f64x2.extract_lane(means, 1);
  if (isFinite(plain)) return plain;
  if (isFinite(scaled)) return scaled / SUM_SCALE;
  return (isFinite(plainHi) ? plainHi + plainLo : plainHi) / divisor;
}
