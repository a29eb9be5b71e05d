// Two rows side by side, one a lane, wherever their elements lie: for rows too short to be worth a reduction each, and for a class
// axis with a stride. A last row without a partner is its own partner (laneStride 0) and comes out the same.

import {
  expConstant, expFloor, expRound, isFar, shiftedExp, unbiasFirst, unbiasLast, MAX_LOG_PROB,
} from "./exp";
import { logRatio } from "./log";
import {
  factorLow, gapScale, labelGradient, leastRest, scaledLess, sumOfOthers, weightedLogSum, SEED,
} from "./normalizer";
import { Pair, PAIRS } from "./pair";
import { fastTwoSumError, productLow, splatLane, total, twoDifferenceError, twoSumError, upper } from "./reduce";
import { PAIRS_PTR } from "./scratch";
import { GRADIENT, LOG_PROBS, LOSS, LSE, PROBS } from "./task";
import { finishTwo, visitTwo } from "./two";

// @ts-ignore: decorator
@inline
export function loadLanes(ptr: usize, laneStride: usize): v128 {
  return v128.load_lane<u64>(ptr + laneStride, v128.load64_zero(ptr), 1);
}

// @ts-ignore: decorator
@inline
export function storeLanes(ptr: usize, laneStride: usize, value: v128): void {
  v128.store_lane<u64>(ptr, value, 0);
  v128.store_lane<u64>(ptr + laneStride, value, 1);
}

/** Whether rows are those of two.ts. */
// @ts-ignore: decorator
@inline
function isTwo(task: i32, classes: usize): bool {
  return (task == LOSS || task == GRADIENT) && classes == 2;
}

/** Whether rows are taken relative to their maximum in any case: those of two.ts, and for lse, as an exact e_max is one error less. */
// @ts-ignore: decorator
@inline
function isRelative(task: i32, classes: usize): bool {
  return task == LSE || isTwo(task, classes);
}

/** What each lane's logits are taken relative to: its maximum where they are, else 0. */
// @ts-ignore: decorator
@inline
function expBase(task: i32, classes: usize, max: v128): v128 {
  return isRelative(task, classes) ? max : v128.and(max, isFar(max));
}

/** Reads the indices of a pair. */
// @ts-ignore: decorator
@inline
export function readIndices(pair: Pair, classes: usize, classStride: usize): void {
  const y0: usize = load<u32>(pair.labelPtr);
  const y1: usize = load<u32>(pair.labelPtr + (pair.partner << 2));
  assert(y0 < classes && y1 < classes);
  pair.label0 = y0 * classStride;
  pair.label1 = y1 * classStride + pair.laneStride;
}

/** Reads the distributions of a pair: their mass, their gap, and where they have a single class. */
function readDistributions(pair: Pair, classes: usize, classStride: usize): void {
  const zero = f64x2.splat(0);
  const laneStride = pair.laneStride;
  const scale = gapScale(pair.max);
  const scaledMax = f64x2.mul(pair.max, scale);
  let qMax = f64x2.splat(-Infinity);
  let at = i64x2.splat(0);
  let massHi = zero, massLo = zero, gapHi = zero, gapLo = zero;
  for (let j: usize = 0, offset: usize = 0; j < classes; j++, offset += classStride) {
    const q = loadLanes(pair.labelPtr + offset, laneStride);
    at = v128.bitselect(i64x2.splat(offset), at, f64x2.gt(q, qMax));
    qMax = f64x2.pmax(qMax, q);
    const mass = f64x2.add(massHi, q);
    massLo = f64x2.add(massLo, twoSumError(massHi, q, mass));
    massHi = mass;
    const logit = f64x2.mul(loadLanes(pair.xPtr + offset, laneStride), scale);
    const term = v128.and(f64x2.mul(q, f64x2.sub(scaledMax, logit)), f64x2.ne(q, zero));
    const next = f64x2.add(gapHi, term);
    gapLo = f64x2.add(gapLo, twoSumError(gapHi, term, next));
    gapHi = next;
  }
  pair.massHi = massHi;
  pair.massLo = massLo;
  pair.gap = f64x2.div(total(gapHi, gapLo), scale);
  // All mass on one class, as far as a double can tell, makes a row that of an index, to the bit.
  const isIndex = f64x2.eq(qMax, massHi);
  pair.isIndex0 = i64x2.extract_lane(isIndex, 0) != 0;
  pair.isIndex1 = i64x2.extract_lane(isIndex, 1) != 0;
  pair.label0 = <usize>i64x2.extract_lane(at, 0);
  pair.label1 = <usize>i64x2.extract_lane(at, 1) + laneStride;
}

