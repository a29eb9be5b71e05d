// Times loss with gradient of one shape: implementations take turns, and the medians of their rounds count.

import { median } from "../../../reference/median.js";
import { implementationsFor, type Shape } from "./implementations.js";
import { timeOf } from "./timing.js";

export const ROUNDS = 15;
/** Rounds before the first one that counts, in which engines compile the code. */
const WARM_UP = 3;
/** A sample takes at least so many ms: engines take some to compile code. */
export const SAMPLE_MS = 12;
export const SHOWN = ["plain", "copying", "resident", "float32"] as const;
export type Shown = (typeof SHOWN)[number];
/** ns per logit; undefined without a sample. */
export type Times = Partial<Record<Shown, number>>;

/** The medians of the samples so far; "plain" has the smallest median of its forms. */
function timesOf(samples: ReadonlyMap<string, readonly number[]>): Times {
  const times: Times = {};
  for (const [name, values] of samples) {
    if (values.length === 0) continue;
    const shown = SHOWN.find((own) => own === name) ?? "plain";
    times[shown] = Math.min(times[shown] ?? Infinity, median(values));
  }
  return times;
}

/** Times one shape round by round, until `next`, which is awaited before each sample, is false; `report` gets the medians after each round. */
export async function measureShape(
  shape: Shape,
  sampleMs: number,
  next: () => Promise<boolean>,
  report: (times: Times) => void,
): Promise<void> {
  const implementations = implementationsFor(shape);
  try {
    const runs = Object.entries(implementations.runs);
    const size = shape.rows * shape.classes;
    const calls = new Map<string, number>(runs.map(([name]) => [name, 1]));
    const samples = new Map<string, number[]>(runs.map(([name]) => [name, []]));
    for (let round = -WARM_UP; round < ROUNDS; round++) {
      for (let turn = 0; turn < runs.length; turn++) {
        if (!(await next())) return;
        const [name, run] = runs[(turn + round + WARM_UP) % runs.length];
        let count = calls.get(name) ?? 1;
        let ms = timeOf(run, count);
        // Doubles the calls until they fill a sample; more calls do as the engine makes the code faster.
        while (round < 0 && ms < sampleMs) {
          count *= 2;
          ms = timeOf(run, count);
        }
        calls.set(name, count);
        if (round >= 0) samples.get(name)?.push((1e6 * ms) / (count * size));
      }
      report(timesOf(samples));
    }
  } finally {
    implementations.dispose();
  }
}
