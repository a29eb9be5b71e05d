// The streaming loop of the functions: a batch of any size passes through one small memory, chunk by chunk.

import { rangeError } from "../errors.js";
import { type Dtype, type ElementArray, type ElementType, elementsOf } from "../tensor/element.js";
import { Float16Bits } from "../tensor/float16.js";
import type { Extent, Layout } from "../tensor/shape.js";
import { type NumberArray, typedArrayLength } from "../tensor/typed-array.js";
import type { Kernels } from "../wasm/abi.js";
import { type BufferSpec, Buffers } from "./buffers.js";
import { alignUp, Instance } from "./instance.js";

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

/** Cuts a batch into chunks: of so many slices if they are given. Else only a single row, or a pair of columns, may have more than CHUNK_ELEMENTS. */
function chunksOf({ outer, classes, inner, size }: Layout, slicesOfChunk?: number): readonly Chunk[] {
  const chunks: Chunk[] = [];
  if (size === 0) return chunks;
  const slice = classes * inner;
  if (slice <= CHUNK_ELEMENTS || inner === 1) {
    const slices = slicesOfChunk ?? Math.max(1, Math.floor(CHUNK_ELEMENTS / slice));
    for (let o = 0; o < outer; o += slices) {
      const count = Math.min(slices, outer - o);
      const [firstRow, start] = [o * inner, o * slice];
      chunks.push({ outer: count, classes, inner, columns: inner, start, stride: inner, firstRow, rows: count * inner });
    }
    return chunks;
  }
  const width = Math.max(2, Math.floor(CHUNK_ELEMENTS / classes));
  for (let o = 0; o < outer; o++) {
    for (let first = 0; first < inner; first += width) {
      const columns = Math.min(width, inner - first);
      const [firstRow, start] = [o * inner + first, o * slice + first];
      chunks.push({ outer: 1, classes, inner: Math.max(2, columns), columns, start, stride: inner, firstRow, rows: columns });
    }
  }
  return chunks;
}

/** The elements of a buffer: those of a tensor, one for each row, one for each class, or a fixed number. */
export type BufferExtent = "tensor" | "rows" | "classes" | number;

export function lengthOf(extent: BufferExtent, { outer, classes, inner }: Extent): number {
  if (extent === "tensor") return outer * classes * inner;
  if (extent === "rows") return outer * inner;
  return extent === "classes" ? classes : extent;
}

/**
 * Checks that an array is as long as it was when it was read: a getter of another argument can take its memory away. `array.length` itself may be
 * out of date in the compiled code of V8.
 */
export function checkLength(argument: string, array: ElementArray | NumberArray | Float16Bits, length: number): void {
  if (typedArrayLength(array instanceof Float16Bits ? array.bits : array) !== length)
    throw rangeError(argument, `to keep its ${length} elements during the call`, array);
}

/** A buffer of a chunk, and the arrays of the whole batch that it is copied from and to. */
export class ChunkBuffer {
  /**
   * A class, so that engines find the same fields in all of them: as object literals they took half of the time of a small call.
   *
   * @param from Copied into the buffer before the kernel runs: the chunk's part, or all of it if the extent is not that of a tensor or of rows.
   * @param to Receives the buffer after the kernel has run.
   * @param padding The value of rows that a chunk has beyond those of the batch.
   */
  constructor(
    readonly name: string,
    readonly type: ElementType,
    readonly extent: BufferExtent,
    readonly from?: NumberArray | Float16Bits,
    readonly to?: ElementArray,
    readonly padding = 0,
  ) {}
}

/** Copies numbers to a view, of which they become elements. */
export function put(view: ElementArray, from: NumberArray | Float16Bits, at = 0): void {
  if (from instanceof Float16Bits) from.writeTo(view as Float32Array, at);
  else view.set(from, at);
}

const isWhole = ({ columns, stride }: Chunk): boolean => columns === stride;

function copyIn({ extent, padding }: ChunkBuffer, from: NumberArray | Float16Bits, view: ElementArray, chunk: Chunk): void {
  if (from.length === view.length) {
    put(view, from);
  } else if (extent === "rows") {
    if (chunk.rows < view.length) view.fill(padding);
    put(view, from.subarray(chunk.firstRow, chunk.firstRow + chunk.rows));
  } else if (isWhole(chunk)) {
    put(view, from.subarray(chunk.start, chunk.start + view.length));
  } else {
    if (chunk.columns < chunk.inner) view.fill(padding);
    for (let j = 0; j < chunk.classes; j++) {
      const at = chunk.start + j * chunk.stride;
      put(view, from.subarray(at, at + chunk.columns), j * chunk.inner);
    }
  }
}

