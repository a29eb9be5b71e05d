// One contiguous row at a time, two classes a vector.

import { bytesOf, load1, load2, loadTail, splat, store1, store2, storeLane, storeTail } from "../number/storage";
import { dot, reduceMax, sum } from "../number/sums";
import { findMax, nextMax, storeExps, storeRelativeExps, sumExps, sumRelativeExps } from "./exp-block";
import { TABLE_BITS } from "../number/constants.generated";
import {
  LN2_HI, LN2_LO, P0, P1, P2, SCALE, expFloor, expRound, isLarge, shiftedExp, unbiasExp, unbiasScale, MAX_LOG_PROB, ONE,
} from "../number/exp";
import { logRatio } from "../number/log";
import {
  factorLow, gapScale, labelGradient, leastRest, scaledLess, sumOfOthers, weightedLogSum, SEED,
} from "./normalizer";
import {
  fastTwoSumError, maxOfLanes, productLow, splatLane, collapse, twoDifferenceError, twoSumError, highHalf,
} from "../number/two-sum";
import { Pair } from "./tile";
import { GRADIENT, LOG_PROBS, LOSS, LSE, PARTS, PROBS } from "./task";

/** out = e / s: never above 1 for a sum of e and others, and exactly 1/n for n equal ones. */
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

/** The most classes that are visited between two looks at the maximum: with their results, they fit into a first-level cache. */
const BLOCK: usize = 1024;

/** How many of the `left` classes a block takes: what would be left over of less than 4 goes to the block before. */
// @ts-ignore: decorator
@inline
function blockOf(left: usize, block: usize): usize {
  return left < block + 4 ? left : block;
}

/** How far, as a power of 2, e_max may come to lie above the first block's. */
const HEADROOM: f64 = 32;

/** SEED for e_j whose maximum may have come to lie above the one that `round` is for. */
// @ts-ignore: decorator
@inline
function seedAbove(max: v128, round: v128): v128 {
  return i64x2.add(f64x2.splat(SEED), i64x2.shl(i64x2.sub(round, expRound(max)), <i32>(52 - TABLE_BITS)));
}

/** Whether the logits are far from 0, or their maximum far above the one that `round` is for. */
// @ts-ignore: decorator
@inline
function isOutOfReach(max: v128, round: v128): bool {
  const rise = f64x2.sub(round, expRound(max));
  return v128.any_true(v128.or(isLarge(max), f64x2.gt(rise, f64x2.splat(HEADROOM * <f64>(1 << TABLE_BITS)))));
}

/**
 * One row of `classes` >= 4 logits, in blocks of `block`, the first of which has the maximum nextMax, by lane; out may be x itself.
 * `labelPtr` points at the row's index (i32), or with `distribution` at its classes; (gHi, gLo) is the upstream gradient of the loss.
 * After the row, `followingCount` logits at `following` are next.
 *
 * Logits are taken as they are, e_j shifted by the first block's maximum. Where that is not good enough for the row's maximum, gives
 * false and has written at most to an out that is not x; with `whole`, logits are taken relative to the row's maximum.
 */
