// npm run bench:nested: softmax, and loss with gradient, of nested arrays, over the time of a textbook loop on the same arrays.
//
//   --record   writes results/nested-node-<major>.json, and what documents say of it
//
// The loop makes new arrays, as the library does. Both take turns in each round; the ratios are of one round, their medians are shown.

import { parseArgs } from "node:util";
import { crossEntropyWithGradient, softmax } from "softmax-wasm";
import { median } from "../reference/median.js";
import { writeDocuments } from "./documents.js";
import { type NestedRecord, writeRecord } from "./record.js";
import { nestedTable } from "./tables.js";
import { sink } from "./timing.js";
import { provenance } from "./versions.js";
import { batchOf } from "./workloads.js";

const { values: options } = parseArgs({ options: { record: { type: "boolean", default: false } } });

const SHAPES = [
  [1, 1000],
  [100, 10],
  [50, 1000],
  [5000, 10],
] as const;
const ROUNDS = 31;
/** A round is one call, or as many calls as take about this long. */
const ROUND_MS = 5;

function textbookSoftmax(x: readonly (readonly number[])[]): number[][] {
  return x.map((row) => {
    let max = -Infinity;
    for (const value of row) if (value > max) max = value;
    let sum = 0;
    const exps: number[] = [];
    for (const value of row) {
      const e = Math.exp(value - max);
      sum += e;
      exps.push(e);
    }
    for (let j = 0; j < exps.length; j++) exps[j] /= sum;
    return exps;
  });
}

function textbookLoss(x: readonly (readonly number[])[], labels: readonly number[]): { loss: number; gradient: number[][] } {
  let loss = 0;
  const gradient = textbookSoftmax(x);
  gradient.forEach((row, r) => {
    loss -= Math.log(row[labels[r]]);
    row[labels[r]] -= 1;
    for (let j = 0; j < row.length; j++) row[j] /= x.length;
  });
  return { loss: loss / x.length, gradient };
}

function verify(got: readonly (readonly number[])[], want: readonly (readonly number[])[]): void {
  const isRight = got.every((row, r) => row.every((value, j) => Math.abs(value - want[r][j]) <= 1e-12));
  if (!isRight || got.length !== want.length) throw new Error("the results differ");
}

const rounded = (value: number) => Number(value.toPrecision(4));

const secondsOf = (run: () => unknown, calls: number): number => {
  const start = performance.now();
  for (let i = 0; i < calls; i++) sink.value = run();
  return (performance.now() - start) / 1e3 / calls;
};

const measured: NestedRecord["times"][number][] = [];
for (const [rows, classes] of SHAPES) {
  const { logits, labels } = batchOf({ outer: rows, classes, inner: 1 });
  const x = Array.from({ length: rows }, (_, r) => Array.from(logits.subarray(r * classes, (r + 1) * classes)));
  const y = Array.from(labels);
  verify(softmax(x), textbookSoftmax(x));
  verify(crossEntropyWithGradient(x, y).gradient, textbookLoss(x, y).gradient);
  const pairs = {
    softmax: [() => softmax(x), () => textbookSoftmax(x)],
    gradient: [() => crossEntropyWithGradient(x, y), () => textbookLoss(x, y)],
  };
  for (const op of ["softmax", "gradient"] as const) {
    const [ours, theirs] = pairs[op];
    const calls = Math.max(1, Math.round(ROUND_MS / 1e3 / secondsOf(theirs, 20)));
    const times = Array.from({ length: ROUNDS + 3 }, () => [secondsOf(ours, calls), secondsOf(theirs, calls)]).slice(3);
    const nsOf = (i: number) => rounded((median(times.map((pair) => pair[i])) * 1e9) / (rows * classes));
    const ratio = rounded(median(times.map(([mine, loop]) => mine / loop)));
    measured.push({ op, title: `${rows}×${classes}`, library: nsOf(0), loop: nsOf(1), ratio });
  }
}

const record: NestedRecord = { ...provenance(), rounds: ROUNDS, times: measured };
console.log(`ns per logit:\n\n${nestedTable(record)}`);
if (options.record) {
  writeRecord("nested-", record);
  writeDocuments();
}
