// A call that threads share: a few words of shared memory, through which rows are handed out to every thread that comes.
//
// A call is open while IS_OPEN is 1. A worker raises ACTIVE before it reads IS_OPEN, and the caller closes the call before it reads ACTIVE:
// so no worker takes rows, or reads the arguments, of a call that has ended.

/** Words of the shared memory. Words that are written often have a cache line of their own. */
export const Word = {
  /** Changes when workers must look: a call is open, or there is a message. */
  WAKE: 0,
  /** The number of messages that workers have been sent. */
  MESSAGE_COUNT: 1,
  /** 1 while a call is open. */
  IS_OPEN: 2,
  /** Set by a worker whose kernel has thrown. */
  FAILED: 3,
  /** The number of workers that have started. */
  STARTED: 4,
  /** The number of workers between their look at IS_OPEN and the end of their last rows. */
  ACTIVE: 16,
  /** The number of threads that have come to the call, the caller among them, and the number of those that have found rows. */
  THREADS: 32,
  BUSY: 33,
  /** The first row that has not been handed out. */
  NEXT_ROW: 48,
} as const;
const WORDS = 64;

/** Places of a call's numbers; the arguments of the kernel before `first` follow them. */
const INSTANCE = 0;
const MEMORY_BYTES = 1;
const KERNEL = 2;
const MOST_THREADS = 3;
const END = 4;
const LEAST_ROWS = 5;
const SCRATCH_PTR = 6;
const SCRATCH_BYTES = 7;
const COUNT = 8;
const FIRST_ARGUMENT = 9;
const MOST_ARGUMENTS = 13;

const BYTES = WORDS * Int32Array.BYTES_PER_ELEMENT + (FIRST_ARGUMENT + MOST_ARGUMENTS) * Float64Array.BYTES_PER_ELEMENT;

/** The kernels whose rows threads share. All take first, end and scratchPtr last. */
export const SHARED_KERNELS = [
  "softmax",
  "softmaxBackward",
  "loss",
  "add",
  // Those of the module of linear layers.
  "product",
  "addProduct",
  "transposedProduct",
] as const;
export type SharedKernel = (typeof SHARED_KERNELS)[number];

/** The kernels of a module. */
export type KernelsByName = { readonly [K in SharedKernel]?: (...args: number[]) => void };

/** A call of a kernel. */
export interface Call {
  /** The number of the instance whose kernel and memory the call is about. */
  readonly instance: number;
  /** The size of that memory. */
  readonly memoryBytes: number;
  readonly kernel: SharedKernel;
  /** The arguments before first, end and scratchPtr. */
  readonly args: readonly number[];
  readonly first: number;
  readonly end: number;
  /** Rows are handed out in multiples of this number, but for the last ones. */
  readonly leastRows: number;
  /** The scratch memory of the calling thread, and the distance to that of the next thread. */
  readonly scratchPtr: number;
  readonly scratchBytes: number;
  readonly mostThreads: number;
}

/** The number of looks at a word before a thread goes to sleep: about a tenth of a millisecond. */
const LOOKS = 10_000;

let sleeps: boolean | undefined;

/** Says if this thread may sleep; a page's main thread may not. */
function maySleep(): boolean {
  try {
    sleeps ??= Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 1) === "not-equal";
  } catch {
    sleeps = false;
  }
  return sleeps;
}

export class SharedCall {
  readonly words: Int32Array;
  readonly #numbers: Float64Array;

  /** The call in this memory, or in new memory. */
  constructor(readonly memory: SharedArrayBuffer = new SharedArrayBuffer(BYTES)) {
    this.words = new Int32Array(memory, 0, WORDS);
    this.#numbers = new Float64Array(memory, this.words.byteLength);
  }

  load(word: number): number {
    return Atomics.load(this.words, word);
  }

  /** Waits until a word differs from `value`, at most `ms`. A thread that may not sleep only looks for a moment. */
  wait(word: number, value: number, ms?: number): void {
    for (let look = 0; look < LOOKS; look++) if (this.load(word) !== value) return;
    this.sleep(word, value, ms);
  }

