// The backward kernels: an upstream gradient g times the Jacobian of softmax or of log-softmax, and the Jacobian itself.

import {
  C0, C1, C2, C3, C4, expFloor, expRound, MAX_LOG_PROB, SCALE, shiftedExp, unbiasExp, unbiasScale,
} from "../number/exp";
import { bytesOf, load1, load2, loadTail, store1, store2, storeTail } from "../number/storage";
import { dot, sum } from "../number/sums";
import { collapse, splatLane, twoSumError } from "../number/two-sum";
import { isByRow, TILE } from "./scratch";
import { groupEnd, pairsOfGroup, rowOffset, tileBytes } from "./tile";
import { gather, scatter } from "./transpose";

/** p g, of which the sum is Σ g p; 0 where p = 0, whatever g is. */
// @ts-ignore: decorator
@inline
function weighted(p: v128, g: v128): v128 {
  return v128.and(f64x2.mul(p, g), f64x2.ne(p, f64x2.splat(0)));
}

/** Two elements of k p (g − s), s = Σ g p; 0 where p = 0, whatever g is. */
// @ts-ignore: decorator
@inline
function timesJacobian(p: v128, g: v128, s: v128, k: v128): v128 {
  return v128.and(f64x2.mul(f64x2.mul(p, k), f64x2.sub(g, s)), f64x2.ne(p, f64x2.splat(0)));
}

/** Two elements of k (g − p s), s = Σ g, from log p: s p is (e · unbias0) · unbias1. */
// @ts-ignore: decorator
@inline
function timesLogJacobian(
  logProbs: v128, g: v128, k: v128, unbias0: v128, unbias1: v128,
  round: v128, floor: v128, scale: v128, c0: v128, c1: v128, c2: v128, c3: v128, c4: v128, scratchPtr: usize,
): v128 {
  // Log-probabilities are not above 0. Where others are given, the exponent of e stays in its range all the same.
  const capped = f64x2.pmin(logProbs, f64x2.splat(MAX_LOG_PROB));
  const e = shiftedExp<f64>(false, scratchPtr, capped, f64x2.splat(0), round, floor, scale, c0, c1, c2, c3, c4);
  return f64x2.mul(f64x2.sub(g, f64x2.mul(f64x2.mul(e, unbias0), unbias1)), k);
}

/** One row. out may be either input. */
// @ts-ignore: decorator
@inline
function backwardRow<T>(log: bool, gPtr: usize, resultPtr: usize, outPtr: usize, classes: usize, k: v128, scratchPtr: usize): void {
  const zero = f64x2.splat(0);
  const pair = log ? sum<T>(gPtr, classes, 1) : dot<T>(resultPtr, gPtr, f64x2.splat(1), zero, classes);
  const s = collapse(splatLane(pair, 0), splatLane(pair, 1));
  const unbias0 = unbiasExp(s), unbias1 = unbiasScale(s);
  const scale = SCALE(), c1 = C1<f64>(), c2 = C2<f64>(), c3 = C3(), c4 = C4();
  const round = expRound(zero);
  const floor = expFloor(zero);
  const c0 = C0<f64>(round);
  for (let n = <isize>classes; n > 0; n -= 2, gPtr += bytesOf<T>(2), resultPtr += bytesOf<T>(2), outPtr += bytesOf<T>(2)) {
    const g = loadTail<T>(gPtr, n, 0);
    const result = loadTail<T>(resultPtr, n, 0);
    storeTail<T>(
      outPtr, n,
      log
        ? timesLogJacobian(result, g, k, unbias0, unbias1, round, floor, scale, c0, c1, c2, c3, c4, scratchPtr)
        : timesJacobian(result, g, s, k),
    );
  }
}

/** A pair of rows in tiles; the result takes the place of g. */
// @ts-ignore: decorator
@inline
function backwardPair(log: bool, gs: usize, results: usize, classes: usize, k: v128, scratchPtr: usize): void {
  const zero = f64x2.splat(0);
  let hi = zero;
  let lo = zero;
  for (let at: usize = 0; at < bytesOf<v128>(classes); at += bytesOf<v128>(1)) {
    const g = load2<f64>(gs + at);
    const term = log ? g : weighted(load2<f64>(results + at), g);
    const next = f64x2.add(hi, term);
    lo = f64x2.add(lo, twoSumError(hi, term, next));
    hi = next;
  }
  const s = collapse(hi, lo);
  const unbias0 = unbiasExp(s), unbias1 = unbiasScale(s);
  const scale = SCALE(), c1 = C1<f64>(), c2 = C2<f64>(), c3 = C3(), c4 = C4();
  const round = expRound(zero);
  const floor = expFloor(zero);
  const c0 = C0<f64>(round);
  for (let at: usize = 0; at < bytesOf<v128>(classes); at += bytesOf<v128>(1)) {
    const result = load2<f64>(results + at);
    const g = load2<f64>(gs + at);
    store2<f64>(
      gs + at,
      log
        ? timesLogJacobian(result, g, k, unbias0, unbias1, round, floor, scale, c0, c1, c2, c3, c4, scratchPtr)
        : timesJacobian(result, g, s, k),
    );
  }
}

/**
 * Rows [first, end): out_j = k p_j (g_j − Σ g p) from p, or with `log`, a constant, out_j = k (g_j − exp(l_j) Σ g) from log-probabilities l;
 * k is the scale of the logits. out may be either input.
 */
// @ts-ignore: decorator
@inline
export function backward<T>(
  log: bool, gPtr: usize, resultPtr: usize, outPtr: usize, classes: usize, inner: usize, scale: f64, first: usize, end: usize,
  scratchPtr: usize,
): void {
  const k = f64x2.splat(scale);
  if (isByRow(classes, inner)) {
    for (let r = first; r < end; r++) {
      const at = bytesOf<T>(r * classes);
      backwardRow<T>(log, gPtr + at, resultPtr + at, outPtr + at, classes, k, scratchPtr);
    }
    return;
  }
  const pairBytes = bytesOf<v128>(classes);
  const groupRows = pairsOfGroup(classes, inner) * 2;
  const tile = scratchPtr + TILE;
  const second = tile + tileBytes(classes, inner);
  for (let group = first, next = first; group < end; group = next) {
    next = groupEnd(group, groupRows, end, inner);
    const rows = next - group;
    const at = bytesOf<T>(rowOffset(group, classes, inner));
    gather<T>(gPtr + at, tile, rows, classes, inner);
    gather<T>(resultPtr + at, second, rows, classes, inner);
    for (let r: usize = 0, g = tile, result = second; r < rows; r += 2, g += pairBytes, result += pairBytes) {
      backwardPair(log, g, result, classes, k, scratchPtr);
    }
    scatter<T>(tile, outPtr + at, rows, classes, inner);
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

/** Lines [first, first + lines) of the Jacobians of probs (rows, classes): line r · classes + i is line i of row r. */
// @ts-ignore: decorator
@inline
export function jacobian<T>(probsPtr: usize, outPtr: usize, classes: usize, first: usize, lines: usize): void {
  for (let line: usize = 0; line < lines; line++) {
    const row = (first + line) / classes;
    jacobianLine<T>(probsPtr + bytesOf<T>(row * classes), first + line - row * classes, outPtr + bytesOf<T>(line * classes), classes);
  }
}
