// The exported ABI. Tensors are row-major (outer, classes, inner) doubles at byte addresses; a row is the `classes` elements of one
// (outer, inner), rows are numbered in that order, and results by row are (outer, inner). Outputs may be the first input itself.

import { backwardRowPairs, forwardRowPairs } from "./lanes";
import { quotientLow, remainder, twoSumError, upper } from "./reduce";
import { backwardRow, forwardRows, jacobianLine } from "./row";
import { INDICES_PTR, SCRATCH_BYTES } from "./scratch";
import { GRADIENT, LOG_PROBS, LOSS, LSE, PROBS } from "./task";

/** Contiguous rows of more classes than this are visited one at a time, others two at a time. */
const MAX_LANE_CLASSES: usize = 24;

/** The forward visit of all rows: `task` and `distribution` are constants. Pointers that the task has no use for are 0. */
// @ts-ignore: decorator
@inline
function forward(
  task: i32, distribution: bool,
  xPtr: usize, labelsPtr: usize, outPtr: usize, resultPtr: usize,
  outer: usize, classes: usize, inner: usize, upstreamPtr: usize, upstream: f64, divisor: f64,
): void {
  const divisors = f64x2.splat(divisor);
  const gHi = f64x2.splat(upstream / divisor);
  const gLo = f64x2.div(remainder(f64x2.splat(upstream), gHi, divisors), divisors);
  if (inner == 1 && classes > MAX_LANE_CLASSES) {
    forwardRows(task, distribution, xPtr, labelsPtr, outPtr, resultPtr, outer, classes, upstreamPtr, gHi, gLo);
  } else {
    forwardRowPairs(task, distribution, xPtr, labelsPtr, outPtr, resultPtr, outer * inner, classes, inner, upstreamPtr, gHi, gLo);
  }
}

/** out = softmax(x). */
export function softmax(xPtr: usize, outPtr: usize, outer: usize, classes: usize, inner: usize): void {
  forward(PROBS, false, xPtr, 0, outPtr, 0, outer, classes, inner, 0, 1, 1);
}

/** out = log softmax(x). */
export function logSoftmax(xPtr: usize, outPtr: usize, outer: usize, classes: usize, inner: usize): void {
  forward(LOG_PROBS, false, xPtr, 0, outPtr, 0, outer, classes, inner, 0, 1, 1);
}

/** lse (outer, inner) = log Σ exp x. */
export function logSumExp(xPtr: usize, lsePtr: usize, outer: usize, classes: usize, inner: usize): void {
  forward(LSE, false, xPtr, 0, 0, lsePtr, outer, classes, inner, 0, 1, 1);
}

/** losses (outer, inner) for class indices, i32 (outer, inner), each less than `classes`. */
export function lossOfIndices(xPtr: usize, labelsPtr: usize, lossesPtr: usize, outer: usize, classes: usize, inner: usize): void {
  forward(LOSS, false, xPtr, labelsPtr, 0, lossesPtr, outer, classes, inner, 0, 1, 1);
}

/** losses (outer, inner) for label distributions laid out like x. */
export function lossOfDistributions(xPtr: usize, labelsPtr: usize, lossesPtr: usize, outer: usize, classes: usize, inner: usize): void {
  forward(LOSS, true, xPtr, labelsPtr, 0, lossesPtr, outer, classes, inner, 0, 1, 1);
}

/**
 * lossOfIndices, and gradient = g ∂loss/∂x, where g = upstream/divisor, or the row's element of upstreamPtr (outer, inner) if that is
 * not 0 (then upstream is 0).
 */
export function gradientOfIndices(
  xPtr: usize, labelsPtr: usize, lossesPtr: usize, gradientPtr: usize,
  outer: usize, classes: usize, inner: usize, upstreamPtr: usize, upstream: f64, divisor: f64,
): void {
  forward(GRADIENT, false, xPtr, labelsPtr, gradientPtr, lossesPtr, outer, classes, inner, upstreamPtr, upstream, divisor);
}

/** lossOfDistributions, and the gradient as gradientOfIndices has it. */
export function gradientOfDistributions(
  xPtr: usize, labelsPtr: usize, lossesPtr: usize, gradientPtr: usize,
  outer: usize, classes: usize, inner: usize, upstreamPtr: usize, upstream: f64, divisor: f64,
): void {
  forward(GRADIENT, true, xPtr, labelsPtr, gradientPtr, lossesPtr, outer, classes, inner, upstreamPtr, upstream, divisor);
}

