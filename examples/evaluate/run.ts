// A run: the pieces of a plan, evaluated here or by others, and merged.

import { LossTotal } from "softmax-wasm";
import { crewOf, type Lane } from "./crew.js";
import { Journal } from "./journal.js";
import { PartsByRange } from "./parts.js";
import { bytesOf, type Piece, type Plan, type Take } from "./pieces.js";

/** Evaluates pieces, and gives each result; `say` is for a note on how. Ends when all are done. */
export type Evaluate = (pieces: readonly Piece[], plan: Plan, take: Take, say: (note: string) => void) => Promise<void>;

/** Evaluates pieces in this process. @param memoryBytes The most memory of all threads' blocks. */
export function locally(threads: number, memoryBytes: number): Evaluate {
  return async (pieces, { settings }, take) => {
    const crew = await crewOf(Math.min(threads, Math.max(1, pieces.length)), memoryBytes);
    const rest = pieces.values();
    const errors: unknown[] = [];
    let finish = () => {};
    const noneLeft = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const work = async ({ ready, evaluate }: Lane) => {
      await Promise.race([ready, noneLeft]);
      for (const piece of rest) {
        if (errors.length > 0) break;
        const outcome = await evaluate(piece, settings);
        if ("problem" in outcome) throw new Error(outcome.problem);
        take(piece.index, outcome.bytes);
      }
      finish();
    };
    try {
      await Promise.all(crew.lanes.map((lane) => work(lane).catch((error) => errors.push(error) && finish())));
    } finally {
      await crew.close();
    }
    if (errors.length > 0) throw errors[0];
  };
}

export interface Progress {
  readonly bytes: number;
  readonly ofBytes: number;
  /** The bytes that were done before the run began, by a run that it continues. */
  readonly bytesBefore: number;
  readonly total: LossTotal;
  readonly note: string;
}

export interface RunOptions {
  readonly evaluate: Evaluate;
  /** A file that keeps the results of pieces. */
  readonly journal?: string;
  readonly resume?: boolean;
  readonly watch?: (progress: Progress) => void;
}

/** Evaluates a plan. @throws Error if a piece cannot be evaluated: then there is no result. */
export async function run(plan: Plan, { evaluate, journal: path, resume = false, watch }: RunOptions): Promise<LossTotal> {
  const total = new LossTotal();
  const done = new Set<number>();
  const ofBytes = plan.pieces.reduce((sum, piece) => sum + bytesOf(piece), 0);
  let bytes = 0;
  const finish = (piece: number) => {
    done.add(piece);
    bytes += bytesOf(plan.pieces[piece]);
  };
  const replay: Take = (range, ofRange) => {
    if (done.has(range * plan.shards)) return;
    total.merge(LossTotal.fromBytes(ofRange));
    for (let shard = 0; shard < plan.shards; shard++) finish(range * plan.shards + shard);
  };
  const journal = path === undefined ? undefined : new Journal(path, plan.digest, resume, replay);
  const parts = plan.shards > 1 ? new PartsByRange(plan) : undefined;
  const bytesBefore = bytes;
  let note = "";
  const show = () => watch?.({ bytes, ofBytes, bytesBefore, total, note });
  try {
    show();
    const missing = plan.pieces.filter(({ index }) => !done.has(index));
    await evaluate(
      missing,
      plan,
      (piece, result) => {
        if (done.has(piece)) return;
        finish(piece);
        const ofRange = parts ? parts.take(piece, result) : result;
        if (ofRange) {
          total.merge(LossTotal.fromBytes(ofRange));
          journal?.add(Math.floor(piece / plan.shards), ofRange);
        }
        show();
      },
      (text) => {
        note = text;
        show();
      },
    );
    if (done.size !== plan.pieces.length) throw new Error(`${plan.pieces.length - done.size} pieces have no result`);
  } finally {
    journal?.close();
  }
  return total;
}
