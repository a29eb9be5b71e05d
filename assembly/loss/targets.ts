// The labels' side of a row: class indices or distributions, their mass Q = Σ q, and the gap Σ q (max − x), of which
// loss = gap + Q log(S / e_max).

import { bytesOf, load1, load2, loadByRow, loadTail, loadTwo, splat } from "../number/storage";
import { dot, reduceMax, sum } from "../number/sums";
import { collapse, productLow, reduceAdd, splatLane, twoSumError } from "../number/two-sum";
import { gapScale, Normalizer } from "../softmax/normalizer";
import { findFirst, maxOf, minOf, sumGapsLightly } from "./class-loops";
import { Plan } from "./plan";
import { loadAt, loadIndex, placeOf, readRows, Rows, secondPlaceOf } from "./rows";

@unmanaged
export class Targets extends Normalizer {
  /** The only class that has any mass: its distance in bytes from the first class of the row or of the pair. */
  label0: usize;
  label1: usize;
  /** 1 if a distribution has a single class with mass, as far as a double can tell. */
  isIndex0: u32;
  isIndex1: u32;
  /** Σ q (max − x). In the walk by row, an index has its logit here until the maximum is known. */
  gap: v128;
  /** Σ q as (hi, lo). */
  massHi: v128;
  massLo: v128;
  /** In the walk of two classes: the lanes whose label is class 0. */
  isZero: v128;
}

/** Reads the index of a row, and the logit there. */
// @ts-ignore: decorator
@inline
export function readIndex<T>(n: Targets, labelPtr: usize, x: usize, classes: usize): void {
  const y: usize = load<u32>(labelPtr);
  assert(y < classes);
  n.label0 = bytesOf<T>(y);
  n.gap = splat<T>(x + n.label0);
}

/** Reads the distribution of a row whose maximum is `max`. All mass on one class makes the row that of an index, to the bit. */
// @ts-ignore: decorator
@inline
export function readDistribution<T>(n: Targets, labelPtr: usize, x: usize, classes: usize, max: v128): void {
  const mass = sum<T>(labelPtr, classes, 1);
  n.massHi = splatLane(mass, 0);
  n.massLo = splatLane(mass, 1);
  const scale = gapScale(max);
  const weighted = dot<T>(labelPtr, x, scale, f64x2.mul(max, scale), classes);
  n.gap = f64x2.sub(f64x2.splat(0), f64x2.div(collapse(splatLane(weighted, 0), splatLane(weighted, 1)), scale));
  const top = f64x2.extract_lane(reduceMax<T>(labelPtr, classes), 0);
  const isIndex = top == f64x2.extract_lane(mass, 0);
  n.isIndex0 = u32(isIndex);
  let label: usize = 0;
  while (isIndex && load1<T>(labelPtr + bytesOf<T>(label)) != top) label++;
  n.label0 = bytesOf<T>(label);
}

/** The elements of a pair in a tile at the places of the labels. */
// @ts-ignore: decorator
@inline
export function loadAtLabels(tile: usize, n: Targets): v128 {
  return loadTwo<f64>(tile + n.label0, tile + n.label1);
}

/** Reads the indices of a pair, whose maxima are known. */
// @ts-ignore: decorator
@inline
export function readIndices(n: Targets, labelPtr: usize, tile: usize, isAlone: bool, classes: usize): void {
  const y0: usize = load<u32>(labelPtr);
  const y1: usize = load<u32>(labelPtr + (isAlone ? 0 : bytesOf<i32>(1)));
  assert(y0 < classes && y1 < classes);
  n.label0 = bytesOf<v128>(y0);
  n.label1 = bytesOf<v128>(y1) + bytesOf<f64>(1);
  n.gap = f64x2.sub(n.max, loadAtLabels(tile, n));
}

