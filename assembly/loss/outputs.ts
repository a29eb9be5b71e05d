// Outputs of a loss with options, by row and by class. A new output is a field of the plan, a line in writeRowOutputs or in writeClasses and
// writeClassOutputs, and a line in skipRow.

import { logRatio } from "../number/log";
import { clamped, exponentOf, ORDINARY, powerOfTwo, withoutPower } from "../number/range";
import { bytesOf, isRounded, loadByRow, narrow, store1, storeByRow } from "../number/storage";
import { collapse } from "../number/two-sum";
import { divideRow, subtractRow } from "../softmax/finish";
import { lseOf, Normalizer } from "../softmax/normalizer";
import { firstState, nextState } from "../softmax/scratch";
import { rowOffset } from "../softmax/tile";
import { scatterOf } from "../softmax/transpose";
import { countBefore, findFirst, maskLanes, sumProducts, sumSquares, writeLabelGradient } from "./class-loops";
import { Plan } from "./plan";
import { counts, fillMasked, isOpen, loadAt, loadIndex, placeOf, readRows, Rows, rowWeights, secondPlaceOf, toFirstPair, toNextPair } from "./rows";

/** Stores doubles that are integers as i32, by row. */
function storeCounts(ptr: usize, isAlone: bool, counts: v128): void {
  store<i32>(ptr, <i32>f64x2.extract_lane(counts, 0));
  if (!isAlone) store<i32>(ptr + bytesOf<i32>(1), <i32>f64x2.extract_lane(counts, 1));
}

/**
 * The derivatives of the loss with respect to the scale k of logits, where x is scaled already, m = Σ p x = max − gap, T = Σ t and z = 2 zLoss lse:
 *   (Σ t (max − x) − T gap + z m) / k,  ((T + z) Σ p (x − m)² + 2 zLoss m²) / k²
 */
function writeScaleDerivatives(plan: Plan, at: Rows, n: Normalizer): void {
  const gap = at.meanGap;
  const isAlone = at.isAlone != 0;
  const byRow = bytesOf<f64>(at.row);
  const scale = f64x2.splat(plan.scale);
  const s = rowWeights(plan, at);
  const mass = f64x2.add(at.massHi, at.massLo);
  const mean = f64x2.sub(n.max, gap);
  let first = collapse(f64x2.sub(at.gapHi, f64x2.mul(mass, gap)), at.gapLo);
  const variance = f64x2.div(sumSquares(at.isPair != 0, at.e, at.x, at.count, n.max, gap), n.hi);
  let second = f64x2.mul(f64x2.add(mass, at.z), variance);
  if (plan.zLoss) {
    first = f64x2.add(first, f64x2.mul(at.z, mean));
    second = f64x2.add(second, f64x2.mul(f64x2.splat(2 * plan.zLoss), f64x2.mul(mean, mean)));
  }
  first = f64x2.div(f64x2.mul(s, first), scale);
  second = f64x2.div(f64x2.div(f64x2.mul(s, second), scale), scale);
  storeByRow(plan.scaleGradients + byRow, isAlone, v128.and(first, counts(s)));
  storeByRow(plan.scaleCurvatures + byRow, isAlone, v128.and(second, counts(s)));
}

