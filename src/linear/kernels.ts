// The kernels of products on the memory of a layer or of the functions. Threads share the work of large products.

import type { Stream } from "../memory/chunks.js";
import type { Instance } from "../memory/instance.js";
import { leastRowsOf } from "../threads/grain.js";
import { sizeOfProducts } from "./blocks.js";
import { linearModule } from "./source.js";

/** The exports of assembly/linear/index.ts. */
export type LinearKernels = {
  packRows(elementBytes: number, fromPtr: number, step: number, columns: number, depth: number, toPtr: number): void;
  packColumns(elementBytes: number, fromPtr: number, step: number, columns: number, depth: number, toPtr: number): void;
  product(
    elementBytes: number,
    aPtr: number,
    step: number,
    packedPtr: number,
    columns: number,
    depth: number,
    block: number,
    biasPtr: number,
    biasIsByRow: number,
    outPtr: number,
    rowBytes: number,
    columnBytes: number,
    adds: number,
    first: number,
    end: number,
    scratchPtr: number,
  ): void;
  addProduct(
    elementBytes: number,
    aPtr: number,
    step: number,
    rows: number,
    bPtr: number,
    bStep: number,
    columns: number,
    depth: number,
    block: number,
    openPtr: number,
    sumsPtr: number,
    first: number,
    end: number,
    scratchPtr: number,
  ): void;
  transposedProduct(
    elementBytes: number,
    aPtr: number,
    step: number,
    rows: number,
    packedPtr: number,
    columns: number,
    outPtr: number,
    outStep: number,
    adds: number,
    columnSumsPtr: number,
    first: number,
    end: number,
    scratchPtr: number,
  ): void;
  writeSums(elementBytes: number, sumsPtr: number, rows: number, columns: number, outPtr: number, rowBytes: number): void;
  sumsBytes(elementBytes: number, rows: number, columns: number): number;
  packedBytes(elementBytes: number, columns: number, depth: number): number;
  tilesOf(elementBytes: number, columns: number): number;
  scratchBytes(elementBytes: number): number;
};

/** The kernels whose work threads share. */
export type SharedProduct = "product" | "addProduct" | "transposedProduct";

/** The arguments of a shared kernel before first, end and scratchPtr. */
export type ArgumentsOf<K extends SharedProduct> =
  Parameters<LinearKernels[K]> extends [...infer A extends number[], number, number, number] ? A : never;

/** A product: its kernel, and what it is computed for. */
export interface Task<K extends SharedProduct = SharedProduct> {
  readonly kernel: K;
  readonly args: ArgumentsOf<K>;
  /** The number of rows, columns or tiles that threads share, in multiples of `unit` but for the last ones. */
  readonly count: number;
  readonly unit: number;
  /** The number of products of two elements in all. */
  readonly products: number;
}

/** The kernels of products on the memory of an instance. */
export class ProductKernels {
  readonly kernels: LinearKernels;
  readonly #instance: Instance;
  /** The number by which workers know the kernels. */
  readonly #number: number | undefined;
  /** The most threads for which workers were started. */
  #started = 1;

  constructor(instance: Instance) {
    const module = linearModule(instance.isShared);
    this.#instance = instance;
    this.kernels = new WebAssembly.Instance(module, { env: { memory: instance.memory } }).exports as unknown as LinearKernels;
    this.#number = instance.team?.attach(module);
  }

  /** Computes a product. Each thread has scratch memory, one after the other from scratchPtr on. Returns the number of threads that took part. */
  run<K extends SharedProduct>({ kernel, args, count, unit, products }: Task<K>, elementBytes: number, scratchPtr: number): number {
    const { kernels } = this;
    const { team } = this.#instance;
    const size = sizeOfProducts(products);
    const mostThreads = team?.mostThreadsFor(size) ?? 1;
    if (team === undefined || this.#number === undefined || mostThreads < 2) {
      (kernels[kernel] as (...args: number[]) => void)(...args, 0, count, scratchPtr);
      return 1;
    }
    if (mostThreads > this.#started) {
      this.#started = mostThreads;
      team.start(mostThreads);
    }
    const scratchBytes = kernels.scratchBytes(elementBytes);
    const leastRows = Math.ceil(leastRowsOf(count, size, 1) / unit) * unit;
    const call = { instance: this.#number, kernel, args, first: 0, end: count, leastRows, scratchPtr, scratchBytes, mostThreads };
    return team.run(call, kernels);
  }
}

const kernelsOn = new WeakMap<Stream, ProductKernels>();

/** The kernels on the memory of a stream. */
export function kernelsOf(stream: Stream): ProductKernels {
  const kernels = kernelsOn.get(stream) ?? new ProductKernels(stream.instance);
  kernelsOn.set(stream, kernels);
  return kernels;
}
