// src/threads/grain.ts for tests: every batch is shared, in the smallest blocks there are, and lost workers are not long awaited.

export type { Extent } from "../src/threads/grain.js";

export const LEAST_OF_HAND = 1 / 128;

export function leastRowsOf(): number {
  return 1;
}

export const MOST_BLOCK_MS = 500;
