// One contiguous row at a time, two classes a vector.

import { findMax, loadTail, nextMax, storeExps, storeRelativeExps, storeTail, sumExps, sumRelativeExps } from "./exp-block";
import { TABLE_BITS } from "../number/constants.generated";
import {
  expConstant, expFloor, expRound, isFar, shiftedExp, unbiasFirst, unbiasLast, MAX_LOG_PROB, ONE,
} from "../number/exp";
import { logRatio } from "../number/log";
import {
  factorLow, gapScale, labelGradient, leastRest, scaledLess, sumOfOthers, weightedLogSum, SEED,
} from "./normalizer";
import {
  fastTwoSumError, maxOfLanes, productLow, reduceAdd, reduceMax, splatLane, total, twoDifferenceError, twoSumError, upper,
} from "../number/two-sum";
import { Pair } from "./tile";
import { GRADIENT, LOG_PROBS, LOSS, LSE, PARTS, PROBS } from "./task";

/** Σ a scale as (hi, lo); scale is a power of 2. */
export function sum(aPtr: usize, count: usize, scale: f64): v128 {
  const scales = f64x2.splat(scale);
  let hi0 = f64x2.splat(0), hi1 = hi0, lo0 = hi0, lo1 = hi0;
  let n = <isize>count;
  for (; n >= 4; n -= 4, aPtr += 32) {
    const term0 = f64x2.mul(v128.load(aPtr), scales);
    const term1 = f64x2.mul(v128.load(aPtr, 16), scales);
    const next0 = f64x2.add(hi0, term0);
    const next1 = f64x2.add(hi1, term1);
    lo0 = f64x2.add(lo0, twoSumError(hi0, term0, next0));
    lo1 = f64x2.add(lo1, twoSumError(hi1, term1, next1));
    hi0 = next0;
    hi1 = next1;
  }
  for (; n > 0; n -= 2, aPtr += 16) {
    const term = f64x2.mul(loadTail(aPtr, n, 0), scales);
    const next = f64x2.add(hi0, term);
    lo0 = f64x2.add(lo0, twoSumError(hi0, term, next));
    hi0 = next;
  }
  const hi = f64x2.add(hi0, hi1);
  return reduceAdd(hi, f64x2.add(f64x2.add(lo0, lo1), twoSumError(hi0, hi1, hi)));
}

/** Σ a (b scale − shift) as (hi, lo), where a = 0 counts nothing whatever b is. */
function dot(aPtr: usize, bPtr: usize, scale: v128, shift: v128, classes: usize): v128 {
  let hi = f64x2.splat(0);
  let lo = f64x2.splat(0);
  for (let n = <isize>classes; n > 0; n -= 2, aPtr += 16, bPtr += 16) {
    const a = loadTail(aPtr, n, 0);
    const product = f64x2.mul(a, f64x2.sub(f64x2.mul(loadTail(bPtr, n, 0), scale), shift));
    const term = v128.and(product, f64x2.ne(a, f64x2.splat(0)));
    const next = f64x2.add(hi, term);
    lo = f64x2.add(lo, twoSumError(hi, term, next));
    hi = next;
  }
  return reduceAdd(hi, lo);
}

/** out = e / s: never above 1 for a sum of e and others, and exactly 1/n for n equal ones. */
// @ts-ignore: decorator
@inline
function divideRow(outPtr: usize, classes: usize, s: v128): void {
  let n = <isize>classes;
  for (; n >= 4; n -= 4, outPtr += 32) {
    v128.store(outPtr, f64x2.div(v128.load(outPtr), s));
    v128.store(outPtr, f64x2.div(v128.load(outPtr, 16), s), 16);
  }
  for (; n > 0; n -= 2, outPtr += 16) storeTail(outPtr, n, f64x2.div(loadTail(outPtr, n, 0), s));
}

