// Evaluates pieces: reads them block by block, the next block while the present one is computed.

import { crossEntropyPart, LossTotal } from "softmax-wasm";
import { type Block, BlockMemory, BlockReader } from "./blocks.js";
import { labelsOf } from "./labels.js";
import { packed } from "./parts.js";
import type { Extract, LossSettings, Piece, Place } from "./pieces.js";
import { ELEMENT_BYTES } from "./stored-array.js";

/** The logits of a block in a container of the library. */
function tensorOf({ type }: Extract, { logits: { buffer, byteLength } }: Block, shape: readonly number[]) {
  const length = byteLength / ELEMENT_BYTES[type];
  const data = buffer as ArrayBuffer;
  if (type === "float64") return { data: new Float64Array(data, 0, length), shape };
  if (type === "float32") return { data: new Float32Array(data, 0, length), shape };
  return { data: new Uint16Array(data, 0, length), dims: shape, type: "float16" as const };
}

/** The logits and labels of a block as arguments of the library. */
function batchOf({ classes, inner, logits, labels, place }: Piece, block: Block, { ignoreIndex }: LossSettings) {
  const values = labelsOf(labels, block.labels, block.first * inner, place?.classes ?? classes, ignoreIndex);
  return [tensorOf(logits, block, [block.slices, classes, inner]), { data: values, shape: [block.slices, inner] }] as const;
}

/** Adds a block to a total. */
export function addBlock(total: LossTotal, piece: Piece, block: Block, settings: LossSettings): void {
  total.add(...batchOf(piece, block, settings), { ...settings, axis: 1, outputs: ["calibration"] });
}

/** The part of the loss that a block has of the classes of a shard. */
function partOf(piece: Piece, { classOffset, classes }: Place, block: Block, settings: LossSettings): Uint8Array {
  const { ignoreIndex, labelSmoothing, scale } = settings;
  const options = { ignoreIndex, labelSmoothing, scale, axis: 1, classOffset, classes, outputs: ["calibration", "total"] } as const;
  return crossEntropyPart(...batchOf(piece, block, settings), options).toBytes();
}

async function resultOf(piece: Piece, blocks: AsyncIterable<Block>, settings: LossSettings): Promise<Uint8Array> {
  if (piece.place) {
    const parts: Uint8Array[] = [];
    for await (const block of blocks) parts.push(partOf(piece, piece.place, block, settings));
    return packed(parts);
  }
  const total = new LossTotal();
  for await (const block of blocks) addBlock(total, piece, block, settings);
  return total.toBytes();
}

/**
 * Evaluates pieces, two at a time. A piece that is given while another is under way follows it without a gap: it is read when the former has been
 * read and not yet computed.
 */
export class Evaluator {
  readonly #memories: BlockMemory[];
  /** Resolved when no piece is being read any more. */
  #free: Promise<void> = Promise.resolve();

  /** @param memoryBytes The most memory for blocks. */
  constructor(memoryBytes: number) {
    this.#memories = [new BlockMemory(memoryBytes / 2), new BlockMemory(memoryBytes / 2)];
  }

  /** The bytes of a LossTotal of a piece, or of the parts of a shard. At most two calls may be under way. @throws FileError */
  async evaluate(piece: Piece, settings: LossSettings): Promise<Uint8Array> {
    const memory = this.#memories.pop();
    if (!memory) throw new Error("a third piece at a time has no memory");
    const before = this.#free;
    let release = () => {};
    this.#free = new Promise((resolve) => {
      release = resolve;
    });
    let reader: BlockReader | undefined;
    try {
      reader = await BlockReader.open(piece, memory);
      await before;
      return await resultOf(piece, reader.blocks(release), settings);
    } finally {
      await reader?.close();
      this.#memories.push(memory);
      before.then(release);
    }
  }
}
