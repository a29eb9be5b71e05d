// log(1 + x): the one logarithm of this library. Method of Sun's fdlibm (s_log1p.c, e_log.c, 1993), two lanes at a time.

import { LOG_CONSTANTS } from "./constants.generated";
import { twoSumError } from "./reduce";

const SQRT_HALF_BITS: i64 = 0x3fe6a09e667f3bcd; // 0.7071067811865476
const TWO_52: f64 = 4503599627370496.0;

// @ts-ignore: decorator
@inline
function constant(i: usize): v128 {
  return v128.load64_splat(LOG_CONSTANTS + (i << 3));
}

/**
 * log(1 + x) for two lanes, x = (hi, lo), |lo| <= ulp(hi)/2, 0 <= x < 2^52 (NaN gives NaN).
 *   1 + x = 2^k (1 + f), sqrt(1/2) <= 1 + f < sqrt(2);  s = f/(2 + f), z = s²
 *   log(1 + f) = 2 atanh(s) = f − (f²/2 − s (f²/2 + z L(z)))
 * For k = 0, f is hi itself, so that a tiny x comes back unrounded. What 1 + x lost, lo for k = 0, is added over 1 + x: 2^-k lost/(1 + f),
 * where 1/(1 + f) = (1 − s)/(1 + s) is 1 − 2s + 2s² to 1 % of half an ulp.
 */
export function log1p(hi: v128, lo: v128): v128 {
  const one = f64x2.splat(1);
  const u = f64x2.add(one, hi);
  const exponent = i64x2.shr_u(i64x2.sub(u, i64x2.splat(SQRT_HALF_BITS)), 52);
  const isZero = i64x2.eq(exponent, i64x2.splat(0));
  const k = f64x2.sub(v128.or(exponent, f64x2.splat(TWO_52)), f64x2.splat(TWO_52));
  const f = v128.bitselect(hi, f64x2.sub(i64x2.sub(u, i64x2.shl(exponent, 52)), one), isZero);
  const lost = f64x2.mul(
    f64x2.add(v128.andnot(twoSumError(one, hi, u), isZero), lo),
    i64x2.sub(one, i64x2.shl(exponent, 52)),
  );

  const s = f64x2.div(f, f64x2.add(f64x2.splat(2), f));
  const z = f64x2.mul(s, s);
  const w = f64x2.mul(z, z);
  const even = f64x2.add(
    constant(2),
    f64x2.mul(w, f64x2.add(constant(4), f64x2.mul(w, f64x2.add(constant(6), f64x2.mul(w, constant(8)))))),
  );
  const odd = f64x2.add(constant(3), f64x2.mul(w, f64x2.add(constant(5), f64x2.mul(w, constant(7)))));
  const tail = f64x2.mul(z, f64x2.add(even, f64x2.mul(z, odd)));

  const twoS = f64x2.add(s, s);
  const c = f64x2.mul(lost, f64x2.sub(one, f64x2.sub(twoS, f64x2.mul(twoS, s))));
  const halfSquare = f64x2.mul(f64x2.splat(0.5), f64x2.mul(f, f));
  const low = f64x2.add(f64x2.mul(s, f64x2.add(halfSquare, tail)), f64x2.add(f64x2.mul(k, constant(1)), c));
  return f64x2.add(f64x2.mul(k, constant(0)), f64x2.sub(f, f64x2.sub(halfSquare, low)));
}
