// How a batch is cut into the blocks that hands take.

/**
 * Elements that are worth another hand, 0.1 ms of work: batches of less than twice as many are visited by the calling thread alone. Waking a
 * worker takes a fifth of that time from the caller, and what it then does has been no more.
 */
export const LEAST_OF_HAND = 65536;

/** The least elements of a block, 30 µs of work: enough that handing it out costs little beside. */
const LEAST_BLOCK = 16384;

/** What of a layout decides how it is cut into blocks. */
export interface Extent {
  readonly inner: number;
  readonly size: number;
}

/** The least rows of a block, of `rows` in all; neighbouring columns, which share cache lines, stay together. */
export function leastRowsOf(rows: number, { inner, size }: Extent): number {
  const least = Math.ceil((LEAST_BLOCK * rows) / size);
  return inner === 1 && least < 8 ? least : Math.ceil(least / 8) * 8;
}

/** How long the caller waits for the last blocks, which take no such time, before it gives the workers that have them up for lost. */
export const MOST_BLOCK_MS = 5000;
