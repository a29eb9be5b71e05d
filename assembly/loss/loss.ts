// The loss with every option: a row, or a group of pairs of rows, is split into e_j and what their sum is made of (PARTS); all results
// follow from these, class by class (terms.ts) and row by row.

import { bytesOf, load1, loadByRow, loadTwo, splat, store1, store2, storeByRow, storeLane } from "../number/storage";
import { splitGroup } from "../softmax/by-lane";
import { expFloor } from "../number/exp";
import { factorLow, gapScale, labelGradient, scaledLess, weightedLogSum } from "../softmax/normalizer";
import { nextPair, Pair } from "../softmax/tile";
import { GRADIENT, HESSIAN_DIAGONAL, HESSIAN_PRODUCT, Plan } from "./plan";
import { productLow, remainder, collapse, twoSumError, highHalf } from "../number/two-sum";
import { beginRows, scaleRow, scaleRowLessLabels, splitRow } from "../softmax/by-row";
import { groupBytes, pairsOfGroup, PAIRS, STAGE } from "../softmax/scratch";
import { gather, groupEnd, rowOffset, scatter } from "../softmax/transpose";
import {
  countBefore, fillWhere, fillWhereInTile, findFirst, maskLanes, maxOf, scaleTo, sumGaps, sumPositiveGaps, sumProducts, sumTargets, writeDiagonal,
  writeGradient, writeLabelGradient, writeLogProbs, writeProbs, writeProduct,
} from "./class-loops";

/** Doubles that are integers, as i32. */
function storeCounts(ptr: usize, isAlone: bool, counts: v128): void {
  store<i32>(ptr, <i32>f64x2.extract_lane(counts, 0));
  if (!isAlone) store<i32>(ptr + bytesOf<i32>(1), <i32>f64x2.extract_lane(counts, 1));
}

/** An index of each row, 0 for one that is not read. */
// @ts-ignore: decorator
@inline
function loadIndex(ptr: usize, isRead: bool, classes: usize): usize {
  if (!isRead) return 0;
  const y: usize = load<u32>(ptr);
  assert(y < classes);
  return y;
}

/**
 * Results by row and derivatives from PARTS, of a pair on the stage, or of one row, in both lanes (then `isAlone`). x, e, t and v are
 * where its classes are, `count` doubles, t and v 0 if there are none; (gHi, gLo) is upstream scale / divisor.
 */
