// The state of a row: its maximum, the sum of its e_j, and what follows from these. e_j is 2^384 exp(x_j − base) times a power of 2 that is
// the same for the row (number/exp.ts). A vector holds two rows, one in each lane, or one row in both lanes. Sums are pairs (hi, lo).
// No function here subtracts numbers that are nearly equal and rounded.

import {
  expFloor, expRound, isLarge, C0, C1, C2, C3, C4, SCALE, shiftedExp,
} from "../number/exp";
import { TABLE_BITS } from "../number/constants.generated";
import { bytesOf, isRounded, load2, loadTail, splat, storeTail } from "../number/storage";
import {
  collapse, fastTwoSumError, highHalf, positiveTwoSumError, quotientLow, reducePair, splatLane, twoDifferenceError, twoSumError,
} from "../number/two-sum";

@unmanaged
export class Normalizer {
  /** The maximum of the logits; during a walk by row, that of the blocks so far. */
  max: v128;
  /** e of the maximum. */
  eMax: v128;
  /** S = Σ e_j as (hi, lo). */
  hi: v128;
  lo: v128;
  /** After the task STATE: S without e of the maximum as (hi, lo), and log(S / eMax). */
  restHi: v128;
  restLo: v128;
  logSum: v128;
  /** Of a walk by row: the arguments of shiftedExp, and the number from which the sum of a block starts. */
  base: v128;
  round: v128;
  floor: v128;
  seed: v128;
  /** Of a walk by row: the maximum of the block that comes next, by lane. */
  nextMax: v128;
}

/**
 * A power of 2 from which a sum of e_j starts. It is not less than any e_j, so that an addition loses e − (next − sum) exactly (Dekker),
 * and it can be subtracted again without an error. e of the maximum is near 2^384.
 */
// @ts-ignore: decorator
@inline
export const SEED: f64 = reinterpret<f64>(0x5800000000000000); // 2^385

/** e of the maximum may be 2^HEADROOM times e of the first block's maximum. */
const HEADROOM: f64 = 32;

/** Begins a row: e_j will be relative to `base`, for a maximum of max. */
// @ts-ignore: decorator
@inline
export function begin(n: Normalizer, max: v128, base: v128): void {
  const top = f64x2.sub(max, base);
  n.max = max;
  n.base = base;
  n.round = expRound(top);
  n.floor = expFloor(top);
  n.seed = f64x2.splat(SEED);
  n.hi = f64x2.splat(0);
  n.lo = f64x2.splat(0);
}

/** True if base = 0 does not serve for a row of this maximum: logits are large, or the maximum is far above the one of `begin`. */
// @ts-ignore: decorator
@inline
export function isOutOfReach<T>(n: Normalizer, max: v128): bool {
  const rise = f64x2.sub(n.round, expRound(max));
  return v128.any_true(v128.or(isLarge<T>(max), f64x2.gt(rise, f64x2.splat(HEADROOM * <f64>(1 << TABLE_BITS)))));
}

/** Raises the maximum of a row with base = 0; it is not out of reach. The seed rises with it, because it must not be less than any e_j. */
// @ts-ignore: decorator
@inline
export function raise(n: Normalizer, max: v128): void {
  n.max = max;
  n.seed = i64x2.add(f64x2.splat(SEED), i64x2.shl(i64x2.sub(n.round, expRound(max)), <i32>(52 - TABLE_BITS)));
}

/** Adds the sum (hi, lo) of a block's e_j, in the two lanes of one vector, to the sum of the row. */
// @ts-ignore: decorator
@inline
export function add(n: Normalizer, part: v128): void {
  const hi = n.hi;
  const term = splatLane(part, 0);
  const sum = f64x2.add(hi, term);
  n.lo = f64x2.add(n.lo, f64x2.add(splatLane(part, 1), twoSumError(hi, term, sum)));
  n.hi = sum;
}

/**
 * The relative error of Σ_{j≠max} e_j is at most 2^-59 when that sum is >= leastRest · e_max; below it, sumOfOthers recomputes it.
 * A sum of `count` terms is good to count² 2^-105 of e_max; of rounded results, one of plain parts is good to 2^-49, and the sum of the others
 * to 2^-42. leastRest is at most 1/4, so that below it every other e_j is less than e_max / 2.
 */
// @ts-ignore: decorator
@inline
export function leastRest<T>(count: usize): v128 {
  if (isRounded<T>()) return f64x2.splat(1.0 / 128);
  return f64x2.splat(min(<f64>count * <f64>count * (1.0 / 70368744177664.0), 0.25)); // 2^-46
}

/**
 * Σ_{j≠max} e_j as (hi, lo) in the two lanes of one vector, for a row where every other e_j is less than e_max / 2. The elements, each
 * `stride` bytes after the one before, are e_j, or with `areLogits` logits, for which `n` tells how e_j is made.
 */
