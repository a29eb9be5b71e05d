// The exported kernels of linear layers: products of matrices at byte addresses, whose elements have `elementBytes` bytes: 8, doubles, or 4,
// float32. Steps are bytes from row to row. A product is out = A Bᵀ, A (rows, depth) and B (columns, depth); B is packed (pack.ts).
// tile.ts says in which order products are summed; it does not depend on where an element lies.

import { packColumns as packColumnsOf, packedBytes as packedBytesOf, packRows as packRowsOf, transpose as transposeOf } from "./pack";
import { addProduct as addProductOf, product as productOf, writeSums as writeSumsOf } from "./product";
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

/** out (columns, rows) is the transpose of a matrix (rows, columns). */
export function transpose(elementBytes: usize, fromPtr: usize, step: usize, rows: usize, columns: usize, outPtr: usize, outStep: usize): void {
  if (elementBytes == sizeof<f32>()) transposeOf<f32>(fromPtr, step, rows, columns, outPtr, outStep);
  else transposeOf<f64>(fromPtr, step, rows, columns, outPtr, outStep);
}

/**
 * out = A Bᵀ + bias, or with `adds` out += A Bᵀ + bias, an element for each row and column, rowBytes and columnBytes apart. The bias has a double
 * for each row or column, or is none at the address 0. At sumsPtr sumsBytes(elementBytes, 1, 1) bytes are free.
 */
export function product(
  elementBytes: usize, aPtr: usize, step: usize, rows: usize, packedPtr: usize, columns: usize, depth: usize, block: usize,
  sumsPtr: usize, biasPtr: usize, biasIsByRow: bool, outPtr: usize, rowBytes: usize, columnBytes: usize, adds: bool,
): void {
  if (elementBytes == sizeof<f32>()) {
    productOf<f32>(aPtr, step, rows, packedPtr, columns, depth, block, sumsPtr, biasPtr, biasIsByRow, outPtr, rowBytes, columnBytes, adds);
  } else {
    productOf<f64>(aPtr, step, rows, packedPtr, columns, depth, block, sumsPtr, biasPtr, biasIsByRow, outPtr, rowBytes, columnBytes, adds);
  }
}

/** Adds A Bᵀ to sums, sumsBytes(elementBytes, rows, columns) bytes of doubles that are 0 at first. */
export function addProduct(
  elementBytes: usize, aPtr: usize, step: usize, rows: usize, packedPtr: usize, columns: usize, depth: usize, block: usize, sumsPtr: usize,
): void {
  if (elementBytes == sizeof<f32>()) addProductOf<f32>(aPtr, step, rows, packedPtr, columns, depth, block, sumsPtr);
  else addProductOf<f64>(aPtr, step, rows, packedPtr, columns, depth, block, sumsPtr);
}

/** out (rows, columns) = the sums that addProduct has made, rounded. */
export function writeSums(elementBytes: usize, sumsPtr: usize, rows: usize, columns: usize, outPtr: usize, rowBytes: usize): void {
  if (elementBytes == sizeof<f32>()) writeSumsOf<f32>(sumsPtr, rows, columns, outPtr, rowBytes);
  else writeSumsOf<f64>(sumsPtr, rows, columns, outPtr, rowBytes);
}

/** The bytes of the sums of a product. */
export function sumsBytes(elementBytes: usize, rows: usize, columns: usize): usize {
  const tiles = (rows + ROWS - 1) / ROWS * ((columns + widthOf(elementBytes) - 1) / widthOf(elementBytes));
  return tiles * sizeof<f64>() * (elementBytes == sizeof<f32>() ? sumsOf<f32>() : sumsOf<f64>());
}

/** The bytes of packed columns. */
export function packedBytes(elementBytes: usize, columns: usize, depth: usize): usize {
  return (columns + widthOf(elementBytes) - 1) / widthOf(elementBytes) * packedBytesOf(depth);
}

function widthOf(elementBytes: usize): usize {
  return elementBytes == sizeof<f32>() ? columnsOf<f32>() : columnsOf<f64>();
}
