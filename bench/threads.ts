// The speed of threads: a benny suite for each shape, loss with gradient by resident layers that differ in their number of threads alone.
// main.ts runs it.

import { availableParallelism } from "node:os";
import b from "benny";
import { SoftmaxCrossEntropy } from "softmax-wasm";
import { median } from "../reference/median.js";
import type { ThreadsRecord } from "./record.js";
import { lossThenGradient } from "./task.js";
import { sink } from "./timing.js";
import { Reference } from "./verify.js";
import { provenance } from "./versions.js";
import { type Batch, batchOf, WORKLOADS, type Workload } from "./workloads.js";

/** One batch that is too small for threads to share, and two larger ones. */
const IDS = ["gradient-64x10", "gradient-1024x1000", "gradient-64x32000"];

/** The number of rounds, in which one thread and several take turns; each ratio is of one round. */
const ROUNDS = 5;

/** Numbers of threads: 2, 4 and so on below the number of processors, that number, and twice that number. */
function counts(processors: number): number[] {
  const found = [];
  for (let threads = 2; threads < processors; threads *= 2) found.push(threads);
  return [...found, processors, 2 * processors].filter((threads) => threads > 1);
}

/** A layer with a batch and verified results; its workers had a second to start. */
async function layerOf(workload: Workload, batch: Batch, reference: Reference, threads: number): Promise<SoftmaxCrossEntropy> {
  const layer = new SoftmaxCrossEntropy({ shape: [workload.outer, workload.classes], threads });
  layer.logits.set(batch.logits);
  layer.labels.set(batch.labels);
  const end = performance.now() + 1000;
  do {
    await new Promise((resolve) => setTimeout(resolve, 1));
    layer.gradient.fill(Number.NaN);
    const flaw = reference.flawOf(lossThenGradient(layer.forward(), layer.backward()), "float64");
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
  return { ...provenance(), processors, rounds: ROUNDS, shapes };
}