function forwardRow<T>(
  task: i32, distribution: bool, whole: bool,
  xPtr: usize, labelPtr: usize, outPtr: usize, resultPtr: usize,
  classes: usize, block: usize, following: usize, followingCount: usize, gHi: v128, gLo: v128, scratchPtr: usize,
): bool {
  const stores = task == PROBS || task == GRADIENT || task == PARTS;
  let max = whole ? reduceMax<T>(xPtr, classes) : maxOfLanes(nextMax);
  const base = max;
  const top = whole ? f64x2.sub(max, base) : max;
  const round = expRound(top);
  const floor = expFloor(top);
  // The maximum of all blocks, where it is needed before they are visited: for the gap, and where there is no way back.
  let rowMax = max;
  if (!whole && classes > blockOf(classes, block) && (distribution || (stores && xPtr == outPtr))) rowMax = reduceMax<T>(xPtr, classes);
  // The maxima of the blocks between lie between these two.
  if (!whole && (v128.any_true(isLarge(max)) || isOutOfReach(rowMax, round))) return false;

  // The label's side, while x is still there: its index and logit, or Σ q (hi, lo) and the gap Σ q (max − x).
  let label: usize = 0;
  let logit = max;
  let isIndex = true;
  let mass = f64x2(1, 0);
  let gap = f64x2.splat(0);
  if (task == LOSS || task == GRADIENT) {
    if (distribution) {
      mass = sum<T>(labelPtr, classes, 1);
      const scale = gapScale(rowMax);
      const weighted = dot<T>(labelPtr, xPtr, scale, f64x2.mul(rowMax, scale), classes);
      gap = f64x2.sub(f64x2.splat(0), f64x2.div(collapse(splatLane(weighted, 0), splatLane(weighted, 1)), scale));
      // All mass on one class, as far as a double can tell, makes the row that of an index, to the bit.
      const top = f64x2.extract_lane(reduceMax<T>(labelPtr, classes), 0);
      isIndex = top == f64x2.extract_lane(mass, 0);
      while (isIndex && load1<T>(labelPtr + bytesOf<T>(label)) != top) label++;
    } else {
      label = load<u32>(labelPtr);
      assert(label < classes);
      logit = splat<T>(xPtr + bytesOf<T>(label));
    }
  }

  // e_j, and their sum (hi, lo).
  let hi = f64x2.splat(0);
  let lo = f64x2.splat(0);
  for (let at: usize = 0; at < classes; ) {
    const count = blockOf(classes - at, block);
    const end = at + count;
    const next = end < classes ? xPtr + bytesOf<T>(end) : following;
    const nextCount = end < classes ? blockOf(classes - end, block) : followingCount;
    if (!whole && at) {
      max = f64x2.pmax(max, maxOfLanes(nextMax));
      if (isOutOfReach(max, round)) return false;
    }
    const seed = whole ? f64x2.splat(SEED) : seedAbove(max, round);
    const x = xPtr + bytesOf<T>(at);
    const out = outPtr + bytesOf<T>(at);
    let part: v128;
    if (whole) {
      part = stores
        ? storeRelativeExps<T>(x, out, count, base, round, floor, seed, next, nextCount, scratchPtr)
        : sumRelativeExps<T>(x, count, base, round, floor, seed, next, nextCount, scratchPtr);
    } else {
      part = stores
        ? storeExps<T>(x, out, count, round, floor, seed, next, nextCount, scratchPtr)
        : sumExps<T>(x, count, round, floor, seed, next, nextCount, scratchPtr);
    }
    const term = splatLane(part, 0);
    const sum = f64x2.add(hi, term);
    lo = f64x2.add(lo, f64x2.add(splatLane(part, 1), twoSumError(hi, term, sum)));
    hi = sum;
    at = end;
  }
  const sumHi = f64x2.add(hi, lo);
  if (task == PROBS) {
    divideRow<T>(outPtr, classes, sumHi);
    return true;
  }
  const sumLo = fastTwoSumError(hi, lo, sumHi);

  const eMax = whole ? f64x2.splat(ONE) : shiftedExp(
    false, scratchPtr, max, base, round, floor,
    SCALE(), LN2_HI(), LN2_LO(), P0(), P1(), P2(),
  );
  const without = f64x2.sub(sumHi, eMax);
  const withoutLo = f64x2.add(twoDifferenceError(sumHi, eMax, without), sumLo);
  let restHi = f64x2.add(without, withoutLo);
  let restLo = twoSumError(without, withoutLo, restHi);
  if (v128.any_true(f64x2.lt(restHi, f64x2.mul(eMax, leastRest(block))))) {
    const others = sumOfOthers<T>(
      !stores, stores ? outPtr : xPtr, classes, bytesOf<T>(1), eMax, whole ? base : f64x2.splat(0), round, floor, scratchPtr,
    );
    restHi = splatLane(others, 0);
    restLo = splatLane(others, 1);
  }
  const logS = logRatio(eMax, restHi, restLo, sumHi, sumLo);
  if (task == PARTS) {
    const row = changetype<Pair>(resultPtr);
    row.max = max;
    row.eMax = eMax;
    row.hi = sumHi;
    row.lo = sumLo;
    row.restHi = restHi;
    row.restLo = restLo;
    row.logS = logS;
  }
  if (task == LOG_PROBS) {
    for (let n = <isize>classes, x = xPtr, out = outPtr; n > 0; n -= 2, x += bytesOf<T>(2), out += bytesOf<T>(2)) {
      storeTail<T>(out, n, f64x2.sub(f64x2.sub(loadTail<T>(x, n, 0), max), logS));
    }
  }
  if (task == LSE) storeLane<T>(resultPtr, f64x2.add(max, logS), 0);
  if (task == LOSS || task == GRADIENT) {
    const massHi = splatLane(mass, 0);
    const massLo = splatLane(mass, 1);
    if (!distribution) gap = f64x2.sub(max, logit);
    const weighted = distribution ? weightedLogSum(massHi, massLo, logS, eMax, restHi, restLo) : logS;
    storeLane<T>(resultPtr, f64x2.add(gap, weighted), 0);

    if (task == GRADIENT) {
      const eLabel = splat<T>(outPtr + bytesOf<T>(label));
      const qgHi = distribution ? f64x2.mul(gHi, massHi) : gHi;
      const qgLo = distribution ? productLow(qgHi, gHi, gLo, massHi, massLo) : gLo;
      const inverse = f64x2.div(f64x2.splat(1), sumHi);
      const factor = highHalf(f64x2.mul(qgHi, inverse));
      const low = factorLow(factor, inverse, qgHi, qgLo, sumHi, sumLo);
      if (distribution) scaleRowLessLabels<T>(outPtr, labelPtr, classes, factor, low, gHi);
      else scaleRow<T>(outPtr, classes, f64x2.add(factor, low));
      if (isIndex) {
        storeLane<T>(outPtr + bytesOf<T>(label), labelGradient(eLabel, eMax, restHi, restLo, sumHi, sumLo, factor, low, qgHi), 0);
      }
    }
  }
  return true;
}

