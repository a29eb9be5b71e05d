// What the hands of a call share, the calling thread among them: a control block in shared memory, and blocks of rows for whoever comes.
//
// A call is open while CALL is 1. A hand says that it is there (ACTIVE) before it looks whether a call is open, and the caller closes
// the call before it looks whether a hand is there: so none takes a block, or reads the arguments, of a call that has ended.

import type { Kernels } from "../wasm/abi.js";

/** Words of the control block; what hands write to often has a cache line of its own. */
export const Control = {
  /** Changes when there is something for workers to see to: a call, or mail. */
  BELL: 0,
  /** How many messages workers have been sent. */
  MAIL: 1,
  /** 1 while a call is open. */
  CALL: 2,
  /** Set by a worker whose kernel has thrown. */
  FAILED: 3,
  /** How many workers are between their look at CALL and their last block. */
  ACTIVE: 16,
  /** How many hands have come to the call, the caller among them, and how many of them have found a block to visit. */
  HANDS: 32,
  BUSY: 33,
  /** The first row that has not been handed out. */
  NEXT: 48,
} as const;
const CONTROL_WORDS = 64;

/** The arguments of a call: these, then what the kernel takes before `first`. */
const ARENA = 0;
const MEMORY_BYTES = 1;
const KERNEL = 2;
const MOST_HANDS = 3;
const END = 4;
const LEAST_ROWS = 5;
const SCRATCH_PTR = 6;
const SCRATCH_BYTES = 7;
const COUNT = 8;
const FIRST_ARGUMENT = 9;
const MOST_ARGUMENTS = 12;

/** The kernels that hands share the rows of. All take first, end and scratchPtr last. */
export const SHARED_KERNELS = [
  "softmax",
  "softmaxBackward",
  "gradientOfIndices",
  "gradientOfDistributions",
  "lossWithOptions",
  "add",
] as const;
export type SharedKernel = (typeof SHARED_KERNELS)[number];

/** A call as it is handed out. */
export interface Call {
  /** The number of the memory that it is about. */
  readonly arena: number;
  /** How large that memory is. */
  readonly memoryBytes: number;
  readonly kernel: SharedKernel;
  /** What the kernel takes before first, end and scratchPtr. */
  readonly args: readonly number[];
  readonly first: number;
  readonly end: number;
  /** Blocks are multiples of so many rows, but for the last one. */
  readonly leastRows: number;
  /** Scratch memory of the first hand, and how much further that of the next one is. */
  readonly scratchPtr: number;
  readonly scratchBytes: number;
  readonly mostHands: number;
}

/** How often a thread looks for a change before it goes to sleep: about a tenth of a millisecond. */
const LOOKS = 10_000;

let sleeps: boolean | undefined;

/** Whether this thread may sleep; a page's main thread may not. */
function maySleep(): boolean {
  try {
    sleeps ??= Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 1) === "not-equal";
  } catch {
    sleeps = false;
  }
  return sleeps;
}

/** A control block, by the memory that it is in. */
export class ControlBlock {
  readonly words: Int32Array;
  readonly #numbers: Float64Array;

  constructor(readonly memory: SharedArrayBuffer = new SharedArrayBuffer(CONTROL_WORDS * 4 + (FIRST_ARGUMENT + MOST_ARGUMENTS) * 8)) {
    this.words = new Int32Array(memory, 0, CONTROL_WORDS);
    this.#numbers = new Float64Array(memory, CONTROL_WORDS * 4);
  }

  load(word: number): number {
    return Atomics.load(this.words, word);
  }

  /** Waits until a word is not `value` any more, for so long at most; where a thread may not sleep, for a moment. */
  wait(word: number, value: number, ms?: number): void {
    for (let look = 0; look < LOOKS; look++) if (this.load(word) !== value) return;
    this.sleep(word, value, ms);
  }

  /** The same without a look before, for one who is hardly needed soon. */
  sleep(word: number, value: number, ms?: number): void {
    if (maySleep()) Atomics.wait(this.words, word, value, ms);
  }

  /** Opens a call. */
  open({ arena, memoryBytes, kernel, args, first, end, leastRows, scratchPtr, scratchBytes, mostHands }: Call): void {
    const { words } = this;
    const numbers = this.#numbers;
    numbers[ARENA] = arena;
    numbers[MEMORY_BYTES] = memoryBytes;
    numbers[KERNEL] = SHARED_KERNELS.indexOf(kernel);
    numbers[MOST_HANDS] = mostHands;
    numbers[END] = end;
    numbers[LEAST_ROWS] = leastRows;
    numbers[SCRATCH_PTR] = scratchPtr;
    numbers[SCRATCH_BYTES] = scratchBytes;
    numbers[COUNT] = args.length;
    numbers.set(args, FIRST_ARGUMENT);
    Atomics.store(words, Control.FAILED, 0);
    Atomics.store(words, Control.HANDS, 1);
    Atomics.store(words, Control.BUSY, 0);
    Atomics.store(words, Control.NEXT, first);
    Atomics.store(words, Control.CALL, 1);
    this.ring(mostHands - 1);
  }

  /** No hand begins to work for the call any more. */
  close(): void {
    Atomics.store(this.words, Control.CALL, 0);
  }

  /** Has workers look. */
  ring(most = Number.POSITIVE_INFINITY): void {
    Atomics.add(this.words, Control.BELL, 1);
    Atomics.notify(this.words, Control.BELL, most);
  }

  /** The number of the memory that the open call is about. */
  get arena(): number {
    return this.#numbers[ARENA];
  }

  /** How large it is. */
  get memoryBytes(): number {
    return this.#numbers[MEMORY_BYTES];
  }

  /** Works for the open call; false if that has hands enough. */
  join(kernels: Kernels): boolean {
    const hand = Atomics.add(this.words, Control.HANDS, 1);
    if (hand >= this.#numbers[MOST_HANDS]) return false;
    this.work(kernels, hand);
    return true;
  }

  /** Takes block after block of the open call until all are handed out; the caller is hand 0. */
  work(kernels: Kernels, hand: number): void {
    const { words } = this;
    const numbers = this.#numbers;
    const end = numbers[END];
    let first = 0;
    /** The rows of the next block, a hand's share of what is left: fewer and fewer. Sets `first`; 0 if all are taken. */
    const takeBlock = (): number => {
      for (;;) {
        first = Atomics.load(words, Control.NEXT);
        const left = end - first;
        if (left <= 0) return 0;
        const least = numbers[LEAST_ROWS];
        const rows = Math.min(left, least * Math.max(1, Math.floor(left / (least * numbers[MOST_HANDS]))));
        if (Atomics.compareExchange(words, Control.NEXT, first, first + rows) === first) return rows;
      }
    };
    let rows = takeBlock();
    if (rows === 0) return;
    Atomics.add(words, Control.BUSY, 1);
    const kernel = kernels[SHARED_KERNELS[numbers[KERNEL]]] as (...args: number[]) => void;
    const args = Array.from(numbers.subarray(FIRST_ARGUMENT, FIRST_ARGUMENT + numbers[COUNT]));
    const scratchPtr = numbers[SCRATCH_PTR] + hand * numbers[SCRATCH_BYTES];
    for (; rows > 0; rows = takeBlock()) kernel(...args, first, first + rows, scratchPtr);
  }
}

/** What a worker is told. */
export type Message =
  | { readonly kind: "start"; readonly control: SharedArrayBuffer; readonly mail: number }
  | { readonly kind: "attach"; readonly arena: number; readonly module: WebAssembly.Module; readonly memory: WebAssembly.Memory }
  | { readonly kind: "detach"; readonly arena: number };
