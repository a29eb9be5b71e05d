// How many threads a layer is to have, read and checked; what public declarations say of it needs no DOM.

import { checkInteger, typeError } from "../errors.js";
import { builtin } from "./node-builtins.js";

/** The most threads that can be asked for. */
export const MAX_THREADS = 128;

/** What is used of a Web Worker, or one of node:worker_threads. */
export interface WorkerLike {
  /** Hands it a message, of which shared memory is a part. */
  postMessage(message: unknown): void;
  /** Ends it. */
  terminate(): unknown;
}

/** How many threads share a layer's work. */
export interface ThreadOptions {
  /**
   * How many threads share the rows of a large batch, the calling one among them: 1 (default) to 128, or "auto", one for each processor.
   * Results have the same bits for any number.
   */
  threads?: number | "auto";
  /** Starts a worker from the module `softmax-wasm/worker`, where a bundler needs it done in a way of its own. */
  createWorker?: () => WorkerLike;
}

function processors(): number {
  const available = builtin("node:os")?.availableParallelism as (() => number) | undefined;
  return Math.min(available?.() ?? globalThis.navigator?.hardwareConcurrency ?? 1, MAX_THREADS);
}

/** Starts a worker in the usual way. */
export function defaultWorker(): WorkerLike {
  const NodeWorker = builtin("node:worker_threads")?.Worker as (new (url: URL) => WorkerLike) | undefined;
  if (NodeWorker) return new NodeWorker(new URL("./worker.js", import.meta.url));
  return new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
}

let hasWarned = false;

/** Whether memory can be shared; says once if it can't. */
function canShare(): boolean {
  if (typeof SharedArrayBuffer === "function" && globalThis.crossOriginIsolated !== false) return true;
  if (!hasWarned) {
    hasWarned = true;
    console.warn("softmax-wasm: threads need a page that is cross-origin isolated (headers COOP and COEP); going on with one thread");
  }
  return false;
}

/** ThreadOptions as they were read and checked. */
export interface Threads {
  /** As many as are asked for and possible. */
  readonly threads: number;
  readonly createWorker: () => WorkerLike;
}

export function readThreads({ threads = 1, createWorker = defaultWorker }: ThreadOptions): Threads {
  if (typeof createWorker !== "function") throw typeError("createWorker", "a function", createWorker);
  const wanted = threads === "auto" ? processors() : checkInteger("threads", threads, 1, MAX_THREADS);
  return { threads: wanted > 1 && canShare() ? wanted : 1, createWorker };
}
