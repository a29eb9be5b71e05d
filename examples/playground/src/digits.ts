// Loads the digits of the page, which pack-digits.ts has packed.

import { type Digits, PIXELS } from "../../mnist/digits.js";

const COUNTS = { training: 6000, test: 1000 };

type Parts = Record<keyof typeof COUNTS, Digits>;

export async function loadDigits(): Promise<Parts> {
  const response = await fetch("./digits.bin");
  if (!response.ok || !response.body) throw new Error(`digits.bin: ${response.status} ${response.statusText}`);
  return unpackDigits(new Uint8Array(await new Response(response.body.pipeThrough(new DecompressionStream("gzip"))).arrayBuffer()));
}

/** The digits of the file after gzip. */
export function unpackDigits(bytes: Uint8Array): Parts {
  const { training, test } = COUNTS;
  if (bytes.length !== (training + test) * (1 + PIXELS)) throw new Error("digits.bin is not of the length that was expected");
  const read = (start: number, count: number): Digits => ({
    count,
    labels: bytes.subarray(start, start + count),
    images: bytes.subarray(start + count, start + count * (1 + PIXELS)),
  });
  return { training: read(0, training), test: read(training * (1 + PIXELS), test) };
}
