// The threads of a layer: workers that share the rows of a batch with the calling thread. A call does not depend on them: threads that are
// there take rows, and fewer threads take more rows each.

import type { Extent } from "../tensor/shape.js";
import type { Kernels } from "../wasm/abi.js";
import { instantiateShared, type ModuleInstance } from "../wasm/instantiate.js";
import { growTo } from "../wasm/memory.js";
import { leastRowsOf, mostThreadsOf } from "./grain.js";
import type { Threads } from "./options.js";
import { Pool } from "./pool.js";
import { type Call, type KernelsByName, SHARED_KERNELS } from "./shared-call.js";
import { obstacleHere } from "./start-worker.js";

let pool: Pool | undefined;

let instances = 0;

/** Detaches memories whose layer was collected without dispose(). */
let dropped: FinalizationRegistry<readonly number[]> | undefined;

/** Shared memories of layers that were disposed. Engines free such memory late or never, so the next layers get it. */
const unused: ModuleInstance[] = [];

/** A cleared memory of a layer that was disposed, or a new one, or the reason why there is none. */
function takeMemory(leastBytes: number): ModuleInstance | string {
  // The smallest that is large enough, or else the largest if it can grow.
  unused.sort((a, b) => a.memory.buffer.byteLength - b.memory.buffer.byteLength);
  const taken = unused.find(({ memory }) => memory.buffer.byteLength >= leastBytes) ?? unused.at(-1);
  if (!taken || !growTo(taken.memory, leastBytes)) return instantiateShared(leastBytes);
  unused.splice(unused.indexOf(taken), 1);
  new Uint8Array(taken.memory.buffer, taken.kernels.heapBase()).fill(0);
  return taken;
}

function detach(numbers: readonly number[]): void {
  for (const instance of numbers) pool?.detach(instance);
}

/** The threads that work on one memory. */
export class Team {
  /** The number of threads that found rows in the last call. */
  threads = 1;
  readonly #options: Threads;
  readonly #module: ModuleInstance;
  /** The numbers by which workers know the instances of modules on this memory; the first is that of the library's own kernels. */
  readonly #instances: number[] = [];
  #isLost = false;

  constructor(options: Threads, instance: ModuleInstance) {
    this.#options = options;
    this.#module = instance;
    pool ??= new Pool();
    dropped ??= new FinalizationRegistry(detach);
    this.attach(instance.module);
    dropped.register(this, this.#instances, this);
  }

  /** Tells workers of a module on the memory. Returns the number by which they know their instances of it. */
  attach(module: WebAssembly.Module): number {
    const instance = ++instances;
    this.#instances.push(instance);
    pool?.attach({ kind: "attach", instance, module, memory: this.#module.memory });
    return instance;
  }

  /** The most threads for a batch of so many elements, or for other work that takes as long. */
  mostThreadsFor(size: number): number {
    return Math.min(this.#options.wanted, mostThreadsOf(size));
  }

  /** Starts workers for a number of threads. */
  start(mostThreads: number): void {
    pool?.start(mostThreads - 1, this.#options.createWorker);
  }

  /** The reason why no worker can be started; undefined as far as none is known. */
  get reason(): string | undefined {
    return pool?.reason;
  }

  /** The kernels for batches of an extent: threads share the rows of large ones. `scratchBytes` is the scratch memory of one thread. */
  kernelsFor({ outer, classes, inner }: Extent, scratchBytes: number): Kernels {
    this.threads = 1;
    const { kernels } = this.#module;
    const size = outer * classes * inner;
    const mostThreads = this.mostThreadsFor(size);
    if (mostThreads < 2) return kernels;
    this.start(mostThreads);
    const [instance] = this.#instances;
    const shared = SHARED_KERNELS.filter((kernel) => kernel in kernels).map((kernel) => [
      kernel,
      (...args: number[]): void => {
        const [first, end, scratchPtr] = args.splice(args.length - 3);
        const leastRows = leastRowsOf(end - first, size, inner);
        this.threads = this.run({ instance, kernel, args, first, end, leastRows, scratchPtr, scratchBytes, mostThreads }, kernels);
      },
    ]);
    return { ...kernels, ...Object.fromEntries(shared) };
  }

  /** Runs a call on all threads. Returns the number of those that found rows. */
  run(call: Omit<Call, "memoryBytes">, kernels: KernelsByName): number {
    const threads = pool?.run({ ...call, memoryBytes: this.#module.memory.buffer.byteLength }, kernels);
    if (threads === undefined) this.#isLost = true;
    this.check();
    return threads as number;
  }

  /** Throws if a worker was lost in a call. It may still write to the memory, so the memory has no results any more. */
  check(): void {
    if (this.#isLost) throw new Error("softmax-wasm: a worker has stopped in the middle of a call of this layer, which can't go on");
  }

  /** Makes workers let go of the memory. It is used again if nobody writes to it any more, through views or in a worker that was lost. */
  dispose(isReusable: boolean): void {
    dropped?.unregister(this);
    detach(this.#instances);
    if (isReusable && !this.#isLost) unused.push(this.#module);
  }
}

/** Kernels on a memory that threads share, and the team that works there. */
export interface SharedInstance {
  readonly kernels: Kernels;
  readonly memory: WebAssembly.Memory;
  readonly team: Team;
  readonly threads: number;
}

/** An instance for several threads whose memory has at least `leastBytes`, or the reason why there is none. */
export function shareInstance(options: Threads, leastBytes: number): SharedInstance | string {
  const instance = obstacleHere() ?? takeMemory(leastBytes);
  if (typeof instance === "string") return instance;
  const { kernels, memory } = instance;
  return { kernels, memory, team: new Team(options, instance), threads: options.wanted };
}