  /** Waits like `wait`, but without looking first: for a thread that is hardly needed soon. */
  sleep(word: number, value: number, ms?: number): void {
    if (maySleep()) Atomics.wait(this.words, word, value, ms);
  }

  /** Opens a call and wakes workers. */
  open({ instance, memoryBytes, kernel, args, first, end, leastRows, scratchPtr, scratchBytes, mostThreads }: Call): void {
    const { words } = this;
    const numbers = this.#numbers;
    numbers[INSTANCE] = instance;
    numbers[MEMORY_BYTES] = memoryBytes;
    numbers[KERNEL] = SHARED_KERNELS.indexOf(kernel);
    numbers[MOST_THREADS] = mostThreads;
    numbers[END] = end;
    numbers[LEAST_ROWS] = leastRows;
    numbers[SCRATCH_PTR] = scratchPtr;
    numbers[SCRATCH_BYTES] = scratchBytes;
    numbers[COUNT] = args.length;
    numbers.set(args, FIRST_ARGUMENT);
    Atomics.store(words, Word.FAILED, 0);
    Atomics.store(words, Word.THREADS, 1);
    Atomics.store(words, Word.BUSY, 0);
    Atomics.store(words, Word.NEXT_ROW, first);
    Atomics.store(words, Word.IS_OPEN, 1);
    this.wake(mostThreads - 1);
  }

  /** Closes the call: no further worker begins to work for it. */
  close(): void {
    Atomics.store(this.words, Word.IS_OPEN, 0);
  }

  /** Wakes workers, so that they look at the words. */
  wake(most = Number.POSITIVE_INFINITY): void {
    Atomics.add(this.words, Word.WAKE, 1);
    Atomics.notify(this.words, Word.WAKE, most);
  }

  /** The number of the instance that the open call is about. */
  get instance(): number {
    return this.#numbers[INSTANCE];
  }

  /** The size of that instance's memory. */
  get memoryBytes(): number {
    return this.#numbers[MEMORY_BYTES];
  }

  /** Works for the open call; false if the call has enough threads. */
  join(kernels: KernelsByName): boolean {
    const thread = Atomics.add(this.words, Word.THREADS, 1);
    if (thread >= this.#numbers[MOST_THREADS]) return false;
    this.work(kernels, thread);
    return true;
  }

  /** Takes rows of the open call until all are handed out. The calling thread has the number 0. */
  work(kernels: KernelsByName, thread: number): void {
    const { words } = this;
    const numbers = this.#numbers;
    const end = numbers[END];
    let first = 0;
    /** The number of rows that this thread takes from `first` on: its share of the rows that are left. 0 if none are left. */
    const takeRows = (): number => {
      for (;;) {
        first = Atomics.load(words, Word.NEXT_ROW);
        const left = end - first;
        if (left <= 0) return 0;
        const least = numbers[LEAST_ROWS];
        const rows = Math.min(left, least * Math.max(1, Math.floor(left / (least * numbers[MOST_THREADS]))));
        if (Atomics.compareExchange(words, Word.NEXT_ROW, first, first + rows) === first) return rows;
      }
    };
    let rows = takeRows();
    if (rows === 0) return;
    Atomics.add(words, Word.BUSY, 1);
    const kernel = kernels[SHARED_KERNELS[numbers[KERNEL]]] as (...args: number[]) => void;
    const args = Array.from(numbers.subarray(FIRST_ARGUMENT, FIRST_ARGUMENT + numbers[COUNT]));
    const scratchPtr = numbers[SCRATCH_PTR] + thread * numbers[SCRATCH_BYTES];
    for (; rows > 0; rows = takeRows()) kernel(...args, first, first + rows, scratchPtr);
  }
}

/** A message to a worker. */
export type Message =
  | { readonly kind: "start"; readonly call: SharedArrayBuffer; readonly messageCount: number }
  | { readonly kind: "attach"; readonly instance: number; readonly module: WebAssembly.Module; readonly memory: WebAssembly.Memory }
  | { readonly kind: "detach"; readonly instance: number };
