// Writes the builds of the kernels into src/wasm/ as TypeScript, so that the library reads no file at run time.

import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { compress } from "lzma1";
import { BACKSLASH, BINARY_DIGIT_BITS, FIRST_DIGIT, STREAM_DIGIT_BITS } from "../src/wasm/digits.js";
import type { Packed } from "../src/wasm/unpack.js";

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

/** What begins a file of LZMA: lc = 3, lp = 0 and pb = 2 in a byte, as the decoder has them, 4 bytes for the dictionary, and the size. */
const PROPERTIES = 3 + 9 * (0 + 5 * 2);
const HEADER_BYTES = 13;

/** Bytes as digits of some bits each, which src/wasm/unpack.ts reads. */
function digitsOf(bytes: Uint8Array, digitBits: number): string {
  const bits = Array.from(bytes, (byte) => byte.toString(2).padStart(8, "0")).join("");
  const digits = bits.match(new RegExp(`.{1,${digitBits}}`, "g")) ?? [];
  const codes = digits.map((digit) => FIRST_DIGIT + Number.parseInt(digit.padEnd(digitBits, "0"), 2));
  return codes.map((code) => String.fromCharCode(code < BACKSLASH ? code : code + 1)).join("");
}

/** A binary, packed for src/wasm/unpack.ts. */
export function packed(binary: Uint8Array): Packed {
  const file = compress(binary, 9);
  if (file[0] !== PROPERTIES) throw new Error(`expected LZMA with the properties ${PROPERTIES}, got ${file[0]}`);
  return { text: digitsOf(file.subarray(HEADER_BYTES), STREAM_DIGIT_BITS), size: binary.length };
}

/** The lines that hold the difference of the binary for shared memory, which is the memory import only. */
function sharedMemoryOf(name: string, binary: Buffer, shared: Buffer): string[] {
  const sharedMemory = difference(binary, shared);
  if (sharedMemory.bytes.length > MOST_DIFFERENT_BYTES)
    throw new Error(`${name} and ${name}-threads differ by more than the memory import`);
  return [
    "/** The module for shared memory has these bytes in the place of [start, end). */",
    `export const sharedMemory = ${JSON.stringify(sharedMemory)};`,
  ];
}

/** The module that holds a binary, packed. `shared` is the binary for shared memory. */
export function embedded(name: Build, binary: Buffer, shared = binary): string {
  return [
    "// Written by scripts/embed.ts; not in git.",
    "/** The feature that an engine needs to compile the module. */",
    `export const feature = "WebAssembly ${name === "relaxed" ? "relaxed " : ""}SIMD";`,
    `export const wasm: { readonly text: string; readonly size: number } = ${JSON.stringify(packed(binary))};`,
    "/** The relative error that the self-test allows: machines that fuse multiplications give other last bits. */",
    `export const tolerance: number = ${name === "relaxed" ? 2 ** -51 : 0};`,
    ...sharedMemoryOf(name, binary, shared),
    "",
  ].join("\n");
}

/** The module that holds a small binary as digits, with the binary for shared memory if there is one. */
export const small = (name: string, binary: Buffer, shared?: Buffer) =>
  [
    "// Written by scripts/embed.ts; not in git.",
    `export const ${name} = ${JSON.stringify(digitsOf(binary, BINARY_DIGIT_BITS))};`,
    ...(shared ? sharedMemoryOf(name, binary, shared) : []),
    "",
  ].join("\n");

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const binaryOf = (target: string) => readFileSync(new URL(`../build/${target}.wasm`, import.meta.url));
  const write = (name: string, text: string) => writeFileSync(new URL(`../src/wasm/${name}.generated.ts`, import.meta.url), text);
  for (const [build, name] of Object.entries(EMBEDDED) as [Build, string][]) {
    write(name, embedded(build, binaryOf(build), binaryOf(`${build}-threads`)));
  }
  write("decoder", small("decoder", binaryOf("unpack")));
  write("decode", small("decode", binaryOf("decode")));
  write("linear", small("linear", binaryOf("linear"), binaryOf("linear-threads")));
}
