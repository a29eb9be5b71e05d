// The results of rows whose classes lie in several files. A piece has the bytes of parts of the loss, each behind its length, 4 bytes, little-endian.
// The parts of all shards merge to a total.

import { CrossEntropyPart, LossTotal } from "softmax-wasm";
import type { Plan } from "./pieces.js";

export function packed(parts: readonly Uint8Array[]): Uint8Array {
  const pack = new Uint8Array(parts.reduce((sum, part) => sum + 4 + part.length, 0));
  const view = new DataView(pack.buffer);
  let at = 0;
  for (const part of parts) {
    view.setUint32(at, part.length, true);
    pack.set(part, at + 4);
    at += 4 + part.length;
  }
  return pack;
}

export function unpacked(pack: Uint8Array): Uint8Array[] {
  const view = new DataView(pack.buffer, pack.byteOffset, pack.byteLength);
  const parts: Uint8Array[] = [];
  for (let at = 0; at < pack.length; ) {
    const end = at + 4 + view.getUint32(at, true);
    parts.push(pack.subarray(at + 4, end));
    at = end;
  }
  return parts;
}

/** The results of pieces, until all shards of their rows have come. */
export class PartsByRange {
  readonly #plan: Plan;
  readonly #waiting = new Map<number, Uint8Array[][]>();

  constructor(plan: Plan) {
    this.#plan = plan;
  }

  /** Takes the result of a piece, once. @returns The bytes of a LossTotal of its rows, if it was the last one of their shards. */
  take(piece: number, result: Uint8Array): Uint8Array | undefined {
    const { shards, settings } = this.#plan;
    const range = Math.floor(piece / shards);
    const results = [...(this.#waiting.get(range) ?? []), unpacked(result)];
    if (results.length < shards) {
      this.#waiting.set(range, results);
      return undefined;
    }
    this.#waiting.delete(range);
    const total = new LossTotal();
    for (let block = 0; block < results[0].length; block++) {
      const part = CrossEntropyPart.merge(results.map((parts) => CrossEntropyPart.fromBytes(parts[block])));
      total.add(part.loss({ bins: settings.bins, outputs: ["calibration", "total"] }));
    }
    return total.toBytes();
  }
}
