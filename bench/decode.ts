// npm run bench:decode: times of topK and sample of a float32 row of a large vocabulary, over that of softmax of the same row, and of a
// sampler in plain JavaScript: softmax in a loop, and a full sort.
//
//   --record   writes results/decode-node-<major>.json, and what documents say of it
//
// All take turns in each round; the ratios are of one round, their medians are shown. softmax is timed with a new array for its result, and
// writing to an array that is there: how long new memory takes depends on the system.

import { parseArgs } from "node:util";
import { softmax } from "softmax-wasm";
import { sample, topK } from "softmax-wasm/decode";
import { seeded } from "../reference/data.js";
import { median } from "../reference/median.js";
import { writeDocuments } from "./documents.js";
import { type DecodeRecord, writeRecord } from "./record.js";
import { number } from "./report.js";
import { sink } from "./timing.js";
import { provenance } from "./versions.js";

const { values: options } = parseArgs({ options: { record: { type: "boolean", default: false } } });

const CLASSES = 151_936;
const ROUNDS = 151;
const WARM_UP = 50;

const random = seeded(2);
const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());

/** Logits as those of a language model that is rather certain: a few classes stand out. */
function peakedRow(): Float32Array {
  const row = Float32Array.from({ length: CLASSES }, () => 2 * normal());
  for (let rank = 0; rank < 20; rank++) row[Math.floor(CLASSES * random())] = 16 - 0.8 * rank;
  return row;
}

const ROWS = { "normal, σ = 3": Float32Array.from({ length: CLASSES }, () => 3 * normal()), peaked: peakedRow() };

/** Draws from the nucleus, as a textbook does it. */
function plainSample(row: Float32Array, topP: number): number {
  let max = -Infinity;
  for (const logit of row) if (logit > max) max = logit;
  const exps = new Float64Array(row.length);
  let sum = 0;
  for (let j = 0; j < row.length; j++) {
    exps[j] = Math.exp(row[j] - max);
    sum += exps[j];
  }
  const order = Array.from(row.keys()).sort((a, b) => exps[b] - exps[a]);
  let kept = 0;
  let mass = 0;
  while (kept < order.length && mass < topP * sum) mass += exps[order[kept++]];
  let rest = random() * mass;
  for (let i = 0; i < kept; i++) {
    rest -= exps[order[i]];
    if (rest < 0) return order[i];
  }
  return order[kept - 1];
}

const rounded = (value: number) => Number(value.toPrecision(3));

function millisecondsOf(run: () => unknown): number {
  const start = performance.now();
  sink.value = run();
  return performance.now() - start;
}

const measured: DecodeRecord["rows"][number][] = [];
for (const [title, row] of Object.entries(ROWS)) {
  const out = new Float32Array(CLASSES);
  const runs: Record<string, () => unknown> = {
    softmax: () => softmax(row),
    "softmax with out": () => softmax(row, { out }),
    "topK(50)": () => topK(row, 50),
    sample: () => sample(row),
    "topP: 0.9": () => sample(row, { topP: 0.9 }),
    "topK: 50, topP: 0.9, scale: 1 / 0.7": () => sample(row, { topK: 50, topP: 0.9, scale: 1 / 0.7 }),
    "minP: 0.05": () => sample(row, { minP: 0.05 }),
  };
  const rounds = Array.from({ length: WARM_UP + ROUNDS }, () => Object.values(runs).map(millisecondsOf)).slice(WARM_UP);
  // It takes a hundred times as long, and would throw the others out of the caches.
  const plain = median(Array.from({ length: 5 }, () => millisecondsOf(() => plainSample(row, 0.9))));
  console.log(`${title}: ${CLASSES} float32 logits; ms, over softmax, and over softmax with out`);
  const calls: Record<string, { ms: number; overSoftmax: number; overOut: number }> = {};
  Object.keys(runs).forEach((name, i) => {
    const [ms, overNew, overOut] = [
      median(rounds.map((times) => times[i])),
      median(rounds.map((times) => times[i] / times[0])),
      median(rounds.map((times) => times[i] / times[1])),
    ];
    console.log(`  ${name.padEnd(36)}${number(ms).padStart(6)}  ${overNew.toFixed(2)}  ${overOut.toFixed(2)}`);
    calls[name] = { ms: rounded(ms), overSoftmax: rounded(overNew), overOut: rounded(overOut) };
  });
  const over = median(rounds.map(([first]) => plain / first));
  console.log(`  ${"plain JavaScript, topP 0.9".padEnd(36)}${number(plain).padStart(6)}  ${over.toFixed(0)}`);
  measured.push({ title, calls });
}

const record: DecodeRecord = { ...provenance(), rounds: ROUNDS, classes: CLASSES, rows: measured };
if (options.record) {
  writeRecord("decode-", record);
  writeDocuments();
}
