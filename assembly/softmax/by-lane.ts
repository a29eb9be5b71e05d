// Two rows side by side, one a lane: for rows too short to be worth a reduction each, and for a class axis with a stride. They are
// visited on the stage, group by group.

import { bytesOf, load2, loadByRow, loadTwo, store2, storeByRow, storeLane } from "../number/storage";
import {
  LN2_HI, LN2_LO, P0, P1, P2, SCALE, expFloor, expRound, isLarge, shiftedExp, unbiasExp, unbiasScale, MAX_LOG_PROB,
} from "../number/exp";
import { logRatio } from "../number/log";
import {
  factorLow, gapScale, labelGradient, leastRest, scaledLess, sumOfOthers, weightedLogSum, SEED,
} from "./normalizer";
import { nextPair, Pair } from "./tile";
import { fastTwoSumError, productLow, splatLane, collapse, twoDifferenceError, twoSumError, highHalf } from "../number/two-sum";
import { groupBytes, pairsOfGroup, PAIRS, STAGE } from "./scratch";
import { gather, groupEnd, rowOffset, scatter } from "./transpose";
import { GRADIENT, LOG_PROBS, LOSS, LSE, PARTS, PROBS } from "./task";

/** Reads the indices of a pair. */
// @ts-ignore: decorator
@inline
function readIndices(pair: Pair, labelPtr: usize, isAlone: bool, classes: usize): void {
  const y0: usize = load<u32>(labelPtr);
  const y1: usize = load<u32>(labelPtr + (isAlone ? 0 : bytesOf<i32>(1)));
  assert(y0 < classes && y1 < classes);
  pair.label0 = bytesOf<v128>(y0);
  pair.label1 = bytesOf<v128>(y1) + bytesOf<f64>(1);
}

/** An element of each row of a pair, at the places of its labels. */
// @ts-ignore: decorator
@inline
function loadAtLabels(stage: usize, pair: Pair): v128 {
  return loadTwo<f64>(stage + pair.label0, stage + pair.label1);
}

/** Reads the distributions of a pair: their mass, their gap, and where they have a single class. */
function readDistributions(pair: Pair, stage: usize, labels: usize, classes: usize): void {
  const zero = f64x2.splat(0);
  const scale = gapScale(pair.max);
  const scaledMax = f64x2.mul(pair.max, scale);
  let qMax = f64x2.splat(-Infinity);
  let at = i64x2.splat(0);
  let massHi = zero, massLo = zero, gapHi = zero, gapLo = zero;
  for (let offset: usize = 0; offset < bytesOf<v128>(classes); offset += bytesOf<v128>(1)) {
    const q = load2<f64>(labels + offset);
    at = v128.bitselect(i64x2.splat(offset), at, f64x2.gt(q, qMax));
    qMax = f64x2.pmax(qMax, q);
    const mass = f64x2.add(massHi, q);
    massLo = f64x2.add(massLo, twoSumError(massHi, q, mass));
    massHi = mass;
    const logit = f64x2.mul(load2<f64>(stage + offset), scale);
    const term = v128.and(f64x2.mul(q, f64x2.sub(scaledMax, logit)), f64x2.ne(q, zero));
    const next = f64x2.add(gapHi, term);
    gapLo = f64x2.add(gapLo, twoSumError(gapHi, term, next));
    gapHi = next;
  }
  pair.massHi = massHi;
  pair.massLo = massLo;
  pair.gap = f64x2.div(collapse(gapHi, gapLo), scale);
  // All mass on one class, as far as a double can tell, makes a row that of an index, to the bit.
  const isIndex = f64x2.eq(qMax, massHi);
  pair.isIndex0 = i64x2.extract_lane(isIndex, 0) != 0;
  pair.isIndex1 = i64x2.extract_lane(isIndex, 1) != 0;
  pair.label0 = <usize>i64x2.extract_lane(at, 0);
  pair.label1 = <usize>i64x2.extract_lane(at, 1) + bytesOf<f64>(1);
}