/** The length of the blocks that a row is visited in. */
function blockFor(classes: usize): usize {
  const blocks = (classes + BLOCK - 1) / BLOCK;
  return ((classes + blocks - 1) / blocks + 3) & ~3;
}

/** Rows [first, end), contiguous, of `classes` >= 4 logits; results by row, and upstream gradients if upstreamPtr is not 0. */
export function forwardRows<T>(
  task: i32, distribution: bool,
  xPtr: usize, labelPtr: usize, outPtr: usize, resultPtr: usize,
  classes: usize, upstreamPtr: usize, gHi: v128, gLo: v128, first: usize, end: usize, scratchPtr: usize,
): void {
  const rowBytes = bytesOf<T>(classes);
  const block = blockFor(classes);
  const firstBlock = blockOf(classes, block);
  xPtr += first * rowBytes;
  outPtr += first * rowBytes;
  labelPtr += first * (distribution ? rowBytes : bytesOf<i32>(1));
  resultPtr += bytesOf<T>(first);
  if (first < end) findMax<T>(xPtr, firstBlock);
  for (let r = first; r < end; r++) {
    // After the last row, itself once more.
    const following = r + 1 < end ? xPtr + rowBytes : xPtr;
    if (task == GRADIENT && upstreamPtr) gHi = splat<T>(upstreamPtr + bytesOf<T>(r));
    for (let whole = false; ; whole = true) {
      const isDone = forwardRow<T>(
        task, distribution, whole, xPtr, labelPtr, outPtr, resultPtr, classes, block, following, firstBlock, gHi, gLo, scratchPtr,
      );
      if (isDone) break;
    }
    xPtr += rowBytes;
    outPtr += rowBytes;
    labelPtr += distribution ? rowBytes : bytesOf<i32>(1);
    resultPtr += bytesOf<T>(1);
  }
}

