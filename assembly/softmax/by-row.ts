// The walk by row: one contiguous row at a time, two classes in a vector.
//
//   for each block of the row                        blocks fit into a first-level cache
//     if its maximum is out of reach                 logits are large, or they rise by more than 2^32
//       take the row once more, relative to its maximum
//     e_j = 2^384 exp(x_j − base) for each class     and meanwhile the maximum of the next block, or of the next row
//     S += Σ e_j
//   results from max, S and, for a loss, the labels' side (finish.ts)
//
// base is 0, where exp(x) needs no second reading of the row for its maximum, or the row's maximum. The exponent of e_j is shifted by that of
// exp(first block's maximum), so that e_j stays near 2^384. Doubles e_j go where the result goes; float32 elements have no room for them, so
// they go to scratch memory.

import { readDistribution, readIndex, Targets } from "../loss/targets";
import {
  C0, C1, C2, C3, C4, isLarge, oneOf, SCALE, shiftedExp,
} from "../number/exp";
import { bytesOf, isRounded, splat } from "../number/storage";
import { reduceMax } from "../number/sums";
import { maxOfLanes } from "../number/two-sum";
import { findMax, storeExps, storeRelativeExps, storeRoundedExps, storeRoundedRelativeExps, sumExps, sumRelativeExps } from "./exp-block";
import { finish } from "./finish";
import { add, begin, isOutOfReach, leastRest, raise } from "./normalizer";
import { firstState, rowCopyIn, rowTaskIn } from "./scratch";
import { LOSS_AND_GRADIENT, needsLabels, PROBS, RowTask, STATE } from "./task";

/** The most classes of a block: with their results, they fit into a first-level cache. */
const BLOCK: usize = 1024;

/** The length of the blocks of a row. */
function blockFor(classes: usize): usize {
  const blocks = (classes + BLOCK - 1) / BLOCK;
  return ((classes + blocks - 1) / blocks + 3) & ~3;
}

/** The classes of the next block if `left` are left. It takes a rest with it that is too short for a loop of expBlock. */
// @ts-ignore: decorator
@inline
function blockOf<T>(left: usize, block: usize): usize {
  return left < block + (isRounded<T>() ? 8 : 4) ? left : block;
}

/**
 * One row of `classes` >= 4 logits of the type X, for results that become T in the end; the first block has the maximum n.nextMax, by lane.
 * With `whole`, logits are taken relative to the row's maximum. Otherwise base = 0, and the result is false where that does not serve for the
 * row's maximum: then the row has to be taken once more, and the call has written to nothing but scratch memory and an out that is not x.
 */
function forwardRow<X, T>(task: i32, distribution: bool, whole: bool, row: RowTask, n: Targets, scratchPtr: usize): bool {
  const xPtr = row.x, outPtr = row.out, classes = row.classes, block = row.block;
  const stores = isRounded<T>() || task == PROBS || task == LOSS_AND_GRADIENT || task == STATE;
  const ePtr = isRounded<T>() ? rowCopyIn(scratchPtr, classes, 0) : outPtr;
  const max = whole ? reduceMax<X>(xPtr, classes) : maxOfLanes(n.nextMax);
  begin(n, max, whole ? max : f64x2.splat(0));
  // The maximum of all blocks, where it is needed before they are visited: for the gap, and where there is no way back. That of a block
  // between lies between this one and the first one's.
  let rowMax = max;
  if (!whole && classes > row.firstBlock && (distribution || (stores && xPtr == ePtr))) rowMax = reduceMax<X>(xPtr, classes);
  if (!whole && (v128.any_true(isLarge<T>(max)) || isOutOfReach<T>(n, rowMax))) return false;

  // The labels' side, while x is still there.
  if (needsLabels(task)) {
    if (distribution) readDistribution<X>(n, row.labels, xPtr, classes, rowMax);
    else readIndex<X>(n, row.labels, xPtr, classes);
  }

  for (let at: usize = 0; at < classes; ) {
    const count = blockOf<T>(classes - at, block);
    const end = at + count;
    const next = end < classes ? xPtr + bytesOf<X>(end) : row.following;
    const nextCount = end < classes ? blockOf<T>(classes - end, block) : row.firstBlock;
    if (!whole && at) {
      const raised = f64x2.pmax(n.max, maxOfLanes(n.nextMax));
      if (isOutOfReach<T>(n, raised)) return false;
      raise(n, raised);
    }
    const x = xPtr + bytesOf<X>(at);
    const out = ePtr + bytesOf<f64>(at);
    let part: v128;
    if (isRounded<T>()) {
      part = whole
        ? storeRoundedRelativeExps<X>(n, x, out, count, next, nextCount, scratchPtr)
        : storeRoundedExps<X>(n, x, out, count, next, nextCount, scratchPtr);
    } else if (whole) {
      part = stores
        ? storeRelativeExps<X>(n, x, out, count, next, nextCount, scratchPtr)
        : sumRelativeExps<X>(n, x, count, next, nextCount, scratchPtr);
    } else {
      part = stores ? storeExps<X>(n, x, out, count, next, nextCount, scratchPtr) : sumExps<X>(n, x, count, next, nextCount, scratchPtr);
    }
    add(n, part);
    at = end;
  }

  if (task != PROBS) {
    n.eMax = whole ? oneOf<T>() : shiftedExp<T>(
      false, scratchPtr, n.max, n.base, n.round, n.floor, SCALE(), C0<T>(n.round), C1<T>(), C2<T>(), C3(), C4(),
    );
  }
  if (needsLabels(task) && !distribution) n.gap = f64x2.sub(n.max, n.gap);
  finish<X, T>(
    task, distribution, false, n, xPtr, ePtr, stores, outPtr, row.labels, row.result,
    true, classes, leastRest<T>(block), row.gHi, row.gLo, scratchPtr,
  );
  return true;
}

