// What threads bring: a benny suite for each shape, loss with gradient of resident layers that differ in their number of threads alone.
// Called by main.ts.

import { availableParallelism, cpus } from "node:os";
import b from "benny";
import { SoftmaxCrossEntropy } from "softmax-wasm";
import { withLoss } from "./contestants.js";
import { commit, versionsOf } from "./entrants.js";
import { median, sink } from "./timing.js";
import { Reference } from "./verify.js";
import { type Batch, batchOf, WORKLOADS, type Workload } from "./workloads.js";

/** One that is too small to be shared, and two that are not. */
const IDS = ["gradient-64x10", "gradient-1024x1000", "gradient-64x32000"];

/** One thread and more take turns so many times; the ratios are of one round. */
const ROUNDS = 5;

/** What the suites leave: bench/results/threads-node-<major>.json. */
export interface ThreadsRecord {
  readonly date: string;
  readonly cpu: string;
  readonly node: string;
  readonly commit: string;
  readonly processors: number;
  readonly rounds: number;
  readonly shapes: readonly {
    readonly title: string;
    /** By the number of threads: how many times as fast as one. */
    readonly speedups: Readonly<Record<string, number>>;
  }[];
}

/** 2, 4 … threads, to twice as many as there are processors. */
function counts(processors: number): number[] {
  const found = [];
  for (let threads = 2; threads < processors; threads *= 2) found.push(threads);
  return [...found, processors, 2 * processors].filter((threads) => threads > 1);
}

/** A layer with a batch, its results verified, and as many threads at work as come within a second. */
async function layerOf(workload: Workload, batch: Batch, reference: Reference, threads: number): Promise<SoftmaxCrossEntropy> {
  const layer = new SoftmaxCrossEntropy({ shape: [workload.outer, workload.classes], threads });
  layer.logits.set(batch.logits);
  layer.labels.set(batch.labels);
  const end = performance.now() + 1000;
  do {
    await new Promise((resolve) => setTimeout(resolve, 1));
    layer.gradient.fill(Number.NaN);
    const flaw = reference.flawOf(withLoss(layer.forward(), layer.backward()), "float64");
    if (flaw) throw new Error(`${threads} threads, ${workload.id}: ${flaw}`);
  } while (layer.threads < threads && performance.now() < end);
  return layer;
}

async function speedupsOf(workload: Workload, processors: number): Promise<ThreadsRecord["shapes"][number]> {
  const batch = batchOf(workload);
  const reference = new Reference(workload, batch);
  const alone = await layerOf(workload, batch, reference, 1);
  const config = b.configure({ cases: { minSamples: 20, maxTime: 0.3 } });
  const live = process.stdout.isTTY ? [b.cycle()] : [];
  const speedups: Record<string, number> = { 1: 1 };
  for (const threads of counts(processors)) {
    using shared = await layerOf(workload, batch, reference, threads);
    const ratios = [];
    for (let round = 0; round < ROUNDS; round++) {
      const cases = Object.entries({ "1 thread": alone, [`${threads} threads`]: shared }).map(([name, layer]) =>
        b.add(name, () => {
          sink.value = layer.forward();
          sink.value = layer.backward();
        }),
      );
      const { results } = await b.suite(workload.id, ...cases, config, ...live);
      ratios.push(results[0].details.median / results[1].details.median);
    }
    speedups[threads] = Number(median(ratios).toFixed(2));
  }
  return { title: workload.title, speedups };
}

export async function threadsRecord(): Promise<ThreadsRecord> {
  const processors = availableParallelism();
  const shapes = [];
  for (const workload of WORKLOADS.filter(({ id }) => IDS.includes(id))) shapes.push(await speedupsOf(workload, processors));
  const { node } = versionsOf(process.execPath);
  const date = new Date().toISOString().slice(0, 10);
  return { date, cpu: cpus()[0].model.trim(), node, commit: commit(), processors, rounds: ROUNDS, shapes };
}