/**
 * Maxima, the labels' side while x is still there (out may be x itself), e_j and their sums. With `relative`, logits are taken relative
 * to their maximum; without, gives false where they must be, and has written to no output.
 */
// @ts-ignore: decorator
@inline
function visit(task: i32, distribution: bool, relative: bool, pair: Pair, classes: usize, classStride: usize): bool {
  const zero = f64x2.splat(0);
  const xPtr = pair.xPtr;
  const laneStride = pair.laneStride;
  let max = loadLanes(xPtr, laneStride);
  for (let j: usize = 1, x = xPtr + classStride; j < classes; j++, x += classStride) {
    max = f64x2.pmax(max, loadLanes(x, laneStride));
  }
  if (!relative && v128.any_true(isFar(max))) return false;
  pair.max = max;
  if (task == LOSS || task == GRADIENT) {
    if (distribution) {
      readDistributions(pair, classes, classStride);
    } else {
      readIndices(pair, classes, classStride);
      pair.gap = f64x2.sub(max, loadLanes(xPtr + pair.label0, pair.label1 - pair.label0));
    }
  }

  const base = relative ? expBase(task, classes, max) : zero;
  const top = relative ? f64x2.sub(max, base) : max;
  const round = expRound(top);
  const floor = expFloor(top);
  const scale = expConstant(0), ln2Hi = expConstant(1), ln2Lo = expConstant(2);
  const p0 = expConstant(3), p1 = expConstant(4), p2 = expConstant(5);
  const seed = f64x2.splat(SEED);
  let hi = seed;
  let lo = zero;
  let eMax = zero;
  for (let j: usize = 0, x = xPtr, out = pair.outPtr; j < classes; j++, x += classStride, out += classStride) {
    const e = shiftedExp(relative, 0, loadLanes(x, laneStride), base, round, floor, scale, ln2Hi, ln2Lo, p0, p1, p2);
    if (task == PROBS || task == GRADIENT) storeLanes(out, laneStride, e);
    if (task != PROBS) eMax = f64x2.pmax(eMax, e);
    const sum = f64x2.add(hi, e);
    lo = f64x2.add(lo, fastTwoSumError(hi, e, sum));
    hi = sum;
  }
  pair.eMax = eMax;
  pair.hi = f64x2.sub(hi, seed);
  pair.lo = lo;
  return true;
}

/** visit for any task, where it must be relative and for distributions. */
function visitAny(task: i32, distribution: bool, relative: bool, pair: Pair, classes: usize, classStride: usize): bool {
  return relative
    ? visit(task, distribution, true, pair, classes, classStride)
    : visit(task, distribution, false, pair, classes, classStride);
}

/** sumOfOthers of lane `lane`, after the visit. */
function othersOfLane(task: i32, lane: u8, pair: Pair, classes: usize, classStride: usize): v128 {
  const max = splatLane(pair.max, lane);
  const base = expBase(task, classes, max);
  const top = f64x2.sub(max, base);
  const areLogits = task != GRADIENT;
  const ptr = (areLogits ? pair.xPtr : pair.outPtr) + (lane ? pair.laneStride : 0);
  return sumOfOthers(areLogits, ptr, classes, classStride, splatLane(pair.eMax, lane), base, expRound(top), expFloor(top));
}

