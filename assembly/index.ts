// The exported kernels. Tensors are row-major (outer, classes, inner) at byte addresses; their elements have `elementBytes` bytes: 8, doubles,
// or 4, float32. A row is the `classes` elements of one (outer, inner); rows are numbered in this order, and results by row are doubles
// (outer, inner). Kernels take the rows [first, end), and the result of a row does not depend on the range. The output of a kernel may be its
// first input, that of a backward kernel either input. At scratchPtr, on a 16-byte boundary, scratchBytes(classes, inner, planes, elementBytes)
// bytes are free.

import { scaleTo } from "./loss/class-loops";
import { diverge } from "./loss/divergence";
import { lossOf } from "./loss/loss";
import { accumulate as accumulateLosses, mean as meanOf } from "./loss/mean";
import { isPlain as isPlainPlan, Plan } from "./loss/plan";
import { firstBad } from "./loss/targets";
import { exp as expOf } from "./number/exp";
import { log as logOf } from "./number/log";
import { cap, timesSlope } from "./number/tanh";
import { backward, jacobian } from "./softmax/backward";
import { forward } from "./softmax/forward";
import { scratchBytesOf } from "./softmax/scratch";
import { LOG_PROBS, LSE, PROBS } from "./softmax/task";

/** out = softmax(x). */
export function softmax(
  xPtr: usize, outPtr: usize, classes: usize, inner: usize, elementBytes: usize, first: usize, end: usize, scratchPtr: usize,
): void {
  if (elementBytes == sizeof<f32>()) forward<f32>(PROBS, false, xPtr, 0, outPtr, 0, classes, inner, 0, 1, 1, first, end, scratchPtr);
  else forward<f64>(PROBS, false, xPtr, 0, outPtr, 0, classes, inner, 0, 1, 1, first, end, scratchPtr);
}

/** out = log softmax(x). */
export function logSoftmax(
  xPtr: usize, outPtr: usize, classes: usize, inner: usize, elementBytes: usize, first: usize, end: usize, scratchPtr: usize,
): void {
  if (elementBytes == sizeof<f32>()) forward<f32>(LOG_PROBS, false, xPtr, 0, outPtr, 0, classes, inner, 0, 1, 1, first, end, scratchPtr);
  else forward<f64>(LOG_PROBS, false, xPtr, 0, outPtr, 0, classes, inner, 0, 1, 1, first, end, scratchPtr);
}

/** lse (outer, inner) = log Σ exp x. */
export function logSumExp(
  xPtr: usize, lsePtr: usize, classes: usize, inner: usize, elementBytes: usize, first: usize, end: usize, scratchPtr: usize,
): void {
  if (elementBytes == sizeof<f32>()) forward<f32>(LSE, false, xPtr, 0, 0, lsePtr, classes, inner, 0, 1, 1, first, end, scratchPtr);
  else forward<f64>(LSE, false, xPtr, 0, 0, lsePtr, classes, inner, 0, 1, 1, first, end, scratchPtr);
}

/** out = scale p ⊙ (g − Σ g p), the upstream gradient g times the Jacobian of softmax(scale x) at its result p. */
export function softmaxBackward(
  upstreamPtr: usize, probsPtr: usize, outPtr: usize, classes: usize, inner: usize, elementBytes: usize, scale: f64,
  first: usize, end: usize, scratchPtr: usize,
): void {
  if (elementBytes == sizeof<f32>()) backward<f32>(false, upstreamPtr, probsPtr, outPtr, classes, inner, scale, first, end, scratchPtr);
  else backward<f64>(false, upstreamPtr, probsPtr, outPtr, classes, inner, scale, first, end, scratchPtr);
}

/** out = scale (g − exp(l) Σ g), the upstream gradient g times the Jacobian of log-softmax(scale x) at its result l <= 0. */
export function logSoftmaxBackward(
  upstreamPtr: usize, logProbsPtr: usize, outPtr: usize, classes: usize, inner: usize, elementBytes: usize, scale: f64,
  first: usize, end: usize, scratchPtr: usize,
): void {
  if (elementBytes == sizeof<f32>()) backward<f32>(true, upstreamPtr, logProbsPtr, outPtr, classes, inner, scale, first, end, scratchPtr);
  else backward<f64>(true, upstreamPtr, logProbsPtr, outPtr, classes, inner, scale, first, end, scratchPtr);
}

