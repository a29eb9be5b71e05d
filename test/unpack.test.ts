// The decoder that unpacks the kernels: it gives back what was packed, and is safe with anything else.

import { readFileSync } from "node:fs";
import { compress } from "lzma1";
import { expect, it } from "vitest";
import { packed } from "../scripts/embed.js";
import { PAGE_BYTES } from "../src/wasm/abi.js";
import { unpack } from "../src/wasm/unpack.js";

/** Pseudorandom integers below `end`. */
function integers(seed: number): (end: number) => number {
  let state = seed;
  return (end) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * end);
  };
}

const draw = integers(1);
const random = (length: number, end = 256) => Uint8Array.from({ length }, () => draw(end));

/** Parts of what came before, of any length and from any distance, some with a byte changed, and new bytes. */
function repetitive(length: number): Uint8Array {
  const bytes = random(length);
  for (let at = 1; at < length; at += 1 + draw(4)) {
    const distance = 1 + draw(draw(3) ? Math.min(at, 300) : at);
    for (let count = draw(draw(9) ? 20 : 600); count > 0 && at < length; count--, at++) bytes[at] = bytes[at - distance];
  }
  return bytes;
}

it.each([
  ["nothing", new Uint8Array()],
  ["a byte", Uint8Array.of(200)],
  ["two bytes", Uint8Array.of(0, 255)],
  ["a byte, many times", new Uint8Array(100_000).fill(7)],
  ["random bytes", random(20_000)],
  ["random bits", random(20_000, 2)],
  ["a period of 1000 bytes", Uint8Array.from({ length: 300_000 }, (_, i) => Math.imul(i % 1000, 7919) >> 3)],
  ["bytes with repetitions", repetitive(300_000)],
])("%s is what it was", (_, bytes) => {
  expect(Buffer.from(bytes).equals(unpack(packed(bytes)))).toBe(true);
});

it("is what it was, of any few bytes", () => {
  for (let length = 1; length < 60; length++) {
    for (const bytes of [random(length), repetitive(length)]) {
      expect(Buffer.from(bytes).equals(unpack(packed(bytes)))).toBe(true);
    }
  }
});

const decoder = new WebAssembly.Module(readFileSync(new URL("../build/unpack.wasm", import.meta.url)));

/** The decoder on a memory that has a page behind the output. Says if it has trapped, and checks that it wrote its output only. */
function traps(stream: Uint8Array, size: number): boolean {
  const start = PAGE_BYTES + stream.length;
  const end = start + size;
  const memory = new WebAssembly.Memory({ initial: Math.ceil(end / PAGE_BYTES) + 1 });
  const bytes = new Uint8Array(memory.buffer);
  bytes.fill(99, end);
  bytes.set(stream, PAGE_BYTES);
  const { decode } = new WebAssembly.Instance(decoder, { env: { memory } }).exports as {
    decode(fromPtr: number, toPtr: number, endPtr: number): void;
  };
  try {
    decode(PAGE_BYTES, start, end);
    return false;
  } catch (error) {
    expect(error).toBeInstanceOf(WebAssembly.RuntimeError);
    return true;
  } finally {
    expect(Buffer.from(stream).equals(bytes.subarray(PAGE_BYTES, start))).toBe(true);
    expect(bytes.subarray(end).every((byte) => byte === 99)).toBe(true);
  }
}

it("writes nothing but its output, of a damaged stream too", () => {
  const bytes = repetitive(5000);
  const stream = compress(bytes, 9).subarray(13);
  expect(traps(stream, bytes.length)).toBe(false);
  let trapped = 0;
  for (let i = 0; i < 300; i++) {
    const damaged = stream.slice(0, i % 3 === 0 ? 1 + draw(stream.length) : stream.length);
    // What comes late does less harm.
    const from = i % 4 === 0 ? Math.max(damaged.length - 30, 0) : 0;
    for (let changes = draw(4); changes >= 0; changes--) damaged[from + draw(damaged.length - from)] = draw(256);
    trapped += Number(traps(i % 5 === 0 ? random(1 + draw(3000)) : damaged, draw(2) ? bytes.length : 1 + draw(100_000)));
  }
  expect(trapped).toBeGreaterThan(100);
  expect(trapped).toBeLessThan(290);
});

it("has an error of the engine, or other bytes, for damaged text", () => {
  const { text, size } = packed(repetitive(5000));
  for (const other of ["", "A", text.slice(0, 100), text.toLowerCase(), "é".repeat(500), "/".repeat(10_000)]) {
    try {
      expect(unpack({ text: other, size }).length).toBe(size);
    } catch (error) {
      expect(error).toBeInstanceOf(WebAssembly.RuntimeError);
    }
  }
});
