// A second entry, compiled for tests only: the shifted exp by itself.

import { expBase, expConstant, expFloor, expRound, shiftedExp } from "./exp";

/** out = shiftedExp of an even number of logits, each of a row with the maximum of the same place in maxPtr. */
export function expWalk(xPtr: usize, maxPtr: usize, outPtr: usize, count: usize): void {
  for (let i: usize = 0; i < count << 3; i += 16) {
    const max = v128.load(maxPtr + i);
    const base = expBase(max);
    const e = shiftedExp(
      v128.load(xPtr + i), base, expRound(max, base), expFloor(max, base),
      expConstant(0), expConstant(1), expConstant(2), expConstant(3), expConstant(4), expConstant(5),
    );
    v128.store(outPtr + i, e);
  }
}
