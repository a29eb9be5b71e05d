// The head of a .safetensors file (Hugging Face, safetensors): 8 bytes, the length of a JSON header; the header, an object of tensors, whose
// data_offsets count from the end of the header.

import type { FileHandle } from "node:fs/promises";
import { FileError } from "./file-error.js";
import { ELEMENT_BYTES, type ElementType, readInto, type StoredArray, sizeOf, storedArray } from "./stored-array.js";

/** The limit of the format. */
const MAX_HEADER_BYTES = 100_000_000;

const TYPES: Readonly<Record<string, ElementType>> = {
  F64: "float64",
  F32: "float32",
  F16: "float16",
  I8: "int8",
  U8: "uint8",
  I16: "int16",
  U16: "uint16",
  I32: "int32",
  U32: "uint32",
  I64: "int64",
  U64: "uint64",
};

interface Entry {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data_offsets: readonly [number, number];
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

function isEntry(value: unknown): value is Entry {
  const { dtype, shape, data_offsets } = (value ?? {}) as Partial<Entry>;
  const isGood = typeof dtype === "string" && Array.isArray(shape) && shape.every(isCount);
  return isGood && Array.isArray(data_offsets) && data_offsets.length === 2 && data_offsets.every(isCount);
}

async function readHeader(file: FileHandle, path: string, fileBytes: number): Promise<{ header: Record<string, unknown>; end: number }> {
  const start = new Uint8Array(8);
  await readInto(file, path, start, 0);
  const headerBytes = Number(new DataView(start.buffer).getBigUint64(0, true));
  if (headerBytes > Math.min(MAX_HEADER_BYTES, fileBytes - 8)) {
    throw new FileError(path, `no .safetensors file: a header of ${headerBytes} bytes does not fit`, 0);
  }
  const bytes = new Uint8Array(headerBytes);
  await readInto(file, path, bytes, 8);
  try {
    const header: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    if (typeof header === "object" && header !== null) return { header: header as Record<string, unknown>, end: 8 + headerBytes };
  } catch {
    // The error below says it.
  }
  throw new FileError(path, "the header is not the JSON of a .safetensors file", 8);
}

/**
 * A tensor of a .safetensors file.
 *
 * @param tensor Its name; needed if there are several.
 * @throws FileError if there is no such tensor, or one of another type.
 */
export async function readSafetensorsHead(file: FileHandle, path: string, tensor: string | undefined): Promise<StoredArray> {
  const { size: fileBytes, mtimeMs: modified } = await file.stat();
  const { header, end } = await readHeader(file, path, fileBytes);
  const names = Object.keys(header).filter((name) => name !== "__metadata__");
  const list = names.length > 8 ? `${names.slice(0, 8).join(", ")}, … (${names.length})` : names.join(", ");
  if (tensor === undefined && names.length !== 1) throw new FileError(path, `a tensor must be named, one of ${list}`);
  const name = tensor ?? names[0];
  if (!Object.hasOwn(header, name) || name === "__metadata__") throw new FileError(path, `there is no tensor ${name}, but ${list}`);
  const entry = header[name];
  if (!isEntry(entry)) throw new FileError(path, `the tensor ${name} has no dtype, shape and data_offsets`, 8);
  const type = TYPES[entry.dtype];
  if (!type) throw new FileError(path, `the type ${entry.dtype} of the tensor ${name} is none of ${Object.keys(TYPES).join(", ")}`, 8);
  const [from, to] = entry.data_offsets;
  const bytes = sizeOf(entry.shape) * ELEMENT_BYTES[type];
  if (to - from !== bytes) throw new FileError(path, `the tensor ${name} has ${to - from} bytes, but its shape needs ${bytes}`, 8);
  return storedArray({ path, type, shape: entry.shape, offset: end + from, fileBytes, modified }, { mustEnd: false });
}
