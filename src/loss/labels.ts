// Labels, told apart by their number: one class index a row, or a distribution over the classes of each row.

import { rangeError, typeError } from "../errors.js";
import { type Layout, type NumberArray, readValues, rowShape, sameShape, type Values } from "../tensor/shape.js";

/** Class indices by row, or distributions laid out like the logits. */
export type Labels = number | Values;

/** Labels as they were read and checked. Indices are a copy: nothing can change them between the check and their use. */
export type CheckedLabels =
  | { readonly kind: "indices"; readonly values: Int32Array }
  | { readonly kind: "distribution"; readonly values: NumberArray };

/** The label of a row, which must be the index of a class, or one to be ignored. */
function checkIndex(value: number | bigint, row: number, classes: number, ignoreIndex?: number): number {
  const index = Number(value);
  if (Number.isInteger(index) && ((index >= 0 && index < classes) || index === ignoreIndex)) return index;
  const or = ignoreIndex === undefined ? "" : `, or ${ignoreIndex}`;
  throw rangeError("labels", `an integer from 0 to ${classes - 1}${or} (C = ${classes}) at row ${row}`, value);
}

/** Checks class indices that are int32 already: a comparison each, as no number of them is not an integer. */
export function checkIndices(indices: Int32Array, classes: number, ignoreIndex?: number): void {
  for (let row = 0; row < indices.length; row++) {
    if (indices[row] >>> 0 >= classes) checkIndex(indices[row], row, classes, ignoreIndex);
  }
}

/** That no index is to be ignored, for distributions. */
export function checkNoIgnored(ignoreIndex: number | undefined): void {
  if (ignoreIndex === undefined) return;
  throw rangeError("ignoreIndex", "to be left out with distributions, which have no index to ignore", ignoreIndex);
}

/** Reads labels for logits of the given shape; an index may be `ignoreIndex`, which no distribution has. */
export function readLabels(labels: unknown, shape: readonly number[], axis: number, layout: Layout, ignoreIndex?: number): CheckedLabels {
  const read = typeof labels === "number" ? { values: Float64Array.of(labels) } : readValues("labels", labels);
  if (read === undefined) throw typeError("labels", "class indices or distributions, in a typed array or nested arrays", labels);
  const { values, shape: labelShape } = read as NonNullable<ReturnType<typeof readValues>>;
  const { rows, classes, size } = layout;
  const isFloat = labels instanceof Float32Array || labels instanceof Float64Array;
  const isNested = labelShape !== undefined && labelShape.length > 1 && sameShape(labelShape, shape);
  // With one class, or no rows, the two are equally many: floating-point or nested like the logits means a distribution.
  const isDistribution = values.length === size && (size > rows || isFloat || isNested);
  if (!isDistribution && values.length !== rows) {
    throw rangeError("labels", `${rows} class indices or ${size} elements of distributions`, labels);
  }
  const expectedShape = isDistribution ? shape : rowShape(shape, axis);
  if (labelShape !== undefined && labelShape.length > 1 && !sameShape(labelShape, expectedShape)) {
    throw rangeError("labels", `the shape [${expectedShape.join(", ")}]`, labelShape);
  }
  if (!isDistribution) {
    if (values instanceof Int32Array) {
      const indices = values.slice();
      checkIndices(indices, classes, ignoreIndex);
      return { kind: "indices", values: indices };
    }
    const indices = new Int32Array(rows);
    for (let row = 0; row < rows; row++) indices[row] = checkIndex(values[row], row, classes, ignoreIndex);
    return { kind: "indices", values: indices };
  }
  if (values instanceof BigInt64Array || values instanceof BigUint64Array) {
    throw typeError("labels", "numbers, for a distribution", labels);
  }
  checkNoIgnored(ignoreIndex);
  return { kind: "distribution", values };
}
