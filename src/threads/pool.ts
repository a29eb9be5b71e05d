// The workers of a thread: they start with the first large batch, take part in the calls of every memory, and end with the last layer.

import { freeAddresses } from "../wasm/addresses.js";
import { MOST_GRAIN_MS } from "./grain.js";
import type { WorkerLike } from "./options.js";
import { type Call, type KernelsByName, type Message, SharedCall, Word } from "./shared-call.js";
import { reasonOf, type Way, warnOf, waysHere } from "./start-worker.js";

/** The message that tells workers of a memory. */
type Attached = Extract<Message, { kind: "attach" }>;

/**
 * Workers are replaced after they have been told to let go of so many memories. A worker frees a memory when it collects garbage, for which
 * it has no other reason, and a browser has addresses for about a hundred memories.
 */
const MOST_DETACHED = 32;

/** The bytes of addresses that a worker of Node takes. V8 ends the process where they are missing. */
const WORKER_ADDRESSES = 900e6;

/** The methods of Node's workers that web workers do not have. */
interface NodeWorker {
  on(event: "error" | "exit", listen: (end: unknown) => void): void;
  unref(): void;
}

/** The workers for all memories of this thread. */
export class Pool {
  #call = new SharedCall();
  readonly #workers = new Set<WorkerLike>();
  readonly #attached = new Map<number, Attached>();
  /** The option by which the last workers were created, and the ways to start one that have not failed. */
  #createWorker: Way | undefined;
  #ways: readonly Way[] = waysHere();
  /** The number of workers that there should be. */
  #count = 0;
  /** The reason why no worker can be started. */
  reason: string | undefined;
  /** The number of memories that the workers were told to let go of. */
  #detached = 0;

  #send(message: Message): void {
    for (const worker of this.#workers) worker.postMessage(message);
    this.#recall();
  }

  /** Makes workers return to their event loops, which deliver messages. */
  #recall(): void {
    Atomics.add(this.#call.words, Word.MESSAGE_COUNT, 1);
    this.#call.wake();
  }

  attach(attached: Attached): void {
    this.#attached.set(attached.instance, attached);
    this.#send(attached);
  }

  detach(instance: number): void {
    if (!this.#attached.delete(instance)) return;
    if (this.#attached.size === 0) {
      this.#endAll();
    } else if (++this.#detached < MOST_DETACHED) {
      this.#send({ kind: "detach", instance });
    } else {
      this.#replaceAll();
    }
  }

  #replaceAll(): void {
    this.#endAll();
    this.start(this.#count, this.#createWorker);
  }

  #endAll(): void {
    // Chromium ends a worker in its event loop at once, elsewhere after seconds.
    this.#recall();
    for (const worker of this.#workers) worker.terminate();
    this.#workers.clear();
    this.#detached = 0;
    // Workers that have not ended yet must not meet those that follow.
    this.#call = new SharedCall();
  }

  /** Starts workers until there are `count`. They begin to work later, while this thread goes on. */
  start(count: number, createWorker: Way | undefined): void {
    if (createWorker !== this.#createWorker) {
      this.#createWorker = createWorker;
      this.#ways = createWorker ? [createWorker] : waysHere();
      this.reason = undefined;
    }
    this.#count = count;
    const most = Math.min(count, this.#workers.size + this.#roomForWorkers());
    if (most === 0) this.#refuse("there are too few addresses for another thread (ulimit -v)");
    while (this.#workers.size < most && this.#ways.length > 0) {
      const [way] = this.#ways;
      try {
        this.#add(way(), way);
      } catch (error) {
        this.#giveUp(way, error);
      }
    }
  }

  /** Takes no more workers from a way; `end` says why. */
  #giveUp(way: Way, end: unknown): void {
    this.#ways = this.#ways.filter((other) => other !== way);
    if (this.#ways.length === 0) this.#refuse(reasonOf(end));
  }

  #refuse(reason: string): void {
    this.reason ??= reason;
    warnOf(this.reason);
  }

  /** The number of workers for which there are addresses, those that have not taken theirs yet left out. */
  #roomForWorkers(): number {
    return Math.max(0, Math.floor(freeAddresses() / WORKER_ADDRESSES) - (this.#workers.size - this.#call.load(Word.STARTED)));
  }

  #add(worker: WorkerLike, way: Way): void {
    const { on, unref, addEventListener } = worker as Partial<NodeWorker & EventTarget>;
    const shared = this.#call;
    const hasEnded = (end: unknown) => {
      if (!this.#workers.delete(worker) || shared.load(Word.STARTED) > 0) return;
      this.#giveUp(way, end);
      this.start(this.#count, this.#createWorker);
    };
    if (on) {
      on.call(worker, "error", hasEnded);
      on.call(worker, "exit", hasEnded);
      unref?.call(worker);
    } else {
      addEventListener?.call(worker, "error", hasEnded);
    }
    const messageCount = shared.load(Word.MESSAGE_COUNT);
    worker.postMessage({ kind: "start", call: shared.memory, messageCount: messageCount - this.#attached.size } satisfies Message);
    for (const attached of this.#attached.values()) worker.postMessage(attached);
    this.#workers.add(worker);
    this.reason = undefined;
  }

  /** Runs a call on all threads. Returns the number of threads that found rows, or undefined if a worker was lost with its rows undone. */
  run(call: Call, kernels: KernelsByName): number | undefined {
    const shared = this.#call;
    shared.open(call);
    let isComplete = false;
    try {
      shared.work(kernels, 0);
    } finally {
      shared.close();
      isComplete = this.#awaitWorkers();
    }
    if (!isComplete) return undefined;
    if (shared.load(Word.FAILED)) throw new Error("softmax-wasm: a kernel has failed in a worker");
    return shared.load(Word.BUSY);
  }

  #awaitWorkers(): boolean {
    const shared = this.#call;
    const end = Date.now() + MOST_GRAIN_MS;
    for (let left = MOST_GRAIN_MS; left > 0; left = end - Date.now()) {
      const active = shared.load(Word.ACTIVE);
      if (active === 0) return true;
      shared.wait(Word.ACTIVE, active, left);
    }
    this.#replaceAll();
    return false;
  }
}
