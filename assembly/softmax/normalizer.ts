// What follows from a row's e_j: their sum, also without the maximum, its logarithm, the gradient. Two rows, one a lane, or one row in
// both lanes; nothing here cancels.

import { splat } from "../number/storage";
import { LN2_HI, LN2_LO, P0, P1, P2, SCALE, shiftedExp } from "../number/exp";
import {
  fastTwoSumError, positiveTwoSumError, quotientLow, collapse, twoDifferenceError, highHalf,
} from "../number/two-sum";

/**
 * What a sum of e_j starts from, a power of 2 that is not less than any of them: then what an addition loses is plain to have,
 * e − (next − sum) (Dekker), and taking it out again is exact. e_max is near 2^384.
 */
// @ts-ignore: decorator
@inline
export const SEED: f64 = reinterpret<f64>(0x5800000000000000); // 2^385

/**
 * Where little is beside the maximum, such a sum (hi, lo) of n terms is good to n² 2^-105 of e_max at worst: to 2^-59 of what is beside
 * the maximum if that is at least this times e_max. Not more than a quarter: below it, every other e_j is less than half of e_max.
 */
// @ts-ignore: decorator
@inline
export function leastRest(count: usize): v128 {
  return f64x2.splat(min(<f64>count * <f64>count * (1.0 / 70368744177664.0), 0.25)); // 2^-46
}

/**
 * Σ e_j without the maximum, (hi, lo), of a single row where it is next to nothing beside e_max, so that every other e_j is less than
 * half of it. The row is of e_j, or with `areLogits` of logits still.
 */
export function sumOfOthers<T>(
  areLogits: bool, ptr: usize, classes: usize, classStride: usize, eMax: v128, base: v128, round: v128, floor: v128, scratchPtr: usize,
): v128 {
  const limit = f64x2.mul(eMax, f64x2.splat(0.5));
  const scale = SCALE(), ln2Hi = LN2_HI(), ln2Lo = LN2_LO();
  const p0 = P0(), p1 = P1(), p2 = P2();
  let hi = f64x2.splat(0);
  let lo = f64x2.splat(0);
  for (let j: usize = 0; j < classes; j++, ptr += classStride) {
    let e = splat<T>(ptr);
    if (areLogits) e = shiftedExp(true, scratchPtr, e, base, round, floor, scale, ln2Hi, ln2Lo, p0, p1, p2);
    const term = v128.and(e, f64x2.lt(e, limit));
    const next = f64x2.add(hi, term);
    lo = f64x2.add(lo, positiveTwoSumError(hi, term, next));
    hi = next;
  }
  return i64x2.shuffle(hi, lo, 0, 2);
}

/**
 * e times a factor (hi, lo), less g q, which goes to the low part: rounded once more after the product. Otherwise a small term could
 * take the difference to the next binade, where what was rounded before weighs double. For q = 0 what an index has.
 */
// @ts-ignore: decorator
@inline
export function scaledLess(e: v128, factor: v128, factorLo: v128, q: v128, g: v128): v128 {
  const difference = f64x2.add(f64x2.mul(e, factor), f64x2.sub(f64x2.mul(e, factorLo), f64x2.mul(q, g)));
  return v128.bitselect(f64x2.mul(e, f64x2.add(factor, factorLo)), difference, f64x2.eq(q, f64x2.splat(0)));
}

const HUGE: f64 = reinterpret<f64>(0x7830000000000000); // 2^900

/** What logits are multiplied by so that a difference that is to be weighted stays finite: 1, or 1/4 under a huge maximum. */
// @ts-ignore: decorator
@inline
export function gapScale(max: v128): v128 {
  return v128.bitselect(f64x2.splat(0.25), f64x2.splat(1), f64x2.gt(max, f64x2.splat(HUGE)));
}

/** R below which R² is nothing even to a double's low part: log(1 + R) is R, to the bit. */
const TINY: f64 = reinterpret<f64>(0x07b0000000000000); // 2^-900

/** Q log S for label mass Q = (massHi, massLo) and logS = log(S / e_max); where R is tiny, Q times it before R could underflow. */
// @ts-ignore: decorator
@inline
export function weightedLogSum(
  massHi: v128, massLo: v128, logS: v128, eMax: v128, restHi: v128, restLo: v128,
): v128 {
  const mass = collapse(massHi, massLo);
  const inverse = f64x2.div(f64x2.splat(1), eMax);
  const weighted = f64x2.mul(mass, restHi);
  const q = highHalf(f64x2.mul(weighted, inverse));
  const tiny = f64x2.add(q, quotientLow(q, inverse, weighted, f64x2.mul(mass, restLo), eMax));
  return v128.bitselect(tiny, f64x2.mul(mass, logS), f64x2.lt(logS, f64x2.splat(TINY)));
}

/** e_y below which 1 − p_y is 1: less than 2^-64 of any e_max. */
const NEGLIGIBLE: f64 = reinterpret<f64>(0x53e0000000000000); // 2^319

/** What is missing from factor, the highHalf half of g inverse, inverse = fl(1/S), to g/S. */
// @ts-ignore: decorator
@inline
export function factorLow(factor: v128, inverse: v128, gHi: v128, gLo: v128, sumHi: v128, sumLo: v128): v128 {
  return quotientLow(factor, inverse, gHi, f64x2.sub(gLo, f64x2.mul(factor, sumLo)), sumHi);
}

/**
 * The gradient at a row's only label y, g (p_y − 1), as −g Σ_{j≠y} p_j: the sum of the others is rest for the maximum, and S − e_y,
 * at least half of S, else. Exactly −g where p_y is negligible. (factor, factorLo) is g / S.
 */
// @ts-ignore: decorator
@inline
export function labelGradient(
  eLabel: v128, eMax: v128, restHi: v128, restLo: v128, sumHi: v128, sumLo: v128, factor: v128, factorLo: v128, gHi: v128,
): v128 {
  const difference = f64x2.sub(sumHi, eLabel);
  const differenceLo = f64x2.add(twoDifferenceError(sumHi, eLabel, difference), sumLo);
  const isMax = f64x2.eq(eLabel, eMax);
  const rounded = f64x2.add(difference, differenceLo);
  const others = v128.bitselect(restHi, rounded, isMax);
  const othersLo = v128.bitselect(restLo, fastTwoSumError(difference, differenceLo, rounded), isMax);
  const product = f64x2.mul(others, factor);
  const gradient = f64x2.add(product, f64x2.add(f64x2.mul(others, factorLo), f64x2.mul(othersLo, factor)));
  const none = v128.and(f64x2.lt(eLabel, f64x2.splat(NEGLIGIBLE)), f64x2.eq(factor, factor));
  return f64x2.sub(f64x2.splat(0), v128.bitselect(gHi, gradient, none));
}
