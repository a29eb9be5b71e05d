// Replaces src/threads/grain.ts in tests: threads share every batch, one row at a time, and wait 0.5 s for a worker that is lost.

export const LEAST_ELEMENTS_OF_THREAD = 1 / 128;

export function leastRowsOf(): number {
  return 1;
}

export const MOST_GRAIN_MS = 500;
