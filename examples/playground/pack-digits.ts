// Packs the digits that the playground ships, every tenth of MNIST: public/digits.bin holds, compressed by gzip, the labels and images of the
// training digits, then those of the test digits.
//
//   npx tsx examples/playground/pack-digits.ts

import { writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { readDigits } from "../mnist/data.js";
import { PIXELS } from "../mnist/digits.js";

const STRIDE = 10;

const parts = (["train", "t10k"] as const).flatMap((part) => {
  const { count, images, labels } = readDigits(part);
  const chosen = Array.from({ length: count / STRIDE }, (_, i) => i * STRIDE);
  return [Uint8Array.from(chosen, (i) => labels[i]), ...chosen.map((i) => images.subarray(i * PIXELS, (i + 1) * PIXELS))];
});
const packed = gzipSync(Buffer.concat(parts), { level: 9 });
writeFileSync(new URL("public/digits.bin", import.meta.url), packed);
console.log(`${packed.length} bytes`);
