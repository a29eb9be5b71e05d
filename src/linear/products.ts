// The products of a linear layer, chunk by chunk: logits = X Wᵀ + b for input X (N, D), weights W (C, D) and bias b (C), and with the gradient G of
// the logits, those of the input, G W, of the weights, Gᵀ X, and of the bias, Σ G. Threads share the classes of X Wᵀ and Gᵀ X, and the features of
// G W, so that no sum depends on them.
//
//   inputRows              rows of a chunk of X
//   weightLines            lines of W, those of a block of classes
//   weightsGradientLines   lines of the gradient of W
//   biasSums               the gradient of b, in double until all rows are there
//   inputSums              the gradient of the chunk's input, in double until all classes are there
//   productScratch         scratch memory of each thread
//
// A layer has X, W, b and the gradients in its memory. Of those of functions blocks are copied in and out.

import type { LogitsSource } from "../functions/batch.js";
import type { Weighing } from "../loss/rows.js";
import type { Buffers } from "../memory/buffers.js";
import { type Chunk, ChunkBuffer, forEachChunk, type Stream } from "../memory/chunks.js";
import { bytesOf, type Dtype, type ElementType, elementsOf, type FloatArray } from "../tensor/element.js";
import type { Layout } from "../tensor/shape.js";
import { LOSS_PLANES } from "../wasm/abi.js";
import { classesOfBlock, MOST_BLOCK, rowsOfChunk } from "./blocks.js";
import { type ArgumentsOf, kernelsOf, type LinearKernels, type ProductKernels, type SharedProduct, type Task } from "./kernels.js";

/** A matrix or vector: an array, blocks of which are copied to memory and back, or the address of a buffer that has all of it. */
export type Matrix<A = FloatArray> = A | number;

/** What a linear layer computes with. */
export interface Operands {
  readonly dtype: Dtype;
  readonly rows: number;
  readonly depth: number;
  readonly classes: number;
  readonly input: Matrix;
  readonly weights: Matrix;
  /** Doubles, whatever the dtype is. */
  readonly bias: Matrix<Float64Array> | undefined;
  /** The classes that take part in every row, if not all do. */
  readonly open?: Uint8Array;
}

/** The gradients that are wanted. */
export interface Gradients {
  readonly input?: Matrix;
  readonly weights: Matrix;
  /** The sums of the bias, which begin with 0. */
  readonly bias?: Matrix<Float64Array>;
  /** True if the gradient of the weights is added to what is there. */
  readonly accumulates: boolean;
}

/** To pack an element costs about as much as so many products. */
const PACKING = 2;

/** The rows of a tile of products. */
const TILE_ROWS = 4;

const roundUp = (count: number, multiple: number): number => Math.ceil(count / multiple) * multiple;

export class Products implements LogitsSource {
  readonly rows: number;
  /** The most threads that shared a product, until it is set anew. */
  threads = 1;
  readonly #classesOfBlock: number;
  readonly #elementBytes: number;
  readonly #productKernels: ProductKernels;
  readonly #kernels: LinearKernels;

  /** `mostRows` are the most rows of a chunk, which do not change the bits of logits. */
  constructor(
    readonly stream: Stream,
    private readonly operands: Operands,
    private readonly gradients?: Gradients,
    mostRows = Number.POSITIVE_INFINITY,
  ) {
    const { dtype, classes, depth } = operands;
    this.rows = Math.min(rowsOfChunk(dtype, classes, depth), mostRows);
    this.#classesOfBlock = classesOfBlock(dtype, depth);
    this.#elementBytes = bytesOf(dtype, 1);
    this.#productKernels = kernelsOf(stream);
    this.#kernels = this.#productKernels.kernels;
  }

