// Unpacks the kernels. LZMA makes three quarters of what gzip makes of them. Engines have no decoder that is synchronous, and one in JavaScript
// takes several times as long, so a small module decodes them (assembly/unpack).

import { PAGE_BYTES } from "./abi.js";
import { compile } from "./compile.js";
import { decoder } from "./decoder.generated.js";
import { BINARY_DIGIT_BITS, bytesOf, STREAM_DIGIT_BITS } from "./digits.js";
import { plainMemory } from "./memory.js";

/** A binary, packed: its LZMA stream as digits, and its size in bytes. */
export interface Packed {
  readonly text: string;
  readonly size: number;
}

interface Decoder {
  decode(fromPtr: number, toPtr: number, endPtr: number): void;
}

/** The bytes that were packed; for damaged text, others or an Error. An engine that can't have the decoder has no SIMD either. */
export function unpack({ text, size }: Packed): Uint8Array<ArrayBuffer> {
  const module = compile(bytesOf(decoder, BINARY_DIGIT_BITS), "WebAssembly SIMD");
  const packed = bytesOf(text, STREAM_DIGIT_BITS);
  // The decoder has the first page for itself.
  const start = PAGE_BYTES + packed.length;
  const pages = Math.ceil((start + size) / PAGE_BYTES);
  const memory = plainMemory(pages, pages);
  new Uint8Array(memory.buffer).set(packed, PAGE_BYTES);
  const { decode } = new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as Decoder;
  decode(PAGE_BYTES, start, start + size);
  return new Uint8Array(memory.buffer).slice(start, start + size);
}
