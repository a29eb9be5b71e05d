// npm run bench:options: the time of loss with gradient with each option and output, over that of the plain loss with gradient.
//
//   --record   writes results/options-node-<major>.json, and what documents say of it
//
// Resident and copying are measured each by itself. All variants take turns in each round; the ratios are of one round.

import { parseArgs } from "node:util";
import { crossEntropyWithGradient, type LossWithGradientOptions, type Output, type Reduction, SoftmaxCrossEntropy } from "softmax-wasm";
import { exactTerms } from "../reference/exact-terms.js";
import { median } from "../reference/median.js";
import { writeDocuments } from "./documents.js";
import { type OptionsRecord, writeRecord } from "./record.js";
import { costsTable } from "./tables.js";
import { sink } from "./timing.js";
import { provenance } from "./versions.js";
import { batchOf } from "./workloads.js";

const { values: flags } = parseArgs({ options: { record: { type: "boolean", default: false } } });

/** [rows, classes]: long rows, which kernels walk one at a time, and short ones, which they walk in pairs. */
const SHAPES = [
  [1024, 1000],
  [8192, 10],
] as const;
const ROUNDS = 15;
/** A sample is one call of the plain loss, or as many calls as take about this long. */
const SAMPLE_MS = 10;

type Options = Omit<LossWithGradientOptions<Reduction, Output>, "shape" | "out">;

/** The variants that are timed beside the plain loss, by name. */
function variantsOf(rows: number, classes: number): Record<string, Options> {
  const weights = Array.from({ length: classes }, (_, j) => 0.5 + (j % 7) / 4);
  return {
    "weights, ignoreIndex, labelSmoothing": { weights, ignoreIndex: -100, labelSmoothing: 0.1 },
    weights: { weights },
    ignoreIndex: { ignoreIndex: -100 },
    sampleWeights: { sampleWeights: new Array(rows).fill(0.5) },
    labelSmoothing: { labelSmoothing: 0.1 },
    zLoss: { zLoss: 1e-4 },
    entropyWeight: { entropyWeight: 0.01 },
    scale: { scale: 0.5 },
    "mask of all rows": { mask: weights.map((_, j) => Number(j % 5 !== 1)) },
    accumulate: { accumulate: true },
    probs: { outputs: ["probs"] },
    "lse, entropy": { outputs: ["lse", "entropy"] },
    "argmax, correct": { outputs: ["argmax", "correct"] },
    "confidence, scaleGradient": { outputs: ["confidence", "scaleGradient"] },
  };
}

/** Holds a variant's loss and gradient of the first row against the exact ones. */
function verify(name: string, options: Options, classes: number, logits: Float64Array, labels: Int32Array): void {
  const {
    weights = new Array(classes).fill(1),
    labelSmoothing = 0,
    zLoss = 0,
    entropyWeight = 0,
    scale = 1,
    mask,
    sampleWeights,
  } = options;
  const given = Array.from(weights as ArrayLike<number>);
  const want = exactTerms({
    logits: Array.from(logits.subarray(0, classes), (x) => x * scale),
    open: Array.from({ length: classes }, (_, j) => (mask ? (mask as number[])[j] === 1 : true)),
    label: labels[0],
    weights: given,
    labelSmoothing,
    zLoss,
    entropyWeight,
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

function costsOf([rows, classes]: readonly [number, number]): OptionsRecord["shapes"][number] {
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
  // The first call, outside the time, fills the caches, which another variant has used.
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

const record: OptionsRecord = { ...provenance(), rounds: ROUNDS, shapes: SHAPES.map(costsOf) };
console.log(costsTable(record));
if (flags.record) {
  writeRecord("options-", record);
  writeDocuments();
}
