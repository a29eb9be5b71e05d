// The staging area that functions stream a batch through, block by block, and the arrays that their results go to.

import { rangeError, typeError, Verbatim } from "../errors.js";
import { allocate, type Elements, type Layout, type NumberArray } from "../tensor/shape.js";
import { Arena, STAGE_ELEMENTS } from "./instance.js";

let arena: Arena | undefined;

/** The staging area, made on first use. */
export function stagingArea(): Arena {
  arena ??= new Arena();
  return arena;
}

/** Part of a batch: whole (classes, inner) slices, or the columns [first, first + inner) of one slice. */
export interface Block {
  /** As the kernels see it; a lone column of a strided axis is staged two wide, so that it is visited as any other. */
  readonly outer: number;
  readonly inner: number;
  readonly columns: number;
  /** Where the elements begin in the batch, and how far apart the classes are there. */
  readonly start: number;
  readonly stride: number;
  /** The rows it holds, consecutive in the batch. */
  readonly firstRow: number;
  readonly rows: number;
}

/** Cuts a batch into blocks that fit the stage. Only a single row, or pair of columns, may be larger. */
export function* blocksOf({ outer, classes, inner, rows }: Layout): Generator<Block> {
  if (rows === 0) return;
  const slice = classes * inner;
  if (slice <= STAGE_ELEMENTS || inner === 1) {
    const slices = Math.max(1, Math.floor(STAGE_ELEMENTS / slice));
    for (let o = 0; o < outer; o += slices) {
      const count = Math.min(slices, outer - o);
      yield { outer: count, inner, columns: inner, start: o * slice, stride: inner, firstRow: o * inner, rows: count * inner };
    }
    return;
  }
  const width = Math.max(2, Math.floor(STAGE_ELEMENTS / classes));
  for (let o = 0; o < outer; o++) {
    for (let first = 0; first < inner; first += width) {
      const columns = Math.min(width, inner - first);
      const firstRow = o * inner + first;
      yield { outer: 1, inner: Math.max(2, columns), columns, start: o * slice + first, stride: inner, firstRow, rows: columns };
    }
  }
}

function isWhole(block: Block): boolean {
  return block.columns === block.stride;
}

/** Copies a block of a tensor into the stage. */
export function copyIn(from: NumberArray, to: Float64Array | Uint8Array, block: Block, classes: number): void {
  if (isWhole(block)) {
    to.set(from.length === to.length ? from : from.subarray(block.start, block.start + to.length));
    return;
  }
  if (block.columns < block.inner) to.fill(0);
  for (let j = 0; j < classes; j++) {
    const at = block.start + j * block.stride;
    to.set(from.subarray(at, at + block.columns), j * block.inner);
  }
}

/** Copies a block of the stage out into a tensor. */
export function copyOut(from: Float64Array, to: Float64Array, block: Block, classes: number): void {
  if (isWhole(block)) {
    to.set(from, block.start);
    return;
  }
  for (let j = 0; j < classes; j++) {
    to.set(from.subarray(j * block.inner, j * block.inner + block.columns), block.start + j * block.stride);
  }
}

function overlaps(a: ArrayBufferView, b: ArrayBufferView): boolean {
  return a.buffer === b.buffer && a.byteOffset < b.byteOffset + b.byteLength && b.byteOffset < a.byteOffset + a.byteLength;
}

/** The array for a result of `size` elements: options.out if it is given and fits, else a new one. */
export function resultArray(out: unknown, size: number, inputs: readonly Elements[], labels?: ArrayBufferView): Float64Array {
  if (out === undefined) return allocate("shape", size);
  if (!(out instanceof Float64Array)) throw typeError("out", "a Float64Array", out);
  if (inputs.some(({ form }) => form !== "flat")) {
    throw typeError("out", "to be used with Float64Array input only", new Verbatim("another container as input"));
  }
  if (out.length !== size) throw rangeError("out", `${size} elements`, out);
  for (const input of [...inputs.map(({ data }) => data), ...(labels ? [labels] : [])]) {
    const same = input instanceof Float64Array && input.byteOffset === out.byteOffset && input.length === out.length;
    if (overlaps(out, input) && !same) {
      throw rangeError("out", "an input itself or memory of its own", new Verbatim("an array that overlaps an input in part"));
    }
  }
  return out;
}
