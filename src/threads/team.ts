// Threads: workers that share the rows of a batch with the calling thread. A call does not depend on them: whoever is there takes blocks,
// and those who are not mean fewer hands.

import type { Kernels } from "../wasm/abi.js";
import { instantiateShared } from "../wasm/instantiate.js";
import { type Extent, LEAST_OF_HAND, leastRowsOf, MOST_BLOCK_MS } from "./grain.js";
import { defaultWorker, type Threads, type WorkerLike } from "./options.js";
import { type Call, Control, ControlBlock, type Message, SHARED_KERNELS } from "./shared-call.js";

/** A memory, as workers are told of it. */
type Attached = Extract<Message, { kind: "attach" }>;

/**
 * Workers that have been told to let go of so many memories are replaced: they do so when they collect garbage, for which they have no reason,
 * and browsers have addresses for a hundred memories or so.
 */
const MOST_DETACHED = 32;

/** The workers of this thread, for all of its memories. */
class Pool {
  #block = new ControlBlock();
  readonly #workers = new Set<WorkerLike>();
  readonly #attached = new Map<number, Attached>();
  /** How the last ones were. */
  #createWorker = defaultWorker;
  /** How many memories the workers have let go of. */
  #detached = 0;

  #send(message: Message): void {
    for (const worker of this.#workers) worker.postMessage(message);
    this.#callBack();
  }

  /** Has workers return to their event loops. */
  #callBack(): void {
    Atomics.add(this.#block.words, Control.MAIL, 1);
    this.#block.ring();
  }

  attach(attached: Attached): void {
    this.#attached.set(attached.arena, attached);
    this.#send(attached);
  }

  detach(arena: number): void {
    if (!this.#attached.delete(arena)) return;
    if (this.#attached.size === 0) {
      this.#dismissAll();
    } else if (++this.#detached < MOST_DETACHED) {
      this.#send({ kind: "detach", arena });
    } else {
      this.#replaceAll();
    }
  }

  #replaceAll(): void {
    const { size } = this.#workers;
    this.#dismissAll();
    this.recruit(size);
  }

  #dismissAll(): void {
    // Chromium ends a worker there at once, elsewhere after seconds.
    this.#callBack();
    for (const worker of this.#workers) worker.terminate();
    this.#workers.clear();
    this.#detached = 0;
    // What they may still do is not to be seen by those that come after them.
    this.#block = new ControlBlock();
  }

