// The products of a linear layer, chunk by chunk: logits = X Wᵀ + b for input X (N, D), weights W (C, D) and bias b (C), and with the gradient G of
// the logits, those of the input, G W, of the weights, Gᵀ X, and of the bias, Σ G.
//
//   inputRows              rows of a chunk of X
//   weightLines            lines of W, those of a block of classes
//   weightsGradientLines   lines of the gradient of W
//   inputSums              the gradient of the chunk's input, in double until all classes are there
//
// A layer has X, W and the gradients in its memory. Of those of functions blocks are copied in and out.

import type { LogitsSource } from "../functions/batch.js";
import type { Weighing } from "../loss/rows.js";
import type { Buffers } from "../memory/buffers.js";
import { type Chunk, type ChunkBuffer, forEachChunk, type Stream } from "../memory/chunks.js";
import { bytesOf, type Dtype, type ElementType, elementsOf, type FloatArray } from "../tensor/element.js";
import type { Layout } from "../tensor/shape.js";
import { LOSS_PLANES } from "../wasm/abi.js";
import { classesOfBlock, MOST_BLOCK, rowsOfChunk } from "./blocks.js";
import { linearModule } from "./source.js";

/** The exports of assembly/linear/index.ts. */
interface LinearKernels {
  packRows(elementBytes: number, fromPtr: number, step: number, columns: number, depth: number, toPtr: number): void;
  packColumns(elementBytes: number, fromPtr: number, step: number, columns: number, depth: number, toPtr: number): void;
  transpose(elementBytes: number, fromPtr: number, step: number, rows: number, columns: number, outPtr: number, outStep: number): void;
  product(
    elementBytes: number,
    aPtr: number,
    step: number,
    rows: number,
    packedPtr: number,
    columns: number,
    depth: number,
    block: number,
    sumsPtr: number,
    biasPtr: number,
    biasIsByRow: number,
    outPtr: number,
    rowBytes: number,
    columnBytes: number,
    adds: number,
  ): void;
  addProduct(
    elementBytes: number,
    aPtr: number,
    step: number,
    rows: number,
    packedPtr: number,
    columns: number,
    depth: number,
    block: number,
    sumsPtr: number,
  ): void;
  writeSums(elementBytes: number, sumsPtr: number, rows: number, columns: number, outPtr: number, rowBytes: number): void;
  sumsBytes(elementBytes: number, rows: number, columns: number): number;
  packedBytes(elementBytes: number, columns: number, depth: number): number;
}

let compiled: WebAssembly.Module | undefined;
const kernelsOn = new WeakMap<Stream, LinearKernels>();

/** The kernels on the memory of a stream. */
function kernelsOf(stream: Stream): LinearKernels {
  let kernels = kernelsOn.get(stream);
  if (!kernels) {
    compiled ??= linearModule();
    kernels = stream.instance.attach(compiled) as unknown as LinearKernels;
    kernelsOn.set(stream, kernels);
  }
  return kernels;
}

/** A matrix: an array, blocks of which are copied to memory and back, or the address of a buffer that has all of it. */
export type Matrix = FloatArray | number;

/** What a linear layer computes with. */
export interface Operands {
  readonly dtype: Dtype;
  readonly rows: number;
  readonly depth: number;
  readonly classes: number;
  readonly input: Matrix;
  readonly weights: Matrix;
  readonly bias: ArrayLike<number> | undefined;
  /** The classes that take part in every row, if not all do. */
  readonly open?: Uint8Array;
}

/** The gradients that are wanted. */
export interface Gradients {
  readonly input?: Matrix;
  readonly weights: Matrix;
  /** The sums of the bias, which begin with 0. */
  readonly bias?: Float64Array;
  /** True if the gradient of the weights is added to what is there. */
  readonly accumulates: boolean;
}

/** To pack an element costs about as much as so many products. */
const PACKING = 2;

const roundUp = (count: number, multiple: number): number => Math.ceil(count / multiple) * multiple;