/** Results from what visit left; (gHi, gLo) is the upstream gradient of the loss, `least` leastRest. */
// @ts-ignore: decorator
@inline
function finish(
  task: i32, distribution: bool, pair: Pair, classes: usize, classStride: usize, least: v128, gHi: v128, gLo: v128,
): void {
  const outPtr = pair.outPtr;
  const laneStride = pair.laneStride;
  const hi = pair.hi;
  const lo = pair.lo;
  const sumHi = f64x2.add(hi, lo);
  if (task == PROBS) {
    for (let j: usize = 0, out = outPtr; j < classes; j++, out += classStride) {
      storeLanes(out, laneStride, f64x2.div(loadLanes(out, laneStride), sumHi));
    }
    return;
  }

  const sumLo = fastTwoSumError(hi, lo, sumHi);
  const eMax = pair.eMax;
  const without = f64x2.sub(sumHi, eMax);
  const withoutLo = f64x2.add(twoDifferenceError(sumHi, eMax, without), sumLo);
  let restHi = f64x2.add(without, withoutLo);
  let restLo = twoSumError(without, withoutLo, restHi);
  const isTiny = f64x2.lt(restHi, f64x2.mul(eMax, least));
  if (v128.any_true(isTiny)) {
    const others0 = othersOfLane(task, 0, pair, classes, classStride);
    const others1 = othersOfLane(task, 1, pair, classes, classStride);
    restHi = v128.bitselect(i64x2.shuffle(others0, others1, 0, 2), restHi, isTiny);
    restLo = v128.bitselect(i64x2.shuffle(others0, others1, 1, 3), restLo, isTiny);
  }
  const logS = logRatio(eMax, restHi, restLo, sumHi, sumLo);
  if (task == LSE) storeLanes(pair.resultPtr, pair.partner << 3, f64x2.add(pair.max, logS));
  if (task == LOG_PROBS) {
    for (let j: usize = 0, x = pair.xPtr, out = outPtr; j < classes; j++, x += classStride, out += classStride) {
      storeLanes(out, laneStride, f64x2.sub(f64x2.sub(loadLanes(x, laneStride), pair.max), logS));
    }
  }
  if (task == LOSS || task == GRADIENT) {
    const weighted = distribution ? weightedLogSum(pair.massHi, pair.massLo, logS, eMax, restHi, restLo) : logS;
    storeLanes(pair.resultPtr, pair.partner << 3, f64x2.add(pair.gap, weighted));
  }
  if (task == GRADIENT) {
    const eLabel = loadLanes(outPtr + pair.label0, pair.label1 - pair.label0);
    const qgHi = distribution ? f64x2.mul(gHi, pair.massHi) : gHi;
    const qgLo = distribution ? productLow(qgHi, gHi, gLo, pair.massHi, pair.massLo) : gLo;
    const inverse = f64x2.div(f64x2.splat(1), sumHi);
    const factor = upper(f64x2.mul(qgHi, inverse));
    const low = factorLow(factor, inverse, qgHi, qgLo, sumHi, sumLo);
    const rounded = f64x2.add(factor, low);
    for (let j: usize = 0, q = pair.labelPtr, out = outPtr; j < classes; j++, q += classStride, out += classStride) {
      const e = loadLanes(out, laneStride);
      storeLanes(
        out, laneStride,
        distribution ? scaledLess(e, factor, low, loadLanes(q, laneStride), gHi) : f64x2.mul(e, rounded),
      );
    }
    const atLabel = labelGradient(eLabel, eMax, restHi, restLo, sumHi, sumLo, factor, low, qgHi);
    if (!distribution || pair.isIndex0) v128.store_lane<u64>(outPtr + pair.label0, atLabel, 0);
    if (!distribution || pair.isIndex1) v128.store_lane<u64>(outPtr + pair.label1, atLabel, 1);
  }
}

/** Element number of the first class of row r. */
// @ts-ignore: decorator
@inline
function rowStart(r: usize, classes: usize, inner: usize): usize {
  return inner == 1 ? r * classes : (r / inner) * classes * inner + (r % inner);
}

