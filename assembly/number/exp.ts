// The shifted exponential: the one exp of this library. Table lookup and short polynomial after P. T. P. Tang, "Table-driven
// implementation of the exponential function in IEEE floating-point arithmetic", ACM TOMS 15 (1989); table with remainders
// as in ARM's optimized-routines.

import { EXP_CONSTANTS, TABLE_BITS } from "./constants.generated";
import { EXP_TABLE } from "./exp-table";
import { powerOfTwo } from "./range";
import { bytesOf, isRounded, splat } from "./storage";
import { twoDifferenceError } from "./two-sum";

/** 1.5·2^52. To add it rounds a number to an integer, which is then in the low bits. */
const ROUND: f64 = 6755399441055744.0;
const LOG2_E: f64 = 1.4426950408889634;

/** For |max| up to this, base is 0, because k LN2_HI is exact; above it, logits are taken relative to the maximum. */
const LARGE: f64 = 40000.0;

/** LARGE where results are rounded: up to it, the rounding error of v B/ln 2 is at most 2^-37 of a cell. */
const ROUNDED_LARGE: f64 = 256.0;

/**
 * A logit further than this below the maximum counts as if it lay there, at p = 2^-1298. A double has no digit of it, not even of the sum
 * of 2^29 such terms, or times an upstream gradient of 2^200.
 */
const DEPTH: f64 = 900.0;

/** e of the maximum where logits are taken relative to it. */
// @ts-ignore: decorator
@inline
export const ONE: f64 = reinterpret<f64>(0x57f0000000000000); // 2^384

/** e of the maximum where logits are taken relative to it, and results are rounded. */
// @ts-ignore: decorator
@inline
export function oneOf<T>(): v128 {
  return isRounded<T>() ? constant(9) : f64x2.splat(ONE);
}

/** The factor that takes the table's 2^384 out of a result. */
// @ts-ignore: decorator
@inline
export const EXP_UNBIAS: f64 = reinterpret<f64>(0x27f0000000000000); // 2^-384

/** For |s| below this, 2^-384 s would underflow. */
const SMALL: f64 = reinterpret<f64>(0x20b0000000000000); // 2^-500

/**
 * s exp(x) = (e · unbiasExp(s)) · unbiasScale(s) for e = 2^384 exp(x). Usually 2^-384 goes into s, so that the product is rounded
 * once; for a small s it goes into e.
 */
// @ts-ignore: decorator
@inline
export function unbiasExp(s: v128): v128 {
  return v128.bitselect(f64x2.splat(EXP_UNBIAS), f64x2.splat(1), f64x2.lt(f64x2.abs(s), f64x2.splat(SMALL)));
}

// @ts-ignore: decorator
@inline
export function unbiasScale(s: v128): v128 {
  return v128.bitselect(s, f64x2.mul(s, f64x2.splat(EXP_UNBIAS)), f64x2.lt(f64x2.abs(s), f64x2.splat(SMALL)));
}

/** The largest x for which the exponent of 2^384 exp(x) stays in its range, with room to spare. */
// @ts-ignore: decorator
@inline
export const MAX_LOG_PROB: f64 = 400.0;

/** The lanes of rows with this maximum whose logits are taken relative to it. */
// @ts-ignore: decorator
@inline
export function isLarge<T>(max: v128): v128 {
  return f64x2.gt(f64x2.abs(max), f64x2.splat(isRounded<T>() ? ROUNDED_LARGE : LARGE));
}

/** The rounding constant 1.5·2^52 − E·B of a row with top = maximum − base, E = round(top log2 e). It contains the shift by 2^-E. */
// @ts-ignore: decorator
@inline
export function expRound(top: v128): v128 {
  const e = f64x2.nearest(f64x2.mul(top, f64x2.splat(LOG2_E)));
  return f64x2.sub(f64x2.splat(ROUND), f64x2.mul(e, f64x2.splat(<f64>(1 << TABLE_BITS))));
}

/** The least x − base that differs from others: everything below counts as this. */
// @ts-ignore: decorator
@inline
export function expFloor(top: v128): v128 {
  return f64x2.sub(top, f64x2.splat(DEPTH));
}

