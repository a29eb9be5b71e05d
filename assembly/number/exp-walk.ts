// The shifted exp by itself: an entry of its own, compiled for tests only.

import { bytesOf, load2, store2 } from "./storage";
import { C0, C1, C2, C3, C4, SCALE, expFloor, expRound, floored, isLarge, shiftedExp } from "./exp";

const INDICES: usize = memory.data(16, 16);

function walk<T>(xPtr: usize, maxPtr: usize, outPtr: usize, count: usize): void {
  const scale = SCALE(), c1 = C1<T>(), c2 = C2<T>(), c3 = C3(), c4 = C4();
  for (let i: usize = 0; i < bytesOf<f64>(count); i += bytesOf<f64>(2)) {
    const x = load2<f64>(xPtr + i);
    const max = load2<f64>(maxPtr + i);
    const top = f64x2.sub(max, max);
    const round = expRound(max), floor = expFloor(max), roundTop = expRound(top), floorTop = expFloor(top);
    const near = shiftedExp<T>(false, INDICES, floored<T>(false, x, floor), max, round, floor, scale, C0<T>(round), c1, c2, c3, c4);
    const relative = shiftedExp<T>(true, INDICES, x, max, roundTop, floorTop, scale, C0<T>(roundTop), c1, c2, c3, c4);
    store2<f64>(outPtr + i, v128.bitselect(relative, near, isLarge<T>(max)));
  }
}

/** out = shiftedExp of an even number of logits. Logit i belongs to a row whose maximum is element i at maxPtr. */
export function expWalk(xPtr: usize, maxPtr: usize, outPtr: usize, count: usize): void {
  walk<f64>(xPtr, maxPtr, outPtr, count);
}

/** expWalk for results that are rounded to float32. */
export function roundedExpWalk(xPtr: usize, maxPtr: usize, outPtr: usize, count: usize): void {
  walk<f32>(xPtr, maxPtr, outPtr, count);
}