function finishRows<T>(
  plan: Plan, pair: Pair, isPair: bool, isAlone: bool, row: usize, x: usize, e: usize, t: usize, v: usize, count: usize,
  gHi: v128, gLo: v128,
): void {
  const zero = f64x2.splat(0);
  const classes = plan.classes;
  const byRow = bytesOf<T>(row);
  const max = pair.max, eMax = pair.eMax, sumHi = pair.hi, sumLo = pair.lo, restHi = pair.restHi, restLo = pair.restLo, logS = pair.logS;
  const s = weightsOfRows<T>(plan, row, isAlone);
  const isCounted = f64x2.gt(s, zero);
  const isRead = f64x2.ge(s, zero);
  const isRead0 = i64x2.extract_lane(isRead, 0) != 0;
  const isRead1 = i64x2.extract_lane(isRead, 1) != 0;
  const shift = isPair ? alignof<v128>() : alignof<T>();
  const nextRow: usize = isAlone ? 0 : bytesOf<i32>(1);
  const otherLane: usize = isPair ? bytesOf<f64>(1) : 0;

  // The class that has a mass (aHi, aLo) of its own, at label0 and label1: an index, or of targets the only one that has any.
  const indices = plan.indices;
  if (t && !plan.targetsAreShared) sumTargets<T>(isPair, pair, t, count);
  let aHi = pair.massHi, aLo = pair.massLo;
  let hasLabel = i64x2.splat(-1);
  let y0: usize = 0, y1: usize = 0;
  if (indices) {
    y0 = loadIndex(indices + bytesOf<i32>(row), isRead0, classes);
    y1 = loadIndex(indices + bytesOf<i32>(row) + nextRow, isRead1, classes);
    const keepHi = f64x2.splat(plan.keepHi);
    const w = plan.weights ? loadTwo<T>(plan.weights + bytesOf<T>(y0), plan.weights + bytesOf<T>(y1)) : f64x2.splat(1);
    aHi = f64x2.mul(w, keepHi);
    aLo = productLow(aHi, w, zero, keepHi, f64x2.splat(plan.keepLo));
  } else {
    const top = maxOf<T>(isPair, t, count);
    hasLabel = f64x2.eq(top, pair.massHi);
    if (v128.any_true(hasLabel)) {
      const first = f64x2.pmin(findFirst<T>(isPair, t, count, top), f64x2.splat(<f64>(classes - 1)));
      y0 = <usize>f64x2.extract_lane(first, 0);
      y1 = <usize>f64x2.extract_lane(first, 1);
    }
  }
  const label0 = y0 << shift;
  const label1 = (y1 << shift) + otherLane;

  // Σ t (max − x), the label's part with what its product lost.
  let hi = zero, lo = zero;
  if (indices) {
    const scale = gapScale(max);
    const gap = f64x2.sub(f64x2.mul(max, scale), f64x2.mul(loadTwo<T>(x + label0, x + label1), scale));
    const product = f64x2.mul(aHi, gap);
    const weighs = f64x2.ne(aHi, zero);
    hi = v128.and(f64x2.div(product, scale), weighs);
    lo = v128.and(f64x2.div(productLow(product, aHi, aLo, gap, zero), scale), weighs);
  }
  if (t) {
    // A row has the same bits whatever its neighbour is.
    const isPlain = v128.and(i64x2.splat(-<i64>plan.allTargetsPositive), f64x2.eq(gapScale(max), f64x2.splat(1)));
    let gap = zero;
    if (v128.any_true(isPlain)) gap = sumPositiveGaps<T>(isPair, t, x, count, max);
    if (!i64x2.all_true(isPlain)) gap = v128.bitselect(gap, sumGaps<T>(isPair, t, x, count, max, f64x2.splat(-Infinity)), isPlain);
    const sum = f64x2.add(hi, gap);
    lo = f64x2.add(lo, twoSumError(hi, gap, sum));
    hi = sum;
  }

  // T log S, T = a + Σ targets for an index.
  let massHi = aHi, massLo = aLo;
  if (indices) {
    massHi = f64x2.add(aHi, pair.massHi);
    massLo = f64x2.add(f64x2.add(aLo, pair.massLo), twoSumError(aHi, pair.massHi, massHi));
  }
  const weighted = weightedLogSum(massHi, massLo, logS, eMax, restHi, restLo);
  let loss = f64x2.add(hi, weighted);
  lo = f64x2.add(lo, twoSumError(hi, weighted, loss));

  // zLoss lse², whose gradient is 2 zLoss lse p: so much more mass.
  const lse = f64x2.add(max, logS);
  let z = zero;
  if (plan.zLoss) {
    z = f64x2.mul(f64x2.splat(plan.zLoss), lse);
    const square = f64x2.mul(z, lse);
    const sum = f64x2.add(loss, square);
    lo = f64x2.add(lo, twoSumError(loss, square, sum));
    loss = sum;
    z = f64x2.add(z, z);
  }
  const product = f64x2.mul(s, loss);
  const weightedLoss = collapse(product, productLow(product, s, zero, loss, lo));
  storeByRow<T>(plan.losses + byRow, isAlone, v128.and(weightedLoss, isCounted));

  if (plan.lse) storeByRow<T>(plan.lse + byRow, isAlone, v128.bitselect(lse, f64x2.splat(-Infinity), isRead));
  if (plan.entropy) {
    const entropy = f64x2.add(f64x2.div(sumGaps<T>(isPair, e, x, count, max, expFloor(max)), sumHi), logS);
    storeByRow<T>(plan.entropy + byRow, isAlone, v128.and(entropy, isRead));
  }
  const none = f64x2.splat(-1);
  const isKnown = v128.and(isRead, f64x2.eq(sumHi, sumHi));
  if (plan.argmax) {
    storeCounts(plan.argmax + bytesOf<i32>(row), isAlone, v128.bitselect(findFirst<T>(isPair, x, count, max), none, isKnown));
  }
  if (plan.ranks) {
    const answers = plan.targetClasses + bytesOf<i32>(row);
    const right0 = loadIndex(answers, isRead0, classes);
    const right1 = loadIndex(answers + nextRow, isRead1, classes);
    const value = loadTwo<T>(x + (right0 << shift), x + (right1 << shift) + otherLane);
    const rank = countBefore<T>(isPair, x, count, value, f64x2(<f64>right0, <f64>right1));
    storeCounts(plan.ranks + bytesOf<i32>(row), isAlone, v128.bitselect(rank, none, isKnown));
  }
  if (!plan.derivative) return;

  // (gHi, gLo) becomes the upstream gradient of the row's own sum of terms, (cHi, cLo) what p counts in it.
  if (plan.upstreamByRow) {
    const upstream = loadByRow<T>(plan.upstreamByRow + byRow, isAlone);
    const scale = f64x2.splat(scaleOf(plan));
    gHi = f64x2.mul(upstream, scale);
    gLo = productLow(gHi, upstream, zero, scale, zero);
  }
  const g = f64x2.mul(gHi, s);
  const gLow = productLow(g, gHi, gLo, s, zero);
  const cHi = f64x2.add(massHi, z);
  const cLo = f64x2.add(massLo, twoSumError(massHi, z, cHi));
  const inverse = f64x2.div(f64x2.splat(1), sumHi);
  if (plan.derivative == GRADIENT) {
    const eLabel = loadTwo<T>(e + label0, e + label1);
    const factorHi = factorOf(g, gLow, cHi, cLo, inverse, sumHi, sumLo, pair);
    const factorLo = pair.factorLow;
    let tLabel = zero;
    if (t) {
      if (indices) tLabel = loadTwo<T>(t + label0, t + label1);
      if (plan.allTargetsPositive) writeGradient<T>(e, t, count, factorHi, factorLo, g);
      else scaleRowLessLabels<T>(e, t, count, factorHi, factorLo, g);
    } else {
      scaleRow<T>(e, count, f64x2.add(factorHi, factorLo));
    }
    // At the label −g a (1 − p), and what is left of c, if it is not all a.
    let aFactor = factorHi, aFactorLo = factorLo, left = zero;
    if (plan.zLoss || (indices && t)) {
      aFactor = factorOf(g, gLow, aHi, aLo, inverse, sumHi, sumLo, pair);
      aFactorLo = pair.factorLow;
      let leftHi = z, leftLo = zero;
      if (indices) {
        leftHi = f64x2.add(pair.massHi, z);
        leftLo = f64x2.add(pair.massLo, twoSumError(pair.massHi, z, leftHi));
      }
      const leftFactor = factorOf(g, gLow, leftHi, leftLo, inverse, sumHi, sumLo, pair);
      left = scaledLess(eLabel, leftFactor, pair.factorLow, tLabel, g);
    }
    const atLabel = labelGradient(eLabel, eMax, restHi, restLo, sumHi, sumLo, aFactor, aFactorLo, f64x2.mul(g, aHi));
    const gradient = f64x2.add(atLabel, left);
    if (i64x2.extract_lane(hasLabel, 0)) storeLane<T>(e + label0, gradient, 0);
    if (i64x2.extract_lane(hasLabel, 1)) storeLane<T>(e + label1, gradient, 1);
  } else {
    const twoZ = f64x2.splat(2 * plan.zLoss);
    const c = f64x2.add(cHi, cLo);
    const factorHi = factorOf(g, gLow, f64x2.splat(1), zero, inverse, sumHi, sumLo, pair);
    const factor = f64x2.add(factorHi, pair.factorLow);
    if (plan.derivative == HESSIAN_PRODUCT) {
      const mean = f64x2.div(sumProducts<T>(isPair, e, v, count), sumHi);
      writeProduct<T>(e, v, count, factor, c, mean, f64x2.mul(twoZ, mean));
    } else if (plan.derivative == HESSIAN_DIAGONAL) {
      writeDiagonal<T>(e, count, pair, inverse, factor, c, twoZ);
    }
  }
  if (!i64x2.all_true(isCounted)) maskLanes<T>(e, count, isCounted);
}

