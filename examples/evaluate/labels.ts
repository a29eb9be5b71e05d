// Labels of any integer type as class indices.

import { FileError } from "./file-error.js";
import type { Extract } from "./pieces.js";
import { ELEMENT_BYTES, type ElementType } from "./stored-array.js";

function viewOf(type: ElementType, { buffer, byteOffset, byteLength }: Uint8Array) {
  const data = buffer as ArrayBuffer;
  const length = byteLength / ELEMENT_BYTES[type];
  switch (type) {
    case "int8":
      return new Int8Array(data, byteOffset, length);
    case "uint8":
      return new Uint8Array(data, byteOffset, length);
    case "int16":
      return new Int16Array(data, byteOffset, length);
    case "uint16":
      return new Uint16Array(data, byteOffset, length);
    case "int32":
      return new Int32Array(data, byteOffset, length);
    case "uint32":
      return new Uint32Array(data, byteOffset, length);
    case "int64":
      return new BigInt64Array(data, byteOffset, length);
    case "uint64":
      return new BigUint64Array(data, byteOffset, length);
    default:
      throw new TypeError(`labels of the type ${type}`);
  }
}

/**
 * The labels in a part of a file.
 *
 * @param bytes Their bytes, which are those of the extract from its element `first` on, at a place of a buffer where elements of their type may be.
 * @throws FileError for one that is neither a class nor `ignoreIndex`, with its row and byte.
 */
export function labelsOf(from: Extract, bytes: Uint8Array, first: number, classes: number, ignoreIndex?: number): Int32Array {
  const values = viewOf(from.type, bytes);
  const indices = new Int32Array(values.length);
  for (let i = 0; i < indices.length; i++) {
    const label = Number(values[i]);
    if ((label >= 0 && label < classes) || label === ignoreIndex) {
      indices[i] = label;
      continue;
    }
    const row = from.row + first + i;
    const or = ignoreIndex === undefined ? "; --ignore leaves rows out" : `, nor ${ignoreIndex}`;
    const offset = from.offset + (first + i) * ELEMENT_BYTES[from.type];
    throw new FileError(from.path, `the label ${values[i]} of row ${row} is not from 0 to ${classes - 1}${or}`, offset, true);
  }
  return indices;
}
