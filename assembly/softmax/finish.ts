// The results of a row, or of a pair of rows side by side, from its state: the last part of the walk by row and of the walk by lane.

import { Targets } from "../loss/targets";
import { logRatio } from "../number/log";
import { excessOf, exponentOf, ORDINARY, timesPowers, withoutPower } from "../number/range";
import { asDoubles, bytesOf, isRounded, load2, loadTail, loadTwo, splat, store2, store4, storeByRow, storeLane, storeTail } from "../number/storage";
import { fastTwoSumError, highHalf, productLow, splatLane, twoDifferenceError, twoSumError } from "../number/two-sum";
import {
  dropFloor, factorLow, floorOf, labelGradient, lseOf, Normalizer, roundedSumOfOthers, scaledLess, sumOfOthers, weightedLogSum,
} from "./normalizer";
import { LOG_PROBS, LOSS_AND_GRADIENT, LSE, needsLabels, PROBS, STATE } from "./task";

/** out = e / s. It is at most 1 where s is a sum of e and others, and exactly 1/n for n equal e. */
export function divideRow<O>(ePtr: usize, outPtr: usize, count: usize, s: v128): void {
  if (isRounded<O>()) {
    scaleRow<O>(ePtr, outPtr, count, f64x2.div(f64x2.splat(1), s));
    return;
  }
  let n = <isize>count;
  for (; n >= 4; n -= 4, ePtr += bytesOf<f64>(4), outPtr += bytesOf<O>(4)) {
    store2<O>(outPtr, f64x2.div(load2<f64>(ePtr), s));
    store2<O>(outPtr, f64x2.div(load2<f64>(ePtr, 1), s), 1);
  }
  for (; n > 0; n -= 2, ePtr += bytesOf<f64>(2), outPtr += bytesOf<O>(2)) storeTail<O>(outPtr, n, f64x2.div(loadTail<f64>(ePtr, n, 0), s));
}

/** out = x − max − logSum. */
export function subtractRow<X, O>(xPtr: usize, outPtr: usize, count: usize, max: v128, logSum: v128): void {
  let n = <isize>count;
  for (; n >= 4; n -= 4, xPtr += bytesOf<X>(4), outPtr += bytesOf<O>(4)) {
    const logProbs0 = f64x2.sub(f64x2.sub(load2<X>(xPtr), max), logSum);
    store4<O>(outPtr, logProbs0, f64x2.sub(f64x2.sub(load2<X>(xPtr, 1), max), logSum));
  }
  for (; n > 0; n -= 2, xPtr += bytesOf<X>(2), outPtr += bytesOf<O>(2)) {
    storeTail<O>(outPtr, n, f64x2.sub(f64x2.sub(loadTail<X>(xPtr, n, 0), max), logSum));
  }
}

/** out = e · factor. */
export function scaleRow<O>(ePtr: usize, outPtr: usize, count: usize, factor: v128): void {
  let n = <isize>count;
  for (; n >= 8; n -= 8, ePtr += bytesOf<f64>(8), outPtr += bytesOf<O>(8)) {
    store4<O>(outPtr, f64x2.mul(load2<f64>(ePtr), factor), f64x2.mul(load2<f64>(ePtr, 1), factor));
    store4<O>(outPtr, f64x2.mul(load2<f64>(ePtr, 2), factor), f64x2.mul(load2<f64>(ePtr, 3), factor), 1);
  }
  for (; n > 0; n -= 2, ePtr += bytesOf<f64>(2), outPtr += bytesOf<O>(2)) storeTail<O>(outPtr, n, f64x2.mul(loadTail<f64>(ePtr, n, 0), factor));
}

/** out = e · (factor + factorLo) − g q. */
export function scaleRowLessLabels<O>(
  ePtr: usize, outPtr: usize, qPtr: usize, count: usize, factor: v128, factorLo: v128, g: v128,
): void {
  for (let n = <isize>count; n > 0; n -= 2, ePtr += bytesOf<f64>(2), outPtr += bytesOf<O>(2), qPtr += bytesOf<O>(2)) {
    storeTail<O>(outPtr, n, scaledLess(loadTail<f64>(ePtr, n, 0), factor, factorLo, loadTail<O>(qPtr, n, 0), g));
  }
}

/** sumOfOthers of the row in lane `lane` of a tile of e_j. */
function othersOfLane(lane: u8, eMax: v128, tile: usize, classes: usize): v128 {
  const none = changetype<Normalizer>(0);
  return sumOfOthers(false, tile + bytesOf<f64>(lane), classes, bytesOf<v128>(1), splatLane(eMax, lane), none, 0);
}

/**
 * The results of a row in both lanes, or with `isPair` of two rows side by side.
 *   S = hi + lo;  rest = S − e_max;  logSum = log(S / e_max)
 *   p = e / S;  log p = (x − max) − logSum;  lse = max + logSum
 *   loss = gap + Q logSum, where gap = Σ q (max − x) and Q = Σ q;  gradient = e (g Q / S) − g q
 * Constants: task, distribution, isPair. Logits x, of which LOG_PROBS and LSE alone read any, distributions q and the results at `out` are of
 * type O; e are the e_j, doubles, if `stored`; `out` may be e, and x. T is the type that results become in the end. `least` is leastRest.
 */
