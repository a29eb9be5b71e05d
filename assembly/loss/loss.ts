// The loss of a plan. A plain plan takes the specialised walks of softmax/forward.ts. Any other one takes the walk below:
//
//   for each row, or each group of pairs of rows       (softmax/scratch.ts says which of the two)
//     bring logits, scaled and masked, targets and the vector
//     split the logits into e_j and the states of the rows (task STATE)
//     write the outputs by class                       (outputs.ts)
//     for the row, or for each pair
//       read the targets                               (targets.ts)
//       make the loss; write the outputs by row        (outputs.ts)
//       write the derivative in the place of e_j       (derivatives.ts)

import { expFloor } from "../number/exp";
import { cap, timesSlope } from "../number/tanh";
import { bytesOf, load1, loadByRow, narrow, splat, widen } from "../number/storage";
import { collapse, productLow, twoSumError } from "../number/two-sum";
import { splitGroup } from "../softmax/by-lane";
import { beginRows, splitRow } from "../softmax/by-row";
import { forward } from "../softmax/forward";
import { weightedLogSum } from "../softmax/normalizer";
import { firstState, isByRow, nextState, rowCopyIn, rowsIn, TILE } from "../softmax/scratch";
import { LOSS, LOSS_AND_GRADIENT } from "../softmax/task";
import { groupEnd, pairsOfGroup, rowOffset, tileBytes } from "../softmax/tile";
import { gatherOf, scatterOf } from "../softmax/transpose";
import { maskLanes, scaleTo, scaleWhereOf, sumGapsLightly } from "./class-loops";
import { areOrdinary, setFactor, writeDerivative } from "./derivatives";
import { skipRow, writeClassOutputs, writeIgnoredLogProbs, writeRowOutputs } from "./outputs";
import { mergeStates, takeState, writeState } from "./parts";
import { isPlain, Plan } from "./plan";
import { fillMasked, maskOfRow, readRows, Rows, rowWeights, toFirstPair, toNextPair } from "./rows";
import { readTargets, sumTargets, Targets } from "./targets";

/** Everything by row, and the derivative, of one row or of a pair of which e_j and the state are known. Without labels there is no loss. */
function finishRows(plan: Plan, at: Rows, n: Targets): void {
  const isGiven = plan.stateIsGiven != 0;
  if (isGiven) {
    if (plan.stateMeanGap) at.meanGap = loadByRow(plan.stateMeanGap + bytesOf<f64>(at.row), at.isAlone != 0);
  } else if (plan.entropy || plan.scaleGradients || plan.entropyWeight != 0 || plan.stateMeanGap) {
    at.meanGap = f64x2.div(sumGapsLightly(true, at.isPair != 0, at.e, at.x, at.count, n.max, expFloor(n.max)), n.hi);
  }
  const hasLabels = plan.indices != 0 || plan.targets != 0;
  if (hasLabels) readTargets(plan, at, n);
  if (hasLabels && !writesState(plan)) {
    makeLoss(plan, at, n);
    return;
  }
  writeRowOutputs(plan, at, n, f64x2.splat(0));
  if (writesState(plan)) writeState(plan, at, n);
}

/** The loss, everything by row, and the derivative, of one row or of a pair of which the targets are known, too. */
function makeLoss(plan: Plan, at: Rows, n: Targets): void {
  const zero = f64x2.splat(0);
  const weighted = weightedLogSum(at.massHi, at.massLo, n.logSum, n.eMax, n.restHi, n.restLo);
  let loss = f64x2.add(at.gapHi, weighted);
  let lo = f64x2.add(at.gapLo, twoSumError(at.gapHi, weighted, loss));

  // zLoss lse² has the gradient 2 zLoss lse p: as much as a mass of 2 zLoss lse would have.
  let z = zero;
  if (plan.zLoss) {
    const lse = f64x2.add(n.max, n.logSum);
    z = f64x2.mul(f64x2.splat(plan.zLoss), lse);
    const square = f64x2.mul(z, lse);
    const sum = f64x2.add(loss, square);
    lo = f64x2.add(lo, twoSumError(loss, square, sum));
    loss = sum;
    z = f64x2.add(z, z);
  }
  at.z = z;
  if (plan.entropyWeight != 0) {
    const term = f64x2.mul(f64x2.splat(-plan.entropyWeight), f64x2.add(at.meanGap, n.logSum));
    const sum = f64x2.add(loss, term);
    lo = f64x2.add(lo, twoSumError(loss, term, sum));
    loss = sum;
  }
  const s = rowWeights(plan, at);
  const product = f64x2.mul(s, loss);
  writeRowOutputs(plan, at, n, collapse(product, productLow(product, s, zero, loss, lo)));
  if (plan.derivative) writeDerivative(plan, at, n);
}

