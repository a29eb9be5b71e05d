// Products of matrices, tile by tile.

import { bytesOf, isRounded, load1, load2, store2 } from "../number/storage";
import { packColumns, packedBytes, transpose } from "./pack";
import { addTile, columnsOf, lanesOf, ROWS, sumsOf } from "./tile";

/** The bytes of packed columns that rows of A meet before the next ones: they stay in a second-level cache. */
const GROUP_BYTES: usize = 131072;

/** The bytes of rows of A that meet all packed columns before the next rows. */
const ROWS_BYTES: usize = 524288;

/** The bytes that a product works in. */
// @ts-ignore: decorator
@inline
export function scratchBytesOf<T>(): usize {
  return bytesOf<f64>(sumsOf<T>()) + GROUP_BYTES;
}

/** The tiles of packed columns in a group. */
// @ts-ignore: decorator
@inline
function tilesOfGroup(tileBytes: usize): usize {
  return max(1, GROUP_BYTES / tileBytes);
}

/** The most rows with at most so many bytes, a multiple of the rows of a tile. */
// @ts-ignore: decorator
@inline
function rowsIn(bytes: usize, step: usize): usize {
  return max(ROWS, bytes / step & ~(ROWS - 1));
}

/**
 * out = A Bᵀ + bias, or with `adds` out += A Bᵀ + bias, for the rows [first, end) of A (rows, depth), which are `step` bytes apart; B is packed. A sum
 * begins with its bias, a double for each row or column, or with 0; the blocks of at most `block` products follow. At `scratch` the doubles of
 * a tile are free.
 */
export function product<T>(
  a: usize, step: usize, b: usize, columns: usize, depth: usize, block: usize, bias: usize, biasIsByRow: bool,
  out: usize, rowBytes: usize, columnBytes: usize, adds: bool, first: usize, end: usize, scratch: usize,
): void {
  const width = columnsOf<T>();
  const tileBytes = packedBytes(depth);
  const group = width * tilesOfGroup(tileBytes);
  const most = rowsIn(ROWS_BYTES, step);
  for (; first < end; first += most) {
    const last = min(first + most, end);
    let tiles = b;
    for (let from: usize = 0; from < columns; from += group, tiles += group / width * tileBytes) {
      const to = min(from + group, columns);
      for (let i = first; i < last; i += ROWS) {
        const height = min(ROWS, last - i);
        let tile = tiles;
        for (let j = from; j < to; j += width, tile += tileBytes) {
          const count = min(width, to - j);
          begin<T>(scratch, bias == 0 ? 0 : bias + bytesOf<f64>(biasIsByRow ? i : j), height, count, biasIsByRow);
          addTile<T>(a + i * step, step, height, tile, depth, block, scratch);
          write<T>(scratch, height, count, out + i * rowBytes + j * columnBytes, rowBytes, columnBytes, adds);
        }
      }
    }
  }
}

/**
 * Adds A B to the sums of all its tiles, for the tiles of columns [first, end): A (rows, depth), B (depth, columns). Each block of at most `block` rows
 * of B is packed and summed for itself. Rows of B that are not open, a byte for each, count as 0, whatever they hold.
 */
export function addProduct<T>(
  a: usize, step: usize, rows: usize, b: usize, bStep: usize, columns: usize, depth: usize, block: usize, open: usize, sums: usize,
  first: usize, end: usize, scratch: usize,
): void {
  const width = columnsOf<T>();
  const tilesOfRow = (columns + width - 1) / width;
  const group = tilesOfGroup(packedBytes(min(depth, block)));
  for (let k: usize = 0; k < depth; k += block, a += bytesOf<T>(block), b += block * bStep) {
    const count = min(block, depth - k);
    const tileBytes = packedBytes(count);
    for (let from = first; from < end; from += group) {
      const to = min(from + group, end);
      packColumns<T>(b + bytesOf<T>(from * width), bStep, count, min(to * width, columns) - from * width, scratch);
      if (open != 0) clearClosed(open + k, count, scratch, to - from);
      let row = a, sumsOfRow = sums;
      for (let i: usize = 0; i < rows; i += ROWS, row += ROWS * step, sumsOfRow += tilesOfRow * bytesOf<f64>(sumsOf<T>())) {
        let tile = scratch;
        for (let j = from; j < to; j++, tile += tileBytes) {
          addTile<T>(row, step, min(ROWS, rows - i), tile, count, count, sumsOfRow + j * bytesOf<f64>(sumsOf<T>()));
        }
      }
    }
  }
}

/** Makes packed elements 0 at each k of `depth` that is not open. */
function clearClosed(open: usize, depth: usize, packed: usize, tiles: usize): void {
  for (let k: usize = 0; k < depth; k++) {
    if (load<u8>(open + k)) continue;
    for (let j: usize = 0; j < tiles; j++) memory.fill(packed + packedBytes(j * depth + k), 0, packedBytes(1));
  }
}

/**
 * out = Aᵀ Bᵀ, or with `adds` out += Aᵀ Bᵀ, for the columns [first, end) of A (rows, …): B, packed, has `rows` elements in each of its columns.
 * The sums of the columns of A are added to columnSums, a double for each, if that is not 0.
 */
export function transposedProduct<T>(
  a: usize, step: usize, rows: usize, b: usize, columns: usize, out: usize, outStep: usize, adds: bool, columnSums: usize,
  first: usize, end: usize, scratch: usize,
): void {
  const transposed = scratch + bytesOf<f64>(sumsOf<T>());
  const most = rowsIn(GROUP_BYTES, bytesOf<T>(rows));
  if (columnSums != 0) addColumns<T>(a, step, rows, first, end, columnSums);
  for (; first < end; first += most) {
    const count = min(most, end - first);
    transpose<T>(a + bytesOf<T>(first), step, rows, count, transposed, bytesOf<T>(rows));
    product<T>(transposed, bytesOf<T>(rows), b, columns, rows, rows, 0, false, out + first * outStep, outStep, bytesOf<T>(1), adds, 0, count, scratch);
  }
}

/** Adds the sums of the columns [first, end) of A to `sums`: each is taken from 0 on, in the order of the rows. */
function addColumns<T>(a: usize, step: usize, rows: usize, first: usize, end: usize, sums: usize): void {
  for (; first + 4 <= end; first += 4) {
    let s0 = f64x2.splat(0), s1 = s0;
    let row = a + bytesOf<T>(first);
    for (let i: usize = 0; i < rows; i++, row += step) {
      s0 = f64x2.add(s0, load2<T>(row));
      s1 = f64x2.add(s1, load2<T>(row, 1));
    }
    const at = sums + bytesOf<f64>(first);
    store2<f64>(at, f64x2.add(load2<f64>(at), s0));
    store2<f64>(at, f64x2.add(load2<f64>(at, 1), s1), 1);
  }
  for (; first < end; first++) {
    let sum: f64 = 0;
    let row = a + bytesOf<T>(first);
    for (let i: usize = 0; i < rows; i++, row += step) sum += load1<T>(row);
    const at = sums + bytesOf<f64>(first);
    store<f64>(at, load<f64>(at) + sum);
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
