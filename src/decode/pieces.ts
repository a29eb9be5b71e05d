// A row in pieces of doubles, and the places in a piece that are worth a look. Scans see one type of array, whatever the logits are, so
// that engines compile them for it alone.

import type { FloatArray } from "../tensor/element.js";

/** Classes of a piece: 32 KiB of doubles, which stay in a first-level cache. */
const PIECE = 4096;
/** Logits that are compared in one step. */
const GROUP = 8;

const groupStarts = new Int32Array(PIECE / GROUP + 1);
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
 * Finds the logits of a piece that are not below a bound, NaN among them: writes their places to `places` and returns their number. Groups
 * of eight logits are told apart first, as hardly any has such a logit. What is found is written in any case, and counted if it is right: a
 * branch that cannot be foreseen takes several times as long.
 */
export function findPlaces(x: Float64Array, bound: number): number {
  const groups = findGroups(x, bound);
  const [found, starts] = [places, groupStarts];
  let count = 0;
  for (let g = 0; g < groups; g++) {
    for (let i = starts[g], end = Math.min(i + GROUP, x.length); i < end; i++) {
      found[count] = i;
      count += Number(!(x[i] < bound));
    }
  }
  return count;
}

/** Writes where the groups with such a logit start, and the last group if it is shorter; returns their number. */
function findGroups(x: Float64Array, bound: number): number {
  const starts = groupStarts;
  let count = 0;
  let i = 0;
  for (const end = x.length - GROUP; i <= end; i += GROUP) {
    starts[count] = i;
    const four = Number(x[i] < bound) & Number(x[i + 1] < bound) & Number(x[i + 2] < bound) & Number(x[i + 3] < bound);
    count += 1 - (four & Number(x[i + 4] < bound) & Number(x[i + 5] < bound) & Number(x[i + 6] < bound) & Number(x[i + 7] < bound));
  }
  starts[count] = i;
  return i < x.length ? count + 1 : count;
}