  get buffers(): readonly ChunkBuffer[] {
    const { dtype, depth, classes, input, weights, bias } = this.operands;
    const { gradients } = this;
    const kernels = this.#kernels;
    const bytes = this.#elementBytes;
    const rows = Math.min(this.rows, this.operands.rows);
    const block = Math.min(this.#classesOfBlock, classes);
    const buffers: ChunkBuffer[] = [];
    const add = (name: string, type: ElementType, extent: number): void => void buffers.push(new ChunkBuffer(name, type, extent));
    const addBytes = (name: string, size: number): void => add(name, "float64", elementsOf("float64", size));
    addBytes("productScratch", kernels.scratchBytes(bytes) * this.stream.instance.mostThreads);
    if (typeof bias === "object") buffers.push(new ChunkBuffer("linearBias", "float64", "classes", bias));
    if (typeof input !== "number") add("inputRows", dtype, rows * depth);
    if (typeof weights !== "number") add("weightLines", dtype, block * depth);
    addBytes("packedInput", Math.max(kernels.packedBytes(bytes, rows, depth), gradients ? kernels.packedBytes(bytes, depth, rows) : 0));
    addBytes("packedWeights", kernels.packedBytes(bytes, block, depth));
    if (!gradients) return buffers;
    const { bias: sums } = gradients;
    if (typeof sums === "object") buffers.push(new ChunkBuffer("biasSums", "float64", "classes", sums, sums));
    if (typeof gradients.weights !== "number") add("weightsGradientLines", dtype, block * depth);
    if (gradients.input === undefined) return buffers;
    addBytes("inputSums", kernels.sumsBytes(bytes, rows, depth));
    if (typeof gradients.input !== "number") add("inputGradientRows", dtype, rows * depth);
    return buffers;
  }

  #run<K extends SharedProduct>(buffers: Buffers, task: Task<K>): void {
    const threads = this.#productKernels.run(task, this.#elementBytes, buffers.ptr("productScratch"));
    this.threads = Math.max(this.threads, threads);
  }

  /** Calls `visit` with each block of so many classes, or at once with all. */
  #forEachBlock(visit: (first: number, count: number) => void, block = this.#classesOfBlock): void {
    const { classes } = this.operands;
    for (let first = 0; first < classes; first += block) visit(first, Math.min(block, classes - first));
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

  /** Lays out the memory for {@link forward}. */
  layOut(): void {
    const { dtype, classes } = this.operands;
    const logits = new ChunkBuffer("logits", dtype, "tensor");
    this.stream.layOut(LOSS_PLANES, dtype, [...this.buffers, logits], { outer: this.rows, classes, inner: 1 });
  }

