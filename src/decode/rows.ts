// The rows of a tensor as the kernels take them: one after the other, each as contiguous classes.

import type { Mask } from "../loss/options.js";
import type { Elements } from "../tensor/containers.js";
import { type FloatArray, viewOf } from "../tensor/element.js";
import { Float16Bits } from "../tensor/float16.js";
import type { Layout } from "../tensor/shape.js";

/** Copies the logits of a row, which are `inner` apart in the tensor. */
function copyRow(from: FloatArray, start: number, inner: number, to: FloatArray): void {
  for (let j = 0, k = start; j < to.length; j++, k += inner) to[j] = from[k];
}

/** Makes the logits of excluded classes −∞, whatever they are. */
function exclude(row: FloatArray, { values, isShared }: Mask, start: number, inner: number): void {
  const [first, step] = isShared ? [0, 1] : [start, inner];
  for (let j = 0, k = first; j < row.length; j++, k += step) if (values[k] === 0) row[j] = Number.NEGATIVE_INFINITY;
}

/** A function that copies `count` rows from the row `first` on to an address of a memory. */
export function rowCopier({ data, dtype }: Elements, { classes, inner }: Layout, mask: Mask | undefined) {
  const logits = data instanceof Float16Bits ? data.toFloat32() : data;
  return (first: number, count: number, memory: ArrayBufferLike, ptr: number): void => {
    const rows = viewOf(dtype, memory, ptr, count * classes) as FloatArray;
    if (inner === 1) rows.set(logits.subarray(first * classes, (first + count) * classes));
    if (inner === 1 && mask === undefined) return;
    for (let r = 0; r < count; r++) {
      const row = rows.subarray(r * classes, (r + 1) * classes);
      const column = (first + r) % inner;
      const start = (first + r - column) * classes + column;
      if (inner > 1) copyRow(logits, start, inner, row);
      if (mask) exclude(row, mask, start, inner);
    }
  };
}
