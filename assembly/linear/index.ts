// The exported kernels of linear layers: products of matrices at byte addresses, whose elements have `elementBytes` bytes: 8, doubles, or 4,
// float32. Steps are bytes from row to row. A product is out = A Bᵀ, A (rows, depth) and B (columns, depth); B is packed (pack.ts).
// tile.ts says in which order products are summed; it does not depend on where an element lies. Products take a part of the rows or columns, so that
// threads can share them, and a scratchPtr at which scratchBytes(elementBytes) bytes are free.

import { packColumns as packColumnsOf, packedBytes as packedBytesOf, packRows as packRowsOf } from "./pack";
import {
  addProduct as addProductOf, product as productOf, scratchBytesOf, transposedProduct as transposedProductOf, writeSums as writeSumsOf,
} from "./product";
import { columnsOf, ROWS, sumsOf } from "./tile";

/** Packs B from its rows. */
export function packRows(elementBytes: usize, fromPtr: usize, step: usize, columns: usize, depth: usize, toPtr: usize): void {
  if (elementBytes == sizeof<f32>()) packRowsOf<f32>(fromPtr, step, columns, depth, toPtr);
  else packRowsOf<f64>(fromPtr, step, columns, depth, toPtr);
}

/** Packs B from the rows of its transpose. */
export function packColumns(elementBytes: usize, fromPtr: usize, step: usize, columns: usize, depth: usize, toPtr: usize): void {
  if (elementBytes == sizeof<f32>()) packColumnsOf<f32>(fromPtr, step, depth, columns, toPtr);
  else packColumnsOf<f64>(fromPtr, step, depth, columns, toPtr);
}

/**
 * out = A Bᵀ + bias, or with `adds` out += A Bᵀ + bias, an element for each row and column, rowBytes and columnBytes apart, for the rows
 * [first, end). The bias has a double for each row or column, or is none at the address 0.
 */
export function product(
  elementBytes: usize, aPtr: usize, step: usize, packedPtr: usize, columns: usize, depth: usize, block: usize, biasPtr: usize,
  biasIsByRow: bool, outPtr: usize, rowBytes: usize, columnBytes: usize, adds: bool, first: usize, end: usize, scratchPtr: usize,
): void {
  if (elementBytes == sizeof<f32>()) {
    productOf<f32>(aPtr, step, packedPtr, columns, depth, block, biasPtr, biasIsByRow, outPtr, rowBytes, columnBytes, adds, first, end, scratchPtr);
  } else {
    productOf<f64>(aPtr, step, packedPtr, columns, depth, block, biasPtr, biasIsByRow, outPtr, rowBytes, columnBytes, adds, first, end, scratchPtr);
  }
}

/**
 * Adds A B, B (depth, columns) as it is, to sums, sumsBytes(elementBytes, rows, columns) bytes of doubles that are 0 at first, for the tiles
 * of columns [first, end), tilesOf(elementBytes, columns) in all. `depth` is summed by blocks. At openPtr, if it is not 0, is a byte for each row of B:
 * rows with 0 do not take part.
 */
export function addProduct(
  elementBytes: usize, aPtr: usize, step: usize, rows: usize, bPtr: usize, bStep: usize, columns: usize, depth: usize, block: usize,
  openPtr: usize, sumsPtr: usize, first: usize, end: usize, scratchPtr: usize,
): void {
  if (elementBytes == sizeof<f32>()) {
    addProductOf<f32>(aPtr, step, rows, bPtr, bStep, columns, depth, block, openPtr, sumsPtr, first, end, scratchPtr);
  } else {
    addProductOf<f64>(aPtr, step, rows, bPtr, bStep, columns, depth, block, openPtr, sumsPtr, first, end, scratchPtr);
  }
}

/**
 * out = Aᵀ Bᵀ, or with `adds` out += Aᵀ Bᵀ, for the columns [first, end) of A (rows, …), which are rows of out, outStep bytes apart. The sums of A's
 * columns are added to doubles at columnSumsPtr if that is not 0.
 */
export function transposedProduct(
  elementBytes: usize, aPtr: usize, step: usize, rows: usize, packedPtr: usize, columns: usize, outPtr: usize, outStep: usize, adds: bool,
  columnSumsPtr: usize, first: usize, end: usize, scratchPtr: usize,
): void {
  if (elementBytes == sizeof<f32>()) {
    transposedProductOf<f32>(aPtr, step, rows, packedPtr, columns, outPtr, outStep, adds, columnSumsPtr, first, end, scratchPtr);
  } else {
    transposedProductOf<f64>(aPtr, step, rows, packedPtr, columns, outPtr, outStep, adds, columnSumsPtr, first, end, scratchPtr);
  }
}

/** out (rows, columns) = the sums that addProduct has made, rounded. */
export function writeSums(elementBytes: usize, sumsPtr: usize, rows: usize, columns: usize, outPtr: usize, rowBytes: usize): void {
  if (elementBytes == sizeof<f32>()) writeSumsOf<f32>(sumsPtr, rows, columns, outPtr, rowBytes);
  else writeSumsOf<f64>(sumsPtr, rows, columns, outPtr, rowBytes);
}

/** The bytes of the sums of a product. */
export function sumsBytes(elementBytes: usize, rows: usize, columns: usize): usize {
  const tiles = (rows + ROWS - 1) / ROWS * tilesOf(elementBytes, columns);
  return tiles * sizeof<f64>() * (elementBytes == sizeof<f32>() ? sumsOf<f32>() : sumsOf<f64>());
}

/** The bytes of packed columns. */
export function packedBytes(elementBytes: usize, columns: usize, depth: usize): usize {
  return tilesOf(elementBytes, columns) * packedBytesOf(depth);
}

/** The tiles of columns. */
export function tilesOf(elementBytes: usize, columns: usize): usize {
  const width = elementBytes == sizeof<f32>() ? columnsOf<f32>() : columnsOf<f64>();
  return (columns + width - 1) / width;
}

/** The bytes that a product needs at scratchPtr. */
export function scratchBytes(elementBytes: usize): usize {
  return elementBytes == sizeof<f32>() ? scratchBytesOf<f32>() : scratchBytesOf<f64>();
}
