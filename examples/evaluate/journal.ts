// The totals of finished pieces in a file, so that a run can be continued. Lines of JSON: the head names the plan, each other line has a
// piece, or a range of rows whose shards are all finished, the bytes of its total in base64 and their CRC-32. A line that was cut off by the
// end of the process counts for nothing.

import { closeSync, existsSync, openSync, readFileSync, truncateSync, writeSync } from "node:fs";
import { crc32 } from "node:zlib";
import { FileError, fileErrorOf } from "./file-error.js";
import type { Take } from "./pieces.js";

const FORMAT = "softmax-wasm evaluation 1";

function parsed(line: string): Record<string, unknown> {
  try {
    return Object(JSON.parse(line));
  } catch {
    return {};
  }
}

export class Journal {
  readonly #path: string;
  readonly #file: number;

  /**
   * Opens a journal, and gives the results that it has.
   *
   * @param resume True to go on with what the file has; otherwise it begins anew.
   * @throws FileError if the file is the journal of another plan, or none.
   */
  constructor(path: string, plan: string, resume: boolean, take: Take) {
    this.#path = path;
    const isThere = resume && existsSync(path);
    try {
      if (isThere) truncateSync(path, this.#replay(plan, take));
      this.#file = openSync(path, isThere ? "a" : "w");
    } catch (error) {
      throw error instanceof FileError ? error : fileErrorOf(path, error);
    }
    if (!isThere) this.#write({ format: FORMAT, plan });
  }

  /** Gives the results of the file. @returns The bytes up to the end of the last good line. */
  #replay(plan: string, take: Take): number {
    const text = readFileSync(this.#path);
    let end = 0;
    for (let next = text.indexOf(10); next >= 0; next = text.indexOf(10, end)) {
      const line = parsed(text.toString("latin1", end, next));
      if (end === 0) {
        if (line.format !== FORMAT) break;
        if (line.plan !== plan) throw new FileError(this.#path, "the journal is of a run of other files or options");
      } else {
        const { piece, bytes, crc } = line;
        if (typeof piece !== "number" || typeof bytes !== "string" || crc32(Buffer.from(bytes, "base64")) !== crc) break;
        take(piece, Buffer.from(bytes, "base64"));
      }
      end = next + 1;
    }
    if (end === 0) throw new FileError(this.#path, "no journal of an evaluation", 0);
    return end;
  }

  #write(line: object): void {
    writeSync(this.#file, `${JSON.stringify(line)}\n`);
  }

  add(piece: number, bytes: Uint8Array): void {
    this.#write({ piece, bytes: Buffer.from(bytes).toString("base64"), crc: crc32(bytes) });
  }

  close(): void {
    closeSync(this.#file);
  }
}