/** exp(x) for any x, within LIMITS.exp ulp and the rounding of a subnormal result; `indices` are 16 bytes to write to. */
export function exp(x: f64, indices: usize): f64 {
  if (x > 710) return Infinity;
  if (x < -746) return 0;
  if (isNaN(x)) return x;
  const vector = f64x2.splat(x), zero = f64x2.splat(0);
  const round = expRound(vector);
  const e = shiftedExp<f64>(false, indices, vector, zero, round, expFloor(vector), SCALE(), C0<f64>(round), C1<f64>(), C2<f64>(), C3(), C4());
  const k = i64x2.splat(<i64>nearest(x * LOG2_E));
  const half = i64x2.shr_s(k, 1);
  const powers = f64x2.mul(f64x2.mul(e, f64x2.splat(EXP_UNBIAS)), powerOfTwo(half));
  return f64x2.extract_lane(f64x2.mul(powers, powerOfTwo(i64x2.sub(k, half))), 0);
}

/** exp(x) for two lanes, −900 <= x < 700, as a pair: its high part, 2^k times an element of T, goes to highPtr, and its low part is returned. */
export function pairExp(x: v128, highPtr: usize, indices: usize): v128 {
  const zero = f64x2.splat(0), unbias = f64x2.splat(EXP_UNBIAS);
  const round = expRound(zero);
  const low = shiftedExp<f64>(
    false, indices, x, zero, round, expFloor(zero), SCALE(), C0<f64>(round), C1<f64>(), C2<f64>(), C3(), C4(), highPtr,
  );
  v128.store(highPtr, f64x2.mul(v128.load(highPtr), unbias));
  return f64x2.mul(low, unbias);
}

/** A logit, or the floor where shiftedExp needs it. */
// @ts-ignore: decorator
@inline
export function floored<T>(relative: bool, x: v128, floor: v128): v128 {
  return isRounded<T>() && !relative ? f64x2.pmax(x, floor) : x;
}

/** Element i of EXP_CONSTANTS in both lanes. */
// @ts-ignore: decorator
@inline
function constant(i: usize): v128 {
  return splat<f64>(EXP_CONSTANTS + bytesOf<f64>(i));
}

// The constants of the range reduction and of the polynomial. A kernel loads them into locals before its loop, because V8 makes a v128.const
// anew wherever a loop uses it.

/** B / ln 2. */
// @ts-ignore: decorator
@inline
export function SCALE(): v128 {
  return constant(0);
}

/** LN2_HI. ln 2 / B is LN2_HI + LN2_LO; k LN2_HI is exact up to |k| of LARGE. Or the rounding constant of a row, plus A. */
// @ts-ignore: decorator
@inline
export function C0<T>(round: v128): v128 {
  return isRounded<T>() ? f64x2.add(round, constant(6)) : constant(1);
}

/** LN2_LO, or c − A. */
// @ts-ignore: decorator
@inline
export function C1<T>(): v128 {
  return constant(isRounded<T>() ? 7 : 2);
}

/** P0, or b. */
// @ts-ignore: decorator
@inline
export function C2<T>(): v128 {
  return constant(isRounded<T>() ? 8 : 3);
}

/** P1, of P(r) = P0 + P1 r + P2 r². */
// @ts-ignore: decorator
@inline
export function C3(): v128 {
  return constant(4);
}

/** P2. */
// @ts-ignore: decorator
@inline
export function C4(): v128 {
  return constant(5);
}

/** a b + c: rounded once by the relaxed build, where the machine can. */
// @ts-ignore: decorator
@inline
function multiplyAdd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f64x2.relaxed_madd(a, b, c);
  return f64x2.add(c, f64x2.mul(a, b));
}

/** c − a b: rounded once by the relaxed build, where the machine can. */
// @ts-ignore: decorator
@inline
function multiplySubtract(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f64x2.relaxed_nmadd(a, b, c);
  return f64x2.sub(c, f64x2.mul(a, b));
}

