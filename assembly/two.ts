// Two rows of two classes side by side, one a lane. Relative to the maximum its own e is ONE, so that a row takes a single exp; the bits are
// those that lanes.ts would give.

import { expConstant, expFloor, expRound, shiftedExp, ONE } from "./exp";
import { loadLanes, readIndices, storeLanes } from "./lanes";
import { logRatio } from "./log";
import { factorLow } from "./normalizer";
import { Pair } from "./pair";
import { fastTwoSumError, upper } from "./reduce";
import { GRADIENT } from "./task";

/** The gap, and e of the lesser logit (hi). */
// @ts-ignore: decorator
@inline
export function visitTwo(pair: Pair, classStride: usize): void {
  const x0 = loadLanes(pair.xPtr, pair.laneStride);
  const x1 = loadLanes(pair.xPtr + classStride, pair.laneStride);
  readIndices(pair, 2, classStride);
  const max = f64x2.pmax(x0, x1);
  pair.gap = f64x2.sub(max, loadLanes(pair.xPtr + pair.label0, pair.label1 - pair.label0));
  // pmin and pmax, their operands swapped, do not lose the same NaN; max − max is one for an infinity.
  const min = f64x2.add(f64x2.pmin(x1, x0), f64x2.sub(max, max));
  const zero = f64x2.splat(0);
  pair.hi = shiftedExp(
    true, 0, min, max, expRound(zero), expFloor(zero),
    expConstant(0), expConstant(1), expConstant(2), expConstant(3), expConstant(4), expConstant(5),
  );
}

/** finish of lanes.ts, for LOSS and GRADIENT of indices. */
// @ts-ignore: decorator
@inline
export function finishTwo(task: i32, pair: Pair, classStride: usize, gHi: v128, gLo: v128): void {
  const zero = f64x2.splat(0);
  const one = f64x2.splat(ONE);
  const rest = pair.hi;
  const sumHi = f64x2.add(one, rest);
  const sumLo = fastTwoSumError(one, rest, sumHi);
  storeLanes(pair.resultPtr, pair.partner << 3, f64x2.add(pair.gap, logRatio(one, rest, zero, sumHi, sumLo)));
  if (task == GRADIENT) {
    const inverse = f64x2.div(f64x2.splat(1), sumHi);
    const factor = upper(f64x2.mul(gHi, inverse));
    const low = factorLow(factor, inverse, gHi, gLo, sumHi, sumLo);
    // The other class is all there is beside the label.
    const e = v128.bitselect(rest, one, f64x2.eq(pair.gap, zero));
    const atOther = f64x2.mul(e, f64x2.add(factor, low));
    const atLabel = f64x2.sub(zero, f64x2.add(f64x2.mul(e, factor), f64x2.mul(e, low)));
    const outPtr = pair.outPtr;
    v128.store_lane<u64>(outPtr + pair.label0, atLabel, 0);
    v128.store_lane<u64>(outPtr + pair.label1, atLabel, 1);
    v128.store_lane<u64>(outPtr + (classStride - pair.label0), atOther, 0);
    v128.store_lane<u64>(outPtr + (classStride + 2 * pair.laneStride - pair.label1), atOther, 1);
  }
}