/** log |Σ t exp x| and the sign of that sum. */
function writeWeightedLse(plan: Plan, at: Rows, n: Normalizer): void {
  const isAlone = at.isAlone != 0, isPair = at.isPair != 0;
  const byRow = bytesOf<f64>(at.row);
  const zero = f64x2.splat(0), one = f64x2.splat(1);
  const isRead = readRows(plan, at);
  // Where the sum is beyond the range of doubles, it is made with a small factor, which the logarithm gets back.
  let sum = sumProducts(isPair, at.e, at.t, at.count, one);
  const isHuge = f64x2.eq(f64x2.abs(sum), f64x2.splat(Infinity));
  if (v128.any_true(isHuge)) sum = v128.bitselect(sumProducts(isPair, at.e, at.t, at.count, f64x2.splat(SMALL_SCALE)), sum, isHuge);
  const size = f64x2.abs(sum);
  // size = 2^k s, eMax <= s < 2 eMax.
  const exponents = i64x2.splat(0x7ff0000000000000);
  const difference = i64x2.sub(v128.and(size, exponents), v128.and(n.eMax, exponents));
  let s = i64x2.sub(size, difference);
  const isLess = f64x2.lt(s, n.eMax);
  s = v128.bitselect(f64x2.add(s, s), s, isLess);
  let k = i64x2.add(i64x2.shr_s(difference, 52), isLess);
  k = i64x2.add(k, v128.and(isHuge, i64x2.splat(448)));
  const kPart = f64x2.mul(f64x2(<f64>i64x2.extract_lane(k, 0), <f64>i64x2.extract_lane(k, 1)), f64x2.splat(LN2));
  const log = f64x2.add(kPart, logRatio<f64>(n.eMax, f64x2.sub(s, n.eMax), zero, s, zero));
  // A sum of 0, and NaN, which comparisons keep.
  const lse = v128.bitselect(f64x2.add(n.max, log), f64x2.add(size, f64x2.splat(-Infinity)), f64x2.gt(size, zero));
  const sign = v128.or(v128.and(f64x2.gt(size, zero), one), v128.and(sum, f64x2.splat(-0.0)));
  const isNumber = f64x2.eq(size, size);
  storeByRow(plan.lse + byRow, isAlone, v128.bitselect(lse, f64x2.splat(-Infinity), isRead));
  storeByRow(plan.signs + byRow, isAlone, v128.and(v128.bitselect(sign, sum, isNumber), isRead));
}

const LN2: f64 = 0.6931471805599453;

/** 2^-448: of 2^64 e_j, times factors of any size, a sum that is finite. */
const SMALL_SCALE: f64 = reinterpret<f64>(0x23f0000000000000);

/** Outputs by row, of one row or of a pair. `loss` is s times the loss, if there are labels. */
export function writeRowOutputs(plan: Plan, at: Rows, n: Normalizer, loss: v128): void {
  const zero = f64x2.splat(0);
  const isPair = at.isPair != 0, isAlone = at.isAlone != 0;
  const x = at.x, count = at.count, max = n.max, sumHi = n.hi;
  const byRow = bytesOf<f64>(at.row), byCount = bytesOf<i32>(at.row);
  const weights = rowWeights(plan, at);
  const isRead = f64x2.eq(weights, weights);

  if (plan.losses) storeByRow(plan.losses + byRow, isAlone, v128.and(loss, counts(weights)));
  if (plan.signs) {
    writeWeightedLse(plan, at, n);
  } else if (plan.lse) {
    storeByRow(plan.lse + byRow, isAlone, v128.bitselect(lseOf<f64>(isPair, x, count, max, n.logSum), f64x2.splat(-Infinity), isRead));
  }
  if (plan.entropy) storeByRow(plan.entropy + byRow, isAlone, v128.and(f64x2.add(at.meanGap, n.logSum), isRead));
  if (plan.scaleGradients) writeScaleDerivatives(plan, at, n);
  if (plan.confidence) storeByRow(plan.confidence + byRow, isAlone, v128.and(f64x2.div(n.eMax, sumHi), isRead));
  const none = f64x2.splat(-1);
  const isKnown = v128.and(isRead, f64x2.eq(sumHi, sumHi));
  if (plan.argmax) {
    storeCounts(plan.argmax + byCount, isAlone, v128.bitselect(findFirst(isPair, x, count, max), none, isKnown));
  }
  if (plan.ranks) {
    const classes = plan.classes;
    const indices = plan.targetClasses + byCount;
    const y0 = loadIndex(indices, i64x2.extract_lane(isRead, 0) != 0, classes);
    const y1 = loadIndex(indices + (isAlone ? 0 : bytesOf<i32>(1)), i64x2.extract_lane(isRead, 1) != 0, classes);
    const value = loadAt(x, placeOf(at, y0), secondPlaceOf(at, y1));
    const rank = countBefore(isPair, x, count, value, f64x2(<f64>y0, <f64>y1));
    const takePart = i64x2(-<i64>isOpen(plan, at.row, y0), -<i64>isOpen(plan, isAlone ? at.row : at.row + 1, y1));
    storeCounts(plan.ranks + byCount, isAlone, v128.bitselect(rank, none, v128.and(isKnown, takePart)));
  }
}

