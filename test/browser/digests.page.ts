// What a page runs of the digests: bundled, it lies beside a bundle of the worker.

import { digestsOf, type Way } from "../digests.js";
import { startWorkers } from "../start-workers.js";

/** Browsers end workers, and let go of their memories, between tasks. */
const pause = () => new Promise<void>((resolve) => setTimeout(resolve, 10));

const page = {
  digestsOf: (way: Way) => digestsOf(way, way.includes("threads") ? pause : undefined),
  /** How many hands a call has had, of so many. */
  start: async (threads: number) => (await startWorkers(threads)).threads,
};
export type DigestsPage = typeof page;

Object.assign(globalThis, { page });
