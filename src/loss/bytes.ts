// Bytes that go to another thread, process or machine: contents behind a head, little-endian everywhere.
//
//    0  magic number of the kind        uint32
//    4  version of the kind             uint32
//    8  number of all bytes             uint32
//   12  checksum of those that follow   uint32, FNV-1a (RFC 9923)
//   16  contents

import { rangeError, typeError, Verbatim } from "../errors.js";
import { plainView } from "../tensor/typed-array.js";

/** A kind of contents, and its name in messages. */
export interface ByteKind {
  readonly magic: number;
  readonly version: number;
  readonly name: string;
}

export const HEAD_BYTES = 16;

/** FNV-1a of bytes. No change of a single byte keeps it. */
function hashOf(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < bytes.length; i++) hash = Math.imul(hash ^ bytes[i], 0x01000193);
  return hash >>> 0;
}

/** Bytes whose contents are written, with their head. */
export function withHead({ magic, version }: ByteKind, bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const head = new DataView(bytes.buffer);
  for (const [i, field] of [magic, version, bytes.length, hashOf(bytes.subarray(HEAD_BYTES))].entries()) head.setUint32(4 * i, field, true);
  return bytes;
}

/** The RangeError of bytes that are not as they were written. */
export const damaged = (name: string, got: string): RangeError => rangeError("bytes", `those of a ${name}, unchanged`, new Verbatim(got));

/** A copy of bytes whose head is right. */
export function readBytes({ magic, version, name }: ByteKind, value: unknown): Uint8Array<ArrayBuffer> {
  const view = plainView(value);
  if (!(view instanceof Uint8Array)) throw typeError("bytes", "a Uint8Array", value);
  const bytes = view.slice();
  const head = new DataView(bytes.buffer);
  const field = (i: number): number => head.getUint32(4 * i, true);
  if (bytes.length < HEAD_BYTES || field(0) !== magic) throw rangeError("bytes", `those of a ${name}`, value);
  const given = field(1);
  if (given !== version) {
    throw rangeError("bytes", `version ${version}`, given, given > version ? "a newer softmax-wasm has written them" : undefined);
  }
  if (field(2) !== bytes.length) throw rangeError("bytes", `${field(2)} bytes, as their head says`, bytes.length);
  if (field(3) !== hashOf(bytes.subarray(HEAD_BYTES))) throw damaged(name, "another checksum");
  return bytes;
}

/** Writes doubles behind the first bytes; every NaN has the same bits. */
function putDoubles(bytes: Uint8Array<ArrayBuffer>, start: number, doubles: Float64Array): Uint8Array<ArrayBuffer> {
  const view = new DataView(bytes.buffer, start);
  for (let i = 0; i < doubles.length; i++) {
    if (Number.isNaN(doubles[i])) view.setBigUint64(8 * i, 0x7ff8000000000000n, true);
    else view.setFloat64(8 * i, doubles[i], true);
  }
  return bytes;
}

/** A hash of doubles, the same on every machine. */
export const hashOfDoubles = (doubles: Float64Array): number => hashOf(putDoubles(new Uint8Array(8 * doubles.length), 0, doubles));

/** Doubles as bytes. */
export function bytesOfDoubles(kind: ByteKind, doubles: Float64Array): Uint8Array<ArrayBuffer> {
  return withHead(kind, putDoubles(new Uint8Array(HEAD_BYTES + 8 * doubles.length), HEAD_BYTES, doubles));
}

/** Doubles from their bytes. */
export function doublesOfBytes(kind: ByteKind, value: unknown): Float64Array {
  const view = new DataView(readBytes(kind, value).buffer, HEAD_BYTES);
  const doubles = new Float64Array(view.byteLength / 8);
  for (let i = 0; i < doubles.length; i++) doubles[i] = view.getFloat64(8 * i, true);
  return doubles;
}
