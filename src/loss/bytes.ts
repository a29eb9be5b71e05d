// The bytes of a state: a head, and doubles, little-endian on every machine.
//
//   0   "SMXW"
//   4   the kind of the state, 16 bits
//   6   the version of that kind, 16 bits
//   8   the number of doubles, a double
//   16  the checksum of the doubles, 32 bits, and as many of 0
//   24  the doubles

import { rangeError, typeError, Verbatim } from "../errors.js";
import { plainView } from "../tensor/typed-array.js";

/** A kind of state: its number in the head, its version, and its name in messages. */
export interface StateKind {
  readonly number: number;
  readonly version: number;
  readonly name: string;
}

const MAGIC = 0x57584d53; // "SMXW"
const HEAD_BYTES = 24;

/** The FNV-1a hash of bytes (Fowler, Noll and Vo). */
function hashOf(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < bytes.length; i++) hash = Math.imul(hash ^ bytes[i], 0x01000193);
  return hash >>> 0;
}

/** Writes doubles; every NaN has the same bits. */
function put(view: DataView, at: number, doubles: Float64Array): void {
  for (let i = 0; i < doubles.length; i++, at += 8) {
    if (Number.isNaN(doubles[i])) view.setBigUint64(at, 0x7ff8000000000000n, true);
    else view.setFloat64(at, doubles[i], true);
  }
}

/** A hash of doubles, the same on every machine. */
export function hashOfDoubles(doubles: Float64Array): number {
  const bytes = new Uint8Array(8 * doubles.length);
  put(new DataView(bytes.buffer), 0, doubles);
  return hashOf(bytes);
}

/** The bytes of a state. */
export function toBytes({ number, version }: StateKind, doubles: Float64Array): Uint8Array {
  const bytes = new Uint8Array(HEAD_BYTES + 8 * doubles.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint16(4, number, true);
  view.setUint16(6, version, true);
  view.setFloat64(8, doubles.length, true);
  put(view, HEAD_BYTES, doubles);
  view.setUint32(16, hashOf(bytes.subarray(HEAD_BYTES)), true);
  return bytes;
}

/** The doubles of a state; a RangeError if the bytes are not those of such a state. */
export function fromBytes({ number, version, name }: StateKind, given: unknown): Float64Array {
  const bytes = plainView(given);
  if (!(bytes instanceof Uint8Array)) throw typeError("bytes", "a Uint8Array", given);
  const fail = (expected: string, got: string): never => {
    throw rangeError("bytes", expected, new Verbatim(got));
  };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < HEAD_BYTES) fail(`the bytes of a ${name}`, `${bytes.length} bytes, less than a head has`);
  if (view.getUint32(0, true) !== MAGIC || view.getUint16(4, true) !== number) fail(`the bytes of a ${name}`, "bytes of something else");
  const itsVersion = view.getUint16(6, true);
  if (itsVersion !== version) fail(`version ${version} of a ${name}`, `version ${itsVersion}, which another version of softmax-wasm wrote`);
  const count = view.getFloat64(8, true);
  const wanted = HEAD_BYTES + 8 * count;
  if (bytes.length !== wanted) fail(`${wanted} bytes, as the head says`, `${bytes.length} bytes`);
  if (view.getUint32(16, true) !== hashOf(bytes.subarray(HEAD_BYTES))) fail("bytes as they were written", "bytes with another checksum");
  return Float64Array.from({ length: count }, (_, i) => view.getFloat64(HEAD_BYTES + 8 * i, true));
}
