// src/threads/grain.ts for tests: every batch is shared, row by row, and lost workers are given up soon.

export const LEAST_ELEMENTS_OF_THREAD = 1 / 128;

export function leastRowsOf(): number {
  return 1;
}

export const MOST_GRAIN_MS = 500;