// The outputs by class.
const PROBS: i32 = 0;
const LOG_PROBS: i32 = 1;
const LABEL_GRADIENT: i32 = 2;

/** Writes p or log p of one row or of a pair. */
function writeClasses<O>(output: i32, plan: Plan, at: Rows, n: Normalizer, out: usize): void {
  const count = at.count;
  // An infinite sum in the place of an ignored row's makes p = 0 and log p = −∞.
  const isRead = readRows(plan, at);
  const ignored = f64x2.splat(Infinity);
  if (output == PROBS) {
    divideRow<O>(at.e, out, count, v128.bitselect(n.hi, ignored, isRead));
    // Logits of ignored rows that are read may be NaN.
    if (plan.readsIgnored && !isRounded<O>() && !i64x2.all_true(isRead)) maskLanes(out, count, isRead);
  } else {
    const hasLogProbs = plan.readsIgnored ? i64x2.splat(-1) : isRead;
    subtractRow<f64, O>(at.x, out, count, n.max, v128.bitselect(n.logSum, ignored, hasLogProbs));
  }
}

/** Writes the gradient with respect to the distributions of one row or of a pair. It has no factor of the scale of logits. */
function writeLabelGradients(plan: Plan, at: Rows, n: Normalizer, out: usize): void {
  const s = rowWeights(plan, at);
  const byRow = plan.upstreamByRow;
  const upstream = byRow ? loadByRow(byRow + bytesOf<f64>(at.row), at.isAlone != 0) : f64x2.splat(plan.upstream);
  const divisor = f64x2.splat(byRow ? 1 : plan.divisor);
  const kUpstream = exponentOf(upstream, ORDINARY), kDivisor = exponentOf(divisor, ORDINARY), kWeight = exponentOf(s, ORDINARY);
  const g = f64x2.div(withoutPower(kUpstream, upstream), withoutPower(kDivisor, divisor));
  const product = f64x2.mul(f64x2.mul(g, withoutPower(kWeight, s)), f64x2.splat(plan.keepHi));
  const k = clamped(i64x2.add(i64x2.sub(kUpstream, kDivisor), kWeight), -1000, 1000);
  const weighted = v128.and(f64x2.mul(product, powerOfTwo(k)), counts(s));
  writeLabelGradient(at.isPair != 0, plan.weights, at.x, out, at.count, n.max, n.logSum, weighted);
}

/** Writes one output by class, of one row or of a pair, as doubles. */
function writeDoubles(output: i32, plan: Plan, at: Rows, n: Normalizer, out: usize): void {
  if (output == LABEL_GRADIENT) writeLabelGradients(plan, at, n, out);
  else writeClasses<f64>(output, plan, at, n, out);
}

/** The value of an output by class where there is no probability. */
// @ts-ignore: decorator
@inline
function valueOfNone(output: i32): f64 {
  return output == LOG_PROBS ? -Infinity : 0;
}

/**
 * Writes one output by class, of one row or of a group, to a tensor: by way of the plane for results, or at once. A masked class has e = 0 but for
 * the floor, which p has no digit of; where p is NaN, it is given its value here.
 */