/**
 * Lines [first, first + lines) of the Jacobians diag(p) − p pᵀ of probs (rows, classes), each of `classes` elements: line
 * r · classes + i is line i of row r.
 */
export function softmaxJacobian(
  probsPtr: usize, jacobianPtr: usize, classes: usize, elementBytes: usize, first: usize, lines: usize,
): void {
  if (elementBytes == sizeof<f32>()) jacobian<f32>(probsPtr, jacobianPtr, classes, first, lines);
  else jacobian<f64>(probsPtr, jacobianPtr, classes, first, lines);
}

/** The loss of a plan (loss/plan.ts), its derivative and its outputs, with scratch memory of 4 planes. */
export function loss(planPtr: usize, first: usize, end: usize, scratchPtr: usize): void {
  lossOf(changetype<Plan>(planPtr), first, end, scratchPtr);
}

/**
 * KL(q ‖ p), or with isSymmetric JS(q, p), of doubles, by row times its weight, and with writesGradients the gradients times `factor` in the
 * places of the logits (loss/divergence.ts). At rowsPtr are 4 doubles for each class, and 4 more for an odd number of them.
 */
export function divergence(
  isSymmetric: bool, writesGradients: bool, teacherPtr: usize, studentPtr: usize, rowWeightsPtr: usize, lossesPtr: usize,
  classes: usize, inner: usize, scale: f64, factor: f64, first: usize, end: usize, rowsPtr: usize, scratchPtr: usize,
): void {
  diverge(
    isSymmetric, writesGradients, teacherPtr, studentPtr, rowWeightsPtr, lossesPtr, classes, inner, scale, factor, first, end, rowsPtr, scratchPtr,
  );
}

/** True if a plan asks for the loss and its gradient only, without options. */
export function isPlain(planPtr: usize): bool {
  return isPlainPlan(changetype<Plan>(planPtr));
}

/** out += a, elements [first, end). */
export function add(aPtr: usize, outPtr: usize, elementBytes: usize, first: usize, end: usize, _scratchPtr: usize): void {
  const a = aPtr + first * elementBytes, out = outPtr + first * elementBytes;
  if (elementBytes == sizeof<f32>()) scaleTo<f32>(true, a, out, end - first, 1);
  else scaleTo<f64>(true, a, out, end - first, 1);
}

/** Adds `count` losses to the sum at sumPtr, 4 doubles that are 0 at first. */
export function accumulate(valuesPtr: usize, count: usize, sumPtr: usize): void {
  accumulateLosses(valuesPtr, count, sumPtr);
}

/** The sum at sumPtr over `divisor`. */
export function mean(sumPtr: usize, divisor: f64): f64 {
  return meanOf(sumPtr, divisor);
}

/** x becomes c tanh(x / c), `count` doubles; at scratchPtr 32 bytes are free. */
export function softcap(xPtr: usize, count: usize, c: f64, scratchPtr: usize): void {
  cap(xPtr, count, c, scratchPtr);
}

/** out becomes out (1 − tanh²(x / c)), `count` doubles; at scratchPtr 32 bytes are free. */
export function softcapBackward(xPtr: usize, outPtr: usize, count: usize, c: f64, scratchPtr: usize): void {
  timesSlope(xPtr, outPtr, count, c, scratchPtr);
}

/** exp(x); at scratchPtr 16 bytes are free. */
export function exp(x: f64, scratchPtr: usize): f64 {
  return expOf(x, scratchPtr);
}

/** log x. */
export function log(x: f64): f64 {
  return logOf(x);
}

/** The number of the first of `count` class indices (i32) that is not less than `classes`, or `count`. */
export function firstBadIndex(labelsPtr: usize, count: usize, classes: usize): usize {
  return firstBad(labelsPtr, count, classes);
}

/** The bytes of scratch memory for any batch of such rows: with 2 planes, or with 4 for `loss`. */
export function scratchBytes(classes: usize, inner: usize, planes: usize, elementBytes: usize): f64 {
  return scratchBytesOf(classes, inner, planes, elementBytes);
}

/** The first address that is free for buffers. */
export function heapBase(): usize {
  return __heap_base;
}