/** Reads the distributions of a pair, which are in a tile as well as its logits, and whose maxima are known. */
export function readDistributions(n: Targets, labels: usize, tile: usize, classes: usize): void {
  const zero = f64x2.splat(0);
  const scale = gapScale(n.max);
  const scaledMax = f64x2.mul(n.max, scale);
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
    const logit = f64x2.mul(load2<f64>(tile + offset), scale);
    const term = v128.and(f64x2.mul(q, f64x2.sub(scaledMax, logit)), f64x2.ne(q, zero));
    const next = f64x2.add(gapHi, term);
    gapLo = f64x2.add(gapLo, twoSumError(gapHi, term, next));
    gapHi = next;
  }
  n.massHi = massHi;
  n.massLo = massLo;
  n.gap = f64x2.div(collapse(gapHi, gapLo), scale);
  // All mass on one class, as far as a double can tell, makes a row that of an index, to the bit.
  const isIndex = f64x2.eq(qMax, massHi);
  n.isIndex0 = u32(i64x2.extract_lane(isIndex, 0) != 0);
  n.isIndex1 = u32(i64x2.extract_lane(isIndex, 1) != 0);
  n.label0 = <usize>i64x2.extract_lane(at, 0);
  n.label1 = <usize>i64x2.extract_lane(at, 1) + bytesOf<f64>(1);
}

/** Σ t of `count` targets as (hi, lo), in the mass of the state. */
export function sumTargets(isPair: bool, n: Targets, tPtr: usize, count: usize): void {
  let hi = f64x2.splat(0);
  let lo = hi;
  for (let left = <isize>count; left > 0; left -= 2, tPtr += bytesOf<f64>(2)) {
    const t = loadTail<f64>(tPtr, left, 0);
    const next = f64x2.add(hi, t);
    lo = f64x2.add(lo, twoSumError(hi, t, next));
    hi = next;
  }
  const both = reduceAdd(hi, lo);
  n.massHi = isPair ? hi : splatLane(both, 0);
  n.massLo = isPair ? lo : splatLane(both, 1);
}

/**
 * Reads the targets of rows of a loss with options: t_j = w_y (1 − ε) [j = y] for an index y, + targets_j. Before, the mass of the state is
 * Σ targets if rows share them, and 0 if there are none.
 */
export function readTargets(plan: Plan, at: Rows, n: Targets): void {
  const zero = f64x2.splat(0);
  const isPair = at.isPair != 0;
  const isPart = plan.stateMax != 0, isGiven = plan.stateIsGiven != 0;
  const classes = plan.classes, indices = plan.indices, x = at.x, t = at.t, count = at.count, max = n.max;

  // The class with a mass of its own: an index, or the only class of a distribution that has any.
  if (t && !plan.targetsAreShared && !isGiven) sumTargets(isPair, n, t, count);
  let hasLabel = i64x2.splat(-1);
  let y0: usize = 0, y1: usize = 0;
  let w = f64x2.splat(1);
  if (indices) {
    const isRead = readRows(plan, at);
    const first = indices + bytesOf<i32>(at.row), second = first + (at.isAlone ? 0 : bytesOf<i32>(1));
    let reads0 = i64x2.extract_lane(isRead, 0) != 0, reads1 = i64x2.extract_lane(isRead, 1) != 0;
    if (plan.labelWeights) {
      reads0 = reads0 && load<i32>(first) >= 0;
      reads1 = reads1 && load<i32>(second) >= 0;
      hasLabel = i64x2(-<i64>reads0, -<i64>reads1);
    }
    y0 = loadIndex(first, reads0, classes);
    y1 = loadIndex(second, reads1, classes);
    if (plan.labelWeights) w = loadByRow(plan.labelWeights + bytesOf<f64>(at.row), at.isAlone != 0);
    else if (plan.weights) w = loadTwo<f64>(plan.weights + bytesOf<f64>(y0), plan.weights + bytesOf<f64>(y1));
  } else {
    // Where the mass is negative, as with negative weights, it may be all in the least target.
    let top = maxOf(isPair, t, count);
    const isNegative = f64x2.lt(n.massHi, zero);
    if (v128.any_true(isNegative)) top = v128.bitselect(minOf(isPair, t, count), top, isNegative);
    hasLabel = f64x2.eq(top, n.massHi);
    if (v128.any_true(hasLabel)) {
      const first = f64x2.pmin(findFirst(isPair, t, count, top), f64x2.splat(<f64>(classes - 1)));
      y0 = <usize>f64x2.extract_lane(first, 0);
      y1 = <usize>f64x2.extract_lane(first, 1);
    }
  }
  const label0 = placeOf(at, y0);
  const label1 = secondPlaceOf(at, y1);

  at.label0 = label0;
  at.label1 = label1;
  at.hasLabel = hasLabel;
  setMasses(plan, at, n, indices != 0, w);
  at.gapHi = zero;
  at.gapLo = zero;
  if (indices && !isPart) setLabelGap(at, max, loadAt(x, label0, label1));
  if (t && !isGiven) {
    // Of a part whose classes are all at −∞, each target is as far away.
    const top = isPart ? v128.andnot(max, f64x2.eq(max, f64x2.splat(-Infinity))) : max;
    addGap(at, sumGapsLightly(plan.allTargetsPositive != 0, isPair, t, x, count, top, f64x2.splat(-Infinity)));
  }
}

