// The plan of a run: a piece is a range of rows of one file of logits, and the same range of one file of labels. Where the classes of rows lie in
// several files, there is a piece for each of these shards. The plan depends on the files and the size of a piece alone, so that pieces can be
// evaluated in any order, by any thread or machine, and again.

import { createHash } from "node:crypto";
import type { Input } from "./files.js";
import { ELEMENT_BYTES, type ElementType, type StoredArray, sizeOf } from "./stored-array.js";

/** A part of a file. */
export interface Extract {
  readonly path: string;
  readonly type: ElementType;
  /** The byte of the file where it begins. */
  readonly offset: number;
  readonly fileBytes: number;
  /** The row of the file that it begins with. */
  readonly row: number;
}

/** Logits (slices, classes, inner) and a label for each of their rows: everything that is needed to evaluate them. */
export interface Piece {
  readonly index: number;
  readonly logits: Extract;
  readonly labels: Extract;
  readonly slices: number;
  readonly classes: number;
  readonly inner: number;
  /** Where the rows have other classes in other pieces. */
  readonly place?: Place;
}

/** The place of a shard of classes. Its results are parts of the loss, one for each block, which are the same slices in all shards. */
export interface Place {
  readonly classOffset: number;
  /** The number of classes of all shards. */
  readonly classes: number;
  readonly blockSlices: number;
}

/** The options of the loss, which belong to the plan. */
export interface LossSettings {
  readonly ignoreIndex?: number;
  readonly labelSmoothing?: number;
  readonly scale?: number;
  readonly topK?: number;
  readonly bins?: number;
}

export interface Plan {
  /** Range of rows by range; of each, the shards in their order. */
  readonly pieces: readonly Piece[];
  readonly shards: number;
  readonly classes: number;
  readonly settings: LossSettings;
  /** 32 hexadecimal digits that name the plan. */
  readonly digest: string;
}

/** Takes the result of a piece: the bytes of a LossTotal, or of a shard's parts. Of several results of a piece, which are equal, the first counts. */
export type Take = (piece: number, bytes: Uint8Array) => void;

/** The bytes of a piece's logits. */
export const bytesOf = ({ slices, classes, inner, logits }: Piece) => slices * classes * inner * ELEMENT_BYTES[logits.type];

export const rowsOf = ({ slices, inner }: Piece) => slices * inner;

/** A place in a list of files, which moves on by elements. */
class Cursor {
  #file = 0;
  #element = 0;
  constructor(
    readonly files: readonly StoredArray[],
    readonly elementsPerRow: number,
  ) {
    this.#skipEmpty();
  }

  #skipEmpty(): void {
    while (this.#file < this.files.length && this.left === 0) {
      this.#file++;
      this.#element = 0;
    }
  }

  /** The elements that the present file has left; NaN behind the last file. */
  get left(): number {
    return this.#file < this.files.length ? sizeOf(this.files[this.#file].shape) - this.#element : Number.NaN;
  }

  take(elements: number): Extract {
    const { path, type, offset, fileBytes } = this.files[this.#file];
    const extract = {
      path,
      type,
      offset: offset + this.#element * ELEMENT_BYTES[type],
      fileBytes,
      row: this.#element / this.elementsPerRow,
    };
    this.#element += elements;
    this.#skipEmpty();
    return extract;
  }
}

/** The most bytes of logits in a block of a shard. */
const SHARD_BLOCK_BYTES = 2 ** 22;
/** The most rows of a shard's piece, as its result has 128 bytes for each. */
const SHARD_ROWS = 2 ** 11;

/** Cuts the input into pieces of about so many bytes of logits, and at least one slice. */
export function planOf({ shards, labels, classes, inner }: Input, settings: LossSettings, pieceBytes: number): Plan {
  const isSharded = shards.length > 1;
  const widest = Math.max(...shards.map((shard) => shard.classes));
  const sliceBytes = widest * inner * ELEMENT_BYTES[shards[0].files[0].type];
  const mostSlices = (bytes: number, rows: number) => Math.max(1, Math.floor(Math.min(bytes / sliceBytes, rows / inner)));
  const most = mostSlices(pieceBytes, isSharded ? SHARD_ROWS : Number.POSITIVE_INFINITY);
  const blockSlices = mostSlices(Math.min(pieceBytes, SHARD_BLOCK_BYTES), SHARD_ROWS);
  const pieces: Piece[] = [];
  const from = shards.map((shard) => new Cursor(shard.files, shard.classes));
  const labelsFrom = new Cursor(labels, 1);
  while (labelsFrom.left > 0) {
    const slices = Math.min(most, from[0].left / (shards[0].classes * inner), labelsFrom.left / inner);
    const ofLabels = labelsFrom.take(slices * inner);
    let classOffset = 0;
    for (const [i, { classes: its }] of shards.entries()) {
      const piece = { index: pieces.length, logits: from[i].take(slices * its * inner), labels: ofLabels, slices, classes: its, inner };
      pieces.push(isSharded ? { ...piece, place: { classOffset, classes, blockSlices } } : piece);
      classOffset += its;
    }
  }
  const described = JSON.stringify([shards, labels, inner, settings, most, blockSlices]);
  const digest = createHash("sha256").update(described).digest("hex").slice(0, 32);
  return { pieces, shards: shards.length, classes, settings, digest };
}