/** forwardRow, and once more relative to the row's maximum where that is needed. */
// @ts-ignore: decorator
@inline
function forwardRowAnyway<X, T>(task: i32, distribution: bool, row: RowTask, n: Targets, scratchPtr: usize): void {
  for (let whole = false; !forwardRow<X, T>(task, distribution, whole, row, n, scratchPtr); whole = true) {}
}

/** Tells the length of the blocks of rows. */
// @ts-ignore: decorator
@inline
function setBlocks<T>(row: RowTask, classes: usize): void {
  row.classes = classes;
  row.block = blockFor(classes);
  row.firstBlock = blockOf<T>(classes, row.block);
}

/**
 * Rows [first, end), contiguous, of `classes` >= 4 logits. The row task has the pointers of row 0, and the number that multiplies
 * gradients; upstreamPtr, if it is not 0, has such a number by row.
 */
export function forwardRows<T>(
  task: i32, distribution: bool, classes: usize, upstreamPtr: usize, first: usize, end: usize, scratchPtr: usize,
): void {
  if (first >= end) return;
  const row = rowTaskIn(scratchPtr);
  const n = firstState(scratchPtr);
  const rowBytes = bytesOf<T>(classes);
  const labelBytes = distribution ? rowBytes : bytesOf<i32>(1);
  setBlocks<T>(row, classes);
  row.x += first * rowBytes;
  row.out += first * rowBytes;
  row.labels += first * labelBytes;
  row.result += bytesOf<f64>(first);
  findMax<T>(n, row.x, row.firstBlock);
  for (let r = first; r < end; r++) {
    // After the last row, itself once more.
    row.following = r + 1 < end ? row.x + rowBytes : row.x;
    if (task == LOSS_AND_GRADIENT && upstreamPtr) row.gHi = splat<f64>(upstreamPtr + bytesOf<f64>(r));
    forwardRowAnyway<T, T>(task, distribution, row, n, scratchPtr);
    row.x += rowBytes;
    row.out += rowBytes;
    row.labels += labelBytes;
    row.result += bytesOf<f64>(1);
  }
}

/** Prepares the state for splitRow of rows of `classes` >= 4 logits, the first of which is at x. The types are those of forwardRow. */
// @ts-ignore: decorator
@inline
export function beginRows<X, T>(x: usize, classes: usize, scratchPtr: usize): void {
  const row = rowTaskIn(scratchPtr);
  setBlocks<T>(row, classes);
  findMax<X>(firstState(scratchPtr), x, row.firstBlock);
}

/**
 * e_j of one row, and the rest in the state of the row. For results that are doubles, e_j go to `out`, perhaps x itself, for float32 to the first
 * copy of a row in scratch memory. The row at `following` comes next.
 */
// @ts-ignore: decorator
@inline
export function splitRow<X, T>(x: usize, out: usize, following: usize, scratchPtr: usize): void {
  const row = rowTaskIn(scratchPtr);
  row.x = x;
  row.out = out;
  row.following = following;
  forwardRowAnyway<X, T>(STATE, false, row, firstState(scratchPtr), scratchPtr);
}
