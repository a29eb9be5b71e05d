// The option `threads` of a layer. Its public types need no DOM.

import { checkInteger, typeError } from "../errors.js";
import { builtin } from "../wasm/node-builtins.js";

/** The most threads that can be asked for. */
const MAX_THREADS = 128;

/** The methods of a worker that the library uses: a Web Worker, or one of node:worker_threads. */
export interface WorkerLike {
  /** Sends it a message, which contains shared memory. */
  postMessage(message: unknown): void;
  /** Ends it. */
  terminate(): unknown;
}

/** The threads of a layer. */
export interface ThreadOptions {
  /**
   * The number of threads that share the rows of a large batch, the calling one among them: 1 (default) to 128, or "auto", one for each processor.
   * Results have the same bits for any number.
   */
  threads?: number | "auto" | (string & {});
  /** Starts a worker from the module `softmax-wasm/worker`, instead of the library's own ways to start one. */
  createWorker?: () => WorkerLike;
}

function processors(): number {
  const available = builtin("node:os")?.availableParallelism as (() => number) | undefined;
  return Math.min(available?.() ?? globalThis.navigator?.hardwareConcurrency ?? 1, MAX_THREADS);
}

/** ThreadOptions as they were read and checked. */
export interface Threads {
  /** The number of threads that was asked for. */
  readonly wanted: number;
  readonly createWorker?: () => WorkerLike;
}

export function readThreads({ threads = 1, createWorker }: ThreadOptions): Threads {
  if (createWorker !== undefined && typeof createWorker !== "function") throw typeError("createWorker", "a function", createWorker);
  return { wanted: threads === "auto" ? processors() : checkInteger("threads", threads, 1, MAX_THREADS), createWorker };
}
