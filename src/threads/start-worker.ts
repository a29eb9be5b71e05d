// The ways to start a worker, and the reasons why there can be none.

import { builtin } from "../wasm/node-builtins.js";
import type { WorkerLike } from "./options.js";
import { workerSource } from "./worker.generated.js";

/** Starts a worker, or throws. */
export type Way = () => WorkerLike;

type NodeWorkerClass = new (source: string, options: { eval: true }) => WorkerLike;

/** From the file, in the form that bundlers recognize. */
function webWorker(): WorkerLike {
  return new Worker(new URL("./softmax-wasm-worker.js", import.meta.url), { type: "module" });
}

let blobUrl: string | undefined;

/** From the source, where the file is not to be had. */
function blobWorker(): WorkerLike {
  blobUrl ??= URL.createObjectURL(new Blob([workerSource], { type: "text/javascript" }));
  return new Worker(blobUrl);
}

/** The ways that this scope has, in the order in which they are tried. */
export function waysHere(): Way[] {
  const ways: Way[] = [];
  const NodeWorker = builtin("node:worker_threads")?.Worker as NodeWorkerClass | undefined;
  // From the source, which does not depend on where a bundler puts files. A renderer of Electron has the class, which throws there.
  if (NodeWorker) ways.push(() => new NodeWorker(workerSource, { eval: true }));
  if (typeof Worker === "function") ways.push(webWorker, blobWorker);
  return ways;
}

/** The reason why no worker can be had here, as far as it is known before one is started. */
export function obstacleHere(): string | undefined {
  if (globalThis.crossOriginIsolated === false) return "the page is not cross-origin isolated (headers COOP and COEP)";
  if (typeof SharedArrayBuffer !== "function") {
    return "there is no SharedArrayBuffer, as in pages that are not cross-origin isolated (headers COOP and COEP)";
  }
  return waysHere().length === 0 ? "this scope has no Worker" : undefined;
}

/** The reason that a worker has for its end before it began: the error that was thrown, Node's exit code, or the event of a page. */
export function reasonOf(end: unknown): string {
  if (typeof end === "number") return `a worker has ended at its start with the code ${end}`;
  const message = (end as { message?: unknown } | undefined)?.message;
  if (typeof message === "string" && message !== "") return `no worker can be started: ${message}`;
  return "no worker can be loaded, for which a Content-Security-Policy needs worker-src 'self' or blob:, and the file of a worker the header COEP";
}

let hasWarned = false;

/** Warns once that a large batch has one thread although more were asked for. */
export function warnOf(reason: string): void {
  if (hasWarned) return;
  hasWarned = true;
  console.warn(`softmax-wasm: going on with one thread, as ${reason}`);
}