/** The maxima and the labels' side of a pair on the stage. `labels` is on the stage as well, or for indices where they are given. */
// @ts-ignore: decorator
@inline
function inspect(
  task: i32, distribution: bool, pair: Pair, stage: usize, labels: usize, isAlone: bool, classes: usize,
): void {
  let max = load2<f64>(stage);
  for (let x = stage + bytesOf<v128>(1); x < stage + bytesOf<v128>(classes); x += bytesOf<v128>(1)) max = f64x2.pmax(max, load2<f64>(x));
  pair.max = max;
  if (task == LOSS || task == GRADIENT) {
    if (distribution) {
      readDistributions(pair, stage, labels, classes);
    } else {
      readIndices(pair, labels, isAlone, classes);
      pair.gap = f64x2.sub(max, loadAtLabels(stage, pair));
    }
  }
}

/**
 * e_j of a group of pairs, in the place of their logits at `stage` or at `out`, their maxima and sums. With `relative`, logits are taken
 * relative to their maximum in the lanes that need it, or in `all`.
 */
// @ts-ignore: decorator
@inline
function exps(relative: bool, all: v128, stage: usize, out: usize, pairs: usize, classes: usize, scratchPtr: usize): void {
  const scale = SCALE(), ln2Hi = LN2_HI(), ln2Lo = LN2_LO();
  const p0 = P0(), p1 = P1(), p2 = P2();
  const seed = f64x2.splat(SEED);
  const zero = f64x2.splat(0);
  for (let pair = changetype<Pair>(scratchPtr + PAIRS); pairs; pairs--, pair = nextPair(pair)) {
    const max = pair.max;
    const base = relative ? v128.and(max, v128.or(all, isLarge(max))) : zero;
    const top = relative ? f64x2.sub(max, base) : max;
    const round = expRound(top);
    const floor = expFloor(top);
    let hi = seed, lo = zero, eMax = zero;
    let n = <isize>classes;
    for (; n >= 2; n -= 2, stage += bytesOf<v128>(2), out += bytesOf<v128>(2)) {
      const e0 = shiftedExp(relative, scratchPtr, load2<f64>(stage), base, round, floor, scale, ln2Hi, ln2Lo, p0, p1, p2);
      store2<f64>(out, e0);
      const sum0 = f64x2.add(hi, e0);
      const lost0 = fastTwoSumError(hi, e0, sum0);
      const e1 = shiftedExp(relative, scratchPtr + bytesOf<v128>(1), load2<f64>(stage, 1), base, round, floor, scale, ln2Hi, ln2Lo, p0, p1, p2);
      store2<f64>(out, e1, 1);
      hi = f64x2.add(sum0, e1);
      lo = f64x2.add(lo, f64x2.add(lost0, fastTwoSumError(sum0, e1, hi)));
      eMax = f64x2.pmax(eMax, f64x2.pmax(e0, e1));
    }
    if (n) {
      const e = shiftedExp(relative, scratchPtr, load2<f64>(stage), base, round, floor, scale, ln2Hi, ln2Lo, p0, p1, p2);
      store2<f64>(out, e);
      const sum = f64x2.add(hi, e);
      lo = f64x2.add(lo, fastTwoSumError(hi, e, sum));
      hi = sum;
      eMax = f64x2.pmax(eMax, e);
      stage += bytesOf<v128>(1);
      out += bytesOf<v128>(1);
    }
    pair.eMax = eMax;
    pair.hi = f64x2.sub(hi, seed);
    pair.lo = lo;
  }
}

function absoluteExps(stage: usize, out: usize, pairs: usize, classes: usize, scratchPtr: usize): void {
  exps(false, f64x2.splat(0), stage, out, pairs, classes, scratchPtr);
}

function relativeExps(all: v128, stage: usize, out: usize, pairs: usize, classes: usize, scratchPtr: usize): void {
  exps(true, all, stage, out, pairs, classes, scratchPtr);
}

