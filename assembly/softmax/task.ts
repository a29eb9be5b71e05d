// The tasks of the forward walks. A task is a constant at every call that is inlined, so that the compiler keeps the statements of that
// task only.

/** out (classes): p */
export const PROBS: i32 = 0;
/** out (classes): log p */
export const LOG_PROBS: i32 = 1;
/** result: lse */
export const LSE: i32 = 2;
/** result: the loss */
export const LOSS: i32 = 3;
/** result: the loss; out (classes): g times the gradient of the loss */
export const LOSS_AND_GRADIENT: i32 = 4;
/** out (classes): e_j; the other results stay in the state of the row */
export const STATE: i32 = 5;

/** True if a task needs labels. */
// @ts-ignore: decorator
@inline
export function needsLabels(task: i32): bool {
  return task == LOSS || task == LOSS_AND_GRADIENT;
}

/** The arguments of the walk by row (by-row.ts). Pointers that a task does not need are 0. */
@unmanaged
export class RowTask {
  /** (classes): the logits. */
  x: usize;
  /** The index of the row (i32), or its distribution (classes). */
  labels: usize;
  /** (classes), perhaps x itself. */
  out: usize;
  /** One element. */
  result: usize;
  classes: usize;
  /** The classes of a block, and those of the first block. */
  block: usize;
  firstBlock: usize;
  /** The logits of the row that comes next; after the last row, those of the row itself. */
  following: usize;
  /** g, which multiplies the gradient of the loss, as (hi, lo). */
  gHi: v128;
  gLo: v128;
}
