// Files of .npy and .safetensors for tests, written without the code under test.

import { writeFileSync } from "node:fs";

/** What a test may change of a .npy file. */
export interface NpyOptions {
  version?: number;
  descr?: string;
  fortranOrder?: boolean;
  /** The text of the whole header. */
  header?: string;
}

type Numbers =
  | Float64Array
  | Float32Array
  | BigInt64Array
  | BigUint64Array
  | Int32Array
  | Uint32Array
  | Int16Array
  | Uint16Array
  | Int8Array
  | Uint8Array;

const DESCR: Readonly<Record<string, string>> = {
  Float64Array: "<f8",
  Float32Array: "<f4",
  BigInt64Array: "<i8",
  BigUint64Array: "<u8",
  Int32Array: "<i4",
  Uint32Array: "<u4",
  Int16Array: "<i2",
  Uint16Array: "<u2",
  Int8Array: "|i1",
  Uint8Array: "|u1",
};

const bytesOf = ({ buffer, byteOffset, byteLength }: Numbers) => Buffer.from(buffer, byteOffset, byteLength);

export function npy(data: Numbers, shape: readonly number[], options: NpyOptions = {}): Buffer {
  const { version = 1, descr = DESCR[data.constructor.name], fortranOrder = false } = options;
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
  const dict = `{'descr': '${descr}', 'fortran_order': ${fortranOrder ? "True" : "False"}, 'shape': ${tuple}, }`;
  const start = version === 1 ? 10 : 12;
  const text = options.header ?? dict.padEnd(64 * Math.ceil((start + dict.length + 1) / 64) - start - 1).concat("\n");
  const header = Buffer.from(text);
  const length = Buffer.alloc(start - 8);
  if (version === 1) length.writeUInt16LE(header.length);
  else length.writeUInt32LE(header.length);
  return Buffer.concat([Buffer.from("\x93NUMPY", "latin1"), Buffer.of(version, 0), length, header, bytesOf(data)]);
}

export function writeNpy(path: string, data: Numbers, shape: readonly number[], options?: NpyOptions): string {
  writeFileSync(path, npy(data, shape, options));
  return path;
}

/** A file of tensors by name: type, shape and elements. */
export function safetensors(tensors: Readonly<Record<string, readonly [dtype: string, shape: readonly number[], data: Numbers]>>): Buffer {
  const header: Record<string, unknown> = { __metadata__: { format: "pt" } };
  let end = 0;
  for (const [name, [dtype, shape, data]] of Object.entries(tensors)) {
    header[name] = { dtype, shape, data_offsets: [end, end + data.byteLength] };
    end += data.byteLength;
  }
  // Tensors begin on a boundary of 8 bytes.
  const text = JSON.stringify(header);
  const json = Buffer.from(text.padEnd(8 * Math.ceil(text.length / 8)));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, ...Object.values(tensors).map(([, , data]) => bytesOf(data))]);
}
