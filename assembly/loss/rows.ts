// The rows that the loss with options works on at a time: one contiguous row, or a group of rows that lie side by side in tiles, of which
// one pair after another is taken.

import { bytesOf, loadByRow, loadTwo } from "../number/storage";
import { rowOffset } from "../softmax/tile";
import { fillWhereInTile, scaleWhereOf } from "./class-loops";
import { Plan } from "./plan";

@unmanaged
export class Rows {
  /** 1 for a group of pairs; 0 for one row, which is then in both lanes. */
  isPair: u32;
  /** 1 if there is one row only: it is a single row, or the last row of a group is without a partner. */
  isAlone: u32;
  /** The number of the row, or of the first row of the pair. */
  row: usize;
  /** The rows of the group are [group, end). */
  group: usize;
  end: usize;
  /** The elements by class of the row or of the pair together. */
  count: usize;
  /** The addresses of the elements by class: logits, e_j, targets, the vector of a Hessian; 0 for those that are not there. */
  x: usize;
  e: usize;
  t: usize;
  v: usize;
  /**
   * Planes of scratch memory, for logits, e_j, targets, and results or the vector: tiles of the group, or copies of the row in doubles. And the
   * bytes from a pair's targets to the next one's.
   */
  xPlane: usize;
  ePlane: usize;
  tPlane: usize;
  outPlane: usize;
  tBytes: usize;

  /** The class that has a mass of its own, (aHi, aLo), where hasLabel is set: in bytes from the first class on. */
  label0: usize;
  label1: usize;
  hasLabel: v128;
  aHi: v128;
  aLo: v128;
  /** T = Σ t as (hi, lo). */
  massHi: v128;
  massLo: v128;
  /** Σ t (max − x) as (hi, lo). */
  gapHi: v128;
  gapLo: v128;
  /** Σ p (max − x), where the plan needs it. */
  meanGap: v128;
  /** The mass by which zLoss adds to T in a derivative: 2 zLoss lse. */
  z: v128;
  /** upstream scale / divisor, or for a Hessian upstream scale² / divisor: (gHi + gLo) 2^gExponent. */
  gHi: v128;
  gLo: v128;
  gExponent: v128;
}

/** Goes to the first pair of the rows' group. */
// @ts-ignore: decorator
@inline
export function toFirstPair(at: Rows): void {
  at.row = at.group;
  at.isAlone = u32(at.row + 1 == at.end);
  at.x = at.xPlane;
  at.e = at.ePlane;
  at.t = at.tPlane;
  at.v = at.outPlane;
}

/** Goes to the next pair; at.row is at.end or more after the last one. */
// @ts-ignore: decorator
@inline
export function toNextPair(at: Rows): void {
  at.row += 2;
  at.isAlone = u32(at.row + 1 == at.end);
  at.x += bytesOf<f64>(at.count);
  at.e += bytesOf<f64>(at.count);
  at.t += at.tBytes;
  at.v += bytesOf<f64>(at.count);
}

/** The bytes from the first class of the rows to class y of the first row. */
// @ts-ignore: decorator
@inline
export function placeOf(at: Rows, y: usize): usize {
  return at.isPair ? bytesOf<v128>(y) : bytesOf<f64>(y);
}

/** The bytes from the first class of the rows to class y of the second row. */
// @ts-ignore: decorator
@inline
export function secondPlaceOf(at: Rows, y: usize): usize {
  return at.isPair ? bytesOf<v128>(y) + bytesOf<f64>(1) : bytesOf<f64>(y);
}

/** The elements at two places, from ptr on: those of the two rows of a pair, or twice that of one row. */
// @ts-ignore: decorator
@inline
export function loadAt(ptr: usize, place0: usize, place1: usize): v128 {
  return loadTwo<f64>(ptr + place0, ptr + place1);
}

/** An index of a row, or 0 if the row is ignored. */
// @ts-ignore: decorator
@inline
export function loadIndex(ptr: usize, isRead: bool, classes: usize): usize {
  if (!isRead) return 0;
  const y: usize = load<u32>(ptr);
  assert(y < classes);
  return y;
}

/** The weights of the rows. */
// @ts-ignore: decorator
@inline
export function rowWeights(plan: Plan, at: Rows): v128 {
  return plan.rowWeights ? loadByRow(plan.rowWeights + bytesOf<f64>(at.row), at.isAlone != 0) : f64x2.splat(1);
}

/** The lanes of rows that are not ignored. */
// @ts-ignore: decorator
@inline
export function readRows(plan: Plan, at: Rows): v128 {
  const weights = rowWeights(plan, at);
  return f64x2.eq(weights, weights);
}

/** The lanes of rows that count: they are not ignored, and do not weigh 0. */
// @ts-ignore: decorator
@inline
export function counts(weights: v128): v128 {
  return v128.and(f64x2.eq(weights, weights), f64x2.ne(weights, f64x2.splat(0)));
}

/** True if a class takes part in a row. */
export function isOpen(plan: Plan, row: usize, y: usize): bool {
  if (!plan.mask) return true;
  const inner = plan.inner;
  return load<u8>(plan.mask + (plan.maskIsShared ? bytesOf<u8>(y) : bytesOf<u8>(rowOffset(row, plan.classes, inner) + y * inner))) != 0;
}

/** The mask of a contiguous row, or 0 if there is none. */
// @ts-ignore: decorator
@inline
export function maskOfRow(plan: Plan, row: usize): usize {
  return plan.mask ? plan.mask + (plan.maskIsShared ? 0 : bytesOf<u8>(row * plan.classes)) : 0;
}

/** Elements become `value` where their class is masked: those of one row at ptr, or of a whole group in a tile at ptr. */
export function fillMasked(plan: Plan, at: Rows, ptr: usize, value: f64): void {
  if (!plan.mask) return;
  const classes = plan.classes, inner = plan.inner;
  const isShared = plan.maskIsShared != 0;
  if (!at.isPair) {
    scaleWhereOf(sizeof<f64>(), ptr, ptr, maskOfRow(plan, at.row), classes, 1, value);
    return;
  }
  const step: usize = isShared ? 1 : inner;
  for (let row = at.group; row < at.end; row += 2, ptr += bytesOf<v128>(classes)) {
    const mask0 = plan.mask + (isShared ? 0 : bytesOf<u8>(rowOffset(row, classes, inner)));
    const mask1 = row + 1 == at.end || isShared ? mask0 : plan.mask + bytesOf<u8>(rowOffset(row + 1, classes, inner));
    fillWhereInTile(ptr, mask0, mask1, step, classes, value);
  }
}