  /** Sees to it that there are so many workers, or are soon: they start while this thread goes on. */
  recruit(count: number, createWorker = this.#createWorker): void {
    this.#createWorker = createWorker;
    try {
      while (this.#workers.size < count) this.#start(createWorker());
    } catch {
      // A policy that forbids workers: fewer hands.
    }
  }

  #start(worker: WorkerLike): void {
    const { on, unref, addEventListener } = worker as Partial<NodeWorker & EventTarget>;
    const dismiss = () => this.#workers.delete(worker);
    if (on) {
      on.call(worker, "error", dismiss);
      on.call(worker, "exit", dismiss);
      unref?.call(worker);
    } else {
      addEventListener?.call(worker, "error", dismiss);
    }
    const mail = this.#block.load(Control.MAIL);
    worker.postMessage({ kind: "start", control: this.#block.memory, mail: mail - this.#attached.size } satisfies Message);
    for (const attached of this.#attached.values()) worker.postMessage(attached);
    this.#workers.add(worker);
  }

  /** Has all hands work for a call. Gives how many of them found work; undefined if a worker was lost and has not done its part. */
  run(call: Call, kernels: Kernels): number | undefined {
    const block = this.#block;
    block.open(call);
    let isComplete = false;
    try {
      block.work(kernels, 0);
    } finally {
      block.close();
      isComplete = this.#awaitWorkers();
    }
    if (block.load(Control.FAILED)) throw new Error("softmax-wasm: a kernel has failed in a worker");
    return isComplete ? block.load(Control.BUSY) : undefined;
  }

  #awaitWorkers(): boolean {
    const block = this.#block;
    const end = performance.now() + MOST_BLOCK_MS;
    for (let left = MOST_BLOCK_MS; left > 0; left = end - performance.now()) {
      const active = block.load(Control.ACTIVE);
      if (active === 0) return true;
      block.wait(Control.ACTIVE, active, left);
    }
    this.#replaceAll();
    return false;
  }
}

let pool: Pool | undefined;

/** What Node's workers have that others have not. */
interface NodeWorker {
  on(event: "error" | "exit", listen: () => void): void;
  unref(): void;
}

let arenas = 0;

/** Lets memories go whose owner is gone without a word. */
let dropped: FinalizationRegistry<number> | undefined;

/** The hands that visit the batches of one memory. */
export class Crew {
  /** How many the last call had. */
  hands = 1;
  readonly #threads: number;
  readonly #createWorker: () => WorkerLike;
  readonly #arena = ++arenas;
  readonly #memory: WebAssembly.Memory;
  readonly #kernels: Kernels;
  #isLost = false;

  constructor({ threads, createWorker }: Threads, module: WebAssembly.Module, memory: WebAssembly.Memory, kernels: Kernels) {
    this.#threads = threads;
    this.#createWorker = createWorker;
    this.#memory = memory;
    this.#kernels = kernels;
    pool ??= new Pool();
    dropped ??= new FinalizationRegistry((arena) => pool?.detach(arena));
    pool.attach({ kind: "attach", arena: this.#arena, module, memory });
    dropped.register(this, this.#arena, this);
  }

  /** The kernels for batches of such an extent: hands share the rows if there are many. Each hand has so much scratch memory. */
  kernelsFor(extent: Extent, scratchBytes: number): Kernels {
    this.hands = 1;
    const mostHands = Math.min(this.#threads, Math.floor(extent.size / LEAST_OF_HAND));
    if (mostHands < 2) return this.#kernels;
    pool?.recruit(mostHands - 1, this.#createWorker);
    const shared = SHARED_KERNELS.map((kernel) => [
      kernel,
      (...args: number[]): void => {
        const [first, end, scratchPtr] = args.splice(args.length - 3);
        const leastRows = leastRowsOf(end - first, extent);
        this.#run({ kernel, args, first, end, leastRows, scratchPtr, scratchBytes, mostHands });
      },
    ]);
    return { ...this.#kernels, ...Object.fromEntries(shared) };
  }

  #run(call: Omit<Call, "arena" | "memoryBytes">): void {
    const memoryBytes = this.#memory.buffer.byteLength;
    const hands = pool?.run({ ...call, arena: this.#arena, memoryBytes }, this.#kernels);
    if (hands !== undefined) this.hands = hands;
    else this.#isLost = true;
    this.check();
  }

  /** Throws if a worker was lost with a block that it may still write to: nothing is to be read here any more. */
  check(): void {
    if (this.#isLost) throw new Error("softmax-wasm: a worker has stopped in the middle of a call of this layer, which can't go on");
  }

  /** No worker keeps the memory. */
  dispose(): void {
    dropped?.unregister(this);
    pool?.detach(this.#arena);
  }
}

/** Kernels on a memory that threads share, with the crew that works there. */
export interface Shared {
  readonly kernels: Kernels;
  readonly memory: WebAssembly.Memory;
  readonly crew: Crew;
  readonly threads: number;
}

/** A memory for so many threads; undefined for one thread, and where no memory can be shared. */
export function shareMemory(options: Threads): Shared | undefined {
  const { threads } = options;
  const instance = threads > 1 ? instantiateShared() : undefined;
  if (!instance) return undefined;
  const { kernels, memory, module } = instance;
  return { kernels, memory, crew: new Crew(options, module, memory, kernels), threads };
}