/** Whether a pair of a group has logits that are to be taken relative to their maximum. */
// @ts-ignore: decorator
@inline
function anyIsLarge(pairs: usize, scratchPtr: usize): bool {
  let far = f64x2.splat(0);
  for (let pair = changetype<Pair>(scratchPtr + PAIRS); pairs; pairs--, pair = nextPair(pair)) far = v128.or(far, isLarge(pair.max));
  return v128.any_true(far);
}

/** sumOfOthers of lane `lane`, whose e_j are on the stage. */
function othersOfLane(lane: u8, eMax: v128, stage: usize, classes: usize): v128 {
  const zero = f64x2.splat(0);
  return sumOfOthers<f64>(false, stage + bytesOf<f64>(lane), classes, bytesOf<v128>(1), splatLane(eMax, lane), zero, zero, zero, 0);
}

/**
 * Results from what inspect and exps left, those by class on the stage. `second` has the labels, or for LOG_PROBS e_j; (gHi, gLo) is the
 * upstream gradient of the loss, `least` leastRest.
 */
// @ts-ignore: decorator
@inline
function finish<T>(
  task: i32, distribution: bool,
  pair: Pair, stage: usize, second: usize, resultPtr: usize, isAlone: bool, classes: usize,
  least: v128, gHi: v128, gLo: v128,
): void {
  const end = stage + bytesOf<v128>(classes);
  const hi = pair.hi;
  const lo = pair.lo;
  const sumHi = f64x2.add(hi, lo);
  if (task == PROBS) {
    for (let e = stage; e < end; e += bytesOf<v128>(1)) store2<f64>(e, f64x2.div(load2<f64>(e), sumHi));
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
    const others0 = othersOfLane(0, eMax, task == LOG_PROBS ? second : stage, classes);
    const others1 = othersOfLane(1, eMax, task == LOG_PROBS ? second : stage, classes);
    restHi = v128.bitselect(i64x2.shuffle(others0, others1, 0, 2), restHi, isTiny);
    restLo = v128.bitselect(i64x2.shuffle(others0, others1, 1, 3), restLo, isTiny);
  }
  const logS = logRatio(eMax, restHi, restLo, sumHi, sumLo);
  if (task == PARTS) {
    pair.hi = sumHi;
    pair.lo = sumLo;
    pair.restHi = restHi;
    pair.restLo = restLo;
    pair.logS = logS;
  }
  if (task == LSE) storeByRow<T>(resultPtr, isAlone, f64x2.add(pair.max, logS));
  if (task == LOG_PROBS) {
    for (let x = stage; x < end; x += bytesOf<v128>(1)) store2<f64>(x, f64x2.sub(f64x2.sub(load2<f64>(x), pair.max), logS));
  }
  if (task == LOSS || task == GRADIENT) {
    const weighted = distribution ? weightedLogSum(pair.massHi, pair.massLo, logS, eMax, restHi, restLo) : logS;
    storeByRow<T>(resultPtr, isAlone, f64x2.add(pair.gap, weighted));
  }
  if (task == GRADIENT) {
    const eLabel = loadAtLabels(stage, pair);
    const qgHi = distribution ? f64x2.mul(gHi, pair.massHi) : gHi;
    const qgLo = distribution ? productLow(qgHi, gHi, gLo, pair.massHi, pair.massLo) : gLo;
    const inverse = f64x2.div(f64x2.splat(1), sumHi);
    const factor = highHalf(f64x2.mul(qgHi, inverse));
    const low = factorLow(factor, inverse, qgHi, qgLo, sumHi, sumLo);
    const rounded = f64x2.add(factor, low);
    for (let out = stage, q = second; out < end; out += bytesOf<v128>(1), q += bytesOf<v128>(1)) {
      const e = load2<f64>(out);
      store2<f64>(out, distribution ? scaledLess(e, factor, low, load2<f64>(q), gHi) : f64x2.mul(e, rounded));
    }
    const atLabel = labelGradient(eLabel, eMax, restHi, restLo, sumHi, sumLo, factor, low, qgHi);
    if (!distribution || pair.isIndex0) storeLane<f64>(stage + pair.label0, atLabel, 0);
    if (!distribution || pair.isIndex1) storeLane<f64>(stage + pair.label1, atLabel, 1);
  }
}

