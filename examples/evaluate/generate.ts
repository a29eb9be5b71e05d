// Logits and labels of any size, made block by block from a seed.

import { type FileHandle, mkdir, open } from "node:fs/promises";
import { join } from "node:path";
import { sample } from "softmax-wasm/decode";
import { seeded } from "../../reference/data.js";
import { npyHead } from "./npy.js";
import type { ElementType } from "./stored-array.js";

export interface DataOptions {
  readonly rows: number;
  readonly classes: number;
  readonly dtype: "float64" | "float32" | "float16";
  /** The folder for logits-0.npy, labels-0.npy and so on; with shards logits-0-0.npy, logits-0-1.npy and so on. */
  readonly folder: string;
  readonly files: number;
  /** The files for the classes of each row; 1 by default. */
  readonly shards?: number;
  /** The logits are those that the labels are drawn from, divided by it: 1 is calibrated, and below 1 is over-confident. */
  readonly temperature: number;
  /** The part of the labels that is −100. */
  readonly ignored: number;
  readonly seed: number;
}

const IGNORED = -100n;
const BLOCK_ELEMENTS = 2 ** 20;
/** Normal numbers, of which each row takes a part: drawing each logit would take ten times as long as to write it. */
const NORMALS = 2 ** 20;

/** Float32 numbers rounded to float16, to nearest even, below 65,504; those below 2⁻¹⁴ become 0. */
export function toFloat16(numbers: Float32Array): Uint16Array {
  const bits = new Uint32Array(numbers.buffer, numbers.byteOffset, numbers.length);
  return Uint16Array.from(bits, (word) => {
    const sign = (word >>> 16) & 0x8000;
    const magnitude = word & 0x7fffffff;
    if (magnitude < 0x38800000) return sign;
    return sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
  });
}

function normals(random: () => number): Float32Array {
  return Float32Array.from({ length: NORMALS }, () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random()));
}

/** Fills rows with normal numbers and one class above them: as probable as all others together, more or less by up to e⁵ times. */
function fillRows(logits: Float32Array, classes: number, table: Float32Array, random: () => number): void {
  for (let start = 0; start < logits.length; start += classes) {
    for (let done = 0; done < classes; ) {
      const from = Math.floor(random() * NORMALS);
      const count = Math.min(classes - done, NORMALS - from, 4096);
      logits.set(table.subarray(from, from + count), start + done);
      done += count;
    }
    logits[start + Math.floor(random() * classes)] = Math.log(classes) + 0.5 + 10 * random() - 5;
  }
}

/** The classes [first, end) of rows. */
function columnsOf(logits: Float32Array, classes: number, first: number, end: number): Float32Array {
  if (end - first === classes) return logits;
  const columns = new Float32Array((logits.length / classes) * (end - first));
  for (let row = 0; row * classes < logits.length; row++) {
    columns.set(logits.subarray(row * classes + first, row * classes + end), row * (end - first));
  }
  return columns;
}

function inType(logits: Float32Array, dtype: DataOptions["dtype"]): Float32Array | Float64Array | Uint16Array {
  if (dtype === "float32") return logits;
  return dtype === "float64" ? Float64Array.from(logits) : toFloat16(logits);
}

/** Writes the files. */
export async function generate(options: DataOptions, watch?: (rowsDone: number) => void): Promise<void> {
  const { rows, classes, dtype, folder, files, shards = 1, temperature, ignored, seed } = options;
  const ends = Array.from({ length: shards + 1 }, (_, i) => Math.floor((classes * i) / shards));
  await mkdir(folder, { recursive: true });
  const random = seeded(seed);
  const table = normals(random);
  const blockRows = Math.max(1, Math.floor(BLOCK_ELEMENTS / classes));
  let done = 0;
  for (let i = 0; i < files; i++) {
    const ofFile = Math.floor((rows * (i + 1)) / files) - Math.floor((rows * i) / files);
    const logitsFiles: FileHandle[] = [];
    for (let shard = 0; shard < shards; shard++) {
      const file = await open(join(folder, `logits-${i}${shards > 1 ? `-${shard}` : ""}.npy`), "w");
      await file.write(npyHead(dtype satisfies ElementType, [ofFile, ends[shard + 1] - ends[shard]]));
      logitsFiles.push(file);
    }
    const labelsFile = await open(join(folder, `labels-${i}.npy`), "w");
    await labelsFile.write(npyHead("int64", [ofFile]));
    for (let row = 0; row < ofFile; row += blockRows) {
      const count = Math.min(blockRows, ofFile - row);
      const logits = new Float32Array(count * classes);
      fillRows(logits, classes, table, random);
      const { indices } = sample(logits, { shape: [count, classes], random });
      const labels = BigInt64Array.from(indices, (index) => (random() < ignored ? IGNORED : BigInt(index)));
      if (temperature !== 1) for (let j = 0; j < logits.length; j++) logits[j] /= temperature;
      for (const [shard, file] of logitsFiles.entries()) {
        const elements = inType(columnsOf(logits, classes, ends[shard], ends[shard + 1]), dtype);
        await file.writeFile(new Uint8Array(elements.buffer));
      }
      await labelsFile.writeFile(new Uint8Array(labels.buffer));
      done += count;
      watch?.(done);
    }
    for (const file of logitsFiles) await file.close();
    await labelsFile.close();
  }
}
