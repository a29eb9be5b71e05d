// The memory that kernels write besides their outputs: `scratchBytes` bytes from a 16-byte boundary on. It may hold anything before.
//
//   0         table indices on their way from vectors to addresses: 16 bytes for each of two vectors
//   ROW_TASK  the arguments of the walk by row (task.ts)
//   ROWS      the arguments of the loss with options (loss/rows.ts)
//   STATES    the states of the pairs of a group (loss/targets.ts); of the walk by row, a single one
//   TILE      planes, each the elements of a group from one tensor (transpose.ts)
//
// Where rows are visited one at a time, a single state is there, and behind it copies of a row in doubles: of float32 elements its e_j, and for
// the loss as many as there are planes; of doubles one for the loss.

import { Rows } from "../loss/rows";
import { Targets } from "../loss/targets";
import { bytesOf } from "../number/storage";
import { RowTask } from "./task";
import { MAX_PAIRS, pairsOfGroup } from "./tile";

const ROW_TASK: usize = 2 * sizeof<v128>();
const ROWS: usize = ROW_TASK + offsetof<RowTask>();
export const STATES: usize = ROWS + offsetof<Rows>();
export const TILE: usize = STATES + MAX_PAIRS * offsetof<Targets>();

/** Contiguous rows of more classes than this are visited one at a time, others two at a time. */
const MAX_LANE_CLASSES: usize = 40;

/** True if rows are visited one at a time. */
// @ts-ignore: decorator
@inline
export function isByRow(classes: usize, inner: usize): bool {
  return inner == 1 && classes > MAX_LANE_CLASSES;
}

// @ts-ignore: decorator
@inline
export function rowTaskIn(scratchPtr: usize): RowTask {
  return changetype<RowTask>(scratchPtr + ROW_TASK);
}

// @ts-ignore: decorator
@inline
export function rowsIn(scratchPtr: usize): Rows {
  return changetype<Rows>(scratchPtr + ROWS);
}

/** The state of a row, or that of the first pair of a group. */
// @ts-ignore: decorator
@inline
export function firstState(scratchPtr: usize): Targets {
  return changetype<Targets>(scratchPtr + STATES);
}

/** The state of the next pair of a group. */
// @ts-ignore: decorator
@inline
export function nextState(n: Targets): Targets {
  return changetype<Targets>(changetype<usize>(n) + offsetof<Targets>());
}

/** The address of copy `i` of a row of `classes` elements. */
// @ts-ignore: decorator
@inline
export function rowCopyIn(scratchPtr: usize, classes: usize, i: usize): usize {
  return scratchPtr + STATES + offsetof<Targets>() + i * bytesOf<f64>(classes);
}

/** The planes of the kernels that copy no row; `loss` takes more, and its walk by row copies one. */
const PLANES: usize = 2;

/** The bytes of scratch memory: as a double, because they may be more than there are addresses. */
export function scratchBytesOf(classes: usize, inner: usize, planes: usize, elementBytes: usize): f64 {
  if (isByRow(classes, inner)) {
    const isLoss = planes > PLANES;
    const copies: usize = elementBytes == sizeof<f64>() ? usize(isLoss) : isLoss ? planes : 1;
    return <f64>(STATES + offsetof<Targets>()) + <f64>copies * <f64>sizeof<f64>() * <f64>classes;
  }
  return <f64>TILE + <f64>planes * <f64>pairsOfGroup(classes, inner) * <f64>sizeof<v128>() * <f64>classes;
}
