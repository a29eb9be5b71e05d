// Evaluates pieces with one thread or several.

import { Piscina } from "piscina";
import { Evaluator } from "./evaluator.js";
import { FileError } from "./file-error.js";
import type { LossSettings, Piece } from "./pieces.js";

/** What a thread says of a piece: the bytes of a LossTotal, or the message of an error. */
export type Outcome = { readonly bytes: Uint8Array } | { readonly problem: string; readonly isLasting: boolean };

/** Evaluates a piece and says what is wrong with its files instead of throwing it, as threads pass on no class of an error. */
export async function outcomeOf(evaluator: Evaluator, piece: Piece, settings: LossSettings): Promise<Outcome> {
  try {
    return { bytes: await evaluator.evaluate(piece, settings) };
  } catch (error) {
    if (error instanceof FileError) return { problem: error.message, isLasting: error.isLasting };
    throw error;
  }
}

export interface Crew {
  /** The number of pieces to give at a time: each thread reads one while it computes another. */
  readonly capacity: number;
  evaluate(piece: Piece, settings: LossSettings): Promise<Outcome>;
  close(): Promise<void>;
}

/** @param memoryBytes The most memory of all threads' blocks. */
export function crewOf(threads: number, memoryBytes: number): Crew {
  if (threads === 1) {
    const evaluator = new Evaluator(memoryBytes);
    return { capacity: 2, evaluate: (piece, settings) => outcomeOf(evaluator, piece, settings), close: async () => {} };
  }
  const pool = new Piscina({
    filename: new URL("./thread.ts", import.meta.url).href,
    minThreads: threads,
    maxThreads: threads,
    concurrentTasksPerWorker: 2,
    workerData: memoryBytes / threads,
    execArgv: ["--import", "tsx"],
  });
  return {
    capacity: 2 * threads,
    evaluate: (piece, settings) => pool.run({ piece, settings }),
    close: () => pool.destroy(),
  };
}
