// What follows from a row's e_max and rest = Σ e_j without the maximum, (hi, lo): sum, logarithm, gradient. Two rows, one a lane,
// or one row in both lanes; nothing here cancels.

import { log1p } from "./log";
import { quotient, total, twoSumError } from "./reduce";

/** log S at e_max = 1: log1p(R) with R = rest / e_max. */
// @ts-ignore: decorator
@inline
export function logSum(eMax: v128, restHi: v128, restLo: v128): v128 {
  return log1p(quotient(restHi, restLo, eMax, f64x2.splat(0)));
}

/** R below which log1p(R) is R. */
const TINY: f64 = reinterpret<f64>(0x3c30000000000000); // 2^-60

/** Q log S for label mass Q = (massHi, massLo) and logS = logSum's; where R is tiny, Q times it before R could underflow. */
// @ts-ignore: decorator
@inline
export function weightedLogSum(massHi: v128, massLo: v128, logS: v128, eMax: v128, restHi: v128, restLo: v128): v128 {
  const mass = total(massHi, massLo);
  const tiny = quotient(f64x2.mul(mass, restHi), f64x2.mul(mass, restLo), eMax, f64x2.splat(0));
  return v128.bitselect(tiny, f64x2.mul(mass, logS), f64x2.lt(logS, f64x2.splat(TINY)));
}

/** S = e_max + rest, rounded once. */
// @ts-ignore: decorator
@inline
export function expSum(eMax: v128, restHi: v128, restLo: v128): v128 {
  const sum = f64x2.add(eMax, restHi);
  return f64x2.add(sum, f64x2.add(twoSumError(eMax, restHi, sum), restLo));
}

/** (gHi + gLo) / S: times e_j it is the upstream gradient times p_j. */
// @ts-ignore: decorator
@inline
export function gradientFactor(gHi: v128, gLo: v128, eMax: v128, restHi: v128, restLo: v128): v128 {
  const sum = f64x2.add(eMax, restHi);
  return quotient(gHi, gLo, sum, f64x2.add(twoSumError(eMax, restHi, sum), restLo));
}

/** e_y below which 1 − p_y is 1: less than 2^-64 of any e_max. */
const NEGLIGIBLE: f64 = reinterpret<f64>(0x53e0000000000000); // 2^319

/**
 * The gradient at a row's only label y, g (p_y − 1), as −g Σ_{j≠y} p_j: rest + (e_max − e_y) has no terms of two signs. Exactly −g
 * where p_y is negligible. `factor` is gradientFactor's.
 */
// @ts-ignore: decorator
@inline
export function labelGradient(eLabel: v128, eMax: v128, restHi: v128, restLo: v128, factor: v128, gHi: v128): v128 {
  const others = f64x2.add(restHi, f64x2.add(f64x2.sub(eMax, eLabel), restLo));
  const none = v128.and(f64x2.lt(eLabel, f64x2.splat(NEGLIGIBLE)), f64x2.eq(factor, factor));
  return f64x2.sub(f64x2.splat(0), v128.bitselect(gHi, f64x2.mul(others, factor), none));
}

/** What a label's probability takes from the gradient: g q, and +0 for q = 0, so that a −0 stays what it is for an index. */
// @ts-ignore: decorator
@inline
export function labelTerm(q: v128, gHi: v128): v128 {
  return v128.and(f64x2.mul(q, gHi), f64x2.ne(q, f64x2.splat(0)));
}
