// A row of logits in blocks of classes. What is known of each block tells which blocks have to be looked into.

import { bytesOf, isRounded, load1, load2 } from "../number/storage";
import { maxOfLanes } from "../number/two-sum";
import { sumWeights } from "./weights";

/** Classes of a block; the last block of a row may have less. */
export const BLOCK: usize = 128;

// @ts-ignore: decorator
@inline
export function blocksOf(classes: usize): usize {
  return (classes + (BLOCK - 1)) / BLOCK;
}

/** Writes the maximum of each block, NaN where a logit is NaN, and returns that of the row. */
export function findMaxima<T>(x: usize, classes: usize, maxima: usize): f64 {
  let most: f64 = -Infinity;
  for (let left = classes; left > 0; maxima += bytesOf<f64>(1)) {
    const count = min(left, BLOCK);
    const max = maxOrNaN<T>(x, count);
    store<f64>(maxima, max);
    if (!(max <= most) && !isNaN(most)) most = max;
    x += bytesOf<T>(count);
    left -= count;
  }
  return most;
}

function maxOrNaN<T>(x: usize, count: usize): f64 {
  let max0 = f64x2.splat(-Infinity), max1 = max0, isNumber = i64x2.splat(-1);
  if (isRounded<T>()) {
    max0 = max1 = f32x4.splat(-Infinity);
    for (; count >= 8; count -= 8, x += bytesOf<T>(8)) {
      const a = v128.load(x), b = v128.load(x, 16);
      max0 = f32x4.pmax(max0, a);
      max1 = f32x4.pmax(max1, b);
      isNumber = v128.and(isNumber, v128.and(f32x4.eq(a, a), f32x4.eq(b, b)));
    }
    const max = f32x4.pmax(max0, max1);
    max0 = f64x2.promote_low_f32x4(max);
    max1 = f64x2.promote_low_f32x4(i64x2.shuffle(max, max, 1, 0));
  } else {
    for (; count >= 4; count -= 4, x += bytesOf<T>(4)) {
      const a = load2<T>(x), b = load2<T>(x, 1);
      max0 = f64x2.pmax(max0, a);
      max1 = f64x2.pmax(max1, b);
      isNumber = v128.and(isNumber, v128.and(f64x2.eq(a, a), f64x2.eq(b, b)));
    }
  }
  let max = i32x4.all_true(isNumber) ? f64x2.extract_lane(maxOfLanes(f64x2.pmax(max0, max1)), 0) : NaN;
  for (; count > 0; count--, x += bytesOf<T>(1)) {
    const value = load1<T>(x);
    if (!(value <= max) && !isNaN(max)) max = value;
  }
  return max;
}

/** Writes the sum of the weights of each block, and returns that of the row. */
export function sumBlocks<T>(x: usize, classes: usize, scale: f64, max: f64, sums: usize): f64 {
  let total: f64 = 0;
  for (let left = classes; left > 0; sums += bytesOf<f64>(1)) {
    const count = min(left, BLOCK);
    const sum = sumWeights<T>(x, count, scale, max);
    store<f64>(sums, sum);
    total += sum;
    x += bytesOf<T>(count);
    left -= count;
  }
  return total;
}