/** All rows, two at a time; results by row, and upstream gradients if upstreamPtr is not 0. */
// @ts-ignore: decorator
@inline
export function forwardRowPairs(
  task: i32, distribution: bool,
  xPtr: usize, labelPtr: usize, outPtr: usize, resultPtr: usize,
  rows: usize, classes: usize, inner: usize, upstreamPtr: usize, gHi: v128, gLo: v128,
): void {
  const classStride = inner << 3;
  const least = leastRest(classes);
  for (let first: usize = 0; first < rows; first += 2 * PAIRS) {
    const end = min(first + 2 * PAIRS, rows);
    let pair = changetype<Pair>(PAIRS_PTR);
    for (let r = first; r < end; r += 2, pair = changetype<Pair>(changetype<usize>(pair) + offsetof<Pair>())) {
      const at = rowStart(r, classes, inner) << 3;
      const partner: usize = r + 1 < rows ? 1 : 0;
      pair.xPtr = xPtr + at;
      pair.labelPtr = labelPtr + (distribution ? at : r << 2);
      pair.outPtr = outPtr + at;
      pair.resultPtr = resultPtr + (r << 3);
      pair.laneStride = partner ? (rowStart(r + 1, classes, inner) << 3) - at : 0;
      pair.partner = partner;
      if (!distribution && isTwo(task, classes)) {
        visitTwo(pair, classStride);
      } else if (isRelative(task, classes)) {
        visitAny(task, distribution, true, pair, classes, classStride);
      } else {
        const isDone = distribution
          ? visitAny(task, true, false, pair, classes, classStride)
          : visit(task, false, false, pair, classes, classStride);
        if (!isDone) visitAny(task, distribution, true, pair, classes, classStride);
      }
    }
    pair = changetype<Pair>(PAIRS_PTR);
    for (let r = first; r < end; r += 2, pair = changetype<Pair>(changetype<usize>(pair) + offsetof<Pair>())) {
      if (task == GRADIENT && upstreamPtr) {
        gHi = v128.load_lane<u64>(upstreamPtr + ((r + pair.partner) << 3), v128.load64_zero(upstreamPtr + (r << 3)), 1);
      }
      if (!distribution && isTwo(task, classes)) finishTwo(task, pair, classStride, gHi, gLo);
      else finish(task, distribution, pair, classes, classStride, least, gHi, gLo);
    }
  }
}

/**
 * The Jacobian's product with an upstream gradient for two rows, out_j = p_j (g_j − Σ g p), or with `log` for log-probabilities,
 * out_j = g_j − p_j Σ g. out may be either input.
 */
// @ts-ignore: decorator
@inline
function backwardLanes(
  log: bool, upstreamPtr: usize, resultPtr: usize, outPtr: usize,
  classes: usize, classStride: usize, laneStride: usize,
): void {
  const zero = f64x2.splat(0);
  let hi = zero;
  let lo = zero;
  for (let j: usize = 0, at: usize = 0; j < classes; j++, at += classStride) {
    const g = loadLanes(upstreamPtr + at, laneStride);
    let term = g;
    if (!log) {
      const p = loadLanes(resultPtr + at, laneStride);
      term = v128.and(f64x2.mul(p, g), f64x2.ne(p, zero));
    }
    const next = f64x2.add(hi, term);
    lo = f64x2.add(lo, twoSumError(hi, term, next));
    hi = next;
  }
  const s = total(hi, lo);
  const unbias0 = unbiasFirst(s), unbias1 = unbiasLast(s);
  const scale = expConstant(0), ln2Hi = expConstant(1), ln2Lo = expConstant(2);
  const p0 = expConstant(3), p1 = expConstant(4), p2 = expConstant(5);
  const round = expRound(zero);
  const floor = expFloor(zero);
  for (let j: usize = 0, at: usize = 0; j < classes; j++, at += classStride) {
    const g = loadLanes(upstreamPtr + at, laneStride);
    const result = loadLanes(resultPtr + at, laneStride);
    if (log) {
      const e = shiftedExp(false, 0, f64x2.pmin(result, f64x2.splat(MAX_LOG_PROB)), zero, round, floor, scale, ln2Hi, ln2Lo, p0, p1, p2);
      storeLanes(outPtr + at, laneStride, f64x2.sub(g, f64x2.mul(f64x2.mul(e, unbias0), unbias1)));
    } else {
      storeLanes(outPtr + at, laneStride, v128.and(f64x2.mul(result, f64x2.sub(g, s)), f64x2.ne(result, zero)));
    }
  }
}

/** backwardLanes of all rows, two at a time. */
// @ts-ignore: decorator
@inline
export function backwardRowPairs(
  log: bool, upstreamPtr: usize, resultPtr: usize, outPtr: usize, rows: usize, classes: usize, inner: usize,
): void {
  for (let r: usize = 0; r < rows; r += 2) {
    const at = rowStart(r, classes, inner) << 3;
    const laneStride = r + 1 < rows ? (rowStart(r + 1, classes, inner) << 3) - at : 0;
    backwardLanes(log, upstreamPtr + at, resultPtr + at, outPtr + at, classes, inner << 3, laneStride);
  }
}
