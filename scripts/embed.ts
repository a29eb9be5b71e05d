// Writes the builds of the kernels into src/wasm/ as TypeScript, so that the library reads no file at run time.

import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { ALPHABET, type BinaryText, SINGLES } from "../src/wasm/text.js";

/** The builds of the kernels, and the names of their files in src/wasm/. */
export const EMBEDDED = { release: "binary", relaxed: "binary-relaxed", debug: "binary-debug" } as const;
export type Build = keyof typeof EMBEDDED;

/** The part in which two binaries differ: bytes [start, end) of the one are `bytes` in the other. */
function difference(one: Buffer, other: Buffer): { start: number; end: number; bytes: number[] } {
  let start = 0;
  while (start < one.length && one[start] === other[start]) start++;
  let same = 0;
  while (same < one.length - start && one[one.length - 1 - same] === other[other.length - 1 - same]) same++;
  return { start, end: one.length - same, bytes: [...other.subarray(start, other.length - same)] };
}

/** The most bytes that a memory import has. */
const MOST_DIFFERENT_BYTES = 64;

/** The text of a binary. */
export function textOf(binary: Uint8Array): BinaryText {
  const counts = new Array<number>(256).fill(0);
  for (const byte of binary) counts[byte]++;
  const order = counts.map((_, byte) => byte).sort((a, b) => counts[b] - counts[a]);
  const codes = new Map(
    order.map((byte, i) => {
      const place = i - SINGLES;
      const pair = ALPHABET[SINGLES + Math.floor(place / ALPHABET.length)] + ALPHABET[place % ALPHABET.length];
      return [byte, place < 0 ? ALPHABET[i] : pair];
    }),
  );
  return { text: Array.from(binary, (byte) => codes.get(byte)).join(""), order: Buffer.from(order).toString("hex") };
}

/**
 * The module that holds a binary as text. `shared` is the binary for shared memory. It differs from the other in the memory import only, so the
 * module holds that difference.
 */
export function embedded(name: Build, binary: Buffer, shared = binary): string {
  const sharedMemory = difference(binary, shared);
  if (sharedMemory.bytes.length > MOST_DIFFERENT_BYTES)
    throw new Error(`${name} and ${name}-threads differ by more than the memory import`);
  return [
    "// Written by scripts/embed.ts; not in git.",
    "/** The feature that an engine needs to compile the module. */",
    `export const feature = "WebAssembly ${name === "relaxed" ? "relaxed " : ""}SIMD";`,
    `export const wasm: { readonly text: string; readonly order: string } = ${JSON.stringify(textOf(binary))};`,
    "/** The relative error that the self-test allows: machines that fuse multiplications give other last bits. */",
    `export const tolerance: number = ${name === "relaxed" ? 2 ** -51 : 0};`,
    "/** The module for shared memory has these bytes in the place of [start, end). */",
    `export const sharedMemory = ${JSON.stringify(sharedMemory)};`,
    "",
  ].join("\n");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [build, file] of Object.entries(EMBEDDED) as [Build, string][]) {
    const [binary, shared] = [build, `${build}-threads`].map((target) => readFileSync(new URL(`../build/${target}.wasm`, import.meta.url)));
    writeFileSync(new URL(`../src/wasm/${file}.generated.ts`, import.meta.url), embedded(build, binary, shared));
  }
}