// @ts-ignore: decorator
@inline
export function finish<O, T>(
  task: i32, distribution: bool, isPair: bool, n: Targets, x: usize, e: usize, stored: bool, out: usize, q: usize, result: usize,
  isAlone: bool, classes: usize, least: v128, gHi: v128, gLo: v128, scratchPtr: usize,
): void {
  const end = out + bytesOf<v128>(classes);
  const hi = n.hi;
  const lo = n.lo;
  const sumHi = f64x2.add(hi, lo);
  if (task == PROBS) {
    if (isPair && isRounded<T>()) {
      const inverse = f64x2.div(f64x2.splat(1), sumHi);
      for (let at = out; at < end; at += bytesOf<v128>(1)) store2<f64>(at, f64x2.mul(load2<f64>(at), inverse));
    } else if (isPair) {
      for (let at = out; at < end; at += bytesOf<v128>(1)) store2<f64>(at, f64x2.div(load2<f64>(at), sumHi));
    } else {
      divideRow<O>(e, out, classes, sumHi);
    }
    return;
  }

  const eMax = n.eMax;
  const without = f64x2.sub(sumHi, eMax);
  const count: usize = isPair ? 2 * classes : classes;
  // Low parts are left out where results are rounded.
  const zero = f64x2.splat(0);
  let sumLo = zero, restHi = without, restLo = zero;
  if (!isRounded<T>()) {
    sumLo = fastTwoSumError(hi, lo, sumHi);
    const withoutLo = f64x2.add(twoDifferenceError(sumHi, eMax, without), sumLo);
    restHi = f64x2.add(without, withoutLo);
    restLo = twoSumError(without, withoutLo, restHi);
  }
  const isTiny = f64x2.lt(restHi, f64x2.mul(eMax, least));
  if (v128.any_true(isTiny)) {
    if (isRounded<T>()) {
      restHi = v128.bitselect(roundedSumOfOthers(isPair, e, count, eMax), restHi, isTiny);
    } else if (isPair) {
      const others0 = othersOfLane(0, eMax, e, classes);
      const others1 = othersOfLane(1, eMax, e, classes);
      restHi = v128.bitselect(i64x2.shuffle(others0, others1, 0, 2), restHi, isTiny);
      restLo = v128.bitselect(i64x2.shuffle(others0, others1, 1, 3), restLo, isTiny);
    } else {
      const others = sumOfOthers(!stored, stored ? e : x, classes, bytesOf<f64>(1), eMax, n, scratchPtr);
      restHi = splatLane(others, 0);
      restLo = splatLane(others, 1);
    }
    // Others that are all −∞ have no sum, whatever it is multiplied by later.
    const isNone = f64x2.le(restHi, f64x2.mul(floorOf(eMax), f64x2.splat(<f64>classes)));
    restHi = v128.andnot(restHi, isNone);
    restLo = v128.andnot(restLo, isNone);
  }
  const logSum = logRatio<T>(eMax, restHi, restLo, sumHi, sumLo);
  if (task == STATE) {
    n.hi = sumHi;
    n.lo = sumLo;
    n.restHi = restHi;
    n.restLo = restLo;
    n.logSum = logSum;
  }
  if (task == LSE) storeByRow(result, isAlone, lseOf<O>(isPair, x, count, n.max, logSum));
  if (task == LOG_PROBS) {
    const max = n.max;
    if (isPair) {
      for (let at = x; at < end; at += bytesOf<v128>(1)) store2<f64>(at, f64x2.sub(f64x2.sub(load2<f64>(at), max), logSum));
    } else {
      subtractRow<O, O>(x, out, classes, max, logSum);
    }
  }
  if (needsLabels(task)) {
    const weighted = distribution ? weightedLogSum(n.massHi, n.massLo, logSum, eMax, restHi, restLo) : logSum;
    storeByRow(result, isAlone, f64x2.add(n.gap, weighted));
  }
  if (task == LOSS_AND_GRADIENT) {
    const eLabel = isPair ? loadTwo<f64>(e + n.label0, e + n.label1) : splat<f64>(e + asDoubles<O>(n.label0));
    // The power of 2 that a huge or tiny mass of labels makes g give up. Rounded results have no need of it.
    let k = i64x2.splat(0);
    if (distribution && !isRounded<T>()) {
      const kMass = exponentOf(n.massHi, ORDINARY);
      if (v128.any_true(kMass)) {
        dropFloor(e, count, v128.and(eMax, i64x2.ne(kMass, k)));
        k = excessOf(kMass);
        gHi = withoutPower(k, gHi);
        gLo = withoutPower(k, gLo);
      }
    }
    const qgHi = distribution ? f64x2.mul(gHi, n.massHi) : gHi;
    let factor: v128, rounded: v128, low = zero;
    if (isRounded<T>()) {
      factor = f64x2.div(qgHi, sumHi);
      rounded = factor;
    } else {
      const qgLo = distribution ? productLow(qgHi, gHi, gLo, n.massHi, n.massLo) : gLo;
      const inverse = f64x2.div(f64x2.splat(1), sumHi);
      factor = highHalf(f64x2.mul(qgHi, inverse));
      low = factorLow(factor, inverse, qgHi, qgLo, sumHi, sumLo);
      rounded = f64x2.add(factor, low);
    }
    if (isPair) {
      for (let at = out, share = q; at < end; at += bytesOf<v128>(1), share += bytesOf<v128>(1)) {
        const value = load2<f64>(at);
        store2<f64>(at, distribution ? scaledLess(value, factor, low, load2<f64>(share), gHi) : f64x2.mul(value, rounded));
      }
    } else if (distribution) {
      scaleRowLessLabels<O>(e, out, q, classes, factor, low, gHi);
    } else {
      scaleRow<O>(e, out, classes, rounded);
    }
    const atLabel = labelGradient<T>(eLabel, eMax, restHi, restLo, sumHi, sumLo, factor, low, qgHi);
    if (!distribution || n.isIndex0) storeLane<O>(out + n.label0, atLabel, 0);
    if (isPair && (!distribution || n.isIndex1)) storeLane<O>(out + n.label1, atLabel, 1);
    if (distribution && !isRounded<T>()) timesPowers(out, count, k);
  }
}
