// The walk of rows of two classes, side by side, one in each lane: loss and gradient of indices. Relative to the maximum, e of the maximum
// is ONE, so that a row takes a single exp. The bits are those that the walk by lane would give. A last row without a partner is in both
// lanes.

import { Targets } from "../loss/targets";
import { C0, C1, C2, C3, C4, expFloor, expRound, oneOf, SCALE, shiftedExp } from "../number/exp";
import { logRatio } from "../number/log";
import { bytesOf, isRounded, load2, loadByRow, splat, store2, storeByRow, storeTail } from "../number/storage";
import { fastTwoSumError, highHalf } from "../number/two-sum";
import { factorLow, labelGradient, leastRest } from "./normalizer";
import { firstState, nextState } from "./scratch";
import { LOSS_AND_GRADIENT } from "./task";
import { groupEnd, MAX_PAIRS, rowOffset } from "./tile";

/** Sets the gap and isZero of a pair of rows; `hi` of the state becomes e of the lesser logit. */
// @ts-ignore: decorator
@inline
function visit<T>(n: Targets, xPtr: usize, labelPtr: usize, inner: usize, isAlone: bool, scratchPtr: usize): void {
  let x0: v128;
  let x1: v128;
  if (inner == 1) {
    const first = load2<T>(xPtr);
    const second = load2<T>(xPtr + (isAlone ? 0 : bytesOf<T>(2)));
    x0 = i64x2.shuffle(first, second, 0, 2);
    x1 = i64x2.shuffle(first, second, 1, 3);
  } else {
    x0 = isAlone ? splat<T>(xPtr) : load2<T>(xPtr);
    x1 = isAlone ? splat<T>(xPtr + bytesOf<T>(inner)) : load2<T>(xPtr + bytesOf<T>(inner));
  }
  assert(load<u32>(labelPtr) < 2 && load<u32>(labelPtr + (isAlone ? 0 : bytesOf<i32>(1))) < 2);
  const labels = isAlone ? v128.load32_splat(labelPtr) : v128.load64_zero(labelPtr);
  const isZero = i64x2.eq(i64x2.extend_low_i32x4_u(labels), i64x2.splat(0));
  const max = f64x2.pmax(x0, x1);
  n.gap = f64x2.sub(max, v128.bitselect(x0, x1, isZero));
  n.isZero = isZero;
  // pmin and pmax with swapped operands do not lose the same NaN. max − max is NaN for an infinity.
  const min = f64x2.add(f64x2.pmin(x1, x0), f64x2.sub(max, max));
  const zero = f64x2.splat(0);
  n.hi = shiftedExp<T>(
    true, scratchPtr, min, max, expRound(zero), expFloor(zero),
    SCALE(), C0<T>(expRound(zero)), C1<T>(), C2<T>(), C3(), C4(),
  );
}

// @ts-ignore: decorator
@inline
function finish<T>(
  task: i32, n: Targets, outPtr: usize, resultPtr: usize, inner: usize, isAlone: bool, gHi: v128, gLo: v128,
): void {
  const zero = f64x2.splat(0);
  const one = oneOf<T>();
  let rest = n.hi;
  const sumHi = f64x2.add(one, rest);
  let sumLo = zero;
  if (isRounded<T>()) {
    // As the walk by lane has it, where low parts are left out.
    const without = f64x2.sub(sumHi, one);
    rest = v128.bitselect(rest, without, f64x2.lt(without, f64x2.mul(one, leastRest<T>(2))));
  } else {
    sumLo = fastTwoSumError(one, rest, sumHi);
  }
  storeByRow(resultPtr, isAlone, f64x2.add(n.gap, logRatio<T>(one, rest, zero, sumHi, sumLo)));
  if (task == LOSS_AND_GRADIENT) {
    // Beside the label there is the other class only.
    const isMax = f64x2.eq(n.gap, zero);
    const e = v128.bitselect(n.hi, one, isMax);
    let atOther: v128, atLabel: v128;
    if (isRounded<T>()) {
      const factor = f64x2.div(gHi, sumHi);
      atOther = f64x2.mul(e, factor);
      atLabel = labelGradient<T>(v128.bitselect(one, n.hi, isMax), one, rest, zero, sumHi, zero, factor, zero, gHi);
    } else {
      const inverse = f64x2.div(f64x2.splat(1), sumHi);
      const factor = highHalf(f64x2.mul(gHi, inverse));
      const low = factorLow(factor, inverse, gHi, gLo, sumHi, sumLo);
      atOther = f64x2.mul(e, f64x2.add(factor, low));
      atLabel = f64x2.sub(zero, f64x2.add(f64x2.mul(e, factor), f64x2.mul(e, low)));
    }
    const at0 = v128.bitselect(atLabel, atOther, n.isZero);
    const at1 = v128.bitselect(atOther, atLabel, n.isZero);
    if (inner == 1) {
      if (!isAlone) store2<T>(outPtr, i64x2.shuffle(at0, at1, 1, 3), 1);
      store2<T>(outPtr, i64x2.shuffle(at0, at1, 0, 2));
    } else {
      storeTail<T>(outPtr, isAlone ? 1 : 2, at0);
      storeTail<T>(outPtr + bytesOf<T>(inner), isAlone ? 1 : 2, at1);
    }
  }
}

/** Rows [first, end); `task` is LOSS or LOSS_AND_GRADIENT. Results by row, and upstream gradients if upstreamPtr is not 0. */
// @ts-ignore: decorator
@inline
export function forwardTwo<T>(
  task: i32, xPtr: usize, labelPtr: usize, outPtr: usize, resultPtr: usize,
  inner: usize, upstreamPtr: usize, gHi: v128, gLo: v128, first: usize, end: usize, scratchPtr: usize,
): void {
  const pairBytes: usize = bytesOf<T>(inner == 1 ? 4 : 2);
  for (let group = first, next = first; group < end; group = next) {
    next = groupEnd(group, 2 * MAX_PAIRS, end, inner);
    const at = bytesOf<T>(rowOffset(group, 2, inner));
    let n = firstState(scratchPtr);
    for (let r = group, x = xPtr + at; r < next; r += 2, x += pairBytes) {
      visit<T>(n, x, labelPtr + bytesOf<i32>(r), inner, r + 1 == next, scratchPtr);
      n = nextState(n);
    }
    n = firstState(scratchPtr);
    for (let r = group, out = outPtr + at; r < next; r += 2, out += pairBytes) {
      const isAlone = r + 1 == next;
      if (task == LOSS_AND_GRADIENT && upstreamPtr) gHi = loadByRow(upstreamPtr + bytesOf<f64>(r), isAlone);
      finish<T>(task, n, out, resultPtr + bytesOf<f64>(r), inner, isAlone, gHi, gLo);
      n = nextState(n);
    }
  }
}
