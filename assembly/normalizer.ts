// What follows from a row's e_max and rest = Σ e_j without the maximum, (hi, lo): sum, logarithm, gradient. Two rows, one a lane,
// or one row in both lanes; nothing here cancels.

import { log1p } from "./log";
import { fastTwoSumError, quotientLow, total, twoSumError } from "./reduce";

/**
 * e times a factor (hi, lo), less a term, which goes to the low part: rounded once more after the product. Otherwise a small term
 * could take the difference to the next binade, where what was rounded before weighs double.
 */
// @ts-ignore: decorator
@inline
export function scaled(e: v128, factor: v128, factorLo: v128, less: v128): v128 {
  return f64x2.add(f64x2.mul(e, factor), f64x2.sub(f64x2.mul(e, factorLo), less));
}

const HUGE: f64 = reinterpret<f64>(0x7830000000000000); // 2^900

/** What logits are multiplied by so that a difference that is to be weighted stays finite: 1, or 1/4 under a huge maximum. */
// @ts-ignore: decorator
@inline
export function gapScale(max: v128): v128 {
  return v128.bitselect(f64x2.splat(0.25), f64x2.splat(1), f64x2.gt(max, f64x2.splat(HUGE)));
}

/** log S at e_max = 1: log1p(R) with R = rest / e_max. */
// @ts-ignore: decorator
@inline
export function logSum(eMax: v128, eMaxLo: v128, restHi: v128, restLo: v128): v128 {
  const inverse = f64x2.div(f64x2.splat(1), eMax);
  const q = f64x2.mul(restHi, inverse);
  const qLo = quotientLow(q, inverse, restHi, restLo, eMax, eMaxLo);
  const r = f64x2.add(q, qLo);
  return log1p(r, fastTwoSumError(q, qLo, r));
}

/** R below which R² is nothing even to a double's low part: log1p(R) is R, to the bit. */
const TINY: f64 = reinterpret<f64>(0x07b0000000000000); // 2^-900

/** Q log S for label mass Q = (massHi, massLo) and logS = logSum's; where R is tiny, Q times it before R could underflow. */
// @ts-ignore: decorator
@inline
export function weightedLogSum(
  massHi: v128, massLo: v128, logS: v128, eMax: v128, eMaxLo: v128, restHi: v128, restLo: v128,
): v128 {
  const mass = total(massHi, massLo);
  const inverse = f64x2.div(f64x2.splat(1), eMax);
  const weighted = f64x2.mul(mass, restHi);
  const q = f64x2.mul(weighted, inverse);
  const tiny = f64x2.add(q, quotientLow(q, inverse, weighted, f64x2.mul(mass, restLo), eMax, eMaxLo));
  return v128.bitselect(tiny, f64x2.mul(mass, logS), f64x2.lt(logS, f64x2.splat(TINY)));
}

/** What fl(e_max + rest) = sum left out. */
// @ts-ignore: decorator
@inline
export function expSumLow(sum: v128, eMax: v128, restHi: v128, restLo: v128): v128 {
  return f64x2.add(twoSumError(eMax, restHi, sum), restLo);
}

/** e_y below which 1 − p_y is 1: less than 2^-64 of any e_max. */
const NEGLIGIBLE: f64 = reinterpret<f64>(0x53e0000000000000); // 2^319

/**
 * The gradient at a row's only label y, g (p_y − 1), as −g Σ_{j≠y} p_j: rest + (e_max − e_y) has no terms of two signs. Exactly −g
 * where p_y is negligible. (factor, factorLo) is g / S.
 */
// @ts-ignore: decorator
@inline
export function labelGradient(
  eLabel: v128, eMax: v128, restHi: v128, restLo: v128, factor: v128, factorLo: v128, gHi: v128,
): v128 {
  const rise = f64x2.sub(eMax, eLabel);
  const others = f64x2.add(rise, restHi);
  const othersLo = f64x2.add(twoSumError(rise, restHi, others), restLo);
  const low = f64x2.add(f64x2.mul(others, factorLo), f64x2.mul(othersLo, factor));
  const product = f64x2.add(f64x2.mul(others, factor), low);
  const none = v128.and(f64x2.lt(eLabel, f64x2.splat(NEGLIGIBLE)), f64x2.eq(factor, factor));
  return f64x2.sub(f64x2.splat(0), v128.bitselect(gHi, product, none));
}

/** What a label's probability takes from the gradient: g q, and +0 for q = 0, so that a −0 stays what it is for an index. */
// @ts-ignore: decorator
@inline
export function labelTerm(q: v128, gHi: v128): v128 {
  return v128.and(f64x2.mul(q, gHi), f64x2.ne(q, f64x2.splat(0)));
}