/** g c / S, its highHalf half; the rest in pair.factorLow. */
function factorOf(gHi: v128, gLo: v128, cHi: v128, cLo: v128, inverse: v128, sumHi: v128, sumLo: v128, pair: Pair): v128 {
  const productHi = f64x2.mul(gHi, cHi);
  const factor = highHalf(f64x2.mul(productHi, inverse));
  pair.factorLow = factorLow(factor, inverse, productHi, productLow(productHi, gHi, gLo, cHi, cLo), sumHi, sumLo);
  return factor;
}

/** What the scale of logits multiplies their derivative by. */
// @ts-ignore: decorator
@inline
function scaleOf(plan: Plan): f64 {
  return plan.derivative == GRADIENT ? plan.scale : plan.scale * plan.scale;
}

/** (upstream / divisor) of a row or a pair times what it weighs, for labels: without the scale of logits. */
function labelUpstream<T>(plan: Plan, row: usize, isAlone: bool): v128 {
  const byRow = bytesOf<T>(row);
  const s = weightsOfRows<T>(plan, row, isAlone);
  const g = plan.upstreamByRow ? loadByRow<T>(plan.upstreamByRow + byRow, isAlone) : f64x2.splat(plan.upstream / plan.divisor);
  return v128.and(f64x2.mul(f64x2.mul(g, s), f64x2.splat(plan.keepHi)), f64x2.gt(s, f64x2.splat(0)));
}

