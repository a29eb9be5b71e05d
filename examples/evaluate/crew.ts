// Evaluates pieces with one thread or several.

import { Evaluator } from "./evaluator.js";
import { FileError } from "./file-error.js";
import type { LossSettings, Piece } from "./pieces.js";

/** What a thread says of a piece: its result, or the message of an error. */
export type Outcome = { readonly bytes: Uint8Array } | { readonly problem: string; readonly isLasting: boolean };

/** What a thread gets. Nothing is a question whether it has started. */
export interface ThreadTask {
  readonly piece: Piece;
  readonly settings: LossSettings;
}

/** Evaluates a piece and says what is wrong with its files instead of throwing it, as threads pass on no class of an error. */
export async function outcomeOf(evaluator: Evaluator, piece: Piece, settings: LossSettings): Promise<Outcome> {
  try {
    return { bytes: await evaluator.evaluate(piece, settings) };
  } catch (error) {
    if (error instanceof FileError) return { problem: error.message, isLasting: error.isLasting };
    throw error;
  }
}

/** One of the pieces that are under way at a time: each thread reads one while it computes another. */
export interface Lane {
  /** Resolved when its thread has started. */
  readonly ready: Promise<unknown>;
  evaluate(piece: Piece, settings: LossSettings): Promise<Outcome>;
}

export interface Crew {
  /** Two lanes for each thread; those of this thread, which are ready at once, come first. */
  readonly lanes: readonly Lane[];
  close(): Promise<void>;
}

/** Makes `count` lanes of the same form. */
const lanesOf = (count: number, lane: Lane) => Array.from({ length: count }, () => ({ ...lane }));

/**
 * A crew of this thread and others.
 *
 * @param memoryBytes The most memory of all threads' blocks.
 */
export async function crewOf(threads: number, memoryBytes: number): Promise<Crew> {
  const evaluator = new Evaluator(memoryBytes / threads);
  const own = lanesOf(2, { ready: Promise.resolve(), evaluate: (piece, settings) => outcomeOf(evaluator, piece, settings) });
  if (threads === 1) return { lanes: own, close: async () => {} };

  const { Piscina } = await import("piscina");
  const others = threads - 1;
  const pool = new Piscina({
    filename: new URL("./thread.ts", import.meta.url).href,
    minThreads: others,
    maxThreads: others,
    concurrentTasksPerWorker: 2,
    workerData: memoryBytes / threads,
    execArgv: ["--import", "tsx"],
  });
  const ready = pool.run(undefined);
  // Where all pieces are done before, the pool is closed while it starts.
  ready.catch(() => {});
  const lane: Lane = { ready, evaluate: (piece, settings) => pool.run({ piece, settings } satisfies ThreadTask) };
  return { lanes: [...own, ...lanesOf(2 * others, lane)], close: () => pool.destroy() };
}
