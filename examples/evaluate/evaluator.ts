// Evaluates pieces: reads them block by block, the next block while the present one is computed.

import { setImmediate } from "node:timers/promises";
import { LossTotal } from "softmax-wasm";
import { type Block, BlockMemory, BlockReader } from "./blocks.js";
import { labelsOf } from "./labels.js";
import type { Extract, LossSettings, Piece } from "./pieces.js";
import { ELEMENT_BYTES } from "./stored-array.js";

/** The logits of a block in a container of the library. */
function tensorOf({ type }: Extract, { logits: { buffer, byteLength } }: Block, shape: readonly number[]) {
  const length = byteLength / ELEMENT_BYTES[type];
  const data = buffer as ArrayBuffer;
  if (type === "float64") return { data: new Float64Array(data, 0, length), shape };
  if (type === "float32") return { data: new Float32Array(data, 0, length), shape };
  return { data: new Uint16Array(data, 0, length), dims: shape, type: "float16" as const };
}

/** Adds a block to a total. */
export function addBlock(total: LossTotal, piece: Piece, block: Block, settings: LossSettings): void {
  const { classes, inner, logits, labels } = piece;
  const tensor = tensorOf(logits, block, [block.slices, classes, inner]);
  const values = labelsOf(labels, block.labels, block.first * inner, classes, settings.ignoreIndex);
  total.add(tensor, { data: values, shape: [block.slices, inner] }, { ...settings, axis: 1, outputs: ["calibration"] });
}

/**
 * Evaluates pieces. One that is given while another is under way follows it without a gap: its first block is read while the last one of the
 * former is computed.
 */
export class Evaluator {
  readonly #memory: BlockMemory;
  /** Resolved when no piece is being read any more. */
  #free: Promise<void> = Promise.resolve();

  /** @param memoryBytes The most memory for blocks. */
  constructor(memoryBytes: number) {
    this.#memory = new BlockMemory(memoryBytes);
  }

  /** The bytes of a LossTotal of a piece. @throws FileError */
  async evaluate(piece: Piece, settings: LossSettings): Promise<Uint8Array> {
    const before = this.#free;
    let release = () => {};
    this.#free = new Promise((resolve) => {
      release = resolve;
    });
    await before;
    try {
      return await this.#evaluate(piece, settings, release);
    } finally {
      release();
    }
  }

  /** @param release Lets the next piece be read. */
  async #evaluate(piece: Piece, settings: LossSettings, release: () => void): Promise<Uint8Array> {
    const total = new LossTotal();
    const reader = await BlockReader.open(piece, this.#memory);
    let next: Promise<Block> | undefined = reader.read(0);
    try {
      for (let first = reader.slices; next; first += reader.slices) {
        const block: Block = await next;
        next = first < piece.slices ? reader.read(first) : undefined;
        if (!next) {
          release();
          // The next piece begins to read before this one computes.
          await setImmediate();
        }
        addBlock(total, piece, block, settings);
      }
    } finally {
      await next?.catch(() => {});
      await reader.close();
    }
    return total.toBytes();
  }
}
