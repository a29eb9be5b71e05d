// The rows of a tensor, one after the other: each as the classes of a contiguous array.

import type { Mask } from "../loss/options.js";
import { allocate, type Elements } from "../tensor/containers.js";
import type { FloatArray } from "../tensor/element.js";
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

/** A reader of rows. A row is a view of the tensor, or a copy that is valid until the next row is read. */
export function rowReader({ data, dtype }: Elements, { classes, inner }: Layout, mask?: Mask): (row: number) => FloatArray {
  const logits = data instanceof Float16Bits ? data.toFloat32() : data;
  const isView = inner === 1 && mask === undefined;
  const copy = isView ? logits : allocate("shape", dtype, classes);
  return (row) => {
    const column = row % inner;
    const start = (row - column) * classes + column;
    if (isView) return logits.subarray(start, start + classes);
    copyRow(logits, start, inner, copy);
    if (mask) exclude(copy, mask, start, inner);
    return copy;
  };
}
