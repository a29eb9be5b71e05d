// Picks the walk of a batch for a task: by row, by lane, or that of two classes.

import { remainder } from "../number/two-sum";
import { forwardPairs } from "./by-lane";
import { forwardRows } from "./by-row";
import { isByRow, rowTaskIn } from "./scratch";
import { needsLabels } from "./task";
import { forwardTwo } from "./two-classes";

/**
 * Rows [first, end) of logits (outer, classes, inner). Constants: `task` (task.ts) and `distribution`. Labels are indices or distributions,
 * out has the shape of the logits, results are by row; pointers that the task does not need are 0. Gradients are multiplied by
 * g = upstream / divisor, or by the elements by row of upstreamPtr if that is not 0; then upstream is 0.
 */
// @ts-ignore: decorator
@inline
export function forward<T>(
  task: i32, distribution: bool,
  xPtr: usize, labelsPtr: usize, outPtr: usize, resultPtr: usize,
  classes: usize, inner: usize, upstreamPtr: usize, upstream: f64, divisor: f64, first: usize, end: usize, scratchPtr: usize,
): void {
  const divisors = f64x2.splat(divisor);
  const gHi = f64x2.splat(upstream / divisor);
  const gLo = f64x2.div(remainder(f64x2.splat(upstream), gHi, divisors), divisors);
  if (isByRow(classes, inner)) {
    const row = rowTaskIn(scratchPtr);
    row.x = xPtr;
    row.labels = labelsPtr;
    row.out = outPtr;
    row.result = resultPtr;
    row.gHi = gHi;
    row.gLo = gLo;
    forwardRows<T>(task, distribution, classes, upstreamPtr, first, end, scratchPtr);
  } else if (needsLabels(task) && !distribution && classes == 2) {
    forwardTwo<T>(task, xPtr, labelsPtr, outPtr, resultPtr, inner, upstreamPtr, gHi, gLo, first, end, scratchPtr);
  } else {
    forwardPairs<T>(task, distribution, xPtr, labelsPtr, outPtr, resultPtr, classes, inner, upstreamPtr, gHi, gLo, first, end, scratchPtr);
  }
}
