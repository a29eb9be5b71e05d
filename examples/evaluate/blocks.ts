// The blocks of a piece: so many of its slices as fit in memory, read from files.

import type { FileHandle } from "node:fs/promises";
import { setImmediate } from "node:timers/promises";
import { FileError } from "./file-error.js";
import type { Extract, Piece } from "./pieces.js";
import { ELEMENT_BYTES, openFile, readInto } from "./stored-array.js";

/** Blocks are no larger unless a slice is. Those that are in memory at a time then stay in a cache that the cores share. */
const MOST_BYTES = 2 ** 21;
/** Blocks that are read while one is computed: several, as a disk is not always equally fast. */
const AHEAD = 2;
/** The labels of a piece are read at once if they have no more bytes. */
const MOST_LABELS_BYTES = 2 ** 20;

/** The logits and labels of some slices, as they were read. */
export interface Block {
  readonly logits: Uint8Array;
  readonly labels: Uint8Array;
  /** The first slice, counted from the beginning of the piece, and the number of slices. */
  readonly first: number;
  readonly slices: number;
}

/** Memory for blocks, which take turns. */
export class BlockMemory {
  readonly #buffers: { logits: Uint8Array<ArrayBuffer>; labels: Uint8Array<ArrayBuffer> }[] = [];
  #turns = 0;

  /** @param bytes The most bytes of all blocks. */
  constructor(readonly bytes: number) {}

  /** The place of the next block, the last one that was given `count` blocks ago. */
  next(count: number, logitsBytes: number, labelsBytes: number): Pick<Block, "logits" | "labels"> {
    while (this.#buffers.length < count) this.#buffers.push({ logits: new Uint8Array(0), labels: new Uint8Array(0) });
    const buffer = this.#buffers[this.#turns++ % count];
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
  /** The blocks that are in memory at a time. */
  readonly #count: number;
  /** The slices of each block but the last one. */
  readonly #slices: number;
  /** The labels of the piece, if they were read at once. */
  #allLabels: Uint8Array | undefined;

  private constructor(piece: Piece, memory: BlockMemory, logits: FileHandle, labels: FileHandle) {
    this.#piece = piece;
    this.#memory = memory;
    this.#logits = logits;
    this.#labels = labels;
    this.#logitsBytes = piece.classes * piece.inner * ELEMENT_BYTES[piece.logits.type];
    this.#labelsBytes = piece.inner * ELEMENT_BYTES[piece.labels.type];
    const sliceBytes = this.#logitsBytes + this.#labelsBytes;
    const { blockSlices } = piece.place ?? {};
    this.#count = Math.min(AHEAD + 1, Math.max(2, Math.floor(memory.bytes / ((blockSlices ?? 1) * sliceBytes))));
    this.#slices = blockSlices ?? Math.max(1, Math.floor(Math.min(memory.bytes / this.#count, MOST_BYTES) / sliceBytes));
  }

  /** Opens the files of a piece. @throws FileError also if a slice does not fit in the memory. */
  static async open(piece: Piece, memory: BlockMemory): Promise<BlockReader> {
    const logits = await openExtract(piece.logits);
    let labels: FileHandle | undefined;
    try {
      labels = await openExtract(piece.labels);
      const reader = new BlockReader(piece, memory, logits, labels);
      const needed = 2 * reader.#slices * (reader.#logitsBytes + reader.#labelsBytes);
      if (needed > memory.bytes) {
        throw new FileError(
          piece.logits.path,
          `rows that lie together need ${2 * needed} bytes for each thread, more than --memory allows`,
        );
      }
      await reader.#readLabels();
      return reader;
    } catch (error) {
      await logits.close();
      await labels?.close();
      throw error;
    }
  }

  /**
   * The blocks of the piece in their order. Each stays in memory until the next one is asked for, and those after it are read meanwhile.
   *
   * @param onLast Called when the last block begins to be read.
   */
  async *blocks(onLast: () => void = () => {}): AsyncGenerator<Block, void, undefined> {
    const ahead: Promise<Block>[] = [];
    let next = 0;
    const readAhead = () => {
      while (ahead.length < this.#count - 1 && next < this.#piece.slices) {
        const block = this.#read(next);
        // An error is that of the block when its turn comes.
        block.catch(() => {});
        ahead.push(block);
        next += this.#slices;
      }
      if (next >= this.#piece.slices) onLast();
    };
    try {
      readAhead();
      for (let block = ahead.shift(); block; block = ahead.shift()) {
        const present = await block;
        readAhead();
        // What has been asked for begins before the block is computed.
        await setImmediate();
        yield present;
      }
    } finally {
      await Promise.allSettled(ahead);
    }
  }

  async #readLabels(): Promise<void> {
    const { labels, slices } = this.#piece;
    const bytes = slices * this.#labelsBytes;
    if (bytes > Math.min(MOST_LABELS_BYTES, this.#memory.bytes)) return;
    this.#allLabels = new Uint8Array(bytes);
    await readInto(this.#labels, labels.path, this.#allLabels, labels.offset);
  }

  async #read(first: number): Promise<Block> {
    const { logits, labels } = this.#piece;
    const slices = Math.min(this.#slices, this.#piece.slices - first);
    const [start, bytes] = [first * this.#labelsBytes, slices * this.#labelsBytes];
    const place = this.#memory.next(this.#count, slices * this.#logitsBytes, this.#allLabels ? 0 : bytes);
    const ofLogits = readInto(this.#logits, logits.path, place.logits, logits.offset + first * this.#logitsBytes);
    if (this.#allLabels) {
      await ofLogits;
      return { logits: place.logits, labels: this.#allLabels.subarray(start, start + bytes), first, slices };
    }
    await Promise.all([ofLogits, readInto(this.#labels, labels.path, place.labels, labels.offset + start)]);
    return { ...place, first, slices };
  }

  async close(): Promise<void> {
    await this.#logits.close();
    await this.#labels.close();
  }
}
