// One contiguous row at a time, two classes a vector.

import {
  expBase, expConstant, expFloor, expRound, shiftedExp, shiftedExpLow, unbiasFirst, unbiasLast, MAX_LOG_PROB,
} from "./exp";
import { expSumLow, gapScale, labelGradient, labelTerm, logSum, scaled, weightedLogSum } from "./normalizer";
import { argmax, positiveTwoSumError, productLow, quotientLow, reduceAdd, splatLane, total, twoSumError } from "./reduce";
import { GRADIENT, LOG_PROBS, LOSS, LSE, PROBS } from "./task";

/** The next two elements, or the last one and `pad`. */
// @ts-ignore: decorator
@inline
function loadTail(ptr: usize, count: isize, pad: f64): v128 {
  return count > 1 ? v128.load(ptr) : f64x2.replace_lane(f64x2.splat(pad), 0, load<f64>(ptr));
}

// @ts-ignore: decorator
@inline
function storeTail(ptr: usize, count: isize, value: v128): void {
  if (count > 1) v128.store(ptr, value);
  else v128.store_lane<u64>(ptr, value, 0);
}

/** `value` with 0 in the lane that lies `offset` bytes on. */
// @ts-ignore: decorator
@inline
function without(value: v128, offset: usize): v128 {
  return v128.andnot(value, i64x2.eq(i64x2.splat(<i64>offset), i64x2(0, 8)));
}

