// Products of matrices, tile by tile.

import { bytesOf, isRounded } from "../number/storage";
import { packedBytes } from "./pack";
import { addTile, columnsOf, lanesOf, ROWS, sumsOf } from "./tile";

/** The bytes of packed columns that all rows of A meet before the next ones: they stay in a second-level cache. */
const GROUP_BYTES: usize = 131072;

/**
 * out = A Bᵀ + bias, or with `adds` out += A Bᵀ + bias: A (rows, depth) has rows `step` bytes apart, B is packed. A sum begins with its bias, a
 * double for each row or column, or with 0; the blocks of at most `block` products follow. At `sums` the doubles of a tile are free.
 */
export function product<T>(
  a: usize, step: usize, rows: usize, b: usize, columns: usize, depth: usize, block: usize, sums: usize, bias: usize, biasIsByRow: bool,
  out: usize, rowBytes: usize, columnBytes: usize, adds: bool,
): void {
  const width = columnsOf<T>();
  const tileBytes = packedBytes(depth);
  const group = width * max(1, GROUP_BYTES / max(1, tileBytes));
  for (let first: usize = 0; first < columns; first += group, b += group / width * tileBytes) {
    const end = min(first + group, columns);
    let row = a;
    for (let i: usize = 0; i < rows; i += ROWS, row += ROWS * step) {
      const height = min(ROWS, rows - i);
      let tile = b;
      for (let j = first; j < end; j += width, tile += tileBytes) {
        const count = min(width, end - j);
        begin<T>(sums, bias == 0 ? 0 : bias + bytesOf<f64>(biasIsByRow ? i : j), height, count, biasIsByRow);
        addTile<T>(row, step, height, tile, depth, block, sums);
        write<T>(sums, height, count, out + i * rowBytes + j * columnBytes, rowBytes, columnBytes, adds);
      }
    }
  }
}

/** Adds A Bᵀ to the sums of all its tiles. */
export function addProduct<T>(
  a: usize, step: usize, rows: usize, b: usize, columns: usize, depth: usize, block: usize, sums: usize,
): void {
  for (let i: usize = 0; i < rows; i += ROWS, a += ROWS * step) {
    let tile = b;
    for (let j: usize = 0; j < columns; j += columnsOf<T>(), tile += packedBytes(depth), sums += bytesOf<f64>(sumsOf<T>())) {
      addTile<T>(a, step, min(ROWS, rows - i), tile, depth, block, sums);
    }
  }
}

/** Writes the sums that the tiles of a product have. */
export function writeSums<T>(sums: usize, rows: usize, columns: usize, out: usize, rowBytes: usize): void {
  for (let i: usize = 0; i < rows; i += ROWS, out += ROWS * rowBytes) {
    for (let j: usize = 0; j < columns; j += columnsOf<T>(), sums += bytesOf<f64>(sumsOf<T>())) {
      write<T>(sums, min(ROWS, rows - i), min(columnsOf<T>(), columns - j), out + bytesOf<T>(j), rowBytes, bytesOf<T>(1), false);
    }
  }
}

/** Begins the sums of a tile with the bias, if there is any. */
function begin<T>(sums: usize, bias: usize, rows: usize, columns: usize, isByRow: bool): void {
  memory.fill(sums, 0, bytesOf<f64>(sumsOf<T>()));
  if (bias == 0) return;
  for (let i: usize = 0; i < rows; i++, sums += bytesOf<f64>(columnsOf<T>())) {
    for (let j: usize = 0; j < columns; j++) store<f64>(sums + bytesOf<f64>(j), load<f64>(bias + bytesOf<f64>(isByRow ? i : j)));
  }
}

/** A vector of elements from as many doubles. */
// @ts-ignore: decorator
@inline
function rounded<T>(sums: usize): v128 {
  const first = v128.load(sums);
  if (!isRounded<T>()) return first;
  return i64x2.shuffle(f32x4.demote_f64x2_zero(first), f32x4.demote_f64x2_zero(v128.load(sums, sizeof<v128>())), 0, 2);
}

/** Writes the sums of a tile, rounded to elements. */
function write<T>(sums: usize, rows: usize, columns: usize, out: usize, rowBytes: usize, columnBytes: usize, adds: bool): void {
  const width = columnsOf<T>();
  if (columns == width && columnBytes == bytesOf<T>(1)) {
    for (let i: usize = 0; i < rows; i++, sums += bytesOf<f64>(width), out += rowBytes) {
      for (let j: usize = 0; j < columnsOf<T>(); j += lanesOf<T>()) {
        const at = out + bytesOf<T>(j);
        const values = rounded<T>(sums + bytesOf<f64>(j));
        v128.store(at, adds ? v128.add<T>(v128.load(at), values) : values);
      }
    }
    return;
  }
  for (let i: usize = 0; i < rows; i++, sums += bytesOf<f64>(width), out += rowBytes) {
    let at = out;
    for (let j: usize = 0; j < columns; j++, at += columnBytes) {
      const value = <T>load<f64>(sums + bytesOf<f64>(j));
      store<T>(at, adds ? load<T>(at) + value : value);
    }
  }
}