function writeTensor(output: i32, plan: Plan, at: Rows, tensor: usize, scratchPtr: usize): void {
  const classes = plan.classes, inner = plan.inner, bytes = plan.elementBytes;
  let n = firstState(scratchPtr);
  const to = tensor + bytes * rowOffset(at.isPair ? at.group : at.row, classes, inner);
  if (!at.isPair) {
    const isNumber = output != LABEL_GRADIENT && v128.any_true(f64x2.eq(n.hi, n.hi));
    if (isNumber && bytes < sizeof<f64>()) {
      writeClasses<f32>(output, plan, at, n, to);
      return;
    }
    const out = bytes == sizeof<f64>() ? to : at.outPlane;
    writeDoubles(output, plan, at, n, out);
    if (output != LABEL_GRADIENT && !isNumber) fillMasked(plan, at, out, valueOfNone(output));
    if (out != to) narrow(bytes, out, to, classes);
    return;
  }
  let areNumbers = i64x2.splat(-1);
  for (toFirstPair(at); at.row < at.end; toNextPair(at), n = nextState(n)) {
    writeDoubles(output, plan, at, n, at.v);
    areNumbers = v128.and(areNumbers, f64x2.eq(n.hi, n.hi));
  }
  if (output != LABEL_GRADIENT && !i64x2.all_true(areNumbers)) fillMasked(plan, at, at.outPlane, valueOfNone(output));
  scatterOf(bytes, at.outPlane, to, at.end - at.group, classes, inner);
}

/** log p of a contiguous row that is ignored. */
export function writeIgnoredLogProbs(plan: Plan, at: Rows, scratchPtr: usize): void {
  if (plan.logProbs) writeTensor(LOG_PROBS, plan, at, plan.logProbs, scratchPtr);
}

/** Outputs by class, of one row or of a group. They take the plane for results. */
export function writeClassOutputs(plan: Plan, at: Rows, scratchPtr: usize): void {
  if (plan.probs) writeTensor(PROBS, plan, at, plan.probs, scratchPtr);
  if (plan.logProbs) writeTensor(LOG_PROBS, plan, at, plan.logProbs, scratchPtr);
  if (plan.labelGradient) writeTensor(LABEL_GRADIENT, plan, at, plan.labelGradient, scratchPtr);
}

/** Writes `value` to the classes of a contiguous row. */
function fillRow(bytes: usize, tensor: usize, row: usize, classes: usize, value: f64): void {
  const end = tensor + bytes * (row + 1) * classes;
  for (let out = end - bytes * classes; out < end; out += bytes) {
    if (bytes == sizeof<f64>()) store1<f64>(out, value);
    else store1<f32>(out, value);
  }
}

/** The outputs of a contiguous row that is ignored; log p only if such rows are not read. */
export function skipRow(plan: Plan, row: usize): void {
  const classes = plan.classes, bytes = plan.elementBytes;
  const byRow = bytesOf<f64>(row), counts = bytesOf<i32>(row);
  if (plan.losses) store1<f64>(plan.losses + byRow, 0);
  if (plan.lse) store1<f64>(plan.lse + byRow, -Infinity);
  if (plan.signs) store1<f64>(plan.signs + byRow, 0);
  if (plan.entropy) store1<f64>(plan.entropy + byRow, 0);
  if (plan.confidence) store1<f64>(plan.confidence + byRow, 0);
  if (plan.scaleGradients) {
    store1<f64>(plan.scaleGradients + byRow, 0);
    store1<f64>(plan.scaleCurvatures + byRow, 0);
  }
  if (plan.argmax) store<i32>(plan.argmax + counts, -1);
  if (plan.ranks) store<i32>(plan.ranks + counts, -1);
  if (plan.probs) fillRow(bytes, plan.probs, row, classes, valueOfNone(PROBS));
  if (plan.logProbs && !plan.readsIgnored) fillRow(bytes, plan.logProbs, row, classes, valueOfNone(LOG_PROBS));
  if (plan.labelGradient) fillRow(bytes, plan.labelGradient, row, classes, valueOfNone(LABEL_GRADIENT));
  if (plan.derivative) fillRow(bytes, plan.exps, row, classes, 0);
}