function copyOut({ extent }: ChunkBuffer, view: ElementArray, to: ElementArray, chunk: Chunk): void {
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

/** A memory through which batches stream. */
export class Stream {
  readonly instance: Instance;
  /** Buffers that come first, in the same places for every batch. */
  readonly #lasting: readonly BufferSpec[];
  /** The buffers that were laid out last. */
  #last: { readonly buffers: Buffers; readonly specs: readonly BufferSpec[] } | undefined;
  #kernels: Kernels;

  constructor(instance = new Instance(), lasting: readonly BufferSpec[] = []) {
    this.instance = instance;
    this.#kernels = instance.kernels;
    this.#lasting = lasting;
  }

  /** The kernels for a chunk as it was laid out last. */
  get kernels(): Kernels {
    return this.#kernels;
  }

  /** The buffers of a chunk: those of the last call if they are the same, so that small calls find their views ready. */
  layOut(planes: number, dtype: Dtype, chunkBuffers: readonly ChunkBuffer[], chunk: Extent): Buffers {
    const scratchBytes = this.instance.scratchBytes(chunk, planes, dtype);
    const scratchLength = elementsOf("float64", scratchBytes);
    if (this.#last === undefined || !areTheSame(this.#last.specs, scratchLength, chunkBuffers, chunk)) {
      const specs: BufferSpec[] = [["scratch", "float64", scratchLength]];
      for (const { name, type, extent } of chunkBuffers) specs.push([name, type, lengthOf(extent, chunk)]);
      this.#last = undefined;
      this.#last = { buffers: new Buffers(this.instance, [...this.#lasting, ...specs]), specs };
      this.#kernels = this.instance.kernelsFor(chunk, scratchBytes);
    }
    return this.#last.buffers;
  }
}

let shared: Stream | undefined;

/** The one memory that the batches of all functions stream through. */
export function sharedStream(): Stream {
  shared ??= new Stream();
  return shared;
}

function areTheSame(specs: readonly BufferSpec[], scratchLength: number, chunkBuffers: readonly ChunkBuffer[], chunk: Extent): boolean {
  if (specs.length !== chunkBuffers.length + 1 || specs[0][2] !== scratchLength) return false;
  for (let i = 0; i < chunkBuffers.length; i++) {
    const [name, type, length] = specs[i + 1];
    const buffer = chunkBuffers[i];
    if (name !== buffer.name || type !== buffer.type || length !== lengthOf(buffer.extent, chunk)) return false;
  }
  return true;
}

/**
 * Streams a batch of an element type through a kernel: copies a chunk into its buffers, calls `run`, copies the results out. `run` finds scratch memory of so
 * many `planes` in the buffer "scratch". The last chunk may be shorter than its buffers.
 */
export function forEachChunk(
  layout: Layout,
  dtype: Dtype,
  planes: number,
  chunkBuffers: readonly ChunkBuffer[],
  run: (kernels: Kernels, buffers: Buffers, chunk: Chunk) => void,
  stream = sharedStream(),
  slicesOfChunk?: number,
): void {
  for (const { name, extent, from, to } of chunkBuffers) {
    if (from) checkLength(name, from, lengthOf(extent, layout));
    if (to) checkLength("out", to, lengthOf(extent, layout));
  }
  let buffers: Buffers | undefined;
  let inner = 0;
  for (const chunk of chunksOf(layout, slicesOfChunk)) {
    if (buffers === undefined || inner !== chunk.inner) {
      buffers = stream.layOut(planes, dtype, chunkBuffers, chunk);
      inner = chunk.inner;
    }
    for (const buffer of chunkBuffers) if (buffer.from) copyIn(buffer, buffer.from, partOf(buffers, buffer, chunk), chunk);
    run(stream.kernels, buffers, chunk);
    for (const buffer of chunkBuffers) if (buffer.to) copyOut(buffer, partOf(buffers, buffer, chunk), buffer.to, chunk);
  }
}

/** exp(x), with the same bits on every engine. */
export function exp(x: number): number {
  const { kernels } = sharedStream().instance;
  return kernels.exp(x, alignUp(kernels.heapBase()));
}

/** log x, with the same bits on every engine. */
export function log(x: number): number {
  return sharedStream().instance.kernels.log(x);
}

/** The part of a buffer that a chunk fills. */
function partOf(buffers: Buffers, { name, extent }: ChunkBuffer, chunk: Chunk): ElementArray {
  const view = buffers.view(name);
  const length = lengthOf(extent, chunk);
  return length < view.length ? view.subarray(0, length) : view;
}