/** What splitRow expects before the first row: the maximum of its first block. */
export function beginRows<T>(xPtr: usize, classes: usize): void {
  findMax<T>(xPtr, blockOf(classes, blockFor(classes)));
}

/** e_j of one row of `classes` >= 4 logits in out, which is not x, and in `row` what else its results are made of; `following` is next. */
export function splitRow<T>(xPtr: usize, outPtr: usize, row: Pair, classes: usize, following: usize, scratchPtr: usize): void {
  const block = blockFor(classes);
  const first = blockOf(classes, block);
  const none = f64x2.splat(0);
  for (let whole = false; ; whole = true) {
    const isDone = forwardRow<T>(
      PARTS, false, whole, xPtr, 0, outPtr, changetype<usize>(row), classes, block, following, first, none, none, scratchPtr,
    );
    if (isDone) return;
  }
}

/**
 * The Jacobian's product with an upstream gradient for one row, out_j = p_j (g_j − Σ g p), or with `log` for log-probabilities,
 * out_j = g_j − p_j Σ g. out may be either input.
 */
// @ts-ignore: decorator
@inline
export function backwardRow<T>(log: bool, upstreamPtr: usize, resultPtr: usize, outPtr: usize, classes: usize, scratchPtr: usize): void {
  const zero = f64x2.splat(0);
  const pair = log ? sum<T>(upstreamPtr, classes, 1) : dot<T>(resultPtr, upstreamPtr, f64x2.splat(1), zero, classes);
  const s = collapse(splatLane(pair, 0), splatLane(pair, 1));
  const unbias0 = unbiasExp(s), unbias1 = unbiasScale(s);
  const scale = SCALE(), ln2Hi = LN2_HI(), ln2Lo = LN2_LO();
  const p0 = P0(), p1 = P1(), p2 = P2();
  const round = expRound(zero);
  const floor = expFloor(zero);
  for (let n = <isize>classes; n > 0; n -= 2, upstreamPtr += bytesOf<T>(2), resultPtr += bytesOf<T>(2), outPtr += bytesOf<T>(2)) {
    const g = loadTail<T>(upstreamPtr, n, 0);
    const result = loadTail<T>(resultPtr, n, 0);
    if (log) {
      // Log-probabilities are not above 0; whatever they are, the exponent of e must not run over.
      const capped = f64x2.pmin(result, f64x2.splat(MAX_LOG_PROB));
      const e = shiftedExp(false, scratchPtr, capped, zero, round, floor, scale, ln2Hi, ln2Lo, p0, p1, p2);
      storeTail<T>(outPtr, n, f64x2.sub(g, f64x2.mul(f64x2.mul(e, unbias0), unbias1)));
    } else {
      storeTail<T>(outPtr, n, v128.and(f64x2.mul(result, f64x2.sub(g, s)), f64x2.ne(result, zero)));
    }
  }
}

/** Line i of the Jacobian of one row of probabilities, diag(p) − p pᵀ. */
// @ts-ignore: decorator
@inline
export function jacobianLine<T>(pPtr: usize, i: usize, outPtr: usize, classes: usize): void {
  const p = load1<T>(pPtr + bytesOf<T>(i));
  const minusP = f64x2.splat(-p);
  for (let n = <isize>classes, q = pPtr, out = outPtr; n > 0; n -= 2, q += bytesOf<T>(2), out += bytesOf<T>(2)) {
    storeTail<T>(out, n, f64x2.mul(minusP, loadTail<T>(q, n, 0)));
  }
  store1<T>(outPtr + bytesOf<T>(i), p * (1 - p));
}