  /** Writes the logits of all rows. */
  forward(layout: Layout, out: FloatArray): void {
    this.#stream(new ChunkBuffer("logits", this.operands.dtype, "tensor", undefined, out), layout, (buffers, chunk) =>
      this.before(buffers, chunk),
    );
  }

  /** Writes the gradients, from that of all logits. */
  backward(layout: Layout, upstream: FloatArray): void {
    this.#stream(new ChunkBuffer("logits", this.operands.dtype, "tensor", upstream), layout, (buffers, chunk) => {
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
    const biasPtr = typeof bias === "object" ? buffers.ptr("linearBias") : bias;
    const biasOf = (first: number): number => (biasPtr === undefined ? 0 : biasPtr + bytesOf("float64", first));
    const rowBytes = classes * bytes;
    // A tile has four rows of A, and twice or four times as many columns. Which operand is A does not change a bit.
    const columns = 64 / bytes / 2;
    const packsInput =
      roundUp(classes, TILE_ROWS) * roundUp(rows, columns) + PACKING * rows <=
      roundUp(rows, TILE_ROWS) * roundUp(classes, columns) + PACKING * classes;
    if (packsInput) {
      const packed = buffers.ptr("packedInput");
      kernels.packRows(bytes, inputPtr, step, rows, depth, packed);
      const byClass = (first: number, count: number): void => {
        const from = this.#load(weights, "weightLines", buffers, first, count);
        const to = out + first * bytes;
        const args: ArgumentsOf<"product"> = [bytes, from, step, packed, rows, depth, MOST_BLOCK, biasOf(first), 1, to, bytes, rowBytes, 0];
        this.#run(buffers, { kernel: "product", args, count, unit: TILE_ROWS, products: count * rows * depth });
      };
      this.#forEachBlock(byClass, typeof weights === "number" ? classes : undefined);
      return;
    }
    const packed = buffers.ptr("packedWeights");
    this.#forEachBlock((first, count) => {
      kernels.packRows(bytes, this.#load(weights, "weightLines", buffers, first, count), step, count, depth, packed);
      const to = out + first * bytes;
      const args: ArgumentsOf<"product"> = [
        bytes,
        inputPtr,
        step,
        packed,
        count,
        depth,
        MOST_BLOCK,
        biasOf(first),
        0,
        to,
        rowBytes,
        bytes,
        0,
      ];
      this.#run(buffers, { kernel: "product", args, count: rows, unit: TILE_ROWS, products: count * rows * depth });
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
    const gradientPtr = buffers.ptr(derivative);
    const ignored = this.#ignoredRows(buffers, rows);
    if (gradients.input !== undefined) this.#writeInputGradient(buffers, gradientPtr, gradients.input, firstRow, rows, ignored);
    this.#writeWeightsGradient(buffers, gradientPtr, gradients, firstRow, rows, ignored);
  }

  /** G W for the rows of a chunk. The classes are summed block by block, so that a sum does not depend on their number. */
  #writeInputGradient(buffers: Buffers, gradientPtr: number, to: Matrix, firstRow: number, rows: number, ignored: readonly number[]): void {
    const { dtype, depth, classes, weights, open } = this.operands;
    const kernels = this.#kernels;
    const bytes = this.#elementBytes;
    const step = depth * bytes;
    const block = this.#classesOfBlock;
    const sums = buffers.ptr("inputSums");
    buffers.float64("inputSums").fill(0);
    const addBlock = (first: number, count: number): void => {
      const from = this.#load(weights, "weightLines", buffers, first, count);
      const [g, openPtr] = [gradientPtr + first * bytes, open ? buffers.ptr("mask") + first : 0];
      const args: ArgumentsOf<"addProduct"> = [bytes, g, classes * bytes, rows, from, step, depth, count, block, openPtr, sums];
      const tiles = kernels.tilesOf(bytes, depth);
      this.#run(buffers, { kernel: "addProduct", args, count: tiles, unit: 1, products: count * rows * depth });
    };
    this.#forEachBlock(addBlock, typeof weights === "number" ? classes : undefined);
    const out = this.#place(to, "inputGradientRows", buffers, firstRow);
    kernels.writeSums(bytes, sums, rows, depth, out, step);
    const view = this.stream.instance.view(dtype, out, rows * depth);
    for (const row of ignored) view.fill(0, row * depth, (row + 1) * depth);
    this.#unload(to, "inputGradientRows", buffers, firstRow, rows);
  }

  /** Gᵀ X and Σ G over the rows of a chunk, the first of which overwrite what is there unless gradients accumulate. */
  #writeWeightsGradient(
    buffers: Buffers,
    gradientPtr: number,
    { weights, bias, accumulates }: Gradients,
    firstRow: number,
    rows: number,
    ignored: readonly number[],
  ): void {
    const { depth, classes } = this.operands;
    const bytes = this.#elementBytes;
    const step = depth * bytes;
    const packed = this.#packInput(buffers, firstRow, rows, ignored);
    const adds = Number(accumulates || firstRow > 0);
    const biasSums = typeof bias === "object" ? buffers.ptr("biasSums") : bias;
    const byClass = (first: number, count: number): void => {
      const to = adds
        ? this.#load(weights, "weightsGradientLines", buffers, first, count)
        : this.#place(weights, "weightsGradientLines", buffers, first);
      const sums = biasSums === undefined ? 0 : biasSums + bytesOf("float64", first);
      const args: ArgumentsOf<"transposedProduct"> = [
        ...([bytes, gradientPtr + first * bytes, classes * bytes, rows] as const),
        ...([packed, depth, to, step, adds, sums] as const),
      ];
      this.#run(buffers, { kernel: "transposedProduct", args, count, unit: TILE_ROWS, products: count * rows * depth });
      this.#unload(weights, "weightsGradientLines", buffers, first, count);
    };
    this.#forEachBlock(byClass, typeof weights === "number" ? classes : undefined);
  }

  /** Packs the input of a chunk for the gradient of the weights. Ignored rows are 0, as 0 times what they hold may be NaN. */
  #packInput(buffers: Buffers, firstRow: number, rows: number, ignored: readonly number[]): number {
    const { depth, input } = this.operands;
    const bytes = this.#elementBytes;
    const from = this.#place(input, "inputRows", buffers, firstRow);
    const packed = buffers.ptr("packedInput");
    this.#kernels.packColumns(bytes, from, depth * bytes, depth, rows, packed);
    for (const row of ignored) this.#clearPacked(buffers.float64("packedInput"), row, rows);
    return packed;
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
