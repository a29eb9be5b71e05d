// The results of a row, or of a pair of rows side by side, from its state: the last part of the walk by row and of the walk by lane.

import { Targets } from "../loss/targets";
import { logRatio } from "../number/log";
import { excessOf, exponentOf, ORDINARY, timesPowers, withoutPower } from "../number/range";
import { bytesOf, load2, loadTail, loadTwo, splat, store2, storeByRow, storeLane, storeTail } from "../number/storage";
import { fastTwoSumError, highHalf, productLow, splatLane, twoDifferenceError, twoSumError } from "../number/two-sum";
import {
  dropFloor, factorLow, floorOf, labelGradient, lseOf, Normalizer, scaledLess, sumOfOthers, weightedLogSum,
} from "./normalizer";
import { LOG_PROBS, LOSS_AND_GRADIENT, LSE, needsLabels, PROBS, STATE } from "./task";

/** out = e / s. It is at most 1 where s is a sum of e and others, and exactly 1/n for n equal e. */
// @ts-ignore: decorator
@inline
function divideRow<T>(outPtr: usize, classes: usize, s: v128): void {
  let n = <isize>classes;
  for (; n >= 4; n -= 4, outPtr += bytesOf<T>(4)) {
    store2<T>(outPtr, f64x2.div(load2<T>(outPtr), s));
    store2<T>(outPtr, f64x2.div(load2<T>(outPtr, 1), s), 1);
  }
  for (; n > 0; n -= 2, outPtr += bytesOf<T>(2)) storeTail<T>(outPtr, n, f64x2.div(loadTail<T>(outPtr, n, 0), s));
}

/** out = e · factor. */
export function scaleRow<T>(outPtr: usize, classes: usize, factor: v128): void {
  let n = <isize>classes;
  for (; n >= 8; n -= 8, outPtr += bytesOf<T>(8)) {
    store2<T>(outPtr, f64x2.mul(load2<T>(outPtr), factor));
    store2<T>(outPtr, f64x2.mul(load2<T>(outPtr, 1), factor), 1);
    store2<T>(outPtr, f64x2.mul(load2<T>(outPtr, 2), factor), 2);
    store2<T>(outPtr, f64x2.mul(load2<T>(outPtr, 3), factor), 3);
  }
  for (; n > 0; n -= 2, outPtr += bytesOf<T>(2)) storeTail<T>(outPtr, n, f64x2.mul(loadTail<T>(outPtr, n, 0), factor));
}

/** out = e · (factor + factorLo) − g q. */
export function scaleRowLessLabels<T>(outPtr: usize, qPtr: usize, classes: usize, factor: v128, factorLo: v128, g: v128): void {
  for (let n = <isize>classes; n > 0; n -= 2, outPtr += bytesOf<T>(2), qPtr += bytesOf<T>(2)) {
    storeTail<T>(outPtr, n, scaledLess(loadTail<T>(outPtr, n, 0), factor, factorLo, loadTail<T>(qPtr, n, 0), g));
  }
}

/** sumOfOthers of the row in lane `lane` of a tile of e_j. */
function othersOfLane(lane: u8, eMax: v128, tile: usize, classes: usize): v128 {
  const none = changetype<Normalizer>(0);
  return sumOfOthers<f64>(false, tile + bytesOf<f64>(lane), classes, bytesOf<v128>(1), splatLane(eMax, lane), none, 0);
}

/**
 * The results of a row in both lanes, or with `isPair` of two rows side by side.
 *   S = hi + lo;  rest = S − e_max;  logSum = log(S / e_max)
 *   p = e / S;  log p = (x − max) − logSum;  lse = max + logSum
 *   loss = gap + Q logSum, where gap = Σ q (max − x) and Q = Σ q;  gradient = e (g Q / S) − g q
 * Constants: task, distribution, isPair. Elements by class are of type E, elements by row of type T. x are logits, of which LOG_PROBS
 * alone reads any; e are the e_j if `stored`, and out is e itself but for LOG_PROBS; q are distributions. `least` is leastRest.
 */