/** True if the plan asks for the state of rows, and so for no loss. */
// @ts-ignore: decorator
@inline
function writesState(plan: Plan): bool {
  return plan.stateMax != 0 && !plan.stateIsGiven;
}

/** True if a row is ignored. */
// @ts-ignore: decorator
@inline
function isIgnored(plan: Plan, row: usize): bool {
  return plan.rowWeights != 0 && isNaN(load1<f64>(plan.rowWeights + bytesOf<f64>(row)));
}

/** The first row of [row, end) that is read, or end. */
function nextReadRow(plan: Plan, row: usize, end: usize): usize {
  if (!plan.readsIgnored) while (row < end && isIgnored(plan, row)) row++;
  return row;
}

/** True if the loss is not that of the logits as they are given: they are capped or scaled, or classes are masked. */
// @ts-ignore: decorator
@inline
function changesLogits(plan: Plan): bool {
  return plan.scale != 1 || plan.mask != 0 || plan.softcap != 0;
}

/** Rows [first, end), contiguous, one at a time. */
function visitRows(plan: Plan, at: Rows, first: usize, end: usize, scratchPtr: usize): void {
  const classes = plan.classes, elementBytes = plan.elementBytes;
  const bytes = elementBytes * classes;
  const n = firstState(scratchPtr);
  const widens = elementBytes < sizeof<f64>();
  // With a state that is given, nothing but log-probabilities needs the logits beside e_j.
  const readsLater = !plan.stateIsGiven || plan.logProbs != 0 || plan.labelGradient != 0;
  const copies = widens || changesLogits(plan) || (readsLater && plan.exps == plan.logits) || plan.entropyWeight != 0;
  const copy = rowCopyIn(scratchPtr, classes, widens ? 1 : 0);
  const targets = plan.targets;
  at.isAlone = 1;
  at.count = classes;
  at.ePlane = rowCopyIn(scratchPtr, classes, 0);
  at.tPlane = rowCopyIn(scratchPtr, classes, 2);
  at.outPlane = rowCopyIn(scratchPtr, classes, 3);
  let next = nextReadRow(plan, first, end);
  if (next < end && !copies) beginRows<f64, f64>(plan.logits + next * bytes, classes, scratchPtr);
  for (let r = first; r < end; r++) {
    at.row = r;
    if (r < next) {
      if (writesState(plan)) writeState(plan, at, n);
      skipRow(plan, r);
      continue;
    }
    next = nextReadRow(plan, r + 1, end);
    const offset = r * bytes;
    const logits = plan.logits + offset;
    at.x = copies ? copy : logits;
    at.e = widens ? at.ePlane : plan.exps + offset;
    at.t = targets;
    if (targets && !plan.targetsAreShared) {
      at.t += plan.targetBytes * classes * r;
      if (plan.targetBytes < sizeof<f64>()) {
        widen(plan.targetBytes, at.t, at.tPlane, classes);
        at.t = at.tPlane;
      }
    }
    if (copies) {
      let from = logits, fromBytes = elementBytes;
      if (plan.softcap != 0) {
        widen(elementBytes, logits, copy, classes);
        cap(copy, classes, plan.softcap, scratchPtr);
        from = copy;
        fromBytes = sizeof<f64>();
      }
      scaleWhereOf(fromBytes, from, copy, maskOfRow(plan, r), classes, plan.scale, -Infinity);
    }
    if (widens) {
      beginRows<f64, f32>(copy, classes, scratchPtr);
      splitRow<f64, f32>(copy, at.e, copy, scratchPtr);
    } else {
      if (copies) beginRows<f64, f64>(copy, classes, scratchPtr);
      // After the last row, and after a copy, the row itself once more.
      const following = copies || next == end ? at.x : plan.logits + next * bytes;
      splitRow<f64, f64>(at.x, at.e, following, scratchPtr);
    }
    if (plan.readsIgnored && isIgnored(plan, r)) {
      writeIgnoredLogProbs(plan, at, scratchPtr);
      skipRow(plan, r);
      continue;
    }
    if (plan.stateIsGiven) takeState(plan, at, n, scratchPtr);
    writeClassOutputs(plan, at, scratchPtr);
    at.v = plan.vector + offset;
    if (plan.vector && widens) {
      widen(elementBytes, at.v, at.outPlane, classes);
      at.v = at.outPlane;
    }
    finishRows(plan, at, n);
    if (plan.derivative) {
      if (plan.softcap != 0) {
        if (widens) widen(elementBytes, logits, at.outPlane, classes);
        timesSlope(widens ? at.outPlane : logits, at.e, classes, plan.softcap, scratchPtr);
      }
      fillMasked(plan, at, at.e, 0);
      if (widens) narrow(elementBytes, at.e, plan.exps + offset, classes);
    }
  }
}