export class Products implements LogitsSource {
  readonly rows: number;
  readonly #classesOfBlock: number;
  readonly #elementBytes: number;
  readonly #kernels: LinearKernels;

  constructor(
    readonly stream: Stream,
    private readonly operands: Operands,
    private readonly gradients?: Gradients,
  ) {
    const { dtype, classes, depth } = operands;
    this.rows = rowsOfChunk(dtype, classes, depth);
    this.#classesOfBlock = classesOfBlock(dtype, depth);
    this.#elementBytes = bytesOf(dtype, 1);
    this.#kernels = kernelsOf(stream);
  }

  get buffers(): readonly ChunkBuffer[] {
    const { dtype, depth, classes, input, weights, bias } = this.operands;
    const { gradients } = this;
    const rows = Math.min(this.rows, this.operands.rows);
    const block = Math.min(this.#classesOfBlock, classes);
    const buffers: ChunkBuffer[] = [];
    const add = (name: string, type: ElementType, extent: number): void => void buffers.push({ name, type, extent });
    const addBytes = (name: string, bytes: number): void => add(name, "float64", elementsOf("float64", bytes));
    const packedBytes = (columns: number, k: number): number => this.#kernels.packedBytes(this.#elementBytes, columns, k);
    addBytes("tileSums", this.#kernels.sumsBytes(this.#elementBytes, 1, 1));
    if (bias) buffers.push({ name: "linearBias", type: "float64", extent: "classes", from: bias as Float64Array });
    if (typeof input !== "number") add("inputRows", dtype, rows * depth);
    if (typeof weights !== "number") add("weightLines", dtype, block * depth);
    addBytes("packedInput", Math.max(packedBytes(rows, depth), gradients ? packedBytes(depth, rows) : 0));
    addBytes("packedWeights", Math.max(packedBytes(block, depth), gradients?.input === undefined ? 0 : packedBytes(depth, block)));
    if (!gradients) return buffers;
    add("transposed", dtype, block * rows);
    if (typeof gradients.weights !== "number") add("weightsGradientLines", dtype, block * depth);
    if (gradients.input === undefined) return buffers;
    addBytes("inputSums", this.#kernels.sumsBytes(this.#elementBytes, rows, depth));
    if (typeof gradients.input !== "number") add("inputGradientRows", dtype, rows * depth);
    return buffers;
  }

  /** Calls `visit` with each block of classes. */
  #forEachBlock(visit: (first: number, count: number) => void): void {
    const { classes } = this.operands;
    for (let first = 0; first < classes; first += this.#classesOfBlock) visit(first, Math.min(this.#classesOfBlock, classes - first));
  }

  /** The address of the lines [first, first + count) of a matrix with lines of `depth` elements, which are copied to a buffer if it is an array. */
  #load(matrix: Matrix, name: string, buffers: Buffers, first: number, count: number): number {
    const { depth } = this.operands;
    if (typeof matrix === "number") return matrix + first * depth * this.#elementBytes;
    buffers.float(name).set(matrix.subarray(first * depth, (first + count) * depth));
    return buffers.ptr(name);
  }

  /** The address to which the lines [first, first + count) of a matrix are written. */
  #place(matrix: Matrix, name: string, buffers: Buffers, first: number): number {
    return typeof matrix === "number" ? matrix + first * this.operands.depth * this.#elementBytes : buffers.ptr(name);
  }

  /** Copies lines that have been written to an array out. */
  #unload(matrix: Matrix, name: string, buffers: Buffers, first: number, count: number): void {
    const { depth } = this.operands;
    if (typeof matrix !== "number") matrix.set(buffers.float(name).subarray(0, count * depth), first * depth);
  }