// @ts-ignore: decorator
@inline
export function finish<E, T>(
  task: i32, distribution: bool, isPair: bool, n: Targets, x: usize, e: usize, stored: bool, out: usize, q: usize, result: usize,
  isAlone: bool, classes: usize, least: v128, gHi: v128, gLo: v128, scratchPtr: usize,
): void {
  const end = out + bytesOf<v128>(classes);
  const hi = n.hi;
  const lo = n.lo;
  const sumHi = f64x2.add(hi, lo);
  if (task == PROBS) {
    if (isPair) for (let at = out; at < end; at += bytesOf<v128>(1)) store2<E>(at, f64x2.div(load2<E>(at), sumHi));
    else divideRow<E>(out, classes, sumHi);
    return;
  }

  const sumLo = fastTwoSumError(hi, lo, sumHi);
  const eMax = n.eMax;
  const without = f64x2.sub(sumHi, eMax);
  const withoutLo = f64x2.add(twoDifferenceError(sumHi, eMax, without), sumLo);
  let restHi = f64x2.add(without, withoutLo);
  let restLo = twoSumError(without, withoutLo, restHi);
  const isTiny = f64x2.lt(restHi, f64x2.mul(eMax, least));
  if (v128.any_true(isTiny)) {
    if (isPair) {
      const others0 = othersOfLane(0, eMax, e, classes);
      const others1 = othersOfLane(1, eMax, e, classes);
      restHi = v128.bitselect(i64x2.shuffle(others0, others1, 0, 2), restHi, isTiny);
      restLo = v128.bitselect(i64x2.shuffle(others0, others1, 1, 3), restLo, isTiny);
    } else {
      const others = sumOfOthers<E>(!stored, stored ? e : x, classes, bytesOf<E>(1), eMax, n, scratchPtr);
      restHi = splatLane(others, 0);
      restLo = splatLane(others, 1);
    }
    // Others that are all −∞ have no sum, whatever it is multiplied by later.
    const isNone = f64x2.le(restHi, f64x2.mul(floorOf(eMax), f64x2.splat(<f64>classes)));
    restHi = v128.andnot(restHi, isNone);
    restLo = v128.andnot(restLo, isNone);
  }
  const logSum = logRatio(eMax, restHi, restLo, sumHi, sumLo);
  if (task == STATE) {
    n.hi = sumHi;
    n.lo = sumLo;
    n.restHi = restHi;
    n.restLo = restLo;
    n.logSum = logSum;
  }
  const count: usize = isPair ? 2 * classes : classes;
  if (task == LSE) storeByRow<T>(result, isAlone, lseOf<E>(isPair, x, count, n.max, logSum));
  if (task == LOG_PROBS) {
    const max = n.max;
    if (isPair) {
      for (let at = x; at < end; at += bytesOf<v128>(1)) store2<E>(at, f64x2.sub(f64x2.sub(load2<E>(at), max), logSum));
    } else {
      for (let left = <isize>classes; left > 0; left -= 2, x += bytesOf<E>(2), out += bytesOf<E>(2)) {
        storeTail<E>(out, left, f64x2.sub(f64x2.sub(loadTail<E>(x, left, 0), max), logSum));
      }
    }
  }
  if (needsLabels(task)) {
    const weighted = distribution ? weightedLogSum(n.massHi, n.massLo, logSum, eMax, restHi, restLo) : logSum;
    storeByRow<T>(result, isAlone, f64x2.add(n.gap, weighted));
  }
  if (task == LOSS_AND_GRADIENT) {
    const label0 = out + n.label0;
    const label1 = isPair ? out + n.label1 : 0;
    const eLabel = isPair ? loadTwo<E>(label0, label1) : splat<E>(label0);
    // The power of 2 that a huge or tiny mass of labels makes g give up.
    let k = i64x2.splat(0);
    if (distribution) {
      const kMass = exponentOf(n.massHi, ORDINARY);
      if (v128.any_true(kMass)) {
        dropFloor<E>(out, count, v128.and(eMax, i64x2.ne(kMass, k)));
        k = excessOf(kMass);
        gHi = withoutPower(k, gHi);
        gLo = withoutPower(k, gLo);
      }
    }
    const qgHi = distribution ? f64x2.mul(gHi, n.massHi) : gHi;
    const qgLo = distribution ? productLow(qgHi, gHi, gLo, n.massHi, n.massLo) : gLo;
    const inverse = f64x2.div(f64x2.splat(1), sumHi);
    const factor = highHalf(f64x2.mul(qgHi, inverse));
    const low = factorLow(factor, inverse, qgHi, qgLo, sumHi, sumLo);
    if (isPair) {
      const rounded = f64x2.add(factor, low);
      for (let at = out, share = q; at < end; at += bytesOf<v128>(1), share += bytesOf<v128>(1)) {
        const value = load2<E>(at);
        store2<E>(at, distribution ? scaledLess(value, factor, low, load2<E>(share), gHi) : f64x2.mul(value, rounded));
      }
    } else if (distribution) {
      scaleRowLessLabels<E>(out, q, classes, factor, low, gHi);
    } else {
      scaleRow<E>(out, classes, f64x2.add(factor, low));
    }
    const atLabel = labelGradient(eLabel, eMax, restHi, restLo, sumHi, sumLo, factor, low, qgHi);
    if (!distribution || n.isIndex0) storeLane<E>(label0, atLabel, 0);
    if (isPair && (!distribution || n.isIndex1)) storeLane<E>(label1, atLabel, 1);
    if (distribution) timesPowers<E>(out, count, k);
  }
}