/** Σ a as (hi, lo). */
function sum(aPtr: usize, classes: usize): v128 {
  let hi = f64x2.splat(0);
  let lo = f64x2.splat(0);
  for (let n = <isize>classes; n > 0; n -= 2, aPtr += 16) {
    const term = loadTail(aPtr, n, 0);
    const next = f64x2.add(hi, term);
    lo = f64x2.add(lo, twoSumError(hi, term, next));
    hi = next;
  }
  return reduceAdd(hi, lo);
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

/** e / (s + s excess), excess² negligible: never above 1 for a sum of e and others. */
// @ts-ignore: decorator
@inline
function divided(e: v128, s: v128, excess: v128): v128 {
  const q = f64x2.div(e, s);
  return f64x2.sub(q, f64x2.mul(q, excess));
}

/** out = e / (s + s excess). */
// @ts-ignore: decorator
@inline
function divideRow(outPtr: usize, classes: usize, s: v128, excess: v128): void {
  let n = <isize>classes;
  for (; n >= 4; n -= 4, outPtr += 32) {
    const e0 = v128.load(outPtr);
    const e1 = v128.load(outPtr, 16);
    v128.store(outPtr, divided(e0, s, excess));
    v128.store(outPtr, divided(e1, s, excess), 16);
  }
  for (; n > 0; n -= 2, outPtr += 16) storeTail(outPtr, n, divided(loadTail(outPtr, n, 0), s, excess));
}

/** out = e · (factor + factorLo), with `distribution` less g q. */
// @ts-ignore: decorator
@inline
function scaleRow(distribution: bool, outPtr: usize, qPtr: usize, classes: usize, factor: v128, factorLo: v128, g: v128): void {
  const zero = f64x2.splat(0);
  let n = <isize>classes;
  for (; n >= 4; n -= 4, outPtr += 32, qPtr += 32) {
    const less0 = distribution ? labelTerm(v128.load(qPtr), g) : zero;
    const less1 = distribution ? labelTerm(v128.load(qPtr, 16), g) : zero;
    v128.store(outPtr, scaled(v128.load(outPtr), factor, factorLo, less0));
    v128.store(outPtr, scaled(v128.load(outPtr, 16), factor, factorLo, less1), 16);
  }
  for (; n > 0; n -= 2, outPtr += 16, qPtr += 16) {
    const less = distribution ? labelTerm(loadTail(qPtr, n, 0), g) : zero;
    storeTail(outPtr, n, scaled(loadTail(outPtr, n, 0), factor, factorLo, less));
  }
}

/**
 * One row of `classes` >= 8 logits; out may be x itself. `labelPtr` points at the row's index (i32), or with `distribution` at its
 * classes; (gHi, gLo) is the upstream gradient of the loss.
 */
// @ts-ignore: decorator
@inline
export function forwardRow(
  task: i32, distribution: bool,
  xPtr: usize, labelPtr: usize, outPtr: usize, resultPtr: usize,
  classes: usize, gHi: v128, gLo: v128,
): void {
  const top = argmax(xPtr, classes);
  const max = v128.load64_splat(xPtr + (top << 3));

  // The label's side, while x is still there: its index, Σ q (hi, lo), and the gap Σ q (max − x).
  let label: usize = 0;
  let isIndex = true;
  let mass = f64x2(1, 0);
  let gap = f64x2.splat(0);
  if (task == LOSS || task == GRADIENT) {
    if (distribution) {
      const q = sum(labelPtr, classes);
      const scale = gapScale(max);
      const weighted = dot(labelPtr, xPtr, scale, f64x2.mul(max, scale), classes);
      mass = q;
      gap = f64x2.sub(f64x2.splat(0), f64x2.div(total(splatLane(weighted, 0), splatLane(weighted, 1)), scale));
      // All mass on one class, as far as a double can tell, makes the row that of an index, to the bit.
      label = argmax(labelPtr, classes);
      isIndex = load<f64>(labelPtr + (label << 3)) == f64x2.extract_lane(q, 0);
    } else {
      label = load<u32>(labelPtr);
      assert(label < classes);
      gap = f64x2.sub(max, v128.load64_splat(xPtr + (label << 3)));
    }
  }

  // e_j, and their sum without the maximum.
  const base = expBase(max);
  const round = expRound(max, base);
  const floor = expFloor(max, base);
  const scale = expConstant(0), ln2Hi = expConstant(1), ln2Lo = expConstant(2);
  const p0 = expConstant(3), p1 = expConstant(4), p2 = expConstant(5);
  const storesExp = task == PROBS || task == GRADIENT;
  let hi = f64x2.splat(0);
  let lo = f64x2.splat(0);
  let x = xPtr;
  let out = outPtr;
  let n = <isize>classes;
  let toTop = top << 3;
  for (; n >= 4; n -= 4) {
    let e0 = shiftedExp(v128.load(x), base, round, floor, scale, ln2Hi, ln2Lo, p0, p1, p2);
    let e1 = shiftedExp(v128.load(x, 16), base, round, floor, scale, ln2Hi, ln2Lo, p0, p1, p2);
    if (storesExp) {
      v128.store(out, e0);
      v128.store(out, e1, 16);
      out += 32;
    }
    if (toTop < 32) {
      e0 = without(e0, toTop);
      e1 = without(e1, toTop - 16);
    }
    const term = f64x2.add(e0, e1);
    // lse is the one result whose bound needs this too.
    if (task == LSE) lo = f64x2.add(lo, positiveTwoSumError(e0, e1, term));
    const next = f64x2.add(hi, term);
    lo = f64x2.add(lo, positiveTwoSumError(hi, term, next));
    hi = next;
    x += 32;
    toTop -= 32;
  }
  for (; n > 0; n -= 2) {
    const e = shiftedExp(loadTail(x, n, -Infinity), base, round, floor, scale, ln2Hi, ln2Lo, p0, p1, p2);
    if (storesExp) {
      storeTail(out, n, e);
      out += 16;
    }
    const term = without(e, toTop);
    const next = f64x2.add(hi, term);
    lo = f64x2.add(lo, positiveTwoSumError(hi, term, next));
    hi = next;
    x += 16;
    toTop -= 16;
  }
  const rest = reduceAdd(hi, lo);
  const restHi = splatLane(rest, 0);
  const restLo = splatLane(rest, 1);
  const eMax = shiftedExp(max, base, round, floor, scale, ln2Hi, ln2Lo, p0, p1, p2);
  const s = f64x2.add(eMax, restHi);
  const sLo = expSumLow(s, eMax, restHi, restLo);
  const inverse = f64x2.div(f64x2.splat(1), s);

  if (task == PROBS) {
    divideRow(outPtr, classes, s, f64x2.mul(sLo, inverse));
    return;
  }

  const eMaxLo = shiftedExpLow(max, base, round, floor, scale, ln2Hi, ln2Lo, p0, p1, p2);
  const logS = logSum(eMax, eMaxLo, restHi, restLo);
  if (task == LOG_PROBS) {
    for (let n = <isize>classes, x = xPtr, out = outPtr; n > 0; n -= 2, x += 16, out += 16) {
      storeTail(out, n, f64x2.sub(f64x2.sub(loadTail(x, n, 0), max), logS));
    }
  }
  if (task == LSE) v128.store_lane<u64>(resultPtr, f64x2.add(max, logS), 0);
  if (task == LOSS || task == GRADIENT) {
    const massHi = splatLane(mass, 0);
    const massLo = splatLane(mass, 1);
    const weighted = distribution ? weightedLogSum(massHi, massLo, logS, eMax, eMaxLo, restHi, restLo) : logS;
    v128.store_lane<u64>(resultPtr, f64x2.add(gap, weighted), 0);

    if (task == GRADIENT) {
      const eLabel = v128.load64_splat(outPtr + (label << 3));
      const qgHi = distribution ? f64x2.mul(gHi, massHi) : gHi;
      const qgLo = distribution ? productLow(qgHi, gHi, gLo, massHi, massLo) : gLo;
      const factor = f64x2.mul(qgHi, inverse);
      const factorLo = quotientLow(factor, inverse, qgHi, qgLo, s, sLo);
      scaleRow(distribution, outPtr, labelPtr, classes, factor, factorLo, gHi);
      if (isIndex) {
        v128.store_lane<u64>(outPtr + (label << 3), labelGradient(eLabel, eMax, restHi, restLo, factor, factorLo, qgHi), 0);
      }
    }
  }
}

/**
 * The Jacobian's product with an upstream gradient for one row, out_j = p_j (g_j − Σ g p), or with `log` for log-probabilities,
 * out_j = g_j − p_j Σ g. out may be either input.
 */
// @ts-ignore: decorator
@inline
export function backwardRow(log: bool, upstreamPtr: usize, resultPtr: usize, outPtr: usize, classes: usize): void {
  const zero = f64x2.splat(0);
  const pair = log ? sum(upstreamPtr, classes) : dot(resultPtr, upstreamPtr, f64x2.splat(1), zero, classes);
  const s = total(splatLane(pair, 0), splatLane(pair, 1));
  const unbias0 = unbiasFirst(s), unbias1 = unbiasLast(s);
  const scale = expConstant(0), ln2Hi = expConstant(1), ln2Lo = expConstant(2);
  const p0 = expConstant(3), p1 = expConstant(4), p2 = expConstant(5);
  const round = expRound(zero, zero);
  const floor = expFloor(zero, zero);
  for (let n = <isize>classes; n > 0; n -= 2, upstreamPtr += 16, resultPtr += 16, outPtr += 16) {
    const g = loadTail(upstreamPtr, n, 0);
    const result = loadTail(resultPtr, n, 0);
    if (log) {
      // Log-probabilities are not above 0; whatever they are, the exponent of e must not run over.
      const e = shiftedExp(f64x2.pmin(result, f64x2.splat(MAX_LOG_PROB)), zero, round, floor, scale, ln2Hi, ln2Lo, p0, p1, p2);
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
