// Two rows side by side, one a lane, wherever their elements lie: for rows too short to be worth a reduction each, and for a class
// axis with a stride. A last row without a partner is its own partner (laneStride 0) and comes out the same.

import {
  expBase, expConstant, expFloor, expRound, shiftedExp, shiftedExpLow, unbiasFirst, unbiasLast, MAX_LOG_PROB,
} from "./exp";
import { expSumLow, gapScale, labelGradient, labelTerm, logSum, scaled, weightedLogSum } from "./normalizer";
import { positiveTwoSumError, productLow, quotientLow, total, twoSumError } from "./reduce";
import { GRADIENT, LOG_PROBS, LOSS, LSE, PROBS } from "./task";

// @ts-ignore: decorator
@inline
function loadLanes(ptr: usize, laneStride: usize): v128 {
  return v128.load_lane<u64>(ptr + laneStride, v128.load64_zero(ptr), 1);
}

// @ts-ignore: decorator
@inline
function storeLanes(ptr: usize, laneStride: usize, value: v128): void {
  v128.store_lane<u64>(ptr, value, 0);
  v128.store_lane<u64>(ptr + laneStride, value, 1);
}

/**
 * Two rows whose elements are `laneStride` bytes apart and whose classes are `classStride` bytes apart; out may be x itself.
 * `labelPtr` points at the first row's index (i32), the second's being `partner` (0 or 1) elements on, or with `distribution`
 * at its first class, laid out like x. Results of rows are `partner` elements apart. (gHi, gLo) is the upstream gradient.
 */
