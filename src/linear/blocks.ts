// The blocks of a linear layer: how many rows and classes are in memory at a time. They depend on the shape of the weights and on the element
// type alone, as sums over rows and over classes are taken by blocks, and bits must not depend on anything else.

import { bytesOf, type Dtype } from "../tensor/element.js";

/** So many products of two elements take as long as the loss of a logit. */
const PRODUCTS_OF_LOGIT = 16;

/** The logits whose loss is as much work as so many products: by it threads are handed out. */
export function sizeOfProducts(products: number): number {
  return products / PRODUCTS_OF_LOGIT;
}

/** The most elements that are summed before the sum goes on in double. */
export const MOST_BLOCK = 256;

/** The fewest rows of a chunk, for which its products are worth the copies of the weights. */
export const LEAST_ROWS = 16;
const LEAST_CLASSES = 16;

/** About so many bytes have the logits of a chunk, with what its rows need besides: 9 MiB. */
const CHUNK_BYTES = 9 * 2 ** 20;

/** So many bytes have the blocks of weights: two as they are, one packed. */
const WEIGHTS_BYTES = 2 * 2 ** 20;

/** The largest power of 2 from `least` to MOST_BLOCK for which so many items have at most `bytes` bytes, or `least`. */
function blockOf(bytes: number, bytesOfOne: number, least: number): number {
  let block = MOST_BLOCK;
  while (block > least && block * bytesOfOne > bytes) block /= 2;
  return block;
}

/** The rows of a chunk: their logits, their input twice, and the sums of their input's gradient. */
export function rowsOfChunk(dtype: Dtype, classes: number, depth: number): number {
  return blockOf(CHUNK_BYTES, bytesOf(dtype, classes + 2 * depth) + bytesOf("float64", depth), LEAST_ROWS);
}

/** The classes whose weights are in memory at a time. */
export function classesOfBlock(dtype: Dtype, depth: number): number {
  return blockOf(WEIGHTS_BYTES, 3 * bytesOf(dtype, depth), LEAST_CLASSES);
}
