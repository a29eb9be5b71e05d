// A second entry, compiled for tests only: the shifted exp by itself.

import { expConstant, expFloor, expRound, isFar, shiftedExp } from "./exp";

const INDICES: usize = memory.data(16, 16);

/** out = shiftedExp of an even number of logits, each of a row with the maximum of the same place in maxPtr, as the kernels take it. */
export function expWalk(xPtr: usize, maxPtr: usize, outPtr: usize, count: usize): void {
  const scale = expConstant(0), ln2Hi = expConstant(1), ln2Lo = expConstant(2);
  const p0 = expConstant(3), p1 = expConstant(4), p2 = expConstant(5);
  for (let i: usize = 0; i < count << 3; i += 16) {
    const x = v128.load(xPtr + i);
    const max = v128.load(maxPtr + i);
    const top = f64x2.sub(max, max);
    const near = shiftedExp(false, INDICES, x, max, expRound(max), expFloor(max), scale, ln2Hi, ln2Lo, p0, p1, p2);
    const relative = shiftedExp(true, INDICES, x, max, expRound(top), expFloor(top), scale, ln2Hi, ln2Lo, p0, p1, p2);
    v128.store(outPtr + i, v128.bitselect(relative, near, isFar(max)));
  }
}
