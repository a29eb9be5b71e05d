// The streaming loop of the functions: a batch of any size passes through one small memory, chunk by chunk.

import type { NumberArray } from "../tensor/containers.js";
import { type ElementArray, type ElementType, elementsOf, FLOAT } from "../tensor/element.js";
import type { Extent, Layout } from "../tensor/shape.js";
import type { Kernels } from "../wasm/abi.js";
import { type BufferSpec, Buffers } from "./buffers.js";
import { Instance } from "./instance.js";

/** Elements of a tensor in a chunk: 256 KiB of doubles, so that two tensors stay in a second-level cache. */
const CHUNK_ELEMENTS = 32768;

/** A part of a batch: whole (classes, inner) slices, or some columns of one slice. */
export interface Chunk extends Extent {
  /** The columns that the chunk takes from its slice. A single column of a strided axis has `inner` 2, so that it is visited like others. */
  readonly columns: number;
  /** The position of the first element in the batch, and the distance of two classes there. */
  readonly start: number;
  readonly stride: number;
  /** The rows of the chunk, which follow each other in the batch. */
  readonly firstRow: number;
  readonly rows: number;
}

/** Cuts a batch into chunks. Only a single row, or a pair of columns, may have more than CHUNK_ELEMENTS. */
function* chunksOf({ outer, classes, inner, rows }: Layout): Generator<Chunk> {
  if (rows === 0) return;
  const slice = classes * inner;
  if (slice <= CHUNK_ELEMENTS || inner === 1) {
    const slices = Math.max(1, Math.floor(CHUNK_ELEMENTS / slice));
    for (let o = 0; o < outer; o += slices) {
      const count = Math.min(slices, outer - o);
      const extent = { outer: count, classes, inner };
      yield { ...extent, columns: inner, start: o * slice, stride: inner, firstRow: o * inner, rows: count * inner };
    }
    return;
  }
  const width = Math.max(2, Math.floor(CHUNK_ELEMENTS / classes));
  for (let o = 0; o < outer; o++) {
    for (let first = 0; first < inner; first += width) {
      const columns = Math.min(width, inner - first);
      const extent = { outer: 1, classes, inner: Math.max(2, columns) };
      yield { ...extent, columns, start: o * slice + first, stride: inner, firstRow: o * inner + first, rows: columns };
    }
  }
}

/** The elements of a buffer: those of a tensor, one for each row, one for each class, or a fixed number. */
export type BufferExtent = "tensor" | "rows" | "classes" | number;

export function lengthOf(extent: BufferExtent, { outer, classes, inner }: Extent): number {
  if (extent === "tensor") return outer * classes * inner;
  if (extent === "rows") return outer * inner;
  return extent === "classes" ? classes : extent;
}

/** A buffer of a chunk, and the arrays of the whole batch that it is copied from and to. */
export interface ChunkBuffer {
  readonly name: string;
  readonly type: ElementType;
  readonly extent: BufferExtent;
  /** Copied into the buffer before the kernel runs: the chunk's part, or all of it if the extent is not that of a tensor or of rows. */
  readonly from?: NumberArray;
  /** Receives the buffer after the kernel has run. */
  readonly to?: ElementArray;
  /** The value of rows that a chunk has beyond those of the batch; 0 by default. */
  readonly padding?: number;
}

const isWhole = ({ columns, stride }: Chunk): boolean => columns === stride;

function copyIn({ extent, from, padding = 0 }: ChunkBuffer, view: ElementArray, chunk: Chunk): void {
  if (from === undefined) return;
  if (from.length === view.length) {
    view.set(from);
  } else if (extent === "rows") {
    if (chunk.rows < view.length) view.fill(padding);
    view.set(from.subarray(chunk.firstRow, chunk.firstRow + chunk.rows));
  } else if (isWhole(chunk)) {
    view.set(from.subarray(chunk.start, chunk.start + view.length));
  } else {
    if (chunk.columns < chunk.inner) view.fill(padding);
    for (let j = 0; j < chunk.classes; j++) {
      const at = chunk.start + j * chunk.stride;
      view.set(from.subarray(at, at + chunk.columns), j * chunk.inner);
    }
  }
}

function copyOut({ extent, to }: ChunkBuffer, view: ElementArray, chunk: Chunk): void {
  if (to === undefined) return;
  if (extent === "rows") {
    to.set(chunk.rows < view.length ? view.subarray(0, chunk.rows) : view, chunk.firstRow);
  } else if (extent !== "tensor") {
    to.set(view);
  } else if (isWhole(chunk)) {
    to.set(view, chunk.start);
  } else {
    for (let j = 0; j < chunk.classes; j++) {
      const column = view.subarray(j * chunk.inner, j * chunk.inner + chunk.columns);
      to.set(column, chunk.start + j * chunk.stride);
    }
  }
}

let instance: Instance | undefined;

/** The memory that all batches stream through, and its buffers for the last chunk. */
let current: { readonly buffers: Buffers; readonly specs: readonly BufferSpec[] } | undefined;

/** The buffers of these specs; those of the last chunk if they are the same. */
function layOut(specs: readonly BufferSpec[], streaming: Instance): Buffers {
  const isSame =
    current?.specs.length === specs.length && specs.every((spec, i) => spec.every((value, k) => value === current?.specs[i][k]));
  if (!isSame) {
    current = undefined;
    current = { buffers: new Buffers(streaming, "shape", specs), specs };
  }
  return (current as NonNullable<typeof current>).buffers;
}

/**
 * Streams a batch through a kernel: copies a chunk into its buffers, calls `run`, copies the results out. `run` finds scratch memory of so
 * many `planes` in the buffer "scratch".
 */
export function forEachChunk(
  layout: Layout,
  planes: number,
  chunkBuffers: readonly ChunkBuffer[],
  run: (kernels: Kernels, buffers: Buffers, chunk: Chunk) => void,
): void {
  instance ??= new Instance();
  for (const chunk of chunksOf(layout)) {
    const scratch: BufferSpec = ["scratch", FLOAT, elementsOf(FLOAT, instance.scratchBytes(chunk, planes))];
    const buffers = layOut(
      [scratch, ...chunkBuffers.map(({ name, type, extent }): BufferSpec => [name, type, lengthOf(extent, chunk)])],
      instance,
    );
    for (const buffer of chunkBuffers) copyIn(buffer, buffers.view(buffer.name), chunk);
    run(instance.kernels, buffers, chunk);
    for (const buffer of chunkBuffers) copyOut(buffer, buffers.view(buffer.name), chunk);
  }
}
