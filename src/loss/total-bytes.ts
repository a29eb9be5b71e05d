// The bytes of a total, little-endian on every machine:
//
//    0  magic number, "SMLT"            uint32
//    4  version                         uint32
//    8  number of all bytes             uint32
//   12  checksum of those that follow   uint32, FNV-1a (RFC 9923)
//   16  contents, as `contents` lists them: integers in groups of 7 bits, the lowest first; all but the last one of a number have the bit 128

import { rangeError, typeError, Verbatim } from "../errors.js";
import { plainView } from "../tensor/typed-array.js";
import { type ExactSum, ZERO } from "./exact-sum.js";
import { PARTS, type Part, type Totals } from "./totals.js";

const MAGIC = 0x544c_4d53;
const VERSION = 1;
const HEAD_BYTES = 16;

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
  if (place + read.length > MOST_DIGITS) throw damaged("contents that no total has");
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

const damaged = (got: string): RangeError => rangeError("bytes", "those of a LossTotal, unchanged", new Verbatim(got));

/** FNV-1a of all bytes after the head. No change of a single byte keeps it. */
function checksumOf(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (let i = HEAD_BYTES; i < bytes.length; i++) hash = Math.imul(hash ^ bytes[i], 0x01000193);
  return hash >>> 0;
}

/** Totals as bytes: the same for equal totals. */
export function bytesOfTotals(totals: Totals): Uint8Array<ArrayBuffer> {
  const written = new Array<number>(HEAD_BYTES).fill(0);
  contents((value = 0) => {
    let rest = value;
    for (; rest >= 128; rest = Math.floor(rest / 128)) written.push((rest % 128) + 128);
    written.push(rest);
    return value;
  }, totals);
  const bytes = Uint8Array.from(written);
  const head = new DataView(bytes.buffer);
  for (const [i, field] of [MAGIC, VERSION, bytes.length, checksumOf(bytes)].entries()) head.setUint32(4 * i, field, true);
  return bytes;
}

/** Totals from their bytes. */
export function totalsOfBytes(value: unknown): Totals {
  const view = plainView(value);
  if (!(view instanceof Uint8Array)) throw typeError("bytes", "a Uint8Array", value);
  const bytes = view.slice();
  const head = new DataView(bytes.buffer);
  const field = (i: number): number => head.getUint32(4 * i, true);
  if (bytes.length < HEAD_BYTES || field(0) !== MAGIC) throw rangeError("bytes", "those of a LossTotal", value);
  const version = field(1);
  if (version !== VERSION) {
    throw rangeError("bytes", `version ${VERSION}`, version, version > VERSION ? "a newer softmax-wasm has written them" : undefined);
  }
  if (field(2) !== bytes.length) throw rangeError("bytes", `${field(2)} bytes, as their head says`, bytes.length);
  if (field(3) !== checksumOf(bytes)) throw damaged("another checksum");
  let at = HEAD_BYTES;
  const totals = contents(() => {
    let read = 0;
    for (let unit = 1; at < bytes.length && read <= Number.MAX_SAFE_INTEGER; unit *= 128) {
      const byte = bytes[at++];
      read += (byte % 128) * unit;
      if (byte < 128 && read <= Number.MAX_SAFE_INTEGER) return read;
    }
    throw damaged("contents that no total has");
  });
  if (at < bytes.length) throw damaged("contents that no total has");
  return totals;
}
