// The head of a .npy file of NumPy, versions 1 to 3 (numpy.lib.format, NEP 1).
//
//   0   \x93NUMPY
//   6   major, minor version
//   8   length of the header: 2 bytes, from version 2 on 4 bytes, little-endian
//   10  or 12: the header, a Python dict with descr, fortran_order and shape; then the elements

import type { FileHandle } from "node:fs/promises";
import { FileError } from "./file-error.js";
import { type ElementType, readInto, type StoredArray, storedArray } from "./stored-array.js";

const MAGIC = "\x93NUMPY";
/** No header of a plain array is longer. */
const MAX_HEADER_BYTES = 2 ** 20;

const TYPES: Readonly<Record<string, ElementType>> = {
  "<f8": "float64",
  "<f4": "float32",
  "<f2": "float16",
  "|i1": "int8",
  "|u1": "uint8",
  "<i2": "int16",
  "<u2": "uint16",
  "<i4": "int32",
  "<u4": "uint32",
  "<i8": "int64",
  "<u8": "uint64",
};

function typeOf(path: string, descr: string, offset: number): ElementType {
  const type = TYPES[descr] ?? TYPES[descr.replace(/^[<=|]/, "|")];
  if (type) return type;
  if (/^>[fiu][248]$/.test(descr)) {
    throw new FileError(path, `the type '${descr}' is big-endian; a.astype(a.dtype.newbyteorder("<")) makes it little-endian`, offset);
  }
  throw new FileError(path, `the type '${descr}' is none of ${Object.keys(TYPES).join(", ")}`, offset);
}

/** The array of a .npy file. @throws FileError if it is none, or one of another type or order. */
export async function readNpyHead(file: FileHandle, path: string): Promise<StoredArray> {
  const { size: fileBytes, mtimeMs: modified } = await file.stat();
  const start = new Uint8Array(12);
  await readInto(file, path, start.subarray(0, Math.min(12, Math.max(10, fileBytes))), 0);
  const view = new DataView(start.buffer);
  if (String.fromCharCode(...start.subarray(0, 6)) !== MAGIC)
    throw new FileError(path, "no .npy file: it does not begin with \\x93NUMPY", 0);
  const [major, minor] = start.subarray(6, 8);
  if (major < 1 || major > 3) throw new FileError(path, `the version ${major}.${minor} of .npy is none of 1, 2 and 3`, 6);
  const isShort = major === 1;
  const begin = isShort ? 10 : 12;
  const headerBytes = isShort ? view.getUint16(8, true) : view.getUint32(8, true);
  if (headerBytes > MAX_HEADER_BYTES) throw new FileError(path, `a header of ${headerBytes} bytes is too long for a plain array`, 8);
  const bytes = new Uint8Array(headerBytes);
  await readInto(file, path, bytes, begin);
  const header = new TextDecoder(major === 3 ? "utf-8" : "latin1").decode(bytes);

  const field = (name: string, value: RegExp): string => {
    const found = new RegExp(`['"]${name}['"]\\s*:\\s*(${value.source})`).exec(header);
    if (!found) throw new FileError(path, `the header has no ${name} of a plain array: ${header.trim().slice(0, 80)}`, begin);
    return found[1];
  };
  const descr = field("descr", /['"][^'"]*['"]/).slice(1, -1);
  const shape = Array.from(field("shape", /\(\s*(?:\d+L?\s*(?:,\s*\d+L?\s*)*,?)?\s*\)/).matchAll(/\d+/g), Number);
  const type = typeOf(path, descr, begin);
  // With one long axis both orders are the same.
  if (field("fortran_order", /True|False/) === "True" && shape.filter((length) => length !== 1).length > 1) {
    throw new FileError(path, "the elements are in Fortran order; np.ascontiguousarray(a) brings them into C order", begin);
  }
  return storedArray({ path, type, shape, offset: begin + headerBytes, fileBytes, modified }, { mustEnd: true });
}

/** The head of a .npy file of version 1, for elements that follow on a 64-byte boundary. */
export function npyHead(type: ElementType, shape: readonly number[]): Uint8Array {
  const descr = Object.keys(TYPES).find((name) => TYPES[name] === type);
  const tuple = `(${shape.join(", ")}${shape.length === 1 ? "," : ""})`;
  const header = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${tuple}, }`;
  const headerBytes = Math.ceil((10 + header.length + 1) / 64) * 64 - 10;
  const length = String.fromCharCode(headerBytes & 255, headerBytes >> 8);
  return Uint8Array.from(Buffer.from(`${MAGIC}\x01\x00${length}${header.padEnd(headerBytes - 1)}\n`, "latin1"));
}