  /** Writes the logits of all rows. */
  forward(layout: Layout, out: FloatArray): void {
    this.#stream({ name: "logits", type: this.operands.dtype, extent: "tensor", to: out }, layout, (buffers, chunk) =>
      this.before(buffers, chunk),
    );
  }

  /** Writes the gradients, from that of all logits. */
  backward(layout: Layout, upstream: FloatArray): void {
    this.#stream({ name: "logits", type: this.operands.dtype, extent: "tensor", from: upstream }, layout, (buffers, chunk) => {
      this.#load(this.operands.input, "inputRows", buffers, chunk.firstRow, chunk.rows);
      this.after(buffers, chunk, "logits", { isEmpty: false });
    });
  }

  #stream(logits: ChunkBuffer, layout: Layout, visit: (buffers: Buffers, chunk: Chunk) => void): void {
    const run = (_: unknown, buffers: Buffers, chunk: Chunk): void => visit(buffers, chunk);
    forEachChunk(layout, this.operands.dtype, LOSS_PLANES, [...this.buffers, logits], run, this.stream, this.rows);
  }

  before(buffers: Buffers, { firstRow, rows }: Chunk): void {
    const { depth, classes, input, weights, bias } = this.operands;
    const kernels = this.#kernels;
    const bytes = this.#elementBytes;
    const step = depth * bytes;
    const out = buffers.ptr("logits");
    const inputPtr = this.#load(input, "inputRows", buffers, firstRow, rows);
    const sums = buffers.ptr("tileSums");
    const biasPtr = bias ? buffers.ptr("linearBias") : 0;
    // A tile has four rows of A, and twice or four times as many columns. Which operand is A does not change a bit.
    const columns = 64 / bytes / 2;
    const packsInput =
      roundUp(classes, 4) * roundUp(rows, columns) + PACKING * rows <= roundUp(rows, 4) * roundUp(classes, columns) + PACKING * classes;
    const packed = buffers.ptr(packsInput ? "packedInput" : "packedWeights");
    if (packsInput) kernels.packRows(bytes, inputPtr, step, rows, depth, packed);
    this.#forEachBlock((first, count) => {
      const weightsPtr = this.#load(weights, "weightLines", buffers, first, count);
      const biasOfBlock = bias ? biasPtr + bytesOf("float64", first) : 0;
      const [classBytes, rowBytes] = [bytes, classes * bytes];
      const outPtr = out + first * classBytes;
      if (packsInput) {
        kernels.product(
          bytes,
          weightsPtr,
          step,
          count,
          packed,
          rows,
          depth,
          MOST_BLOCK,
          sums,
          biasOfBlock,
          1,
          outPtr,
          classBytes,
          rowBytes,
          0,
        );
        return;
      }
      kernels.packRows(bytes, weightsPtr, step, count, depth, packed);
      kernels.product(bytes, inputPtr, step, rows, packed, count, depth, MOST_BLOCK, sums, biasOfBlock, 0, outPtr, rowBytes, classBytes, 0);
    });
  }

  after(buffers: Buffers, { firstRow, rows }: Chunk, derivative: string, { isEmpty }: Pick<Weighing, "isEmpty">): void {
    const { gradients } = this;
    if (!gradients) return;
    // Where all rows weigh 0, all gradients are 0, whatever the operands are.
    if (isEmpty) {
      this.#clear(firstRow, rows);
      return;
    }
    const { depth, classes, weights, open } = this.operands;
    const kernels = this.#kernels;
    const bytes = this.#elementBytes;
    const step = depth * bytes;
    const gradientPtr = buffers.ptr(derivative);
    const gradientStep = classes * bytes;
    const ignored = this.#ignoredRows(buffers, rows);
    this.#packInput(buffers, firstRow, rows, ignored);
    if (gradients.bias) this.#addBias(buffers.float(derivative), rows, gradients.bias);
    const sums = gradients.input === undefined ? 0 : buffers.ptr("inputSums");
    if (sums) buffers.float64("inputSums").fill(0);
    const transposed = buffers.ptr("transposed");
    const adds = Number(gradients.accumulates || firstRow > 0);
    this.#forEachBlock((first, count) => {
      const blockPtr = gradientPtr + first * bytes;
      if (sums) {
        const packed = buffers.ptr("packedWeights");
        kernels.packColumns(bytes, this.#load(weights, "weightLines", buffers, first, count), step, depth, count, packed);
        // Classes that do not take part have the gradient 0, whatever their weights are.
        if (open) for (let j = 0; j < count; j++) if (!open[first + j]) this.#clearPacked(buffers.float64("packedWeights"), j, count);
        kernels.addProduct(bytes, blockPtr, gradientStep, rows, packed, depth, count, MOST_BLOCK, sums);
      }
      kernels.transpose(bytes, blockPtr, gradientStep, rows, count, transposed, rows * bytes);
      const tile = buffers.ptr("tileSums");
      const out = adds
        ? this.#load(gradients.weights, "weightsGradientLines", buffers, first, count)
        : this.#place(gradients.weights, "weightsGradientLines", buffers, first);
      const packed = buffers.ptr("packedInput");
      kernels.product(bytes, transposed, rows * bytes, count, packed, depth, rows, MOST_BLOCK, tile, 0, 0, out, step, bytes, adds);
      this.#unload(gradients.weights, "weightsGradientLines", buffers, first, count);
    });
    if (gradients.input === undefined) return;
    const out = this.#place(gradients.input, "inputGradientRows", buffers, firstRow);
    kernels.writeSums(bytes, sums, rows, depth, out, step);
    const view = this.stream.instance.view(this.operands.dtype, out, rows * depth);
    for (const row of ignored) view.fill(0, row * depth, (row + 1) * depth);
    this.#unload(gradients.input, "inputGradientRows", buffers, firstRow, rows);
  }

  /** Packs the input of a chunk for the gradient of the weights. Ignored rows are 0, as 0 times what they hold may be NaN. */
  #packInput(buffers: Buffers, firstRow: number, rows: number, ignored: readonly number[]): void {
    const { depth, input } = this.operands;
    const bytes = this.#elementBytes;
    const from = this.#place(input, "inputRows", buffers, firstRow);
    this.#kernels.packColumns(bytes, from, depth * bytes, depth, rows, buffers.ptr("packedInput"));
    for (const row of ignored) this.#clearPacked(buffers.float64("packedInput"), row, rows);
  }

  /** Makes packed elements of all columns at one k zero. */
  #clearPacked(packed: Float64Array, k: number, length: number): void {
    const { depth } = this.operands;
    const step = elementsOf("float64", this.#kernels.packedBytes(this.#elementBytes, 1, 1));
    const end = elementsOf("float64", this.#kernels.packedBytes(this.#elementBytes, depth, length));
    for (let at = k * step; at < end; at += length * step) packed.fill(0, at, at + step);
  }

  #ignoredRows(buffers: Buffers, rows: number): readonly number[] {
    if (!buffers.has("rowWeights")) return [];
    const weights = buffers.float64("rowWeights");
    return Array.from({ length: rows }, (_, row) => row).filter((row) => Number.isNaN(weights[row]));
  }

  /** Adds the sums of the rows of a chunk to those of the bias. */
  #addBias(gradient: FloatArray, rows: number, sums: Float64Array): void {
    const { classes } = this.operands;
    const ofChunk = new Float64Array(classes);
    for (let row = 0, k = 0; row < rows; row++) for (let j = 0; j < classes; j++, k++) ofChunk[j] += gradient[k];
    for (let j = 0; j < classes; j++) sums[j] += ofChunk[j];
  }

  /** Makes the gradients of a chunk 0. */
  #clear(firstRow: number, rows: number): void {
    const { depth, classes } = this.operands;
    const { input, weights, accumulates } = this.gradients as Gradients;
    const fill = (matrix: Matrix | undefined, first: number, count: number): void => {
      if (matrix === undefined) return;
      const all = typeof matrix === "number" ? this.stream.instance.view(this.operands.dtype, matrix, (first + count) * depth) : matrix;
      all.fill(0, first * depth, (first + count) * depth);
    };
    fill(input, firstRow, rows);
    if (firstRow === 0 && !accumulates) fill(weights, 0, classes);
  }
}