/** Rows [first, end), a group of pairs at a time; results by row, and upstream gradients if upstreamPtr is not 0. */
// @ts-ignore: decorator
@inline
export function forwardRowPairs<T>(
  task: i32, distribution: bool,
  xPtr: usize, labelPtr: usize, outPtr: usize, resultPtr: usize,
  classes: usize, inner: usize, upstreamPtr: usize, gHi: v128, gLo: v128, first: usize, end: usize, scratchPtr: usize,
): void {
  const hasOut = task == PROBS || task == LOG_PROBS || task == GRADIENT;
  const pairBytes = bytesOf<v128>(classes);
  const groupRows = pairsOfGroup(classes, inner) << 1;
  const stage = scratchPtr + STAGE;
  const secondStage = stage + groupBytes(classes, inner);
  const least = leastRest(classes);
  for (let group = first, next = first; group < end; group = next) {
    next = groupEnd(group, groupRows, end, inner);
    const rows = next - group;
    const at = bytesOf<T>(rowOffset(group, classes, inner));
    gather<T>(xPtr + at, stage, rows, classes, inner);
    if (distribution) gather<T>(labelPtr + at, secondStage, rows, classes, inner);

    let pair = changetype<Pair>(scratchPtr + PAIRS);
    for (let r: usize = 0, x = stage, q = secondStage; r < rows; r += 2, x += pairBytes, q += pairBytes) {
      const isAlone = r + 1 == rows;
      const labels = distribution ? q : labelPtr + bytesOf<i32>(group + r);
      inspect(task, distribution, pair, x, labels, isAlone, classes);
      pair = nextPair(pair);
    }
    const pairs = (rows + 1) >> 1;
    const out = task == LOG_PROBS ? secondStage : stage;
    // In any case for lse, as an exact e_max is one error less, and for two classes, to have the bits of two.ts.
    if (task == LSE || (distribution && classes == 2)) relativeExps(i64x2.splat(-1), stage, out, pairs, classes, scratchPtr);
    else if (anyIsLarge(pairs, scratchPtr)) relativeExps(i64x2.splat(0), stage, out, pairs, classes, scratchPtr);
    else absoluteExps(stage, out, pairs, classes, scratchPtr);

    pair = changetype<Pair>(scratchPtr + PAIRS);
    for (let r: usize = 0, x = stage, q = secondStage; r < rows; r += 2, x += pairBytes, q += pairBytes) {
      const isAlone = r + 1 == rows;
      const byRow = bytesOf<T>(group + r);
      if (task == GRADIENT && upstreamPtr) gHi = loadByRow<T>(upstreamPtr + byRow, isAlone);
      finish<T>(task, distribution, pair, x, q, resultPtr + byRow, isAlone, classes, least, gHi, gLo);
      pair = nextPair(pair);
    }
    if (hasOut) scatter<T>(stage, outPtr + at, rows, classes, inner);
  }
}

