// Replaces src/threads/grain.ts in tests: threads share every batch, one row at a time.

export function mostThreadsOf(size: number): number {
  return 128 * size;
}

export function leastRowsOf(): number {
  return 1;
}

/** Shorter than in use, as tests wait for lost workers; long enough to compile a debug kernel. */
export const MOST_GRAIN_MS = 2000;