// @ts-ignore: decorator
@inline
function backward(log: bool, upstreamPtr: usize, resultPtr: usize, outPtr: usize, outer: usize, classes: usize, inner: usize): void {
  const rows = outer * inner;
  if (inner == 1 && classes > MAX_LANE_CLASSES) {
    for (let r: usize = 0; r < rows; r++) {
      const at = (r * classes) << 3;
      backwardRow(log, upstreamPtr + at, resultPtr + at, outPtr + at, classes);
    }
  } else {
    backwardRowPairs(log, upstreamPtr, resultPtr, outPtr, rows, classes, inner);
  }
}

/** out = p ⊙ (g − Σ g p), the upstream gradient g times the Jacobian of softmax at its result p. */
export function softmaxBackward(upstreamPtr: usize, probsPtr: usize, outPtr: usize, outer: usize, classes: usize, inner: usize): void {
  backward(false, upstreamPtr, probsPtr, outPtr, outer, classes, inner);
}

/** out = g − exp(l) Σ g, the upstream gradient g times the Jacobian of log-softmax at its result l <= 0. */
export function logSoftmaxBackward(upstreamPtr: usize, logProbsPtr: usize, outPtr: usize, outer: usize, classes: usize, inner: usize): void {
  backward(true, upstreamPtr, logProbsPtr, outPtr, outer, classes, inner);
}

/**
 * Lines [first, first + lines) of the Jacobians diag(p) − p pᵀ of probs (rows, classes), each of `classes` elements: line
 * r classes + i is the i-th of row r.
 */
export function softmaxJacobian(probsPtr: usize, jacobianPtr: usize, classes: usize, first: usize, lines: usize): void {
  for (let line: usize = 0; line < lines; line++) {
    const row = (first + line) / classes;
    jacobianLine(probsPtr + ((row * classes) << 3), first + line - row * classes, jacobianPtr + ((line * classes) << 3), classes);
  }
}

/** 2^-64: times it, 2^64 losses have a finite sum. */
const SUM_SCALE: f64 = reinterpret<f64>(0x3bf0000000000000);

/** Adds `count` values, in order, to the sum at sumPtr: hi (plain, times 2^-64), lo (plain, times 2^-64). */
export function accumulate(valuesPtr: usize, count: usize, sumPtr: usize): void {
  const scale = f64x2.replace_lane(f64x2.splat(SUM_SCALE), 0, 1);
  let hi = v128.load(sumPtr);
  let lo = v128.load(sumPtr, 16);
  for (let i: usize = 0; i < count; i++) {
    const term = f64x2.mul(v128.load64_splat(valuesPtr + (i << 3)), scale);
    const next = f64x2.add(hi, term);
    lo = f64x2.add(lo, twoSumError(hi, term, next));
    hi = next;
  }
  v128.store(sumPtr, hi);
  v128.store(sumPtr, lo, 16);
}

/** The sum at sumPtr divided by `divisor`, with one rounding or little more; right where the sum itself would be infinite. */
export function mean(sumPtr: usize, divisor: f64): f64 {
  const hi = v128.load(sumPtr);
  const lo = v128.load(sumPtr, 16);
  const plainHi = f64x2.extract_lane(hi, 0);
  const plainLo = f64x2.extract_lane(lo, 0);
  // A subnormal sum is among these: its quotient has no low part that could be right.
  if (plainLo == 0) return plainHi / divisor;
  const divisors = f64x2.splat(divisor);
  const inverse = f64x2.div(f64x2.splat(1), divisors);
  const q = upper(f64x2.mul(hi, inverse));
  const means = f64x2.add(q, quotientLow(q, inverse, hi, lo, divisors));
  const plain = f64x2.extract_lane(means, 0);
  const scaled = f64x2.extract_lane(means, 1);
  if (isFinite(plain)) return plain;
  if (isFinite(scaled)) return scaled / SUM_SCALE;
  return (isFinite(plainHi) ? plainHi + plainLo : plainHi) / divisor;
}

/** Where the kernels write besides their outputs. */
export function scratchBase(): usize {
  return INDICES_PTR;
}

/** How much they write there. */
export function scratchBytes(): usize {
  return SCRATCH_BYTES;
}

/** The first address that is free for buffers. */
export function heapBase(): usize {
  return __heap_base;
}
