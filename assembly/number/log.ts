// The one logarithm of this library: of a sum relative to its largest term, two lanes at a time; and that of a number by it.
// log(1 + f) = 2 atanh(f / (2 + f)) after Sun's fdlibm (e_log.c, 1993), where one quotient serves for the ratio and for the argument of atanh.

import { LOG_CONSTANTS } from "./constants.generated";
import { bytesOf, isRounded, splat } from "./storage";
import { fastTwoSumError, highHalf, quotientLow } from "./two-sum";

const HALF_EXPONENT: i64 = 1 << 51;
const TWO_52: f64 = 4503599627370496.0;

// @ts-ignore: decorator
@inline
function constant(i: usize): v128 {
  return splat<f64>(LOG_CONSTANTS + bytesOf<f64>(i));
}

/**
 * log(sum / max) for two lanes, max > 0 and sum = max + rest, both (hi, lo), 0 <= rest < 2^52 max (NaN gives NaN).
 *   sum = 2^k max (1 + f), 0.66 < 1 + f < 1.51;  d = f 2^k max;  s = d / (2^k max + d/2), z = s²
 *   log(sum / max) = k ln 2 + 2 atanh(s/2) = k ln 2 + s + s z L(z)
 * k is the difference of the doubles' bits, whose high part is their logarithm to 0.09. d = sum − 2^k max is exact (Sterbenz), or rest
 * for k = 0. s is a pair, but for a result that is rounded to T in the end: then low parts are left out, and the error is at most 2^-50.
 */
// @ts-ignore: decorator
@inline
export function logRatio<T>(max: v128, restHi: v128, restLo: v128, sumHi: v128, sumLo: v128): v128 {
  const exponent = i64x2.shr_u(i64x2.add(i64x2.sub(sumHi, max), i64x2.splat(HALF_EXPONENT)), 52);
  const isZero = i64x2.eq(exponent, i64x2.splat(0));
  const k = f64x2.sub(v128.or(exponent, f64x2.splat(TWO_52)), f64x2.splat(TWO_52));
  const power = i64x2.add(max, i64x2.shl(exponent, 52));
  const d = v128.bitselect(restHi, f64x2.sub(sumHi, power), isZero);

  const half = f64x2.splat(0.5);
  const halfD = f64x2.mul(d, half);
  const divisor = f64x2.add(power, halfD);
  const inverse = f64x2.div(f64x2.splat(1), divisor);
  const s = f64x2.mul(d, inverse);
  const z = f64x2.mul(s, s);
  const w = f64x2.mul(z, z);
  const even = f64x2.add(
    constant(2),
    f64x2.mul(w, f64x2.add(constant(4), f64x2.mul(w, f64x2.add(constant(6), f64x2.mul(w, constant(8)))))),
  );
  const odd = f64x2.add(
    constant(3),
    f64x2.mul(w, f64x2.add(constant(5), f64x2.mul(w, f64x2.add(constant(7), f64x2.mul(w, constant(9)))))),
  );
  const tail = f64x2.mul(f64x2.mul(s, z), f64x2.add(even, f64x2.mul(z, odd)));
  if (isRounded<T>()) return f64x2.add(f64x2.mul(k, constant(0)), f64x2.add(s, f64x2.add(tail, f64x2.mul(k, constant(1)))));

  const dLo = v128.bitselect(restLo, sumLo, isZero);
  const divisorLo = f64x2.add(fastTwoSumError(power, halfD, divisor), f64x2.mul(dLo, half));
  const sHi = highHalf(s);
  const sLo = quotientLow(sHi, inverse, d, f64x2.sub(dLo, f64x2.mul(s, divisorLo)), divisor);
  const low = f64x2.add(f64x2.add(sLo, f64x2.mul(k, constant(1))), tail);
  return f64x2.add(f64x2.mul(k, constant(0)), f64x2.add(sHi, low));
}

/** The bits of 2^-0.5. */
const ROOT_HALF: i64 = 0x3fe6a09e667f3bcd;

/** log x, within LIMITS.log ulp. */
export function log(x: f64): f64 {
  if (!(x > 0)) return x == 0 ? -Infinity : NaN;
  if (x == Infinity) return x;
  // Subnormal numbers become normal ones.
  const shift: i64 = x < reinterpret<f64>(1 << 52) ? 54 : 0;
  const bits = reinterpret<i64>(shift ? x * 18014398509481984.0 : x);
  // x = 2^k m
  const k = (bits - ROOT_HALF) >> 52;
  const m = f64x2.splat(reinterpret<f64>(bits - (k << 52)));
  const one = f64x2.splat(1), zero = f64x2.splat(0);
  const least = f64x2.pmin(m, one), most = f64x2.pmax(m, one);
  const ratio = f64x2.extract_lane(logRatio<f64>(least, f64x2.sub(most, least), zero, most, zero), 0);
  const logM = f64x2.extract_lane(m, 0) < 1 ? -ratio : ratio;
  const exponent = <f64>(k - shift);
  return exponent * f64x2.extract_lane(constant(0), 0) + (logM + exponent * f64x2.extract_lane(constant(1), 0));
}