// @ts-ignore: decorator
@inline
export function forwardLanes(
  task: i32, distribution: bool,
  xPtr: usize, labelPtr: usize, outPtr: usize, resultPtr: usize,
  classes: usize, classStride: usize, laneStride: usize, partner: usize, gHi: v128, gLo: v128,
): void {
  const zero = f64x2.splat(0);
  let max = loadLanes(xPtr, laneStride);
  for (let j: usize = 1, x = xPtr + classStride; j < classes; j++, x += classStride) {
    max = f64x2.pmax(max, loadLanes(x, laneStride));
  }

  // The label's side, while x is still there: byte offset of its class, Σ q, and the gap Σ q (max − x).
  let label0: usize = 0;
  let label1: usize = 0;
  let isIndex0 = true;
  let isIndex1 = true;
  let massHi = f64x2.splat(1);
  let massLo = zero;
  let gap = zero;
  if (task == LOSS || task == GRADIENT) {
    if (distribution) {
      let qMax = f64x2.splat(-Infinity);
      let at = i64x2.splat(0);
      let gapLo = zero;
      massHi = zero;
      const scale = gapScale(max);
      const scaledMax = f64x2.mul(max, scale);
      for (let j: usize = 0, x = xPtr, ptr = labelPtr; j < classes; j++, x += classStride, ptr += classStride) {
        const q = loadLanes(ptr, laneStride);
        at = v128.bitselect(i64x2.splat(ptr - labelPtr), at, f64x2.gt(q, qMax));
        qMax = f64x2.pmax(qMax, q);
        const mass = f64x2.add(massHi, q);
        massLo = f64x2.add(massLo, twoSumError(massHi, q, mass));
        massHi = mass;
        const logit = f64x2.mul(loadLanes(x, laneStride), scale);
        const term = v128.and(f64x2.mul(q, f64x2.sub(scaledMax, logit)), f64x2.ne(q, zero));
        const next = f64x2.add(gap, term);
        gapLo = f64x2.add(gapLo, twoSumError(gap, term, next));
        gap = next;
      }
      gap = f64x2.div(total(gap, gapLo), scale);
      // All mass on one class, as far as a double can tell, makes a row that of an index, to the bit.
      const isIndex = f64x2.eq(qMax, massHi);
      isIndex0 = i64x2.extract_lane(isIndex, 0) != 0;
      isIndex1 = i64x2.extract_lane(isIndex, 1) != 0;
      label0 = <usize>i64x2.extract_lane(at, 0);
      label1 = <usize>i64x2.extract_lane(at, 1) + laneStride;
    } else {
      label0 = load<u32>(labelPtr);
      label1 = load<u32>(labelPtr + (partner << 2));
      assert(label0 < classes && label1 < classes);
      label0 *= classStride;
      label1 = label1 * classStride + laneStride;
      gap = f64x2.sub(max, loadLanes(xPtr + label0, label1 - label0));
    }
  }

  // e_j, and their sum without the first maximum.
  const base = expBase(max);
  const round = expRound(max, base);
  const floor = expFloor(max, base);
  const scale = expConstant(0), ln2Hi = expConstant(1), ln2Lo = expConstant(2);
  const p0 = expConstant(3), p1 = expConstant(4), p2 = expConstant(5);
  let restHi = zero;
  let restLo = zero;
  let seen = zero;
  for (let j: usize = 0, x = xPtr, out = outPtr; j < classes; j++, x += classStride, out += classStride) {
    const value = loadLanes(x, laneStride);
    const e = shiftedExp(value, base, round, floor, scale, ln2Hi, ln2Lo, p0, p1, p2);
    if (task == PROBS || task == GRADIENT) storeLanes(out, laneStride, e);
    const isTop = v128.andnot(f64x2.eq(value, max), seen);
    seen = v128.or(seen, isTop);
    const term = v128.andnot(e, isTop);
    const next = f64x2.add(restHi, term);
    restLo = f64x2.add(restLo, positiveTwoSumError(restHi, term, next));
    restHi = next;
  }

  const eMax = shiftedExp(max, base, round, floor, scale, ln2Hi, ln2Lo, p0, p1, p2);
  const s = f64x2.add(eMax, restHi);
  const sLo = expSumLow(s, eMax, restHi, restLo);
  const inverse = f64x2.div(f64x2.splat(1), s);

  if (task == PROBS) {
    const rounded = f64x2.add(s, sLo);
    for (let j: usize = 0, out = outPtr; j < classes; j++, out += classStride) {
      storeLanes(out, laneStride, f64x2.div(loadLanes(out, laneStride), rounded));
    }
    return;
  }

  const eMaxLo = shiftedExpLow(max, base, round, floor, scale, ln2Hi, ln2Lo, p0, p1, p2);
  const logS = logSum(eMax, eMaxLo, restHi, restLo);
  if (task == LOG_PROBS) {
    for (let j: usize = 0, x = xPtr, out = outPtr; j < classes; j++, x += classStride, out += classStride) {
      storeLanes(out, laneStride, f64x2.sub(f64x2.sub(loadLanes(x, laneStride), max), logS));
    }
  }
  if (task == LSE) storeLanes(resultPtr, partner << 3, f64x2.add(max, logS));
  if (task == LOSS || task == GRADIENT) {
    const weighted = distribution ? weightedLogSum(massHi, massLo, logS, eMax, eMaxLo, restHi, restLo) : logS;
    storeLanes(resultPtr, partner << 3, f64x2.add(gap, weighted));

    if (task == GRADIENT) {
      const eLabel = loadLanes(outPtr + label0, label1 - label0);
      const qgHi = distribution ? f64x2.mul(gHi, massHi) : gHi;
      const qgLo = distribution ? productLow(qgHi, gHi, gLo, massHi, massLo) : gLo;
      const factor = f64x2.mul(qgHi, inverse);
      const factorLo = quotientLow(factor, inverse, qgHi, qgLo, s, sLo);
      for (let j: usize = 0, q = labelPtr, out = outPtr; j < classes; j++, q += classStride, out += classStride) {
        const less = distribution ? labelTerm(loadLanes(q, laneStride), gHi) : zero;
        storeLanes(out, laneStride, scaled(loadLanes(out, laneStride), factor, factorLo, less));
      }
      const atLabel = labelGradient(eLabel, eMax, restHi, restLo, factor, factorLo, qgHi);
      if (isIndex0) v128.store_lane<u64>(outPtr + label0, atLabel, 0);
      if (isIndex1) v128.store_lane<u64>(outPtr + label1, atLabel, 1);
    }
  }
}

/**
 * The Jacobian's product with an upstream gradient for two rows, out_j = p_j (g_j − Σ g p), or with `log` for log-probabilities,
 * out_j = g_j − p_j Σ g. out may be either input.
 */
// @ts-ignore: decorator
@inline
export function backwardLanes(
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
  const round = expRound(zero, zero);
  const floor = expFloor(zero, zero);
  for (let j: usize = 0, at: usize = 0; j < classes; j++, at += classStride) {
    const g = loadLanes(upstreamPtr + at, laneStride);
    const result = loadLanes(resultPtr + at, laneStride);
    if (log) {
      const e = shiftedExp(f64x2.pmin(result, f64x2.splat(MAX_LOG_PROB)), zero, round, floor, scale, ln2Hi, ln2Lo, p0, p1, p2);
      storeLanes(outPtr + at, laneStride, f64x2.sub(g, f64x2.mul(f64x2.mul(e, unbias0), unbias1)));
    } else {
      storeLanes(outPtr + at, laneStride, v128.and(f64x2.mul(result, f64x2.sub(g, s)), f64x2.ne(result, zero)));
    }
  }
}
