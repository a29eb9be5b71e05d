// The grain: the rows that a thread takes at a time, and the batches that are large enough for threads.

/**
 * The elements that are worth another thread, 0.1 ms of work: smaller batches than twice as many are visited by the calling thread alone.
 * To wake a worker costs the caller a fifth of that time, and the worker arrives later still.
 */
const LEAST_ELEMENTS_OF_THREAD = 65536;

/** The most threads that a batch with `size` elements is worth; none may be 0. */
export function mostThreadsOf(size: number): number {
  return Math.floor(size / LEAST_ELEMENTS_OF_THREAD);
}

/** The least elements that are handed out at a time, 30 µs of work: little of it is the cost of handing them out. */
const LEAST_ELEMENTS = 16384;

/**
 * The least rows that are handed out at a time, of `rows` rows with `size` elements. Neighbouring columns share cache lines, so they are
 * handed out by eight.
 */
export function leastRowsOf(rows: number, size: number, inner: number): number {
  const least = Math.ceil((LEAST_ELEMENTS * rows) / size);
  return inner === 1 && least < 8 ? least : Math.ceil(least / 8) * 8;
}

/** The time after which the caller gives up workers that have not returned from their last rows. No rows take as long. */
export const MOST_GRAIN_MS = 5000;
