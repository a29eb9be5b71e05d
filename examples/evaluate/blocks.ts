// The blocks of a piece: so many of its slices as fit in memory, read from files.

import type { FileHandle } from "node:fs/promises";
import { FileError } from "./file-error.js";
import type { Extract, Piece } from "./pieces.js";
import { ELEMENT_BYTES, openFile, readInto } from "./stored-array.js";

/** Blocks are no larger unless a slice is: larger ones were measured to be no faster. */
const MOST_BYTES = 2 ** 22;

/** The logits and labels of some slices, as they were read. */
export interface Block {
  readonly logits: Uint8Array;
  readonly labels: Uint8Array;
  /** The first slice, counted from the beginning of the piece, and the number of slices. */
  readonly first: number;
  readonly slices: number;
}

/** Memory for two blocks, which take turns. */
export class BlockMemory {
  readonly #buffers = [0, 1].map(() => ({ logits: new Uint8Array(0), labels: new Uint8Array(0) }));
  #turns = 0;

  /** @param bytes The most bytes of both blocks. */
  constructor(readonly bytes: number) {}

  /** The place of the next block, which is that of the last but one. */
  next(logitsBytes: number, labelsBytes: number): Pick<Block, "logits" | "labels"> {
    const buffer = this.#buffers[this.#turns++ % 2];
    if (buffer.logits.length < logitsBytes) buffer.logits = new Uint8Array(logitsBytes);
    if (buffer.labels.length < labelsBytes) buffer.labels = new Uint8Array(labelsBytes);
    return { logits: buffer.logits.subarray(0, logitsBytes), labels: buffer.labels.subarray(0, labelsBytes) };
  }
}

/** Opens the file of an extract. @throws FileError if it has changed its size. */
async function openExtract({ path, fileBytes }: Extract): Promise<FileHandle> {
  const file = await openFile(path);
  const { size } = await file.stat();
  if (size === fileBytes) return file;
  await file.close();
  throw new FileError(path, `the file has ${size} bytes, but had ${fileBytes} when the run was planned`);
}

export class BlockReader {
  readonly #piece: Piece;
  readonly #memory: BlockMemory;
  readonly #logits: FileHandle;
  readonly #labels: FileHandle;
  /** The bytes of a slice. */
  readonly #logitsBytes: number;
  readonly #labelsBytes: number;
  /** The slices of each block but the last one. */
  readonly slices: number;

  private constructor(piece: Piece, memory: BlockMemory, logits: FileHandle, labels: FileHandle) {
    this.#piece = piece;
    this.#memory = memory;
    this.#logits = logits;
    this.#labels = labels;
    this.#logitsBytes = piece.classes * piece.inner * ELEMENT_BYTES[piece.logits.type];
    this.#labelsBytes = piece.inner * ELEMENT_BYTES[piece.labels.type];
    const most = Math.min(memory.bytes / 2, MOST_BYTES);
    this.slices = Math.max(1, Math.floor(most / (this.#logitsBytes + this.#labelsBytes)));
  }

  /** Opens the files of a piece. @throws FileError also if a slice does not fit in the memory. */
  static async open(piece: Piece, memory: BlockMemory): Promise<BlockReader> {
    const logits = await openExtract(piece.logits);
    let labels: FileHandle | undefined;
    try {
      labels = await openExtract(piece.labels);
      const reader = new BlockReader(piece, memory, logits, labels);
      const needed = 2 * (reader.#logitsBytes + reader.#labelsBytes);
      if (needed <= memory.bytes) return reader;
      throw new FileError(piece.logits.path, `rows that lie together need ${needed} bytes for each thread, more than --memory allows`);
    } catch (error) {
      await logits.close();
      await labels?.close();
      throw error;
    }
  }

  /** Reads the block from a slice on. It stays in memory until the next but one is read. */
  async read(first: number): Promise<Block> {
    const { logits, labels } = this.#piece;
    const slices = Math.min(this.slices, this.#piece.slices - first);
    const place = this.#memory.next(slices * this.#logitsBytes, slices * this.#labelsBytes);
    await Promise.all([
      readInto(this.#logits, logits.path, place.logits, logits.offset + first * this.#logitsBytes),
      readInto(this.#labels, labels.path, place.labels, labels.offset + first * this.#labelsBytes),
    ]);
    return { ...place, first, slices };
  }

  async close(): Promise<void> {
    await this.#logits.close();
    await this.#labels.close();
  }
}
