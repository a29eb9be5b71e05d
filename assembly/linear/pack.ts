// Copies of a matrix in the order in which products read it. A tile of packed columns has, for each k, the elements of its columns:
//
//   columns 0 … 7 at k = 0 | columns 0 … 7 at k = 1 | …     tile 0
//   columns 8 … 15 at k = 0 | …                             tile 1
//
// Columns that the matrix does not have are 0.

import { bytesOf, isRounded } from "../number/storage";
import { columnsOf, lanesOf, VECTORS } from "./tile";

/** The bytes of the columns of a tile at one k. */
// @ts-ignore: decorator
@inline
function stepBytes(): usize {
  return VECTORS * sizeof<v128>();
}

/** The bytes of a tile of packed columns. */
// @ts-ignore: decorator
@inline
export function packedBytes(depth: usize): usize {
  return depth * stepBytes();
}

/** Packs the columns of a matrix of `depth` rows. */
export function packColumns<T>(from: usize, step: usize, depth: usize, columns: usize, to: usize): void {
  for (; columns >= columnsOf<T>(); columns -= columnsOf<T>(), from += stepBytes()) {
    let row = from;
    for (let k: usize = 0; k < depth; k++, row += step, to += stepBytes()) {
      v128.store(to, v128.load(row));
      v128.store(to, v128.load(row, sizeof<v128>()), sizeof<v128>());
    }
  }
  if (columns == 0) return;
  for (let k: usize = 0; k < depth; k++, from += step, to += stepBytes()) {
    memory.fill(to, 0, stepBytes());
    for (let j: usize = 0; j < columns; j++) store<T>(to + bytesOf<T>(j), load<T>(from + bytesOf<T>(j)));
  }
}

/** Packs the columns of the transpose of a matrix (columns, depth). */
export function packRows<T>(from: usize, step: usize, columns: usize, depth: usize, to: usize): void {
  const tileBytes = packedBytes(depth);
  for (; columns >= columnsOf<T>(); columns -= columnsOf<T>(), from += columnsOf<T>() * step, to += tileBytes) {
    transpose<T>(from, step, columnsOf<T>(), depth, to, stepBytes());
  }
  if (columns == 0) return;
  memory.fill(to, 0, tileBytes);
  transpose<T>(from, step, columns, depth, to, stepBytes());
}

/** Writes the transpose of a matrix, whose rows lie `toStep` bytes apart. */
export function transpose<T>(from: usize, step: usize, rows: usize, columns: usize, to: usize, toStep: usize): void {
  const lanes = lanesOf<T>();
  for (; rows >= lanes; rows -= lanes, from += lanes * step, to += sizeof<v128>()) {
    let x = from, y = to, left = columns;
    for (; left >= lanes; left -= lanes, x += sizeof<v128>(), y += lanes * toStep) {
      const a = v128.load(x), b = v128.load(x + step);
      if (isRounded<T>()) {
        const c = v128.load(x + 2 * step), d = v128.load(x + 3 * step);
        const ab0 = i32x4.shuffle(a, b, 0, 4, 1, 5), ab1 = i32x4.shuffle(a, b, 2, 6, 3, 7);
        const cd0 = i32x4.shuffle(c, d, 0, 4, 1, 5), cd1 = i32x4.shuffle(c, d, 2, 6, 3, 7);
        v128.store(y, i64x2.shuffle(ab0, cd0, 0, 2));
        v128.store(y + toStep, i64x2.shuffle(ab0, cd0, 1, 3));
        v128.store(y + 2 * toStep, i64x2.shuffle(ab1, cd1, 0, 2));
        v128.store(y + 3 * toStep, i64x2.shuffle(ab1, cd1, 1, 3));
      } else {
        v128.store(y, i64x2.shuffle(a, b, 0, 2));
        v128.store(y + toStep, i64x2.shuffle(a, b, 1, 3));
      }
    }
    copyTransposed<T>(x, step, lanes, left, y, toStep);
  }
  copyTransposed<T>(from, step, rows, columns, to, toStep);
}

function copyTransposed<T>(from: usize, step: usize, rows: usize, columns: usize, to: usize, toStep: usize): void {
  for (let i: usize = 0; i < rows; i++, from += step, to += bytesOf<T>(1)) {
    let x = from, y = to;
    for (let j: usize = 0; j < columns; j++, x += bytesOf<T>(1), y += toStep) store<T>(y, load<T>(x));
  }
}
