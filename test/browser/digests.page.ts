// What a page runs of the digests: bundled, it lies beside a bundle of the worker.

import { digestsOf, WAYS, type Way } from "../digests.js";
import { startWorkers } from "../start-workers.js";

const page = {
  ways: Object.keys(WAYS) as Way[],
  /** Browsers end workers, and let go of their memories, between tasks. */
  digestsOf: (way: Way) => digestsOf(way, () => new Promise((resolve) => setTimeout(resolve, 10))),
  /** How many hands a call has had, of so many. */
  start: async (threads: number) => (await startWorkers(threads)).threads,
};
export type DigestsPage = typeof page;

Object.assign(globalThis, { page });
