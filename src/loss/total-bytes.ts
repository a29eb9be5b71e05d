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
import type { Bins, SumsByPlace, Totals } from "./totals.js";

const MAGIC = 0x544c_4d53;
const VERSION = 1;
const HEAD_BYTES = 16;

/** Writes an integer from 0 to 2^53 − 1 and gives it back; or reads one, whatever its argument is. */
type Stream = (value: number) => number;

const writerTo =
  (bytes: number[]): Stream =>
  (value) => {
    let rest = value;
    for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
    bytes.push(rest);
    return value;
  };

const damaged = (got: string): RangeError => rangeError("bytes", "those of a LossTotal, unchanged", new Verbatim(got));

function readerOf(bytes: Uint8Array): Stream {
  let at = HEAD_BYTES;
  return () => {
    let value = 0;
    for (let unit = 1; ; unit *= 128) {
      if (at === bytes.length) throw damaged("contents that end too early");
      const byte = bytes[at++];
      value += (byte % 128) * unit;
      if (value > Number.MAX_SAFE_INTEGER) throw damaged("contents that no total has");
      if (byte < 128) return value;
    }
  };
}

/** The kinds of a sum: finite, ∞, −∞, NaN. */
const NON_FINITE = [0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN];

/** The digits of 2^53 doubles, from 2^-1074 on. */
const MOST_DIGITS = 68;

/** Integers, and before them their number. */
function numbers(stream: Stream, values: ArrayLike<number> = []): number[] {
  const read: number[] = [];
  const length = stream(values.length);
  for (let i = 0; i < length; i++) read.push(stream(values[i]));
  return read;
}

const counts = (stream: Stream, values?: Uint32Array): Uint32Array => Uint32Array.from(numbers(stream, values));

/** A sum: its kind and sign, then its digits of 32 bits from the lowest one on that is not 0. */
function sum(stream: Stream, { units, nonFinite } = ZERO): ExactSum {
  const kind = stream(2 * NON_FINITE.findIndex((value) => Object.is(value, nonFinite)) + Number(units < 0n));
  const isNegative = kind % 2 === 1;
  let rest = isNegative ? -units : units;
  let lowest = 0;
  for (; rest !== 0n && BigInt.asUintN(32, rest) === 0n; rest >>= 32n) lowest++;
  const digits: number[] = [];
  for (; rest !== 0n; rest >>= 32n) digits.push(Number(BigInt.asUintN(32, rest)));
  lowest = stream(lowest);
  const read = numbers(stream, digits);
  if (lowest + read.length > MOST_DIGITS) throw damaged("contents that no total has");
  let size = 0n;
  for (let i = read.length - 1; i >= 0; i--) size = (size << 32n) + BigInt(read[i]);
  size <<= BigInt(32 * lowest);
  return { units: isNegative ? -size : size, nonFinite: NON_FINITE[kind >> 1] };
}

function sumsByPlace(stream: Stream, places?: SumsByPlace): SumsByPlace {
  const read = counts(stream, places?.counts);
  return { counts: read, sums: Array.from(read, (_, i) => sum(stream, places?.sums[i])) };
}

function bins(stream: Stream, given?: Bins): Bins {
  const places = sumsByPlace(stream, given);
  return { ...places, correct: places.counts.map((_, i) => stream(given?.correct[i] ?? 0)) };
}

/** The contents in their order: written as they are given, or read. */
function contents(stream: Stream, totals?: Totals): Totals {
  const part = <P>(given: P | undefined, of: (stream: Stream, given?: P) => P): P | undefined =>
    stream(Number(given !== undefined)) ? of(stream, given) : undefined;
  return {
    topK: stream(totals?.topK ?? 0),
    validCount: stream(totals?.validCount ?? 0),
    correct: stream(totals?.correct ?? 0),
    hits: stream(totals?.hits ?? 0),
    isZero: stream(Number(totals?.isZero)) === 1,
    losses: sum(stream, totals?.losses),
    weight: sum(stream, totals?.weight),
    entropy: sum(stream, totals?.entropy),
    calibration: part(totals?.calibration, bins),
    confusion: part(totals?.confusion, counts),
    groups: part(totals?.groups, sumsByPlace),
  };
}

/** FNV-1a of all bytes after the head. No change of a single byte keeps it. */
function checksumOf(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (let i = HEAD_BYTES; i < bytes.length; i++) hash = Math.imul(hash ^ bytes[i], 0x01000193);
  return hash >>> 0;
}

/** Totals as bytes: the same for equal totals. */
export function bytesOfTotals(totals: Totals): Uint8Array<ArrayBuffer> {
  const written = new Array<number>(HEAD_BYTES).fill(0);
  contents(writerTo(written), totals);
  const bytes = Uint8Array.from(written);
  const head = new DataView(bytes.buffer);
  for (const [i, field] of [MAGIC, VERSION, bytes.length, checksumOf(bytes)].entries()) head.setUint32(4 * i, field, true);
  return bytes;
}

/** Totals from their bytes, of which every one is checked. */
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
  const totals = contents(readerOf(bytes));
  // The same numbers in another form, or more bytes than they need, are no total's.
  const again = bytesOfTotals(totals);
  if (again.length !== bytes.length || again.some((byte, i) => byte !== bytes[i])) throw damaged("contents that no total has");
  return totals;
}
