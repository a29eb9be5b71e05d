// The greatest logits of each row.

import { checkInteger, checkOptions } from "../errors.js";
import type { Indices, SameAxes, ShapeOptions, Tensor } from "../index.js";
import { allocate, readTensor, toForm } from "../tensor/containers.js";
import { layoutOf, readAxis, withClasses } from "../tensor/shape.js";
import { Greatest } from "./greatest.js";
import { rowReader } from "./rows.js";

/** The greatest logits of each row, and their classes. */
export interface TopK<T extends Tensor> {
  /** The logits in descending order. */
  readonly values: SameAxes<T>;
  /** Their classes. */
  readonly indices: Indices<SameAxes<T>>;
}

/**
 * The k greatest logits along the class axis, in descending order; of equal ones the lower class comes first. NaN counts as greater than
 * any number, as in PyTorch and NumPy, so that it is seen. A scan of the row against the least of the best k, which are kept in a heap: O(C
 * log k) at worst, for logits in any order about the time of a comparison each.
 *
 * @param x Logits (…, C, …) in any container, as for `softmax`.
 * @param k How many, from 1 to C.
 * @param options Shape and axis. Of several class axes the last one has the length k, the others 1.
 * @returns `values` and `indices` (…, k, …), in the kind of container that x is; of float16 the values are float32.
 * @throws TypeError for the wrong kind of argument or an unknown option, RangeError for k out of range, and shapes that do not fit.
 * @example
 * topK([1, 3, 2, 3], 3); // → { values: [3, 3, 2], indices: [1, 3, 2] }
 */
export function topK<T extends Tensor>(x: T, k: number, options?: ShapeOptions): TopK<T>;
export function topK(x: unknown, k: number, options?: ShapeOptions): unknown {
  const checked = checkOptions(options, ["shape", "axis"]);
  const { shape: given } = checked;
  const axis = readAxis(checked.axis);
  const input = readTensor("x", x, given);
  const layout = layoutOf(input.shape, axis);
  const { classes, inner, rows } = layout;
  const count = checkInteger("k", k, 1, classes);
  const values = allocate("k", input.dtype, rows * count);
  const indices = allocate("k", "int32", rows * count);
  const rowOf = rowReader(input, layout);
  const greatest = new Greatest(count);
  for (let row = 0; row < rows; row++) {
    const logits = rowOf(row);
    greatest.find(logits, 1);
    const best = greatest.descending();
    const column = row % inner;
    for (let j = 0, at = (row - column) * count + column; j < count; j++, at += inner) {
      values[at] = logits[best[j]];
      indices[at] = best[j];
    }
  }
  const shape = withClasses(input.shape, axis, count);
  return { values: toForm(input.form, values, shape), indices: toForm(input.form, indices, shape) };
}
