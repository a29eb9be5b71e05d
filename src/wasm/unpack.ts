// Unpacks the kernels. LZMA makes three quarters of what gzip makes of them. Engines have no decoder that is synchronous, and one in JavaScript
// takes several times as long, so a small module decodes them (assembly/unpack).

import { PAGE_BYTES } from "./abi.js";
import { compile } from "./compile.js";
import { decoder } from "./decoder.generated.js";
import { plainMemory } from "./plain-memory.js";

/** A binary, packed: its LZMA stream as digits, and its size in bytes. */
export interface Packed {
  readonly text: string;
  readonly size: number;
}

interface Decoder {
  decode(fromPtr: number, toPtr: number, endPtr: number): void;
}

/** Digits are the characters from = on, but for the backslash. Audio worklets have no atob, which would read base64. */
export const FIRST_DIGIT = 61;
export const BACKSLASH = 92;

/** The bits of a digit. Of the decoder each byte has two digits, so that gzip finds repetitions; in a stream there are none. */
export const DECODER_DIGIT_BITS = 4;
export const STREAM_DIGIT_BITS = 6;

/** The bytes of digits of some bits each. */
function bytesOf(text: string, digitBits: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(Math.floor((text.length * digitBits) / 8));
  let length = 0;
  // The bits that are not in a byte yet are the last ones.
  let bits = 0;
  let count = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    bits = (bits << digitBits) | (code - FIRST_DIGIT - (code > BACKSLASH ? 1 : 0));
    count += digitBits;
    if (count >= 8) {
      count -= 8;
      bytes[length++] = bits >> count;
    }
  }
  return bytes;
}

/** The bytes that were packed; for damaged text, others or an Error. An engine that can't have the decoder has no SIMD either. */
export function unpack({ text, size }: Packed): Uint8Array<ArrayBuffer> {
  const module = compile(bytesOf(decoder, DECODER_DIGIT_BITS), "WebAssembly SIMD");
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