/** The weights of a row or a pair: 1 where there are none. */
// @ts-ignore: decorator
@inline
function weightsOfRows<T>(plan: Plan, row: usize, isAlone: bool): v128 {
  return plan.rowWeights ? loadByRow<T>(plan.rowWeights + bytesOf<T>(row), isAlone) : f64x2.splat(1);
}

/** A row that is ignored: no probability, no loss, nothing read. */
function skipRow<T>(plan: Plan, row: usize): void {
  const classes = plan.classes;
  const bytes = bytesOf<T>(classes);
  const byRow = bytesOf<T>(row);
  store1<T>(plan.losses + byRow, 0);
  if (plan.lse) store1<T>(plan.lse + byRow, -Infinity);
  if (plan.entropy) store1<T>(plan.entropy + byRow, 0);
  if (plan.argmax) store<i32>(plan.argmax + bytesOf<i32>(row), -1);
  if (plan.ranks) store<i32>(plan.ranks + bytesOf<i32>(row), -1);
  if (plan.probs) memory.fill(plan.probs + row * bytes, 0, bytes);
  if (plan.labelGradient) memory.fill(plan.labelGradient + row * bytes, 0, bytes);
  if (plan.derivative) memory.fill(plan.exps + row * bytes, 0, bytes);
  if (plan.logProbs) {
    const logProbs = plan.logProbs + row * bytes;
    for (let j: usize = 0; j < classes; j++) store1<T>(logProbs + bytesOf<T>(j), -Infinity);
  }
}

/** The first row of [row, end) that is not ignored, or end. */
function nextReadRow<T>(plan: Plan, row: usize, end: usize): usize {
  if (plan.rowWeights) while (row < end && load1<T>(plan.rowWeights + bytesOf<T>(row)) < 0) row++;
  return row;
}

/** Copies the logits of a contiguous row, scaled and masked, to `x`. */
function copyRow<T>(plan: Plan, row: usize, x: usize): void {
  const classes = plan.classes;
  scaleTo<T>(false, plan.logits + row * bytesOf<T>(classes), x, classes, plan.scale);
  excludeInRow<T>(plan, row, x, -Infinity);
}

/** Elements of a contiguous row become `value` where their classes are excluded. */
// @ts-ignore: decorator
@inline
function excludeInRow<T>(plan: Plan, row: usize, ptr: usize, value: f64): void {
  const classes = plan.classes;
  if (plan.mask) fillWhere<T>(ptr, plan.mask + (plan.maskIsShared ? 0 : row * classes), classes, value);
}

/** The same for rows [group, next) on the stage. */
function excludeInGroup<T>(plan: Plan, group: usize, next: usize, stage: usize, value: f64): void {
  if (!plan.mask) return;
  const classes = plan.classes, inner = plan.inner;
  const isShared = plan.maskIsShared != 0;
  const step: usize = isShared ? 1 : inner;
  for (let row = group; row < next; row += 2, stage += bytesOf<v128>(classes)) {
    const mask0 = plan.mask + (isShared ? 0 : rowOffset(row, classes, inner));
    const mask1 = row + 1 == next || isShared ? mask0 : plan.mask + rowOffset(row + 1, classes, inner);
    fillWhereInTile<T>(stage, mask0, mask1, step, classes << 1, value);
  }
}

