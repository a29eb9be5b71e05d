// npm run bench:options: what each option and output costs, as a ratio to the plain loss with gradient, resident and copying, in rounds in
// which all take turns. With `-- --record` the table goes to README and results/options-node-<major>.json.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { crossEntropyWithGradient, type LossWithGradientOptions, type Output, type Reduction, SoftmaxCrossEntropy } from "softmax-wasm";
import { exactTerms } from "../reference/exact-terms.js";
import { commit, versionsOf } from "./entrants.js";
import { type OptionsRecord, withOptions } from "./readme.js";
import { median, sink } from "./timing.js";
import { batchOf } from "./workloads.js";

const { values: flags } = parseArgs({ options: { record: { type: "boolean", default: false } } });

/** [outer, classes]: long rows one at a time, short ones in pairs. */
const SHAPES = [
  [1024, 1000],
  [8192, 10],
] as const;
const ROUNDS = 15;
/** A call of the plain loss, or as many as take about this long, make a sample. */
const SAMPLE_MS = 10;

type Options = Omit<LossWithGradientOptions<Reduction, Output>, "shape" | "out">;

/** What is timed beside the plain loss, by name. */
function variantsOf(rows: number, classes: number): Record<string, Options> {
  const weights = Array.from({ length: classes }, (_, j) => 0.5 + (j % 7) / 4);
  return {
    "weights, ignoreIndex, labelSmoothing": { weights, ignoreIndex: -100, labelSmoothing: 0.1 },
    weights: { weights },
    ignoreIndex: { ignoreIndex: -100 },
    sampleWeights: { sampleWeights: new Array(rows).fill(0.5) },
    labelSmoothing: { labelSmoothing: 0.1 },
    zLoss: { zLoss: 1e-4 },
    scale: { scale: 0.5 },
    "mask of all rows": { mask: weights.map((_, j) => Number(j % 5 !== 1)) },
    accumulate: { accumulate: true },
    probs: { outputs: ["probs"] },
    "lse, entropy": { outputs: ["lse", "entropy"] },
    "argmax, correct": { outputs: ["argmax", "correct"] },
  };
}

/** The loss and gradient of the first row, exactly, to verify what is timed. */
function verify(name: string, options: Options, classes: number, logits: Float64Array, labels: Int32Array): void {
  const { weights = new Array(classes).fill(1), labelSmoothing = 0, zLoss = 0, scale = 1, mask, sampleWeights } = options;
  const given = Array.from(weights as ArrayLike<number>);
  const want = exactTerms({
    logits: Array.from(logits.subarray(0, classes), (x) => x * scale),
    open: Array.from({ length: classes }, (_, j) => (mask ? (mask as number[])[j] === 1 : true)),
    label: labels[0],
    weights: given,
    labelSmoothing,
    zLoss,
    sampleWeight: sampleWeights ? 0.5 : 1,
    scale,
  });
  const { accumulate, ...terms } = options;
  const shape = [1, classes];
  const first = { ...terms, ...(sampleWeights && { sampleWeights: [0.5] }), shape, reduction: "sum" } as const;
  const got = crossEntropyWithGradient(logits.slice(0, classes), labels.slice(0, 1), first);
  const pairs = [[got.loss, want.loss], ...Array.from(got.gradient, (value, j) => [value, want.gradient[j]] as const)] as const;
  for (const [value, exact] of pairs) {
    const limit = exact.size.times(1e-14).toNumber();
    if (Number.isFinite(limit) && !(Math.abs(value - exact.value.toNumber()) <= limit)) throw new Error(`${name}: ${value} is not right`);
  }
}

function timesOf([rows, classes]: readonly [number, number]): OptionsRecord["shapes"][number] {
  const { logits, labels } = batchOf({ outer: rows, classes, inner: 1 });
  const shape = [rows, classes];
  const runs = Object.entries({ plain: {}, ...variantsOf(rows, classes) }).map(([name, options]: [string, Options]) => {
    verify(name, options, classes, logits, labels);
    const { sampleWeights, mask, ...terms } = options;
    const layer = new SoftmaxCrossEntropy({ ...terms, shape, sampleWeights: sampleWeights !== undefined, mask: mask as number[] });
    layer.logits.set(logits);
    layer.labels.set(labels);
    if (sampleWeights) layer.sampleWeights.set(sampleWeights as number[]);
    const out = new Float64Array(logits.length);
    return {
      name,
      resident: () => {
        layer.forward();
        return layer.backward();
      },
      copying: () => crossEntropyWithGradient(logits, labels, { ...options, shape, out }),
    };
  });
  // The first call finds the caches as another left them.
  const secondsOf = (run: () => unknown, calls: number): number => {
    sink.value = run();
    const start = performance.now();
    for (let i = 0; i < calls; i++) sink.value = run();
    return (performance.now() - start) / calls / 1e3;
  };
  const calls = Math.max(1, Math.round(SAMPLE_MS / 1e3 / secondsOf(runs[0].resident, 3)));
  const ratios: Record<string, { resident: number[]; copying: number[] }> = {};
  for (let round = -2; round < ROUNDS; round++) {
    for (const way of ["resident", "copying"] as const) {
      const [plain, ...others] = runs.map((run) => secondsOf(run[way], calls));
      if (round < 0) continue;
      others.forEach((seconds, i) => {
        ratios[runs[i + 1].name] ??= { resident: [], copying: [] };
        ratios[runs[i + 1].name][way].push(seconds / plain);
      });
    }
  }
  const rounded = (values: number[]) => Number(median(values).toFixed(2));
  const costs = Object.entries(ratios).map(([name, { resident, copying }]) => [
    name,
    { resident: rounded(resident), copying: rounded(copying) },
  ]);
  return { title: shape.join("×"), costs: Object.fromEntries(costs) };
}

const { node } = versionsOf(process.execPath);
const record: OptionsRecord = {
  date: new Date().toISOString().slice(0, 10),
  cpu: cpus()[0].model.trim(),
  node,
  commit: commit(),
  rounds: ROUNDS,
  shapes: SHAPES.map(timesOf),
};
const readme = new URL("../README.md", import.meta.url);
const text = withOptions(readFileSync(readme, "utf8"), record);
console.log(/<!-- costs -->([\s\S]*)<!-- end of costs -->/.exec(text)?.[1]);
if (flags.record) {
  writeFileSync(readme, text);
  mkdirSync(new URL("results/", import.meta.url), { recursive: true });
  const file = `results/options-node-${node.split(".")[0]}.json`;
  writeFileSync(new URL(file, import.meta.url), `${JSON.stringify(record, null, 2)}\n`);
}