/** Sets the mass of the label, a = w (1 − ε) of an index, and T = Σ t, which is a + Σ targets for an index. Σ targets is the mass of the state. */
export function setMasses(plan: Plan, at: Rows, n: Targets, isIndex: bool, w: v128): void {
  let aHi = n.massHi, aLo = n.massLo;
  let massHi = aHi, massLo = aLo;
  if (isIndex) {
    const zero = f64x2.splat(0), keepHi = f64x2.splat(plan.keepHi);
    aHi = f64x2.mul(w, keepHi);
    aLo = productLow(aHi, w, zero, keepHi, f64x2.splat(plan.keepLo));
    massHi = f64x2.add(aHi, n.massHi);
    massLo = f64x2.add(f64x2.add(aLo, n.massLo), twoSumError(aHi, n.massHi, massHi));
  }
  at.aHi = aHi;
  at.aLo = aLo;
  at.massHi = massHi;
  at.massLo = massLo;
}

/** Begins the gap Σ t (max − x) with that of the label's own mass, as the product of two pairs. */
export function setLabelGap(at: Rows, max: v128, x: v128): void {
  const zero = f64x2.splat(0);
  const scale = gapScale(max);
  const gap = f64x2.sub(f64x2.mul(max, scale), f64x2.mul(x, scale));
  const product = f64x2.mul(at.aHi, gap);
  const weighs = f64x2.ne(at.aHi, zero);
  at.gapHi = v128.and(f64x2.div(product, scale), weighs);
  at.gapLo = v128.and(f64x2.div(productLow(product, at.aHi, at.aLo, gap, zero), scale), weighs);
}

/** Adds to the gap. */
export function addGap(at: Rows, gap: v128): void {
  const hi = at.gapHi;
  const both = f64x2.add(hi, gap);
  at.gapLo = f64x2.add(at.gapLo, twoSumError(hi, gap, both));
  at.gapHi = both;
}

/** The number of the first of `count` class indices (i32) that is not less than `classes`, or `count`. */
export function firstBad(labelsPtr: usize, count: usize, classes: usize): usize {
  const limit = i32x4.splat(<i32>classes - 1);
  let i: usize = 0;
  for (; i + 4 <= count; i += 4) {
    if (v128.any_true(i32x4.gt_u(v128.load(labelsPtr + bytesOf<i32>(i)), limit))) break;
  }
  while (i < count && <usize>load<u32>(labelsPtr + bytesOf<i32>(i)) < classes) i++;
  return i;
}
