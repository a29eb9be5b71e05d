// Groups of rows, which lie side by side in a tile while they are worked on (transpose.ts): which rows are a group.

import { bytesOf } from "../number/storage";

/** The most pairs of a group. All pairs are visited before the first one is finished, so that their chains of dependent operations overlap. */
export const MAX_PAIRS: usize = 32;

/**
 * The elements of a group fill at most this, half of a first-level cache. A group has at least four pairs even so: on a strided axis,
 * a cache line.
 */
const GROUP_BYTES: usize = 16384;

/** The pairs of a group. */
export function pairsOfGroup(classes: usize, inner: usize): usize {
  const pairs = min(max(GROUP_BYTES / sizeof<v128>() / max(classes, 1), 4), MAX_PAIRS);
  return inner == 1 ? pairs : min(pairs, (inner + 1) / 2);
}

/** The bytes of a tile: of the elements of a group from one tensor. */
export function tileBytes(classes: usize, inner: usize): usize {
  return pairsOfGroup(classes, inner) * bytesOf<v128>(classes);
}

/** The end of the group that begins at `row`: it has at most `rows` rows, all of one slice, and does not go beyond `end`. */
// @ts-ignore: decorator
@inline
export function groupEnd(row: usize, rows: usize, end: usize, inner: usize): usize {
  if (inner != 1) end = min(end, row - row % inner + inner);
  return row + min(rows, end - row);
}

/** The number of elements before row `row` of a tensor. */
// @ts-ignore: decorator
@inline
export function rowOffset(row: usize, classes: usize, inner: usize): usize {
  if (inner == 1) return row * classes;
  const column = row % inner;
  return (row - column) * classes + column;
}