export function sumOfOthers(
  areLogits: bool, ptr: usize, classes: usize, stride: usize, eMax: v128, n: Normalizer, scratchPtr: usize,
): v128 {
  const zero = f64x2.splat(0);
  const limit = f64x2.mul(eMax, f64x2.splat(0.5));
  const base = areLogits ? n.base : zero, round = areLogits ? n.round : zero, floor = areLogits ? n.floor : zero;
  const scale = SCALE(), c0 = C0<f64>(round), c1 = C1<f64>(), c2 = C2<f64>(), c3 = C3(), c4 = C4();
  let hi = zero;
  let lo = zero;
  for (let j: usize = 0; j < classes; j++, ptr += stride) {
    let e = splat<f64>(ptr);
    if (areLogits) e = shiftedExp<f64>(true, scratchPtr, e, base, round, floor, scale, c0, c1, c2, c3, c4);
    const term = v128.and(e, f64x2.lt(e, limit));
    const next = f64x2.add(hi, term);
    lo = f64x2.add(lo, positiveTwoSumError(hi, term, next));
    hi = next;
  }
  return i64x2.shuffle(hi, lo, 0, 2);
}

/**
 * sumOfOthers for results that are rounded: in both lanes, from `count` e_j, or with `isPair` by lane. Its error is at most 2^-50.
 */
export function roundedSumOfOthers(isPair: bool, ePtr: usize, count: usize, eMax: v128): v128 {
  const limit = f64x2.mul(eMax, f64x2.splat(0.5));
  let hi = f64x2.splat(0);
  let lo = hi;
  let n = <isize>count;
  for (; n >= 8; n -= 8, ePtr += bytesOf<f64>(8)) {
    const half0 = f64x2.add(lessThan(load2<f64>(ePtr), limit), lessThan(load2<f64>(ePtr, 1), limit));
    const half1 = f64x2.add(lessThan(load2<f64>(ePtr, 2), limit), lessThan(load2<f64>(ePtr, 3), limit));
    const term = f64x2.add(half0, half1);
    const next = f64x2.add(hi, term);
    lo = f64x2.add(lo, twoSumError(hi, term, next));
    hi = next;
  }
  for (; n > 0; n -= 2, ePtr += bytesOf<f64>(2)) hi = f64x2.add(hi, lessThan(loadTail<f64>(ePtr, n, 0), limit));
  return reducePair(isPair, hi, lo);
}

/** e, or 0 where it is not less than the limit. */
// @ts-ignore: decorator
@inline
function lessThan(e: v128, limit: v128): v128 {
  return v128.and(e, f64x2.lt(e, limit));
}

/**
 * log Σ exp of the `count` logits at x, which is max + log(S / e_max). Where this is not a number, an infinity is the maximum: then it is the
 * result too, unless a logit is NaN.
 */
// @ts-ignore: decorator
@inline
export function lseOf<T>(isPair: bool, x: usize, count: usize, max: v128, logSum: v128): v128 {
  const lse = f64x2.add(max, logSum);
  const isNumber = f64x2.eq(lse, lse);
  return i64x2.all_true(isNumber) ? lse : v128.bitselect(lse, infinityOrNaN<T>(isPair, x, count, max), isNumber);
}

function infinityOrNaN<T>(isPair: bool, x: usize, count: usize, max: v128): v128 {
  let areNumbers = i64x2.splat(-1);
  for (let n = <isize>count; n > 0; n -= 2, x += bytesOf<T>(2)) {
    const logits = loadTail<T>(x, n, 0);
    areNumbers = v128.and(areNumbers, f64x2.eq(logits, logits));
  }
  if (!isPair) areNumbers = v128.and(areNumbers, i64x2.shuffle(areNumbers, areNumbers, 1, 0));
  return v128.bitselect(max, f64x2.splat(NaN), areNumbers);
}

/** An e_j up to this is that of a logit some 900 below the maximum, or −∞ (number/exp.ts). */
// @ts-ignore: decorator
@inline
export function floorOf(eMax: v128): v128 {
  return f64x2.mul(f64x2.mul(eMax, f64x2.splat(FLOOR_PART)), f64x2.splat(FLOOR_PART));
}

const FLOOR_PART: f64 = reinterpret<f64>(0x1760000000000000); // 2^-649

/** Sets e_j to 0 that are those of −∞, or so small; it comes before a huge factor. */
export function dropFloor(ePtr: usize, count: usize, eMax: v128): void {
  const floor = floorOf(eMax);
  for (let n = <isize>count; n > 0; n -= 2, ePtr += bytesOf<f64>(2)) {
    const e = loadTail<f64>(ePtr, n, 0);
    storeTail<f64>(ePtr, n, v128.andnot(e, f64x2.le(e, floor)));
  }
}

