// The plan of a run: a piece is a range of rows of one file of logits, and the same range of one file of labels. The plan depends on the files
// and the size of a piece alone, so that pieces can be evaluated in any order, by any thread or machine, and again.

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
  readonly pieces: readonly Piece[];
  readonly settings: LossSettings;
  /** 32 hexadecimal digits that name the plan. */
  readonly digest: string;
}

/** Takes the bytes of a piece's LossTotal. Of several results of a piece, which are equal, the first counts. */
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

/** Cuts the input into pieces of about so many bytes of logits, and at least one slice. */
export function planOf({ logits, labels, classes, inner }: Input, settings: LossSettings, pieceBytes: number): Plan {
  const sliceElements = classes * inner;
  const most = Math.max(1, Math.floor(pieceBytes / (sliceElements * ELEMENT_BYTES[logits[0].type])));
  const pieces: Piece[] = [];
  const [from, labelsFrom] = [new Cursor(logits, classes), new Cursor(labels, 1)];
  while (from.left > 0) {
    const slices = Math.min(most, from.left / sliceElements, labelsFrom.left / inner);
    const [ofLogits, ofLabels] = [from.take(slices * sliceElements), labelsFrom.take(slices * inner)];
    pieces.push({ index: pieces.length, logits: ofLogits, labels: ofLabels, slices, classes, inner });
  }
  const described = JSON.stringify([logits, labels, classes, inner, settings, most]);
  return { pieces, settings, digest: createHash("sha256").update(described).digest("hex").slice(0, 32) };
}
