// Labels, told apart by their number: one class index a row, or a distribution over the classes of each row.

import { rangeError, typeError } from "./check.js";
import { checkShape, contiguous, type Layout, type NestedArray, readTensor, rowShape, sameShape } from "./shape.js";

type IntegerArray =
  | Int8Array
  | Uint8Array
  | Uint8ClampedArray
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

type NumericArray = IntegerArray | Float32Array | Float64Array;

/** Class indices by row, or distributions laid out like the logits. */
export type Labels = number | NumericArray | NestedArray | { readonly data: NumericArray; readonly shape: readonly number[] };

export type Distribution = Exclude<NumericArray, BigInt64Array | BigUint64Array>;

/** Labels as they were read and checked. Indices are a copy: nothing can change them between the check and their use. */
export type CheckedLabels =
  | { readonly kind: "indices"; readonly values: Int32Array }
  | { readonly kind: "distribution"; readonly values: Distribution };

/** The label of a row, which must be the index of a class. */
function checkIndex(value: number | bigint, row: number, classes: number): number {
  const index = Number(value);
  if (Number.isInteger(index) && index >= 0 && index < classes) return index;
  throw rangeError("labels", `an integer from 0 to ${classes - 1} (C = ${classes}) at row ${row}`, value);
}

/** Checks class indices that are int32 already: a comparison each, as no number of them is not an integer. */
export function checkIndices(indices: Int32Array, classes: number): void {
  for (let row = 0; row < indices.length; row++) if (indices[row] >>> 0 >= classes) checkIndex(indices[row], row, classes);
}

function isNumericArray(value: unknown): value is NumericArray {
  return ArrayBuffer.isView(value) && !(value instanceof DataView);
}

/** Reads labels for logits of the given shape. */
export function readLabels(labels: unknown, shape: readonly number[], axis: number, layout: Layout): CheckedLabels {
  const { values, labelShape } = flatten(labels);
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
      checkIndices(indices, classes);
      return { kind: "indices", values: indices };
    }
    const indices = new Int32Array(rows);
    for (let row = 0; row < rows; row++) indices[row] = checkIndex(values[row], row, classes);
    return { kind: "indices", values: indices };
  }
  if (values instanceof BigInt64Array || values instanceof BigUint64Array) {
    throw typeError("labels", "numbers, for a distribution", labels);
  }
  return { kind: "distribution", values };
}

/** The values in row-major order, and their shape if the container has one. */
function flatten(labels: unknown): { values: NumericArray; labelShape?: readonly number[] } {
  if (typeof labels === "number") return { values: Float64Array.of(labels) };
  if (isNumericArray(labels)) return { values: labels };
  if (Array.isArray(labels)) {
    const { data, shape } = readTensor("labels", labels);
    return { values: data, labelShape: shape };
  }
  if (typeof labels === "object" && labels !== null && "data" in labels && "shape" in labels && isNumericArray(labels.data)) {
    const shape = checkShape("labels.shape", labels.shape);
    return { values: contiguous<NumericArray>("labels", labels.data, shape, labels), labelShape: shape };
  }
  throw typeError("labels", "class indices or distributions, in a typed array or nested arrays", labels);
}
