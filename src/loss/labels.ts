// Labels: one class index for each row, or a distribution over the classes of each row. Their number tells which.

import { counted, rangeError, typeError } from "../errors.js";
import { type Elements, type Nested, readValues, type ToNumber, type Values } from "../tensor/containers.js";
import type { Dtype } from "../tensor/element.js";
import { type Axis, type Layout, rowShape, sameShape, showShape, withOneClass } from "../tensor/shape.js";
import { type NumberArray, type NumericArray, typedArrayName } from "../tensor/typed-array.js";

/** Class indices by row, or distributions laid out like the logits. */
export type Labels = number | bigint | Values | Nested<bigint>;

/** The kind of labels. */
export type LabelKind = "indices" | "distribution";

/** Labels as they were read and checked. Indices are a copy, so that they stay what was checked. */
export type CheckedLabels =
  | { readonly kind: "indices"; readonly values: Int32Array }
  | { readonly kind: "distribution"; readonly values: NumberArray };

/** The element type of distributions in memory beside logits of an element type: that one if it has all their numbers. */
export function distributionType(values: NumberArray, dtype: Dtype): Dtype {
  return values instanceof Float32Array || values.BYTES_PER_ELEMENT < 4 ? dtype : "float64";
}

/** Indices that other libraries have for rows to leave out. */
const OTHER_IGNORED: readonly number[] = [-100, 255];

/** Checks the label of a row: the index of a class, or ignoreIndex. */
function checkIndex(value: number | bigint, row: number, classes: number, ignoreIndex?: number): number {
  const index = Number(value);
  if (Number.isInteger(index) && ((index >= 0 && index < classes) || index === ignoreIndex)) return index;
  const or = ignoreIndex === undefined ? "" : `, or ${ignoreIndex}`;
  const hint = ignoreIndex === undefined && OTHER_IGNORED.includes(index) ? `ignoreIndex: ${index} leaves such rows out` : undefined;
  throw rangeError("labels", `an integer from 0 to ${classes - 1}${or} (C = ${classes}) at row ${row}`, value, hint);
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

const numberOfBigInt: ToNumber = (entry) => (typeof entry === "bigint" ? Number(entry) : undefined);

/** A hint at the shape or axis for which there would be a label for each row. */
function fittingRows(count: number, { shape, form }: Elements, size: number): string | undefined {
  if (count === 0) return undefined;
  if (form === "flat" && shape.length === 1 && size % count === 0) return `shape: [${count}, ${size / count}] makes ${count} rows`;
  const axis = shape.findIndex((length) => length * count === size);
  return axis < 0 ? undefined : `axis: ${axis} makes ${count} rows`;
}

/** Reads the labels for logits. An index may be ignoreIndex. */
export function readLabels(labels: unknown, logits: Elements, axis: Axis, layout: Layout, ignoreIndex?: number): CheckedLabels {
  const isOne = typeof labels === "number" || typeof labels === "bigint";
  const read = isOne ? { values: Float64Array.of(Number(labels)) } : readValues("labels", labels, numberOfBigInt);
  if (read === undefined) throw typeError("labels", "class indices or distributions, in a typed array or nested arrays", labels);
  const { values, shape: labelShape } = read as NonNullable<ReturnType<typeof readValues>>;
  const { shape } = logits;
  const { rows, classes, size } = layout;
  const isFloat = typedArrayName(labels)?.startsWith("Float") ?? false;
  const isNested = labelShape !== undefined && labelShape.length > 1 && sameShape(labelShape, shape);
  // With one class, or no rows, both numbers are equal: floating-point values, or nesting like that of the logits, mean distributions.
  const isDistribution = values.length === size && (size > rows || isFloat || isNested);
  if (!isDistribution && values.length !== rows) {
    const expected = `${counted(rows, "class index", "class indices")} or ${counted(size, "element")} of distributions`;
    throw rangeError("labels", expected, labels, fittingRows(values.length, logits, size));
  }
  if (labelShape !== undefined && labelShape.length > 1) {
    const expected = isDistribution ? shape : rowShape(shape, axis);
    // A class axis of length 1, as Keras has it, holds indices.
    const isFitting = sameShape(labelShape, expected) || (!isDistribution && sameShape(labelShape, withOneClass(shape, axis)));
    if (!isFitting) throw rangeError("labels", `the shape ${showShape(expected)}`, labelShape);
  }
  if (!isDistribution) return { kind: "indices", values: indicesOf(values, classes, ignoreIndex) };
  checkNoIgnored(ignoreIndex);
  const isBig = values instanceof BigInt64Array || values instanceof BigUint64Array;
  return { kind: "distribution", values: isBig ? Float64Array.from(values, Number) : values };
}
