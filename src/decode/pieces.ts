// A row in pieces of doubles, and the places in a piece that are worth a look. Scans see one type of array, whatever the logits are, so that
// engines compile them for it alone.

import type { FloatArray } from "../tensor/element.js";

/** Classes of a piece: 32 KiB of doubles, which stay in a first-level cache. */
const PIECE = 4096;
const buffer = new Float64Array(PIECE);
/** The places that findPlaces has found. */
export const places = new Int32Array(PIECE);

/** Calls `scan` with each piece of a row, and the class that the piece starts with. */
export function forEachPiece(row: FloatArray, scan: (piece: Float64Array, start: number) => void): void {
  for (let start = 0; start < row.length; start += PIECE) {
    const part = row.subarray(start, start + PIECE);
    scan(part instanceof Float64Array ? part : asDoubles(part), start);
  }
}

function asDoubles(part: FloatArray): Float64Array {
  const piece = part.length === PIECE ? buffer : buffer.subarray(0, part.length);
  piece.set(part);
  return piece;
}

/**
 * Finds the logits of a piece that are not below a bound, NaN among them: writes their places to `places` and returns their number. Each place is
 * written, and counted if it is one: a branch that cannot be foreseen takes several times as long. Four logits a step halve the time again.
 */
export function findPlaces(x: Float64Array, bound: number): number {
  // A local name, which compiled code need not look up in each step.
  const found = places;
  let count = 0;
  let i = 0;
  for (const end = x.length - 3; i < end; i += 4) {
    found[count] = i;
    count += Number(!(x[i] < bound));
    found[count] = i + 1;
    count += Number(!(x[i + 1] < bound));
    found[count] = i + 2;
    count += Number(!(x[i + 2] < bound));
    found[count] = i + 3;
    count += Number(!(x[i + 3] < bound));
  }
  for (; i < x.length; i++) {
    found[count] = i;
    count += Number(!(x[i] < bound));
  }
  return count;
}