/** Rows [first, end), in groups of pairs. */
function visitPairs(plan: Plan, at: Rows, first: usize, end: usize, scratchPtr: usize): void {
  const classes = plan.classes, inner = plan.inner;
  const groupRows = pairsOfGroup(classes, inner) * 2;
  const planeBytes = tileBytes(classes, inner);
  const xPlane = scratchPtr + TILE;
  const ePlane = xPlane + planeBytes;
  const tPlane = ePlane + planeBytes;
  const outPlane = tPlane + planeBytes;
  const elementBytes = plan.elementBytes;
  const targets = plan.targets;
  at.count = 2 * classes;
  at.xPlane = xPlane;
  at.ePlane = ePlane;
  at.tPlane = targets ? tPlane : 0;
  at.outPlane = outPlane;
  at.tBytes = targets && !plan.targetsAreShared ? bytesOf<v128>(classes) : 0;
  if (plan.targetsAreShared) {
    for (let j: usize = 0; j < classes; j++) v128.store(tPlane + bytesOf<v128>(j), splat<f64>(targets + bytesOf<f64>(j)));
  }
  for (let group = first, next = first; group < end; group = next) {
    next = groupEnd(group, groupRows, end, inner);
    const rows = next - group;
    const pairs = (rows + 1) >> 1;
    const elements = rowOffset(group, classes, inner);
    const offset = elementBytes * elements;
    at.group = group;
    at.end = next;
    gatherOf(elementBytes, plan.logits + offset, xPlane, rows, classes, inner);
    if (plan.softcap != 0) cap(xPlane, pairs * at.count, plan.softcap, scratchPtr);
    if (changesLogits(plan)) {
      scaleTo<f64>(false, xPlane, xPlane, pairs * at.count, plan.scale);
      fillMasked(plan, at, xPlane, -Infinity);
    }
    if (at.tBytes) gatherOf(plan.targetBytes, targets + plan.targetBytes * elements, tPlane, rows, classes, inner);
    // The logits of ignored rows become 0: then p = e / ∞ is 0, even where they were NaN.
    if (!plan.readsIgnored) for (toFirstPair(at); at.row < next; toNextPair(at)) {
      const isRead = readRows(plan, at);
      if (!i64x2.all_true(isRead)) maskLanes(at.x, at.count, isRead);
    }
    splitGroup(xPlane, ePlane, pairs, classes, scratchPtr);
    let n = firstState(scratchPtr);
    if (plan.stateIsGiven) {
      for (toFirstPair(at); at.row < next; toNextPair(at), n = nextState(n)) takeState(plan, at, n, scratchPtr);
    }
    writeClassOutputs(plan, at, scratchPtr);
    if (plan.vector) gatherOf(elementBytes, plan.vector + offset, outPlane, rows, classes, inner);
    n = firstState(scratchPtr);
    for (toFirstPair(at); at.row < next; toNextPair(at), n = nextState(n)) finishRows(plan, at, n);
    if (plan.derivative) {
      if (plan.softcap != 0) {
        gatherOf(elementBytes, plan.logits + offset, outPlane, rows, classes, inner);
        timesSlope(outPlane, ePlane, pairs * at.count, plan.softcap, scratchPtr);
      }
      fillMasked(plan, at, ePlane, 0);
      scatterOf(elementBytes, ePlane, plan.exps + offset, rows, classes, inner);
    }
  }
}

