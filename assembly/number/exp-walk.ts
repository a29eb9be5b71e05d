// The shifted exp by itself: an entry of its own, compiled for tests only.

import { bytesOf, load2, store2 } from "./storage";
import { LN2_HI, LN2_LO, P0, P1, P2, SCALE, expFloor, expRound, isLarge, shiftedExp } from "./exp";

const INDICES: usize = memory.data(16, 16);

/** out = shiftedExp of an even number of logits. Logit i belongs to a row whose maximum is element i at maxPtr. */
export function expWalk(xPtr: usize, maxPtr: usize, outPtr: usize, count: usize): void {
  const scale = SCALE(), ln2Hi = LN2_HI(), ln2Lo = LN2_LO();
  const p0 = P0(), p1 = P1(), p2 = P2();
  for (let i: usize = 0; i < bytesOf<f64>(count); i += bytesOf<f64>(2)) {
    const x = load2<f64>(xPtr + i);
    const max = load2<f64>(maxPtr + i);
    const top = f64x2.sub(max, max);
    const near = shiftedExp(false, INDICES, x, max, expRound(max), expFloor(max), scale, ln2Hi, ln2Lo, p0, p1, p2);
    const relative = shiftedExp(true, INDICES, x, max, expRound(top), expFloor(top), scale, ln2Hi, ln2Lo, p0, p1, p2);
    store2<f64>(outPtr + i, v128.bitselect(relative, near, isLarge(max)));
  }
}
