// The bytes of a total, as `contents` lists them: integers in groups of 7 bits, the lowest first; all but the last one of a number have the bit 128.

import { type ByteKind, damaged, HEAD_BYTES, readBytes, withHead } from "./bytes.js";
import { type ExactSum, ZERO } from "./exact-sum.js";
import { PARTS, type Part, type Totals } from "./totals.js";

/** "SMLT". */
const KIND: ByteKind = { magic: 0x544c_4d53, version: 1, name: "LossTotal" };

/** Writes an integer from 0 to 2^53 − 1 and gives it back; or reads one, whatever its argument is. */
type Stream = (value?: number) => number;

/** Numbers or sums, and before them how many they are. */
function list<T>(stream: Stream, of: (stream: Stream, value?: T) => T, values: ArrayLike<T> = []): T[] {
  const length = stream(values.length);
  const read: T[] = [];
  while (read.length < length) read.push(of(stream, values[read.length]));
  return read;
}

const integer = (stream: Stream, value?: number): number => stream(value);

/** The kinds of a sum: finite, ∞, −∞, NaN. */
const NON_FINITE = [0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN];

/** The digits of 2^53 doubles, from 2^-1074 on. */
const MOST_DIGITS = 68;

/** A sum: its kind and sign, the place of the lowest digit of 32 bits that is not 0, and the digits from there on. */
function sum(stream: Stream, { units, nonFinite } = ZERO): ExactSum {
  const kind = stream(2 * NON_FINITE.findIndex((value) => Object.is(value, nonFinite)) + Number(units < 0n));
  const sign = kind % 2 ? -1n : 1n;
  let rest = sign * units;
  const digits: number[] = [];
  for (; rest > 0n; rest >>= 32n) digits.push(Number(BigInt.asUintN(32, rest)));
  const lowest = digits.findIndex((digit) => digit !== 0);
  const place = stream(Math.max(lowest, 0));
  const read = list(stream, integer, digits.slice(Math.max(lowest, 0)));
  if (place + read.length > MOST_DIGITS) throw foreign();
  const size = read.reduceRight((size, digit) => (size << 32n) + BigInt(digit), 0n);
  return { units: sign * (size << BigInt(32 * place)), nonFinite: NON_FINITE[kind >> 1] };
}

/** The contents in their order: written as they are given, or read. */
function contents(stream: Stream, totals?: Totals): Totals {
  const topK = stream(totals?.topK);
  const parts = PARTS.map((name) => {
    const part: Part | undefined = totals?.[name];
    if (!stream(Number(part !== undefined))) return [name, undefined];
    return [name, { counts: list(stream, integer, part?.counts), sums: list(stream, sum, part?.sums) }];
  });
  return { topK, ...Object.fromEntries(parts) };
}

const foreign = (): RangeError => damaged(KIND.name, "contents that no total has");

/** Totals as bytes: the same for equal totals. */
export function bytesOfTotals(totals: Totals): Uint8Array<ArrayBuffer> {
  const written = new Array<number>(HEAD_BYTES).fill(0);
  contents((value = 0) => {
    let rest = value;
    for (; rest >= 128; rest = Math.floor(rest / 128)) written.push((rest % 128) + 128);
    written.push(rest);
    return value;
  }, totals);
  return withHead(KIND, Uint8Array.from(written));
}

/** Totals from their bytes. */
export function totalsOfBytes(value: unknown): Totals {
  const bytes = readBytes(KIND, value);
  let at = HEAD_BYTES;
  const totals = contents(() => {
    let read = 0;
    for (let unit = 1; at < bytes.length && read <= Number.MAX_SAFE_INTEGER; unit *= 128) {
      const byte = bytes[at++];
      read += (byte % 128) * unit;
      if (byte < 128 && read <= Number.MAX_SAFE_INTEGER) return read;
    }
    throw foreign();
  });
  if (at < bytes.length) throw foreign();
  return totals;
}
