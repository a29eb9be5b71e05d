// Soft caps of logits, c tanh(x / c), and their slopes, from the one exp of this library: with F = exp(−2 |y|)
//   tanh |y| = (1 − F) / (1 + F),  1 − tanh² y = 4 F / (1 + F)²
// F comes as a pair, so that 1 − F loses no digit unless y is small; there the series of tanh takes its place.

import { pairExp } from "./exp";
import { bytesOf, loadTail, storeTail } from "./storage";
import { fastTwoSumError } from "./two-sum";

/** Below this |y|, y − y³/3 + 2 y⁵/15 − 17 y⁷/315 + 62 y⁹/2835 is within 2^-57 of tanh y. */
const SMALL: f64 = 0.03125;

/** tanh y, or with `isSlope` 1 − tanh² y. Within 2 ulp of tanh, and 4 of the slope. Writes to 32 bytes at indices. */
function tanh2(isSlope: bool, y: v128, indices: usize): v128 {
  const one = f64x2.splat(1);
  const size = f64x2.abs(y);
  const highPtr = indices + bytesOf<v128>(1);
  const low = pairExp(f64x2.mul(size, f64x2.splat(-2)), highPtr, indices);
  const high = v128.load(highPtr);
  const sum = f64x2.add(one, high);
  const divisor = f64x2.add(sum, f64x2.add(fastTwoSumError(one, high, sum), low));
  if (isSlope) {
    const quotient = f64x2.div(f64x2.add(high, low), divisor);
    return f64x2.div(f64x2.mul(quotient, f64x2.splat(4)), divisor);
  }
  const difference = f64x2.sub(one, high);
  const dividend = f64x2.add(difference, f64x2.sub(fastTwoSumError(one, f64x2.neg(high), difference), low));
  const tanh = f64x2.div(dividend, divisor);
  const z = f64x2.mul(size, size);
  const tail = f64x2.mul(z, f64x2.add(f64x2.splat(-1.0 / 3), f64x2.mul(z, f64x2.add(f64x2.splat(2.0 / 15),
    f64x2.mul(z, f64x2.add(f64x2.splat(-17.0 / 315), f64x2.mul(z, f64x2.splat(62.0 / 2835))))))));
  const series = f64x2.add(size, f64x2.mul(size, tail));
  const result = v128.bitselect(series, tanh, f64x2.lt(size, f64x2.splat(SMALL)));
  return v128.bitselect(y, result, f64x2.splat(-0.0));
}

/** x becomes c tanh(x / c), `count` doubles. */
export function cap(xPtr: usize, count: usize, c: f64, indices: usize): void {
  const caps = f64x2.splat(c);
  for (let n = <isize>count; n > 0; n -= 2, xPtr += bytesOf<f64>(2)) {
    storeTail<f64>(xPtr, n, f64x2.mul(caps, tanh2(false, f64x2.div(loadTail<f64>(xPtr, n, 0), caps), indices)));
  }
}

/** out times the slope of cap, 1 − tanh²(x / c), `count` doubles. */
export function timesSlope(xPtr: usize, outPtr: usize, count: usize, c: f64, indices: usize): void {
  const caps = f64x2.splat(c);
  for (let n = <isize>count; n > 0; n -= 2, xPtr += bytesOf<f64>(2), outPtr += bytesOf<f64>(2)) {
    const slope = tanh2(true, f64x2.div(loadTail<f64>(xPtr, n, 0), caps), indices);
    storeTail<f64>(outPtr, n, f64x2.mul(loadTail<f64>(outPtr, n, 0), slope));
  }
}
