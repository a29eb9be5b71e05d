// The exported ABI. Tensors are row-major (outer, classes, inner) doubles at byte addresses; a row is the `classes` elements of one
// (outer, inner), rows are numbered in that order, and results by row are (outer, inner). Kernels visit rows [first, end) of them, and a
// row's results are the same in any range. Outputs may be the first input itself, those
// of a backward kernel either input.
// scratchPtr is where scratchBytes(classes, inner, planes) bytes are free, on a 16-byte boundary.

import { bytesOf, load2, store2 } from "./number/storage";
import { sum } from "./number/sums";
import { backwardRowPairs, forwardRowPairs } from "./softmax/by-lane";
import { quotientLow, remainder, twoSumError, highHalf } from "./number/two-sum";
import { visit } from "./loss/loss";
import { GRADIENT as DERIVATIVE_GRADIENT, Plan } from "./loss/plan";
import { backwardRow, forwardRows, jacobianLine } from "./softmax/by-row";
import { laneScratchBytes, rowScratchBytes } from "./softmax/scratch";
import { GRADIENT, LOG_PROBS, LOSS, LSE, PROBS } from "./softmax/task";
import { scaleTo } from "./loss/class-loops";
import { forwardTwo } from "./softmax/two-classes";

/** The elements of all tensors. */
type Element = f64;

/** Contiguous rows of more classes than this are visited one at a time, others two at a time. */
const MAX_LANE_CLASSES: usize = 40;

/** Whether rows are visited one at a time. */
// @ts-ignore: decorator
@inline
function isByRow(classes: usize, inner: usize): bool {
  return inner == 1 && classes > MAX_LANE_CLASSES;
}

/** The forward visit of rows [first, end): `task` and `distribution` are constants. Pointers that the task has no use for are 0. */
// @ts-ignore: decorator
@inline
function forward<T>(
  task: i32, distribution: bool,
  xPtr: usize, labelsPtr: usize, outPtr: usize, resultPtr: usize,
  classes: usize, inner: usize, upstreamPtr: usize, upstream: f64, divisor: f64, first: usize, end: usize, scratchPtr: usize,
): void {
  const divisors = f64x2.splat(divisor);
  const gHi = f64x2.splat(upstream / divisor);
  const gLo = f64x2.div(remainder(f64x2.splat(upstream), gHi, divisors), divisors);
  if (isByRow(classes, inner)) {
    forwardRows<T>(task, distribution, xPtr, labelsPtr, outPtr, resultPtr, classes, upstreamPtr, gHi, gLo, first, end, scratchPtr);
  } else if ((task == LOSS || task == GRADIENT) && !distribution && classes == 2) {
    forwardTwo<T>(task, xPtr, labelsPtr, outPtr, resultPtr, inner, upstreamPtr, gHi, gLo, first, end, scratchPtr);
  } else {
    forwardRowPairs<T>(task, distribution, xPtr, labelsPtr, outPtr, resultPtr, classes, inner, upstreamPtr, gHi, gLo, first, end, scratchPtr);
  }
}

/** out = softmax(x). */
export function softmax(xPtr: usize, outPtr: usize, classes: usize, inner: usize, first: usize, end: usize, scratchPtr: usize): void {
  forward<Element>(PROBS, false, xPtr, 0, outPtr, 0, classes, inner, 0, 1, 1, first, end, scratchPtr);
}

/** out = log softmax(x). */
export function logSoftmax(xPtr: usize, outPtr: usize, classes: usize, inner: usize, first: usize, end: usize, scratchPtr: usize): void {
  forward<Element>(LOG_PROBS, false, xPtr, 0, outPtr, 0, classes, inner, 0, 1, 1, first, end, scratchPtr);
}

/** lse (outer, inner) = log Σ exp x. */
export function logSumExp(xPtr: usize, lsePtr: usize, classes: usize, inner: usize, first: usize, end: usize, scratchPtr: usize): void {
  forward<Element>(LSE, false, xPtr, 0, 0, lsePtr, classes, inner, 0, 1, 1, first, end, scratchPtr);
}

/** True for a plan that the specialised walks serve. */
export function isPlain(planPtr: usize): bool {
  const plan = changetype<Plan>(planPtr);
  if (plan.rowWeights || plan.weights || plan.mask || plan.vector || plan.targetClasses) return false;
  if (plan.labelGradient || plan.probs || plan.logProbs || plan.lse || plan.entropy || plan.argmax || plan.ranks) return false;
  if (plan.zLoss != 0 || plan.scale != 1 || plan.keepHi != 1 || plan.derivative > DERIVATIVE_GRADIENT) return false;
  return plan.indices ? !plan.targets : !plan.targetsAreShared;
}

export function loss(planPtr: usize, first: usize, end: usize, scratchPtr: usize): void {
  const plan = changetype<Plan>(planPtr);
  const classes = plan.classes, inner = plan.inner;
  if (!isPlain(planPtr)) {
    visit<Element>(plan, first, end, isByRow(classes, inner), scratchPtr);
    return;
  }
  const up = plan.upstreamByRow, u = plan.upstream, d = plan.divisor;
  if (plan.indices) {
    if (plan.derivative) forward<Element>(GRADIENT, false, plan.logits, plan.indices, plan.exps, plan.losses, classes, inner, up, u, d, first, end, scratchPtr);
    else forward<Element>(LOSS, false, plan.logits, plan.indices, 0, plan.losses, classes, inner, 0, 1, 1, first, end, scratchPtr);
  } else {
    if (plan.derivative) forward<Element>(GRADIENT, true, plan.logits, plan.targets, plan.exps, plan.losses, classes, inner, up, u, d, first, end, scratchPtr);
    else forward<Element>(LOSS, true, plan.logits, plan.targets, 0, plan.losses, classes, inner, 0, 1, 1, first, end, scratchPtr);
  }
}

