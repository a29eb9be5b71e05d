// The kernels of decoding (assembly/decode), and their memory, through which rows stream, a chunk at a time.

import { rangeError, Verbatim } from "../errors.js";
import type { Mask } from "../loss/options.js";
import type { Elements } from "../tensor/containers.js";
import { bytesOf } from "../tensor/element.js";
import type { Layout } from "../tensor/shape.js";
import { MAX_PAGES, PAGE_BYTES } from "../wasm/abi.js";
import { growTo, plainMemory } from "../wasm/memory.js";
import { rowCopier } from "./rows.js";
import { decodeModule } from "./source.js";

/** The exports of assembly/decode/index.ts. Addresses are in bytes, on boundaries of 16. */
interface DecodeKernels {
  topK(elementBytes: number, logitsPtr: number, rows: number, classes: number, k: number, indicesPtr: number, scratchPtr: number): void;
  sample(
    elementBytes: number,
    logitsPtr: number,
    rows: number,
    classes: number,
    scale: number,
    topK: number,
    topP: number,
    minP: number,
    randomsPtr: number,
    indicesPtr: number,
    logProbsPtr: number,
    scratchPtr: number,
  ): void;
  scratchBytes(classes: number): number;
}

/** Chunks of many rows have about so many bytes, which stay in a second-level cache. */
const CHUNK_BYTES = 1 << 18;

/** A row takes less than so many bytes a class, with its scratch memory. */
const MOST_BYTES_A_CLASS = 64;

const alignUp = (address: number): number => Math.ceil(address / 16) * 16;

let instance: { readonly kernels: DecodeKernels; readonly memory: WebAssembly.Memory } | undefined;

function instantiate() {
  const memory = plainMemory(1);
  const kernels = new WebAssembly.Instance(decodeModule(), { env: { memory } }).exports as unknown as DecodeKernels;
  return { kernels, memory };
}

/** Rows in the memory of the kernels. */
export interface Chunk {
  readonly kernels: DecodeKernels;
  readonly memory: WebAssembly.Memory;
  /** The first row of the tensor that is here, and how many are. */
  readonly first: number;
  readonly rows: number;
  /** The most rows of a chunk. */
  readonly capacity: number;
  readonly elementBytes: number;
  readonly logitsPtr: number;
  /** The memory for the results of all rows of a chunk. */
  readonly resultsPtr: number;
  readonly scratchPtr: number;
}

/** Calls `run` with each chunk of the rows of a tensor, whose results take so many bytes a row. */
export function forEachChunk(
  input: Elements,
  layout: Layout,
  mask: Mask | undefined,
  resultBytes: number,
  run: (chunk: Chunk) => void,
): void {
  const { rows, classes } = layout;
  if (rows === 0) return;
  instance ??= instantiate();
  const { kernels, memory } = instance;
  const elementBytes = bytesOf(input.dtype, 1);
  const capacity = Math.max(1, Math.min(rows, Math.floor(CHUNK_BYTES / (elementBytes * classes + resultBytes))));
  // The first page has the kernels' own tables.
  const logitsPtr = PAGE_BYTES;
  const resultsPtr = alignUp(logitsPtr + capacity * elementBytes * classes);
  const scratchPtr = alignUp(resultsPtr + capacity * resultBytes);
  const isPossible = classes < (MAX_PAGES * PAGE_BYTES) / MOST_BYTES_A_CLASS;
  if (!isPossible || !growTo(memory, scratchPtr + kernels.scratchBytes(classes))) {
    throw rangeError("x", "rows that fit in WebAssembly memory", new Verbatim(`${classes} classes`));
  }
  const copyRows = rowCopier(input, layout, mask);
  for (let first = 0; first < rows; first += capacity) {
    const count = Math.min(capacity, rows - first);
    copyRows(first, count, memory.buffer, logitsPtr);
    run({ kernels, memory, first, rows: count, capacity, elementBytes, logitsPtr, resultsPtr, scratchPtr });
  }
}
