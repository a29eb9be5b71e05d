// Weights: exp(scale x − max), where max is the greatest scaled logit of the row. Its weight is 1 exactly, so sums of equal maxima are exact.

import { C0, C1, C2, C3, C4, expFloor, expRound, oneOf, SCALE, shiftedExp } from "../number/exp";
import { bytesOf, isRounded, load2, loadTail, store4, storeTail } from "../number/storage";

/** Two places for shiftedExp, in the memory below the table of exp. */
const INDICES: usize = 0;
const MORE_INDICES: usize = 16;

/**
 * Scales of float32 logits from the inverse of this to this one tell all apart that any scale does: differences of logits are 0, or between 2^-149
 * and 2^129, and beyond these scales weights are 1 or 0.
 */
const MOST_SCALE: f64 = reinterpret<f64>(0x4c70000000000000); // 2^200

/**
 * The sum of the weights of `count` logits of type X, exact enough for results of type T, where `max` is the greatest one before it is scaled. If
 * it `stores`, it writes the weights.
 */
// @ts-ignore: decorator
@inline
function weigh<X, T>(stores: bool, x: usize, count: usize, scale: f64, max: f64, out: usize): f64 {
  const zero = f64x2.splat(0);
  // Where results are rounded, the scale is part of the first constant.
  const factor = f64x2.splat(isRounded<T>() ? 1 : scale), rest = f64x2.splat(isRounded<T>() ? Math.min(Math.max(scale, 1 / MOST_SCALE), MOST_SCALE) : 1);
  const base = f64x2.mul(f64x2.splat(max), factor), floor = f64x2.div(expFloor(zero), rest), round = expRound(zero);
  const cells = f64x2.mul(SCALE(), rest), c0 = C0<T>(round), c1 = C1<T>(), c2 = C2<T>(), c3 = C3(), c4 = C4();
  // What is less than the least double becomes 0, and so do −∞ and all that count as far down.
  const unit = f64x2.div(f64x2.splat(1), oneOf<T>());
  let sum0 = zero, sum1 = zero;
  let left = <isize>count;
  if (isRounded<T>()) {
    for (; left >= 8; left -= 8, x += bytesOf<X>(8)) {
      const e0 = shiftedExp<T>(true, INDICES, load2<X>(x, 0), base, round, floor, cells, c0, c1, c2, c3, c4);
      const e1 = shiftedExp<T>(true, MORE_INDICES, load2<X>(x, 1), base, round, floor, cells, c0, c1, c2, c3, c4);
      const weights0 = f64x2.mul(e0, unit), weights1 = f64x2.mul(e1, unit);
      sum0 = f64x2.add(sum0, f64x2.add(weights0, weights1));
      const e2 = shiftedExp<T>(true, INDICES, load2<X>(x, 2), base, round, floor, cells, c0, c1, c2, c3, c4);
      const e3 = shiftedExp<T>(true, MORE_INDICES, load2<X>(x, 3), base, round, floor, cells, c0, c1, c2, c3, c4);
      const weights2 = f64x2.mul(e2, unit), weights3 = f64x2.mul(e3, unit);
      sum1 = f64x2.add(sum1, f64x2.add(weights2, weights3));
      if (stores) {
        store4<f64>(out, weights0, weights1);
        store4<f64>(out, weights2, weights3, 1);
        out += bytesOf<f64>(8);
      }
    }
  }
  for (; left > 0; left -= 2, x += bytesOf<X>(2)) {
    const loaded = loadTail<X>(x, left, -Infinity);
    const logits = isRounded<T>() ? loaded : f64x2.mul(loaded, factor);
    const weights = f64x2.mul(shiftedExp<T>(true, INDICES, logits, base, round, floor, cells, c0, c1, c2, c3, c4), unit);
    sum0 = f64x2.add(sum0, weights);
    if (stores) {
      storeTail<f64>(out, left, weights);
      out += bytesOf<f64>(2);
    }
  }
  const sum = f64x2.add(sum0, sum1);
  return f64x2.extract_lane(sum, 0) + f64x2.extract_lane(sum, 1);
}

export function sumWeights<T>(x: usize, count: usize, scale: f64, max: f64): f64 {
  return weigh<T, T>(false, x, count, scale, max, 0);
}

export function writeWeights<T>(x: usize, count: usize, max: f64, out: usize): f64 {
  return weigh<f64, T>(true, x, count, 1, max, out);
}
