// The walk by row: one contiguous row at a time, two classes in a vector.
//
//   for each block of the row                        blocks fit into a first-level cache
//     if its maximum is out of reach                 logits are large, or they rise by more than 2^32
//       take the row once more, relative to its maximum
//     e_j = 2^384 exp(x_j − base) for each class     and meanwhile the maximum of the next block, or of the next row
//     S += Σ e_j
//   results from max, S and, for a loss, the labels' side (finish.ts)
//
// base is 0, where exp(x) needs no second reading of the row for its maximum, or the row's maximum. The exponent of e_j is shifted by that
// of exp(first block's maximum), so that e_j stays near 2^384.

import { readDistribution, readIndex, Targets } from "../loss/targets";
import {
  isLarge, LN2_HI, LN2_LO, ONE, P0, P1, P2, SCALE, shiftedExp,
} from "../number/exp";
import { bytesOf, splat } from "../number/storage";
import { reduceMax } from "../number/sums";
import { maxOfLanes } from "../number/two-sum";
import { findMax, storeExps, storeRelativeExps, sumExps, sumRelativeExps } from "./exp-block";
import { finish } from "./finish";
import { add, begin, isOutOfReach, leastRest, raise } from "./normalizer";
import { firstState, rowTaskIn } from "./scratch";
import { LOSS_AND_GRADIENT, needsLabels, PROBS, RowTask, STATE } from "./task";

/** The most classes of a block: with their results, they fit into a first-level cache. */
const BLOCK: usize = 1024;

/** The length of the blocks of a row. */
function blockFor(classes: usize): usize {
  const blocks = (classes + BLOCK - 1) / BLOCK;
  return ((classes + blocks - 1) / blocks + 3) & ~3;
}

/** The classes of the next block if `left` are left. It takes a rest of less than 4 with it. */
// @ts-ignore: decorator
@inline
function blockOf(left: usize, block: usize): usize {
  return left < block + 4 ? left : block;
}

/**
 * One row of `classes` >= 4 logits, the first block of which has the maximum n.nextMax, by lane. With `whole`, logits are taken relative to
 * the row's maximum. Otherwise base = 0, and the result is false where that does not serve for the row's maximum: then the row has to be
 * taken once more, and the call has written to nothing but scratch memory and an out that is not x.
 */
function forwardRow<T>(task: i32, distribution: bool, whole: bool, row: RowTask, n: Targets, scratchPtr: usize): bool {
  const xPtr = row.x, outPtr = row.out, classes = row.classes, block = row.block;
  const stores = task == PROBS || task == LOSS_AND_GRADIENT || task == STATE;
  const max = whole ? reduceMax<T>(xPtr, classes) : maxOfLanes(n.nextMax);
  begin(n, max, whole ? max : f64x2.splat(0));
  // The maximum of all blocks, where it is needed before they are visited: for the gap, and where there is no way back. That of a block
  // between lies between this one and the first one's.
  let rowMax = max;
  if (!whole && classes > row.firstBlock && (distribution || (stores && xPtr == outPtr))) rowMax = reduceMax<T>(xPtr, classes);
  if (!whole && (v128.any_true(isLarge(max)) || isOutOfReach(n, rowMax))) return false;

  // The labels' side, while x is still there.
  if (needsLabels(task)) {
    if (distribution) readDistribution<T>(n, row.labels, xPtr, classes, rowMax);
    else readIndex<T>(n, row.labels, xPtr, classes);
  }

  for (let at: usize = 0; at < classes; ) {
    const count = blockOf(classes - at, block);
    const end = at + count;
    const next = end < classes ? xPtr + bytesOf<T>(end) : row.following;
    const nextCount = end < classes ? blockOf(classes - end, block) : row.firstBlock;
    if (!whole && at) {
      const raised = f64x2.pmax(n.max, maxOfLanes(n.nextMax));
      if (isOutOfReach(n, raised)) return false;
      raise(n, raised);
    }
    const x = xPtr + bytesOf<T>(at);
    const out = outPtr + bytesOf<T>(at);
    let part: v128;
    if (whole) {
      part = stores
        ? storeRelativeExps<T>(n, x, out, count, next, nextCount, scratchPtr)
        : sumRelativeExps<T>(n, x, count, next, nextCount, scratchPtr);
    } else {
      part = stores ? storeExps<T>(n, x, out, count, next, nextCount, scratchPtr) : sumExps<T>(n, x, count, next, nextCount, scratchPtr);
    }
    add(n, part);
    at = end;
  }

  if (task != PROBS) {
    n.eMax = whole ? f64x2.splat(ONE) : shiftedExp(
      false, scratchPtr, n.max, n.base, n.round, n.floor, SCALE(), LN2_HI(), LN2_LO(), P0(), P1(), P2(),
    );
  }
  if (needsLabels(task) && !distribution) n.gap = f64x2.sub(n.max, n.gap);
  finish<T, T>(
    task, distribution, false, n, xPtr, outPtr, stores, outPtr, row.labels, row.result,
    true, classes, leastRest(block), row.gHi, row.gLo, scratchPtr,
  );
  return true;
}

/** forwardRow, and once more relative to the row's maximum where that is needed. */
// @ts-ignore: decorator
@inline
function forwardRowAnyway<T>(task: i32, distribution: bool, row: RowTask, n: Targets, scratchPtr: usize): void {
  for (let whole = false; !forwardRow<T>(task, distribution, whole, row, n, scratchPtr); whole = true) {}
}

/** Tells the length of the blocks of rows. */
// @ts-ignore: decorator
@inline
function setBlocks(row: RowTask, classes: usize): void {
  row.classes = classes;
  row.block = blockFor(classes);
  row.firstBlock = blockOf(classes, row.block);
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
  setBlocks(row, classes);
  row.x += first * rowBytes;
  row.out += first * rowBytes;
  row.labels += first * labelBytes;
  row.result += bytesOf<T>(first);
  findMax<T>(n, row.x, row.firstBlock);
  for (let r = first; r < end; r++) {
    // After the last row, itself once more.
    row.following = r + 1 < end ? row.x + rowBytes : row.x;
    if (task == LOSS_AND_GRADIENT && upstreamPtr) row.gHi = splat<T>(upstreamPtr + bytesOf<T>(r));
    forwardRowAnyway<T>(task, distribution, row, n, scratchPtr);
    row.x += rowBytes;
    row.out += rowBytes;
    row.labels += labelBytes;
    row.result += bytesOf<T>(1);
  }
}

/** Prepares the state for splitRow of rows of `classes` >= 4 logits, the first of which is at x. */
export function beginRows<T>(x: usize, classes: usize, scratchPtr: usize): void {
  const row = rowTaskIn(scratchPtr);
  setBlocks(row, classes);
  findMax<T>(firstState(scratchPtr), x, row.firstBlock);
}

/** e_j of one row at `out`, which is not x, and the rest in the state of the row. The row at `following` comes next. */
export function splitRow<T>(x: usize, out: usize, following: usize, scratchPtr: usize): void {
  const row = rowTaskIn(scratchPtr);
  row.x = x;
  row.out = out;
  row.following = following;
  forwardRowAnyway<T>(STATE, false, row, firstState(scratchPtr), scratchPtr);
}
