// The greatest logits of each row.

import { checkInteger, checkOptions } from "../errors.js";
import type { Indices, SameAxes, ShapeOptions, Tensor } from "../index.js";
import { allocate, readTensor, toForm } from "../tensor/containers.js";
import { bytesOf, viewOf } from "../tensor/element.js";
import { Float16Bits } from "../tensor/float16.js";
import { layoutOf, readAxis, withClasses } from "../tensor/shape.js";
import { forEachChunk } from "./kernels.js";

/** The greatest logits of each row, and their classes. */
export interface TopK<T extends Tensor> {
  /** The logits in descending order. */
  readonly values: SameAxes<T>;
  /** Their classes. */
  readonly indices: Indices<SameAxes<T>>;
}

/**
 * The k greatest logits along the class axis, in descending order; of equal ones the lower class comes first. NaN counts as greater than
 * any number, as in PyTorch and NumPy, so that it is seen. One pass finds the maximum of each 128 classes, a second one looks only where these
 * can have one of the k greatest, which are kept in a heap: at worst O(C log k).
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
  const logits = input.data instanceof Float16Bits ? input.data.toFloat32() : input.data;
  forEachChunk({ ...input, data: logits }, layout, undefined, bytesOf("int32", count), (chunk) => {
    const { kernels, memory, first, elementBytes, logitsPtr, resultsPtr, scratchPtr } = chunk;
    kernels.topK(elementBytes, logitsPtr, chunk.rows, classes, count, resultsPtr, scratchPtr);
    const best = viewOf("int32", memory.buffer, resultsPtr, chunk.rows * count);
    for (let r = 0; r < chunk.rows; r++) {
      const column = (first + r) % inner;
      const outer = first + r - column;
      for (let j = 0, at = outer * count + column; j < count; j++, at += inner) {
        indices[at] = best[r * count + j];
        values[at] = logits[outer * classes + column + indices[at] * inner];
      }
    }
  });
  const shape = withClasses(input.shape, axis, count);
  return { values: toForm(input.form, values, shape), indices: toForm(input.form, indices, shape) };
}
