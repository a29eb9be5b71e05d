// The digests in a page. The bundle of this file lies beside a bundle of the worker.

import { digestsOf, type Way } from "../digests.js";
import { startWorkers } from "../start-workers.js";

/** Ends the current task: browsers end workers and free their memories between tasks. */
const pause = () => new Promise<void>((resolve) => setTimeout(resolve, 10));

const page = {
  digestsOf: (way: Way) => digestsOf(way, way.includes("threads") ? pause : undefined),
  /** Starts workers; returns the number of threads that a call had. */
  start: async (threads: number) => (await startWorkers(threads)).threads,
};
export type DigestsPage = typeof page;

Object.assign(globalThis, { page });
