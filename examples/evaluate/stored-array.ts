// An array in a file: its element type, its shape, and the place of its elements, as the head of the file says. Elements are little-endian
// and in C order.

import { type FileHandle, open } from "node:fs/promises";
import { FileError, fileErrorOf } from "./file-error.js";

/** The bytes of an element of each type. */
export const ELEMENT_BYTES = {
  float64: 8,
  float32: 4,
  float16: 2,
  int8: 1,
  uint8: 1,
  int16: 2,
  uint16: 2,
  int32: 4,
  uint32: 4,
  int64: 8,
  uint64: 8,
} as const;

export type ElementType = keyof typeof ELEMENT_BYTES;

export const isFloat = (type: ElementType) => type.startsWith("float");

/** An array in a file. */
export interface StoredArray {
  readonly path: string;
  readonly type: ElementType;
  readonly shape: readonly number[];
  /** The byte of the file where the elements begin. */
  readonly offset: number;
  /** The bytes of the whole file, and when it was written, in ms. */
  readonly fileBytes: number;
  readonly modified: number;
}

export const sizeOf = (shape: readonly number[]) => shape.reduce((size, length) => size * length, 1);

/** Opens a file to read. @throws FileError */
export async function openFile(path: string): Promise<FileHandle> {
  try {
    return await open(path);
  } catch (error) {
    throw fileErrorOf(path, error);
  }
}

/** Fills `bytes` from a file. @throws FileError if the file ends before. */
export async function readInto(file: FileHandle, path: string, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesRead } = await file.read(bytes, done, bytes.length - done, position + done).catch((error) => {
      throw fileErrorOf(path, error);
    });
    if (bytesRead === 0) throw new FileError(path, `the file ends where ${bytes.length - done} more bytes were expected`, position + done);
    done += bytesRead;
  }
}

/** The array that a head describes. @throws FileError if the file is shorter, or, where it must end with the array, longer. */
export function storedArray(head: StoredArray, { mustEnd }: { mustEnd: boolean }): StoredArray {
  const { path, type, shape, offset, fileBytes } = head;
  const end = offset + sizeOf(shape) * ELEMENT_BYTES[type];
  if (!Number.isSafeInteger(end)) throw new FileError(path, `the shape [${shape.join(", ")}] is too large`);
  const described = `${type} [${shape.join(", ")}] ends at byte ${end}`;
  if (fileBytes < end) throw new FileError(path, `${described}, but the file has only ${fileBytes} bytes`, fileBytes);
  if (mustEnd && fileBytes > end) throw new FileError(path, `${described}, but the file has ${fileBytes} bytes`, end);
  return head;
}
