// Labels: one class index for each row, or a distribution over the classes of each row. Their number tells which.

import { rangeError, typeError } from "../errors.js";
import { type NumberArray, type NumericArray, readValues, type Values } from "../tensor/containers.js";
import { type Layout, rowShape, sameShape, showShape } from "../tensor/shape.js";

/** Class indices by row, or distributions laid out like the logits. */
export type Labels = number | Values;

/** The kind of labels. */
export type LabelKind = "indices" | "distribution";

/** Labels as they were read and checked. Indices are a copy, so that they stay what was checked. */
export type CheckedLabels =
  | { readonly kind: "indices"; readonly values: Int32Array }
  | { readonly kind: "distribution"; readonly values: NumberArray };

/** Checks the label of a row: the index of a class, or ignoreIndex. */
function checkIndex(value: number | bigint, row: number, classes: number, ignoreIndex?: number): number {
  const index = Number(value);
  if (Number.isInteger(index) && ((index >= 0 && index < classes) || index === ignoreIndex)) return index;
  const or = ignoreIndex === undefined ? "" : `, or ${ignoreIndex}`;
  throw rangeError("labels", `an integer from 0 to ${classes - 1}${or} (C = ${classes}) at row ${row}`, value);
}

/** Checks class indices that are int32 already, by one comparison for each that is good. */
export function checkIndices(indices: Int32Array, classes: number, ignoreIndex?: number): void {
  for (let row = 0; row < indices.length; row++) {
    if (indices[row] >>> 0 >= classes) checkIndex(indices[row], row, classes, ignoreIndex);
  }
}

/** Checks that labels which are distributions come without ignoreIndex. */
export function checkNoIgnored(ignoreIndex: number | undefined): void {
  if (ignoreIndex === undefined) return;
  throw rangeError("ignoreIndex", "to be left out with distributions, which have no index to ignore", ignoreIndex);
}

function indicesOf(values: NumericArray, classes: number, ignoreIndex: number | undefined): Int32Array {
  if (values instanceof Int32Array) {
    const indices = values.slice();
    checkIndices(indices, classes, ignoreIndex);
    return indices;
  }
  const indices = new Int32Array(values.length);
  for (let row = 0; row < indices.length; row++) indices[row] = checkIndex(values[row], row, classes, ignoreIndex);
  return indices;
}

/** Reads the labels for logits of the given shape. An index may be ignoreIndex. */
export function readLabels(labels: unknown, shape: readonly number[], axis: number, layout: Layout, ignoreIndex?: number): CheckedLabels {
  const read = typeof labels === "number" ? { values: Float64Array.of(labels) } : readValues("labels", labels);
  if (read === undefined) throw typeError("labels", "class indices or distributions, in a typed array or nested arrays", labels);
  const { values, shape: labelShape } = read as NonNullable<ReturnType<typeof readValues>>;
  const { rows, classes, size } = layout;
  const isFloat = labels instanceof Float32Array || labels instanceof Float64Array;
  const isNested = labelShape !== undefined && labelShape.length > 1 && sameShape(labelShape, shape);
  // With one class, or no rows, both numbers are equal: floating-point values, or nesting like that of the logits, mean distributions.
  const isDistribution = values.length === size && (size > rows || isFloat || isNested);
  if (!isDistribution && values.length !== rows) {
    throw rangeError("labels", `${rows} class indices or ${size} elements of distributions`, labels);
  }
  const expectedShape = isDistribution ? shape : rowShape(shape, axis);
  if (labelShape !== undefined && labelShape.length > 1 && !sameShape(labelShape, expectedShape)) {
    throw rangeError("labels", `the shape ${showShape(expectedShape)}`, labelShape);
  }
  if (!isDistribution) return { kind: "indices", values: indicesOf(values, classes, ignoreIndex) };
  if (values instanceof BigInt64Array || values instanceof BigUint64Array) {
    throw typeError("labels", "numbers, for a distribution", labels);
  }
  checkNoIgnored(ignoreIndex);
  return { kind: "distribution", values };
}
