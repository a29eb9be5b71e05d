// Replaces src/threads/grain.ts in tests: threads share every batch, one row at a time, and wait 0.5 s for a worker that is lost.

export function mostThreadsOf(size: number): number {
  return 128 * size;
}

export function leastRowsOf(): number {
  return 1;
}

export const MOST_GRAIN_MS = 500;