/** e_j at `out`, which is not `stage`, of a group of pairs of logits at `stage`, and in its pairs what else their results are made of. */
export function splitGroup(stage: usize, out: usize, pairs: usize, classes: usize, scratchPtr: usize): void {
  const pairBytes = bytesOf<v128>(classes);
  let pair = changetype<Pair>(scratchPtr + PAIRS);
  for (let n = pairs, x = stage; n; n--, x += pairBytes, pair = nextPair(pair)) inspect(PARTS, false, pair, x, 0, false, classes);
  if (classes == 2) relativeExps(i64x2.splat(-1), stage, out, pairs, classes, scratchPtr);
  else if (anyIsLarge(pairs, scratchPtr)) relativeExps(i64x2.splat(0), stage, out, pairs, classes, scratchPtr);
  else absoluteExps(stage, out, pairs, classes, scratchPtr);
  const least = leastRest(classes);
  const none = f64x2.splat(0);
  pair = changetype<Pair>(scratchPtr + PAIRS);
  for (let n = pairs, e = out; n; n--, e += pairBytes, pair = nextPair(pair)) {
    finish<f64>(PARTS, false, pair, e, 0, 0, false, classes, least, none, none);
  }
}

/**
 * The Jacobian's product with an upstream gradient for a pair, out_j = p_j (g_j − Σ g p), or with `log` for log-probabilities,
 * out_j = g_j − p_j Σ g, in the place of g.
 */
// @ts-ignore: decorator
@inline
function backwardLanes(log: bool, upstream: usize, results: usize, classes: usize, scratchPtr: usize): void {
  const zero = f64x2.splat(0);
  let hi = zero;
  let lo = zero;
  for (let at: usize = 0; at < bytesOf<v128>(classes); at += bytesOf<v128>(1)) {
    const g = load2<f64>(upstream + at);
    let term = g;
    if (!log) {
      const p = load2<f64>(results + at);
      term = v128.and(f64x2.mul(p, g), f64x2.ne(p, zero));
    }
    const next = f64x2.add(hi, term);
    lo = f64x2.add(lo, twoSumError(hi, term, next));
    hi = next;
  }
  const s = collapse(hi, lo);
  const unbias0 = unbiasExp(s), unbias1 = unbiasScale(s);
  const scale = SCALE(), ln2Hi = LN2_HI(), ln2Lo = LN2_LO();
  const p0 = P0(), p1 = P1(), p2 = P2();
  const round = expRound(zero);
  const floor = expFloor(zero);
  for (let at: usize = 0; at < bytesOf<v128>(classes); at += bytesOf<v128>(1)) {
    const g = load2<f64>(upstream + at);
    const result = load2<f64>(results + at);
    if (log) {
      const capped = f64x2.pmin(result, f64x2.splat(MAX_LOG_PROB));
      const e = shiftedExp(false, scratchPtr, capped, zero, round, floor, scale, ln2Hi, ln2Lo, p0, p1, p2);
      store2<f64>(upstream + at, f64x2.sub(g, f64x2.mul(f64x2.mul(e, unbias0), unbias1)));
    } else {
      store2<f64>(upstream + at, v128.and(f64x2.mul(result, f64x2.sub(g, s)), f64x2.ne(result, zero)));
    }
  }
}

/** backwardLanes of rows [first, end), a group of pairs at a time. out may be either input. */
// @ts-ignore: decorator
@inline
export function backwardRowPairs<T>(
  log: bool, upstreamPtr: usize, resultPtr: usize, outPtr: usize,
  classes: usize, inner: usize, first: usize, end: usize, scratchPtr: usize,
): void {
  const pairBytes = bytesOf<v128>(classes);
  const groupRows = pairsOfGroup(classes, inner) << 1;
  const stage = scratchPtr + STAGE;
  const resultStage = stage + groupBytes(classes, inner);
  for (let group = first, next = first; group < end; group = next) {
    next = groupEnd(group, groupRows, end, inner);
    const rows = next - group;
    const at = bytesOf<T>(rowOffset(group, classes, inner));
    gather<T>(upstreamPtr + at, stage, rows, classes, inner);
    gather<T>(resultPtr + at, resultStage, rows, classes, inner);
    for (let r: usize = 0, g = stage, result = resultStage; r < rows; r += 2, g += pairBytes, result += pairBytes) {
      backwardLanes(log, g, result, classes, scratchPtr);
    }
    scatter<T>(stage, outPtr + at, rows, classes, inner);
  }
}
