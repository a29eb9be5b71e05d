// Replaces src/threads/grain.ts in tests: threads share every batch, one row at a time, and wait 0.5 s for a worker that is lost.

export type { Extent } from "../src/threads/grain.js";

export const LEAST_OF_HAND = 1 / 128;

export function leastRowsOf(): number {
  return 1;
}

export const MOST_BLOCK_MS = 500;