/** Rows [first, end), contiguous, one at a time; the next one is prepared before it is looked ahead to. */
function visitRows<T>(plan: Plan, first: usize, end: usize, gHi: v128, gLo: v128, scratchPtr: usize): void {
  const classes = plan.classes;
  const bytes = bytesOf<T>(classes);
  const row = changetype<Pair>(scratchPtr + PAIRS);
  const copy = scratchPtr + PAIRS + offsetof<Pair>();
  const copies = plan.scale != 1 || plan.mask || plan.exps == plan.logits;
  let next = nextReadRow<T>(plan, first, end);
  if (next < end && !copies) beginRows<T>(plan.logits + next * bytes, classes);
  for (let r = first; r < end; r++) {
    if (r < next) {
      skipRow<T>(plan, r);
      continue;
    }
    next = nextReadRow<T>(plan, r + 1, end);
    const at = r * bytes;
    const e = plan.exps + at;
    let x = plan.logits + at;
    // After the last row, and where rows are copied, the row itself once more.
    let following = next < end ? plan.logits + next * bytes : x;
    if (copies) {
      copyRow<T>(plan, r, copy);
      x = copy;
      following = copy;
      beginRows<T>(x, classes);
    }
    splitRow<T>(x, e, row, classes, following, scratchPtr);
    if (plan.probs) {
      writeProbs<T>(e, plan.probs + at, classes, row.hi);
      excludeInRow<T>(plan, r, plan.probs + at, 0);
    }
    if (plan.logProbs) {
      writeLogProbs<T>(x, plan.logProbs + at, classes, row.max, row.logS);
      excludeInRow<T>(plan, r, plan.logProbs + at, -Infinity);
    }
    if (plan.labelGradient) {
      const g = labelUpstream<T>(plan, r, true);
      writeLabelGradient<T>(false, plan.weights, x, plan.labelGradient + at, classes, row.max, row.logS, g);
    }
    const t = plan.targets ? plan.targets + (plan.targetsAreShared ? 0 : at) : 0;
    finishRows<T>(plan, row, false, true, r, x, e, t, plan.vector + at, classes, gHi, gLo);
    if (plan.derivative) excludeInRow<T>(plan, r, e, 0);
  }
}