/** out = e · factor. */
export function scaleRow(outPtr: usize, classes: usize, factor: v128): void {
  let n = <isize>classes;
  for (; n >= 8; n -= 8, outPtr += 64) {
    v128.store(outPtr, f64x2.mul(v128.load(outPtr), factor));
    v128.store(outPtr, f64x2.mul(v128.load(outPtr, 16), factor), 16);
    v128.store(outPtr, f64x2.mul(v128.load(outPtr, 32), factor), 32);
    v128.store(outPtr, f64x2.mul(v128.load(outPtr, 48), factor), 48);
  }
  for (; n > 0; n -= 2, outPtr += 16) storeTail(outPtr, n, f64x2.mul(loadTail(outPtr, n, 0), factor));
}

/** out = e · (factor + factorLo) − g q. */
export function scaleRowLessLabels(outPtr: usize, qPtr: usize, classes: usize, factor: v128, factorLo: v128, g: v128): void {
  for (let n = <isize>classes; n > 0; n -= 2, outPtr += 16, qPtr += 16) {
    storeTail(outPtr, n, scaledLess(loadTail(outPtr, n, 0), factor, factorLo, loadTail(qPtr, n, 0), g));
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
  return v128.any_true(v128.or(isFar(max), f64x2.gt(rise, f64x2.splat(HEADROOM * <f64>(1 << TABLE_BITS)))));
}

/**
 * One row of `classes` >= 4 logits, in blocks of `block`, the first of which has the maximum nextMax, by lane; out may be x itself.
 * `labelPtr` points at the row's index (i32), or with `distribution` at its classes; (gHi, gLo) is the upstream gradient of the loss.
 * After the row, `followingCount` logits at `following` are next.
 *
 * Logits are taken as they are, e_j shifted by the first block's maximum. Where that is not good enough for the row's maximum, gives
 * false and has written at most to an out that is not x; with `whole`, logits are taken relative to the row's maximum.
 */
function forwardRow(
  task: i32, distribution: bool, whole: bool,
  xPtr: usize, labelPtr: usize, outPtr: usize, resultPtr: usize,
  classes: usize, block: usize, following: usize, followingCount: usize, gHi: v128, gLo: v128, scratchPtr: usize,
): bool {
  const stores = task == PROBS || task == GRADIENT || task == PARTS;
  let max = whole ? reduceMax(xPtr, classes) : maxOfLanes(nextMax);
  const base = max;
  const top = whole ? f64x2.sub(max, base) : max;
  const round = expRound(top);
  const floor = expFloor(top);
  // The maximum of all blocks, where it is needed before they are visited: for the gap, and where there is no way back.
  let rowMax = max;
  if (!whole && classes > blockOf(classes, block) && (distribution || (stores && xPtr == outPtr))) rowMax = reduceMax(xPtr, classes);
  // The maxima of the blocks between lie between these two.
  if (!whole && (v128.any_true(isFar(max)) || isOutOfReach(rowMax, round))) return false;

  // The label's side, while x is still there: its index and logit, or Σ q (hi, lo) and the gap Σ q (max − x).
  let label: usize = 0;
  let logit = max;
  let isIndex = true;
  let mass = f64x2(1, 0);
  let gap = f64x2.splat(0);
  if (task == LOSS || task == GRADIENT) {
    if (distribution) {
      mass = sum(labelPtr, classes, 1);
      const scale = gapScale(rowMax);
      const weighted = dot(labelPtr, xPtr, scale, f64x2.mul(rowMax, scale), classes);
      gap = f64x2.sub(f64x2.splat(0), f64x2.div(total(splatLane(weighted, 0), splatLane(weighted, 1)), scale));
      // All mass on one class, as far as a double can tell, makes the row that of an index, to the bit.
      const top = f64x2.extract_lane(reduceMax(labelPtr, classes), 0);
      isIndex = top == f64x2.extract_lane(mass, 0);
      while (isIndex && load<f64>(labelPtr + (label << 3)) != top) label++;
    } else {
      label = load<u32>(labelPtr);
      assert(label < classes);
      logit = v128.load64_splat(xPtr + (label << 3));
    }
  }

  // e_j, and their sum (hi, lo).
  let hi = f64x2.splat(0);
  let lo = f64x2.splat(0);
  for (let at: usize = 0; at < classes; ) {
    const count = blockOf(classes - at, block);
    const end = at + count;
    const next = end < classes ? xPtr + (end << 3) : following;
    const nextCount = end < classes ? blockOf(classes - end, block) : followingCount;
    if (!whole && at) {
      max = f64x2.pmax(max, maxOfLanes(nextMax));
      if (isOutOfReach(max, round)) return false;
    }
    const seed = whole ? f64x2.splat(SEED) : seedAbove(max, round);
    const x = xPtr + (at << 3);
    const out = outPtr + (at << 3);
    let part: v128;
    if (whole) {
      part = stores
        ? storeRelativeExps(x, out, count, base, round, floor, seed, next, nextCount, scratchPtr)
        : sumRelativeExps(x, count, base, round, floor, seed, next, nextCount, scratchPtr);
    } else {
      part = stores
        ? storeExps(x, out, count, round, floor, seed, next, nextCount, scratchPtr)
        : sumExps(x, count, round, floor, seed, next, nextCount, scratchPtr);
    }
    const term = splatLane(part, 0);
    const sum = f64x2.add(hi, term);
    lo = f64x2.add(lo, f64x2.add(splatLane(part, 1), twoSumError(hi, term, sum)));
    hi = sum;
    at = end;
  }
  const sumHi = f64x2.add(hi, lo);
  if (task == PROBS) {
    divideRow(outPtr, classes, sumHi);
    return true;
  }
  const sumLo = fastTwoSumError(hi, lo, sumHi);

  const eMax = whole ? f64x2.splat(ONE) : shiftedExp(
    false, scratchPtr, max, base, round, floor,
    expConstant(0), expConstant(1), expConstant(2), expConstant(3), expConstant(4), expConstant(5),
  );
  const without = f64x2.sub(sumHi, eMax);
  const withoutLo = f64x2.add(twoDifferenceError(sumHi, eMax, without), sumLo);
  let restHi = f64x2.add(without, withoutLo);
  let restLo = twoSumError(without, withoutLo, restHi);
  if (v128.any_true(f64x2.lt(restHi, f64x2.mul(eMax, leastRest(block))))) {
    const others = sumOfOthers(
      !stores, stores ? outPtr : xPtr, classes, 8, eMax, whole ? base : f64x2.splat(0), round, floor, scratchPtr,
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
    for (let n = <isize>classes, x = xPtr, out = outPtr; n > 0; n -= 2, x += 16, out += 16) {
      storeTail(out, n, f64x2.sub(f64x2.sub(loadTail(x, n, 0), max), logS));
    }
  }
  if (task == LSE) v128.store_lane<u64>(resultPtr, f64x2.add(max, logS), 0);
  if (task == LOSS || task == GRADIENT) {
    const massHi = splatLane(mass, 0);
    const massLo = splatLane(mass, 1);
    if (!distribution) gap = f64x2.sub(max, logit);
    const weighted = distribution ? weightedLogSum(massHi, massLo, logS, eMax, restHi, restLo) : logS;
    v128.store_lane<u64>(resultPtr, f64x2.add(gap, weighted), 0);

    if (task == GRADIENT) {
      const eLabel = v128.load64_splat(outPtr + (label << 3));
      const qgHi = distribution ? f64x2.mul(gHi, massHi) : gHi;
      const qgLo = distribution ? productLow(qgHi, gHi, gLo, massHi, massLo) : gLo;
      const inverse = f64x2.div(f64x2.splat(1), sumHi);
      const factor = upper(f64x2.mul(qgHi, inverse));
      const low = factorLow(factor, inverse, qgHi, qgLo, sumHi, sumLo);
      if (distribution) scaleRowLessLabels(outPtr, labelPtr, classes, factor, low, gHi);
      else scaleRow(outPtr, classes, f64x2.add(factor, low));
      if (isIndex) {
        v128.store_lane<u64>(outPtr + (label << 3), labelGradient(eLabel, eMax, restHi, restLo, sumHi, sumLo, factor, low, qgHi), 0);
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
export function forwardRows(
  task: i32, distribution: bool,
  xPtr: usize, labelPtr: usize, outPtr: usize, resultPtr: usize,
  classes: usize, upstreamPtr: usize, gHi: v128, gLo: v128, first: usize, end: usize, scratchPtr: usize,
): void {
  const rowBytes = classes << 3;
  const block = blockFor(classes);
  const firstBlock = blockOf(classes, block);
  xPtr += first * rowBytes;
  outPtr += first * rowBytes;
  labelPtr += first * (distribution ? rowBytes : 4);
  resultPtr += first << 3;
  if (first < end) findMax(xPtr, firstBlock);
  for (let r = first; r < end; r++) {
    // After the last row, itself once more.
    const following = r + 1 < end ? xPtr + rowBytes : xPtr;
    if (task == GRADIENT && upstreamPtr) gHi = v128.load64_splat(upstreamPtr + (r << 3));
    for (let whole = false; ; whole = true) {
      const isDone = forwardRow(
        task, distribution, whole, xPtr, labelPtr, outPtr, resultPtr, classes, block, following, firstBlock, gHi, gLo, scratchPtr,
      );
      if (isDone) break;
    }
    xPtr += rowBytes;
    outPtr += rowBytes;
    labelPtr += distribution ? rowBytes : 4;
    resultPtr += 8;
  }
}

/** What splitRow expects before the first row: the maximum of its first block. */
export function beginRows(xPtr: usize, classes: usize): void {
  findMax(xPtr, blockOf(classes, blockFor(classes)));
}

/** e_j of one row of `classes` >= 4 logits in out, which is not x, and in `row` what else its results are made of; `following` is next. */
export function splitRow(xPtr: usize, outPtr: usize, row: Pair, classes: usize, following: usize, scratchPtr: usize): void {
  const block = blockFor(classes);
  const first = blockOf(classes, block);
  const none = f64x2.splat(0);
  for (let whole = false; ; whole = true) {
    const isDone = forwardRow(
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
export function backwardRow(log: bool, upstreamPtr: usize, resultPtr: usize, outPtr: usize, classes: usize, scratchPtr: usize): void {
  const zero = f64x2.splat(0);
  const pair = log ? sum(upstreamPtr, classes, 1) : dot(resultPtr, upstreamPtr, f64x2.splat(1), zero, classes);
  const s = total(splatLane(pair, 0), splatLane(pair, 1));
  const unbias0 = unbiasFirst(s), unbias1 = unbiasLast(s);
  const scale = expConstant(0), ln2Hi = expConstant(1), ln2Lo = expConstant(2);
  const p0 = expConstant(3), p1 = expConstant(4), p2 = expConstant(5);
  const round = expRound(zero);
  const floor = expFloor(zero);
  for (let n = <isize>classes; n > 0; n -= 2, upstreamPtr += 16, resultPtr += 16, outPtr += 16) {
    const g = loadTail(upstreamPtr, n, 0);
    const result = loadTail(resultPtr, n, 0);
    if (log) {
      // Log-probabilities are not above 0; whatever they are, the exponent of e must not run over.
      const capped = f64x2.pmin(result, f64x2.splat(MAX_LOG_PROB));
      const e = shiftedExp(false, scratchPtr, capped, zero, round, floor, scale, ln2Hi, ln2Lo, p0, p1, p2);
      storeTail(outPtr, n, f64x2.sub(g, f64x2.mul(f64x2.mul(e, unbias0), unbias1)));
    } else {
      storeTail(outPtr, n, v128.and(f64x2.mul(result, f64x2.sub(g, s)), f64x2.ne(result, zero)));
    }
  }
}

/** Line i of the Jacobian of one row of probabilities, diag(p) − p pᵀ. */
// @ts-ignore: decorator
@inline
export function jacobianLine(pPtr: usize, i: usize, outPtr: usize, classes: usize): void {
  const p = load<f64>(pPtr + (i << 3));
  const minusP = f64x2.splat(-p);
  for (let n = <isize>classes, q = pPtr, out = outPtr; n > 0; n -= 2, q += 16, out += 16) {
    storeTail(out, n, f64x2.mul(minusP, loadTail(q, n, 0)));
  }
  store<f64>(outPtr + (i << 3), p * (1 - p));
}
