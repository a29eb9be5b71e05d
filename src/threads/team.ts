// The threads of a layer: workers that share the rows of a batch with the calling thread. A call does not depend on them: threads that are
// there take rows, and fewer threads take more rows each.

import type { Extent } from "../tensor/shape.js";
import type { Kernels } from "../wasm/abi.js";
import { instantiateShared } from "../wasm/instantiate.js";
import { LEAST_ELEMENTS_OF_THREAD, leastRowsOf, MOST_GRAIN_MS } from "./grain.js";
import { defaultWorker, type Threads, type WorkerLike } from "./options.js";
import { type Call, type Message, SHARED_KERNELS, SharedCall, Word } from "./shared-call.js";

/** The message that tells workers of a memory. */
type Attached = Extract<Message, { kind: "attach" }>;

/**
 * Workers are replaced after they have been told to let go of so many memories. A worker frees a memory when it collects garbage, for which
 * it has no other reason, and a browser has addresses for about a hundred memories.
 */
const MOST_DETACHED = 32;

/** The workers of this thread, for all of its memories. */
class Pool {
  #call = new SharedCall();
  readonly #workers = new Set<WorkerLike>();
  readonly #attached = new Map<number, Attached>();
  /** The way the last workers were created. */
  #createWorker = defaultWorker;
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
    const { size } = this.#workers;
    this.#endAll();
    this.start(size);
  }

  #endAll(): void {
    // Chromium ends a worker in its event loop at once, elsewhere after seconds.
    this.#recall();
    for (const worker of this.#workers) worker.terminate();
    this.#workers.clear();
    this.#detached = 0;
    // Workers that have not ended yet must not meet the workers that follow.
    this.#call = new SharedCall();
  }

  /** Starts workers until there are `count`. They begin to work later, while this thread goes on. */
  start(count: number, createWorker = this.#createWorker): void {
    this.#createWorker = createWorker;
    try {
      while (this.#workers.size < count) this.#add(createWorker());
    } catch {
      // A policy may forbid workers: then fewer threads work.
    }
  }

  #add(worker: WorkerLike): void {
    const { on, unref, addEventListener } = worker as Partial<NodeWorker & EventTarget>;
    const forget = () => this.#workers.delete(worker);
    if (on) {
      on.call(worker, "error", forget);
      on.call(worker, "exit", forget);
      unref?.call(worker);
    } else {
      addEventListener?.call(worker, "error", forget);
    }
    const messageCount = this.#call.load(Word.MESSAGE_COUNT);
    worker.postMessage({ kind: "start", call: this.#call.memory, messageCount: messageCount - this.#attached.size } satisfies Message);
    for (const attached of this.#attached.values()) worker.postMessage(attached);
    this.#workers.add(worker);
  }

  /** Runs a call on all threads. Returns the number of threads that found rows, or undefined if a worker was lost with its rows undone. */
  run(call: Call, kernels: Kernels): number | undefined {
    const shared = this.#call;
    shared.open(call);
    let isComplete = false;
    try {
      shared.work(kernels, 0);
    } finally {
      shared.close();
      isComplete = this.#awaitWorkers();
    }
    if (shared.load(Word.FAILED)) throw new Error("softmax-wasm: a kernel has failed in a worker");
    return isComplete ? shared.load(Word.BUSY) : undefined;
  }

  #awaitWorkers(): boolean {
    const shared = this.#call;
    const end = performance.now() + MOST_GRAIN_MS;
    for (let left = MOST_GRAIN_MS; left > 0; left = end - performance.now()) {
      const active = shared.load(Word.ACTIVE);
      if (active === 0) return true;
      shared.wait(Word.ACTIVE, active, left);
    }
    this.#replaceAll();
    return false;
  }
}

let pool: Pool | undefined;

/** The methods of Node's workers that web workers do not have. */
interface NodeWorker {
  on(event: "error" | "exit", listen: () => void): void;
  unref(): void;
}

let instances = 0;

/** Detaches memories whose layer was collected without dispose(). */
let dropped: FinalizationRegistry<number> | undefined;

/** The threads that work on one memory. */
export class Team {
  /** The number of threads that found rows in the last call. */
  threads = 1;
  readonly #mostThreads: number;
  readonly #createWorker: () => WorkerLike;
  readonly #instance = ++instances;
  readonly #memory: WebAssembly.Memory;
  readonly #kernels: Kernels;
  #isLost = false;

  constructor({ threads, createWorker }: Threads, module: WebAssembly.Module, memory: WebAssembly.Memory, kernels: Kernels) {
    this.#mostThreads = threads;
    this.#createWorker = createWorker;
    this.#memory = memory;
    this.#kernels = kernels;
    pool ??= new Pool();
    dropped ??= new FinalizationRegistry((instance) => pool?.detach(instance));
    pool.attach({ kind: "attach", instance: this.#instance, module, memory });
    dropped.register(this, this.#instance, this);
  }

  /** The kernels for batches of an extent: threads share the rows of large ones. `scratchBytes` is the scratch memory of one thread. */
  kernelsFor({ outer, classes, inner }: Extent, scratchBytes: number): Kernels {
    this.threads = 1;
    const size = outer * classes * inner;
    const mostThreads = Math.min(this.#mostThreads, Math.floor(size / LEAST_ELEMENTS_OF_THREAD));
    if (mostThreads < 2) return this.#kernels;
    pool?.start(mostThreads - 1, this.#createWorker);
    const shared = SHARED_KERNELS.map((kernel) => [
      kernel,
      (...args: number[]): void => {
        const [first, end, scratchPtr] = args.splice(args.length - 3);
        const leastRows = leastRowsOf(end - first, size, inner);
        this.#run({ kernel, args, first, end, leastRows, scratchPtr, scratchBytes, mostThreads });
      },
    ]);
    return { ...this.#kernels, ...Object.fromEntries(shared) };
  }

  #run(call: Omit<Call, "instance" | "memoryBytes">): void {
    const memoryBytes = this.#memory.buffer.byteLength;
    const threads = pool?.run({ ...call, instance: this.#instance, memoryBytes }, this.#kernels);
    if (threads !== undefined) this.threads = threads;
    else this.#isLost = true;
    this.check();
  }

  /** Throws if a worker was lost in a call. It may still write to the memory, so the memory has no results any more. */
  check(): void {
    if (this.#isLost) throw new Error("softmax-wasm: a worker has stopped in the middle of a call of this layer, which can't go on");
  }

  /** Makes workers let go of the memory. */
  dispose(): void {
    dropped?.unregister(this);
    pool?.detach(this.#instance);
  }
}

/** Kernels on a memory that threads share, and the team that works there. */
export interface SharedInstance {
  readonly kernels: Kernels;
  readonly memory: WebAssembly.Memory;
  readonly team: Team;
  readonly threads: number;
}

/** An instance for so many threads; undefined for one thread, and where no memory can be shared. */
export function shareInstance(options: Threads): SharedInstance | undefined {
  const { threads } = options;
  const instance = threads > 1 ? instantiateShared() : undefined;
  if (!instance) return undefined;
  const { kernels, memory, module } = instance;
  return { kernels, memory, team: new Team(options, module, memory, kernels), threads };
}