/** Rows [first, end), in groups of pairs. */
function visitPairs<T>(plan: Plan, first: usize, end: usize, gHi: v128, gLo: v128, scratchPtr: usize): void {
  const classes = plan.classes;
  const inner = plan.inner;
  const pairBytes = bytesOf<v128>(classes);
  const groupRows = pairsOfGroup(classes, inner) << 1;
  const planeBytes = groupBytes(classes, inner);
  const xPlane = scratchPtr + STAGE;
  const ePlane = xPlane + planeBytes;
  const tPlane = ePlane + planeBytes;
  const outPlane = tPlane + planeBytes;
  const targets = plan.targets;
  const tBytes = targets && !plan.targetsAreShared ? pairBytes : 0;
  if (plan.targetsAreShared) {
    for (let j: usize = 0; j < classes; j++) store2<T>(tPlane + bytesOf<v128>(j), splat<T>(targets + bytesOf<T>(j)));
  }
  const pairs0 = changetype<Pair>(scratchPtr + PAIRS);
  for (let group = first, next = first; group < end; group = next) {
    next = groupEnd(group, groupRows, end, inner);
    const rows = next - group;
    const pairs = (rows + 1) >> 1;
    const at = bytesOf<T>(rowOffset(group, classes, inner));
    gather<T>(plan.logits + at, xPlane, rows, classes, inner);
    if (plan.scale != 1 || plan.mask) {
      scaleTo<T>(false, xPlane, xPlane, pairs * classes << 1, plan.scale);
      excludeInGroup<T>(plan, group, next, xPlane, -Infinity);
    }
    if (tBytes) gather<T>(targets + at, tPlane, rows, classes, inner);
    if (plan.vector) gather<T>(plan.vector + at, outPlane, rows, classes, inner);
    for (let r: usize = 0, x = xPlane; r < rows; r += 2, x += pairBytes) {
      const isRead = f64x2.ge(weightsOfRows<T>(plan, group + r, r + 1 == rows), f64x2.splat(0));
      if (!i64x2.all_true(isRead)) maskLanes<T>(x, classes << 1, isRead);
    }
    splitGroup(xPlane, ePlane, pairs, classes, scratchPtr);

    if (plan.probs) {
      let pair = pairs0;
      for (let r: usize = 0, offset: usize = 0; r < rows; r += 2, offset += pairBytes, pair = nextPair(pair)) {
        writeProbs<T>(ePlane + offset, outPlane + offset, classes << 1, unlessIgnored<T>(plan, group + r, r + 1 == rows, pair.hi));
      }
      excludeInGroup<T>(plan, group, next, outPlane, 0);
      scatter<T>(outPlane, plan.probs + at, rows, classes, inner);
    }
    if (plan.logProbs) {
      let pair = pairs0;
      for (let r: usize = 0, offset: usize = 0; r < rows; r += 2, offset += pairBytes, pair = nextPair(pair)) {
        const logS = unlessIgnored<T>(plan, group + r, r + 1 == rows, pair.logS);
        writeLogProbs<T>(xPlane + offset, outPlane + offset, classes << 1, pair.max, logS);
      }
      excludeInGroup<T>(plan, group, next, outPlane, -Infinity);
      scatter<T>(outPlane, plan.logProbs + at, rows, classes, inner);
    }
    if (plan.labelGradient) {
      let pair = pairs0;
      for (let r: usize = 0, offset: usize = 0; r < rows; r += 2, offset += pairBytes, pair = nextPair(pair)) {
        const g = labelUpstream<T>(plan, group + r, r + 1 == rows);
        writeLabelGradient<T>(true, plan.weights, xPlane + offset, outPlane + offset, classes << 1, pair.max, pair.logS, g);
      }
      scatter<T>(outPlane, plan.labelGradient + at, rows, classes, inner);
    }

    let pair = pairs0;
    for (let r: usize = 0, offset: usize = 0, t = targets ? tPlane : 0; r < rows; r += 2, offset += pairBytes, pair = nextPair(pair)) {
      finishRows<T>(
        plan, pair, true, r + 1 == rows, group + r, xPlane + offset, ePlane + offset, t, outPlane + offset, classes << 1, gHi, gLo,
      );
      t += tBytes;
    }
    if (plan.derivative) {
      excludeInGroup<T>(plan, group, next, ePlane, 0);
      scatter<T>(ePlane, plan.exps + at, rows, classes, inner);
    }
  }
}

/** An infinite sum in the place of an ignored row's: p = 0, log p = −∞. */
function unlessIgnored<T>(plan: Plan, row: usize, isAlone: bool, sum: v128): v128 {
  const isRead = f64x2.ge(weightsOfRows<T>(plan, row, isAlone), f64x2.splat(0));
  return v128.bitselect(sum, f64x2.splat(Infinity), isRead);
}

/** Rows [first, end) of a batch, `byRow` or in pairs. */
export function visit<T>(plan: Plan, first: usize, end: usize, byRow: bool, scratchPtr: usize): void {
  const zero = f64x2.splat(0);
  const upstream = f64x2.splat(plan.upstream), divisor = f64x2.splat(plan.divisor), scale = f64x2.splat(scaleOf(plan));
  const quotient = f64x2.div(upstream, divisor);
  const quotientLo = f64x2.div(remainder(upstream, quotient, divisor), divisor);
  const gHi = f64x2.mul(quotient, scale);
  const gLo = productLow(gHi, quotient, quotientLo, scale, zero);

  // Of targets that rows share, and of none, the mass stays what it is.
  const classes = plan.classes;
  const pairs: usize = byRow ? 1 : pairsOfGroup(classes, plan.inner);
  let pair = changetype<Pair>(scratchPtr + PAIRS);
  for (let n = pairs; n; n--, pair = nextPair(pair)) sumTargets<T>(false, pair, plan.targets, plan.targetsAreShared ? classes : 0);
  if (byRow) visitRows<T>(plan, first, end, gHi, gLo, scratchPtr);
  else visitPairs<T>(plan, first, end, gHi, gLo, scratchPtr);
}
