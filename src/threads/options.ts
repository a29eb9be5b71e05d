// The option `threads` of a layer. Its public types need no DOM.

import { checkInteger, typeError } from "../errors.js";
import { builtin } from "./node-builtins.js";

/** The most threads that can be asked for. */
export const MAX_THREADS = 128;

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
  /** Starts a worker from the module `softmax-wasm/worker`, for bundlers that do not recognize the usual way. */
  createWorker?: () => WorkerLike;
}

function processors(): number {
  const available = builtin("node:os")?.availableParallelism as (() => number) | undefined;
  return Math.min(available?.() ?? globalThis.navigator?.hardwareConcurrency ?? 1, MAX_THREADS);
}

/** Starts a worker in the way that bundlers recognize. */
export function defaultWorker(): WorkerLike {
  const NodeWorker = builtin("node:worker_threads")?.Worker as (new (url: URL) => WorkerLike) | undefined;
  if (NodeWorker) return new NodeWorker(new URL("./worker.js", import.meta.url));
  return new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
}

let hasWarned = false;

/** Says if memory can be shared; if it can't, warns once. */
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
  /** The number of threads that was asked for, or 1 where memory can't be shared. */
  readonly threads: number;
  readonly createWorker: () => WorkerLike;
}

export function readThreads({ threads = 1, createWorker = defaultWorker }: ThreadOptions): Threads {
  if (typeof createWorker !== "function") throw typeError("createWorker", "a function", createWorker);
  const wanted = threads === "auto" ? processors() : checkInteger("threads", threads, 1, MAX_THREADS);
  return { threads: wanted > 1 && canShare() ? wanted : 1, createWorker };
}
