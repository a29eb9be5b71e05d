// A runner's side of the benchmark: one contestant on one workload in a process of its own, verified by the parent, then timed.
//
//   <runner> <contestant> <op> <outer> <classes> <inner> <folder>
//
// The folder has logits.f64 (outer, classes, inner) and labels.i32 (outer, inner), little-endian. The runner runs the op once, leaves
// the result in result.f64 and prints `ready <dtype>`; on the line `go` it times and prints {"seconds", "samples"}. One that cannot do
// the op prints `skip <reason>` instead.

import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** What is to be computed: softmax over the middle axis, the mean loss, or the mean loss with its gradient. */
export interface Task {
  readonly contestant: string;
  readonly op: "softmax" | "loss" | "gradient";
  readonly outer: number;
  readonly classes: number;
  readonly inner: number;
  /** (outer, classes, inner) */
  readonly logits: Float64Array;
  /** (outer, inner) */
  readonly labels: Int32Array;
}

/** What is timed, and its result: probs; the mean loss; or the mean loss, then the gradient. */
export interface Contestant {
  /** What it really computes in. */
  readonly dtype: "float64" | "float32";
  /** The op once, on inputs that are where the contestant wants them. A promise is awaited in the time. */
  readonly run: () => unknown | Promise<unknown>;
  /** Of the last run; not timed. */
  readonly result: () => ArrayLike<number> | Promise<ArrayLike<number>>;
}

/** Seconds per call, the median of the samples. */
export interface Time {
  readonly seconds: number;
  readonly samples: number;
}

const WARM_UP_SECONDS = 0.3;
const SAMPLING_SECONDS = 1;
const MIN_SAMPLES = 5;
/** A sample is one call, or as many as take about this long. */
const SAMPLE_SECONDS = 1e-3;

/** Where results go, so that no engine finds them unused. */
export const sink: { value: unknown } = { value: undefined };

const seconds = () => performance.now() / 1e3;

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Seconds that some calls take. */
function secondsOf(run: () => unknown, calls: number): number {
  const start = seconds();
  for (let call = 0; call < calls; call++) sink.value = run();
  return seconds() - start;
}

/** The same, each call being awaited before the next. */
async function secondsOfAwaited(run: () => unknown, calls: number): Promise<number> {
  const start = seconds();
  for (let call = 0; call < calls; call++) sink.value = await run();
  return seconds() - start;
}

/** Times calls of what has been run before, and gave a promise or did not. */
async function time(run: () => unknown, isAsync: boolean): Promise<Time> {
  const sample = isAsync ? secondsOfAwaited : secondsOf;
  let calls = 1;
  let fastest = Infinity;
  for (const start = seconds(); seconds() - start < WARM_UP_SECONDS; ) {
    fastest = Math.min(fastest, (await sample(run, calls)) / calls);
    calls = Math.max(1, Math.min(2 * calls, Math.round(SAMPLE_SECONDS / fastest)));
  }
  const samples: number[] = [];
  for (const start = seconds(); samples.length < MIN_SAMPLES || seconds() - start < SAMPLING_SECONDS; ) {
    samples.push((await sample(run, calls)) / calls);
  }
  return { seconds: median(samples), samples: samples.length };
}

/** The same in a few samples, to choose between forms; in a loop of its own, that of the timing being compiled for one contestant. */
export function briefly(run: () => unknown): number {
  const sample = (least: number) => {
    const start = seconds();
    let calls = 0;
    do {
      sink.value = run();
      calls++;
    } while (seconds() - start < least);
    return (seconds() - start) / calls;
  };
  sample(0.1);
  return median(Array.from({ length: 9 }, () => sample(0.01)));
}

function taskOf([contestant, op, outer, classes, inner, folder]: readonly string[]): Task {
  const bytes = (name: string) => new Uint8Array(readFileSync(join(folder, name))).buffer;
  return {
    contestant,
    op: op as Task["op"],
    outer: Number(outer),
    classes: Number(classes),
    inner: Number(inner),
    logits: new Float64Array(bytes("logits.f64")),
    labels: new Int32Array(bytes("labels.i32")),
  };
}

/** Serves the parent that started this process; a contestant that is a string is a reason to skip. */
export async function serve(contestantOf: (task: Task) => Promise<Contestant | string> | Contestant | string): Promise<void> {
  const words = process.argv.slice(2);
  const contestant = await contestantOf(taskOf(words));
  if (typeof contestant === "string") {
    console.log(`skip ${contestant}`);
    process.exit();
  }
  const { dtype, run, result } = contestant;
  const first = run();
  await first;
  writeFileSync(join(words[5], "result.f64"), new Uint8Array(Float64Array.from(await result()).buffer));
  const lines = createInterface(process.stdin);
  console.log(`ready ${dtype}`);
  const [answer] = await once(lines, "line");
  if (answer === "go") console.log(JSON.stringify(await time(run, first instanceof Promise)));
  // Some libraries leave threads or timers behind, which would keep the process alive.
  process.exit();
}