/**
 * e times a factor (hi, lo), less g q. The difference with g q is made in the low part, so that the result is rounded once after the
 * product e · factor. Otherwise a small g q could move the result to the next binade, where the error of the product weighs double.
 * For q = 0 the result is that of a row with an index.
 */
// @ts-ignore: decorator
@inline
export function scaledLess(e: v128, factor: v128, factorLo: v128, q: v128, g: v128): v128 {
  const difference = f64x2.add(f64x2.mul(e, factor), f64x2.sub(f64x2.mul(e, factorLo), f64x2.mul(q, g)));
  return v128.bitselect(f64x2.mul(e, f64x2.add(factor, factorLo)), difference, f64x2.eq(q, f64x2.splat(0)));
}

const HUGE: f64 = reinterpret<f64>(0x7830000000000000); // 2^900

/** A factor of logits that keeps a weighted difference of two logits finite: 1, or 1/4 where the maximum is huge. */
// @ts-ignore: decorator
@inline
export function gapScale(max: v128): v128 {
  return v128.bitselect(f64x2.splat(0.25), f64x2.splat(1), f64x2.gt(max, f64x2.splat(HUGE)));
}

/** For R below this, log(1 + R) is R to the bit, because R² is beneath the low part of a double. */
const TINY: f64 = reinterpret<f64>(0x07b0000000000000); // 2^-900

/**
 * Q log(S / e_max) for a label mass Q = (massHi, massLo), where logSum = log(S / e_max). If R = rest / e_max is tiny, the result is
 * Q rest / e_max, multiplied first, so that R does not underflow before.
 */
// @ts-ignore: decorator
@inline
export function weightedLogSum(
  massHi: v128, massLo: v128, logSum: v128, eMax: v128, restHi: v128, restLo: v128,
): v128 {
  const mass = collapse(massHi, massLo);
  const inverse = f64x2.div(f64x2.splat(1), eMax);
  const weighted = f64x2.mul(mass, restHi);
  const q = highHalf(f64x2.mul(weighted, inverse));
  const tiny = f64x2.add(q, quotientLow(q, inverse, weighted, f64x2.mul(mass, restLo), eMax));
  return v128.bitselect(tiny, f64x2.mul(mass, logSum), f64x2.lt(logSum, f64x2.splat(TINY)));
}

/** For e_y below this, 1 − p_y is 1: e_y is less than 2^-64 of any e_max. */
const NEGLIGIBLE: f64 = reinterpret<f64>(0x53e0000000000000); // 2^319

/** The low part of g / S, whose high part is `factor`, the high half of g · inverse; inverse = fl(1 / sumHi). */
// @ts-ignore: decorator
@inline
export function factorLow(factor: v128, inverse: v128, gHi: v128, gLo: v128, sumHi: v128, sumLo: v128): v128 {
  return quotientLow(factor, inverse, gHi, f64x2.sub(gLo, f64x2.mul(factor, sumLo)), sumHi);
}

/**
 * The gradient at the only label y of a row, g (p_y − 1), as −g Σ_{j≠y} e_j / S. The sum of the others is rest if y is the maximum,
 * else S − e_y, which is at least S / 2. The result is exactly −g where p_y is negligible. (factor, factorLo) is g / S. For a result that is
 * rounded to T in the end, low parts are left out.
 */
// @ts-ignore: decorator
@inline
export function labelGradient<T>(
  eLabel: v128, eMax: v128, restHi: v128, restLo: v128, sumHi: v128, sumLo: v128, factor: v128, factorLo: v128, gHi: v128,
): v128 {
  const difference = f64x2.sub(sumHi, eLabel);
  const isMax = f64x2.eq(eLabel, eMax);
  let gradient: v128;
  if (isRounded<T>()) {
    gradient = f64x2.mul(v128.bitselect(restHi, difference, isMax), factor);
  } else {
    const differenceLo = f64x2.add(twoDifferenceError(sumHi, eLabel, difference), sumLo);
    const rounded = f64x2.add(difference, differenceLo);
    const others = v128.bitselect(restHi, rounded, isMax);
    const othersLo = v128.bitselect(restLo, fastTwoSumError(difference, differenceLo, rounded), isMax);
    const product = f64x2.mul(others, factor);
    gradient = f64x2.add(product, f64x2.add(f64x2.mul(others, factorLo), f64x2.mul(othersLo, factor)));
  }
  const none = v128.and(f64x2.lt(eLabel, f64x2.splat(NEGLIGIBLE)), f64x2.eq(factor, factor));
  return f64x2.sub(f64x2.splat(0), v128.bitselect(gHi, gradient, none));
}