/** A plan that is not plain. */
function lossWithOptions(plan: Plan, first: usize, end: usize, scratchPtr: usize): void {
  const classes = plan.classes, inner = plan.inner;
  const byRow = isByRow(classes, inner);
  const at = rowsIn(scratchPtr);
  setFactor(plan, at);
  at.isPair = u32(!byRow);

  // Where rows share their targets, or have none, the mass of the states stays the same from row to row.
  const states: usize = byRow ? 1 : pairsOfGroup(classes, inner);
  let n = firstState(scratchPtr);
  for (let left = states; left; left--, n = nextState(n)) {
    sumTargets(false, n, plan.targets, plan.targetsAreShared ? classes : 0);
  }
  if (byRow) visitRows(plan, at, first, end, scratchPtr);
  else visitPairs(plan, at, first, end, scratchPtr);
}

/** A plan of parts: no logits, but the states of all parts. Rows are taken in pairs that have no elements. */
function lossOfParts(plan: Plan, first: usize, end: usize, scratchPtr: usize): void {
  const at = rowsIn(scratchPtr);
  const n = firstState(scratchPtr);
  at.isPair = 1;
  at.count = 0;
  for (let r = first; r < end; r += 2) {
    at.row = r;
    at.isAlone = u32(r + 1 == end);
    mergeStates(plan, at, n, scratchPtr);
    makeLoss(plan, at, n);
  }
}

/** A plain plan. A function of its own for each element type: an engine compiles the one that is called. */
function plainLoss<T>(plan: Plan, first: usize, end: usize, scratchPtr: usize): void {
  const x = plan.logits, y = plan.indices, q = plan.targets, out = plan.exps, losses = plan.losses;
  const classes = plan.classes, inner = plan.inner, byRow = plan.upstreamByRow, up = plan.upstream, over = plan.divisor;
  if (y) {
    if (plan.derivative) {
      forward<T>(LOSS_AND_GRADIENT, false, x, y, out, losses, classes, inner, byRow, up, over, first, end, scratchPtr);
    } else {
      forward<T>(LOSS, false, x, y, 0, losses, classes, inner, 0, 1, 1, first, end, scratchPtr);
    }
  } else {
    if (plan.derivative) {
      forward<T>(LOSS_AND_GRADIENT, true, x, q, out, losses, classes, inner, byRow, up, over, first, end, scratchPtr);
    } else {
      forward<T>(LOSS, true, x, q, 0, losses, classes, inner, 0, 1, 1, first, end, scratchPtr);
    }
  }
}

/** Rows [first, end) of the batch of a plan. */
// @ts-ignore: decorator
@inline
export function lossOf(plan: Plan, first: usize, end: usize, scratchPtr: usize): void {
  if (plan.parts) lossOfParts(plan, first, end, scratchPtr);
  else if (!isPlain(plan) || !areOrdinary(plan, first, end)) lossWithOptions(plan, first, end, scratchPtr);
  else if (plan.elementBytes == sizeof<f32>()) plainLoss<f32>(plan, first, end, scratchPtr);
  else plainLoss<f64>(plan, first, end, scratchPtr);
}