/**
 * 2^384 · exp(x − base) · 2^-E for two lanes; every argument is of its lane's row.
 *   v = x − base with a low part, or floor where it is less;  k = round(v B/ln 2);  r = v − k ln 2/B, |r| <= ln 2/(2B)
 *   exp(v) 2^-E = T[k mod B] · 2^(⌊k/B⌋ − E) · (1 + remainder + r + r² P(r))
 * The result is a normal number; ONE for x = base and E = 0. NaN, and x = base = ±∞, give NaN. Constants: without `relative`, base is 0;
 * `indices` are 16 bytes to write to; c0 to c4 are C0 to C4.
 *
 * T is the type that results are rounded to in the end. For float32 2^-42 is enough: low parts and remainders are left out, and with
 * s = v B/ln 2 − k, |s| <= 1/2, the last factor is d (s + c) ((s + A)² + b), which takes six operations in the place of seven; A is an integer, so
 * that s + A takes none. d is left out too: it is the same for all e_j. Without `relative` no x may be less than floor.
 *
 * With a powerPtr the result is a pair: its high part, a power of 2 times an element of T, goes there, and its low part is returned.
 *
 * Max error  LIMITS.exp ulp at EXP_WITNESS; rounded, LIMITS.roundedExp (all in reference/limits.ts). Found by walking the whole domain, to both
 *            sides of each step.
 * Constants  scripts/constants.ts, 265-bit arithmetic. The factors: D. E. Knuth, TAOCP 2 (1997), 4.6.4.
 */
// @ts-ignore: decorator
@inline
export function shiftedExp<T>(
  relative: bool, indices: usize, x: v128, base: v128, round: v128, floor: v128,
  scale: v128, c0: v128, c1: v128, c2: v128, c3: v128, c4: v128, powerPtr: usize = 0,
): v128 {
  // pmax keeps its first operand if that is NaN.
  const difference = relative ? f64x2.sub(x, base) : x;
  const v = isRounded<T>() && !relative ? x : f64x2.pmax(difference, floor);
  const cells = f64x2.mul(v, scale);
  const t = ASC_FEATURE_RELAXED_SIMD ? multiplyAdd(v, scale, round) : f64x2.add(cells, round);

  // The low bits of t hold k − E·B: the table index, and above it the exponent. Whatever t is, the entry lies in the table. Indices that
  // go through memory take no vector instruction: 8 % less time of a kernel than with extract_lane (measured).
  v128.store(indices, t);
  const place0 = <usize>load<u8>(indices) << alignof<v128>();
  const place1 = <usize>load<u8>(indices, 8) << alignof<v128>();
  const exponent = i64x2.shl(t, <i32>(52 - TABLE_BITS));

  if (isRounded<T>()) {
    const power = i64x2.add(v128.load_lane<u64>(place1, v128.load64_zero(place0, EXP_TABLE), 1, EXP_TABLE), exponent);
    const sPlusA = f64x2.sub(cells, f64x2.sub(t, c0));
    return f64x2.mul(power, f64x2.mul(f64x2.add(sPlusA, c1), multiplyAdd(sPlusA, sPlusA, c2)));
  }

  const entry0 = v128.load(place0, EXP_TABLE);
  const entry1 = v128.load(place1, EXP_TABLE);
  const power = i64x2.add(i64x2.shuffle(entry0, entry1, 0, 2), exponent);
  const remainder = i64x2.shuffle(entry0, entry1, 1, 3);
  const k = f64x2.sub(t, round);
  let r = multiplySubtract(k, c1, multiplySubtract(k, c0, v));
  if (relative) r = f64x2.add(r, v128.and(twoDifferenceError(x, base, difference), f64x2.gt(difference, floor)));
  const r2 = f64x2.mul(r, r);
  const poly = multiplyAdd(r2, c4, multiplyAdd(r, c3, c2));
  const tail = multiplyAdd(r2, poly, f64x2.add(r, remainder));
  if (powerPtr) {
    v128.store(powerPtr, power);
    return f64x2.mul(power, tail);
  }
  return multiplyAdd(power, tail, power);
}