/** out += a, elements [first, end). */
export function add(aPtr: usize, outPtr: usize, first: usize, end: usize): void {
  scaleTo<Element>(true, aPtr + bytesOf<Element>(first), outPtr + bytesOf<Element>(first), end - first, 1);
}

// @ts-ignore: decorator
@inline
function backward<Element>(
  log: bool, upstreamPtr: usize, resultPtr: usize, outPtr: usize,
  classes: usize, inner: usize, first: usize, end: usize, scratchPtr: usize,
): void {
  if (isByRow(classes, inner)) {
    for (let r = first; r < end; r++) {
      const at = bytesOf<Element>(r * classes);
      backwardRow<Element>(log, upstreamPtr + at, resultPtr + at, outPtr + at, classes, scratchPtr);
    }
  } else {
    backwardRowPairs<Element>(log, upstreamPtr, resultPtr, outPtr, classes, inner, first, end, scratchPtr);
  }
}

/** out = p ⊙ (g − Σ g p), the upstream gradient g times the Jacobian of softmax at its result p. */
export function softmaxBackward(
  upstreamPtr: usize, probsPtr: usize, outPtr: usize, classes: usize, inner: usize, first: usize, end: usize, scratchPtr: usize,
): void {
  backward<Element>(false, upstreamPtr, probsPtr, outPtr, classes, inner, first, end, scratchPtr);
}

/** out = g − exp(l) Σ g, the upstream gradient g times the Jacobian of log-softmax at its result l <= 0. */
export function logSoftmaxBackward(
  upstreamPtr: usize, logProbsPtr: usize, outPtr: usize, classes: usize, inner: usize, first: usize, end: usize, scratchPtr: usize,
): void {
  backward<Element>(true, upstreamPtr, logProbsPtr, outPtr, classes, inner, first, end, scratchPtr);
}

/**
 * Lines [first, first + lines) of the Jacobians diag(p) − p pᵀ of probs (rows, classes), each of `classes` elements: line
 * r classes + i is the i-th of row r.
 */
export function softmaxJacobian(probsPtr: usize, jacobianPtr: usize, classes: usize, first: usize, lines: usize): void {
  for (let line: usize = 0; line < lines; line++) {
    const row = (first + line) / classes;
    jacobianLine<Element>(probsPtr + bytesOf<Element>(row * classes), first + line - row * classes, jacobianPtr + bytesOf<Element>(line * classes), classes);
  }
}

/** 2^-64: times it, 2^64 losses have a finite sum. */
const SUM_SCALE: f64 = reinterpret<f64>(0x3bf0000000000000);

/** Adds `count` values to the sum at sumPtr: hi (plain, times 2^-64), lo (plain, times 2^-64). */
export function accumulate(valuesPtr: usize, count: usize, sumPtr: usize): void {
  const plain = sum<Element>(valuesPtr, count, 1);
  const fits = abs(f64x2.extract_lane(plain, 0)) < Infinity;
  const scaled = fits ? f64x2.mul(plain, f64x2.splat(SUM_SCALE)) : sum<Element>(valuesPtr, count, SUM_SCALE);
  const hi = load2<f64>(sumPtr);
  const term = i64x2.shuffle(plain, scaled, 0, 2);
  const next = f64x2.add(hi, term);
  const lost = f64x2.add(i64x2.shuffle(plain, scaled, 1, 3), twoSumError(hi, term, next));
  store2<f64>(sumPtr, next);
  store2<f64>(sumPtr, f64x2.add(load2<f64>(sumPtr, 1), lost), 1);
}

/** The sum at sumPtr divided by `divisor`, with one rounding or little more; right where the sum itself would be infinite. */
export function mean(sumPtr: usize, divisor: f64): f64 {
  const hi = load2<f64>(sumPtr);
  const lo = load2<f64>(sumPtr, 1);
  const plainHi = f64x2.extract_lane(hi, 0);
  const plainLo = f64x2.extract_lane(lo, 0);
  // A subnormal sum is among these: its quotient has no low part that could be right.
  if (plainLo == 0) return plainHi / divisor;
  const divisors = f64x2.splat(divisor);
  const inverse = f64x2.div(f64x2.splat(1), divisors);
  const q = highHalf(f64x2.mul(hi, inverse));
  const means = f64x2.add(q, quotientLow(q, inverse, hi, lo, divisors));
  const plain = f64x2.extract_lane(means, 0);
  const scaled = f64x2.extract_lane(means, 1);
  if (isFinite(plain)) return plain;
  if (isFinite(scaled)) return scaled / SUM_SCALE;
  return (isFinite(plainHi) ? plainHi + plainLo : plainHi) / divisor;
}

/** The first of `count` class indices, i32, that is not less than `classes`; `count` if there is none. */
export function firstBadIndex(labelsPtr: usize, count: usize, classes: usize): usize {
  const limit = i32x4.splat(<i32>classes - 1);
  let i: usize = 0;
  for (; i + 4 <= count; i += 4) {
    if (v128.any_true(i32x4.gt_u(v128.load(labelsPtr + bytesOf<i32>(i)), limit))) break;
  }
  while (i < count && <usize>load<u32>(labelsPtr + bytesOf<i32>(i)) < classes) i++;
  return i;
}

/** What kernels write besides their outputs, of any batch of such rows: with 2 planes, or 4 for a plan. */
export function scratchBytes(classes: usize, inner: usize, planes: usize): f64 {
  return isByRow(classes, inner) ? rowScratchBytes(classes, planes) : laneScratchBytes(classes, inner, planes);
}

/** The first address that is free for buffers. */
export function heapBase(): usize {
  return __heap_base;
}
