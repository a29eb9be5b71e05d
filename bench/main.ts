// npm run bench: softmax, loss, and loss with gradient against plain JavaScript; each contestant is verified before it is timed.
//
//   resident   a layer's own memory, nothing copied
//   copying    a function on ordinary Float64Arrays, `out` given: the copies in and out are in the time
//   plain      plain.ts, on ordinary arrays, nothing copied
//
// All do the same work on the same numbers on one core. Times are medians of one process.

import { cpus } from "node:os";
import b from "benny";
import Table from "cli-table3";
import { crossEntropy, crossEntropyWithGradient, Softmax, SoftmaxCrossEntropy, softmax } from "softmax-wasm";
import { seeded } from "../test/data.js";
import { type ExactRow, exactGradient, exactLoss, exactRow } from "../test/oracle.js";
import * as plain from "./plain.js";

/** Rows and classes. */
const SHAPES = [
  [8192, 10], // a digit classifier
  [1024, 1000], // ImageNet
  [64, 32000], // a language model
  [256, 4099], // a prime number of classes
] as const;

/** What is timed, and where its result is afterwards. */
interface Contestant {
  readonly run: () => unknown;
  readonly result: () => ArrayLike<number>;
}

const CONTESTANTS = ["resident", "copying", "plain"] as const;
type Contest = Partial<Record<(typeof CONTESTANTS)[number], Contestant>>;

interface Batch {
  readonly rows: number;
  readonly classes: number;
  readonly x: Float64Array;
  readonly labels: Int32Array;
}

function batchOf(rows: number, classes: number): Batch {
  const random = seeded(rows);
  const x = Float64Array.from({ length: rows * classes }, () => 10 * random() - 5);
  return { rows, classes, x, labels: Int32Array.from({ length: rows }, () => Math.floor(random() * classes)) };
}

function softmaxContest({ rows, classes, x }: Batch): Contest {
  const shape = [rows, classes];
  const layer = new Softmax({ shape });
  layer.logits.set(x);
  const out = new Float64Array(x.length);
  const byHand = new Float64Array(x.length);
  return {
    resident: { run: () => layer.forward(), result: () => layer.probs },
    copying: { run: () => softmax(x, { shape, out }), result: () => out },
    plain: { run: () => plain.softmax(x, byHand, rows, classes), result: () => byHand },
  };
}

/** No layer has the loss alone. */
function lossContest({ rows, classes, x, labels }: Batch): Contest {
  const shape = [rows, classes];
  const loss = [0];
  const byHand = [0];
  return {
    copying: { run: () => loss.fill(crossEntropy(x, labels, { shape })), result: () => loss },
    plain: { run: () => byHand.fill(plain.crossEntropy(x, labels, rows, classes)), result: () => byHand },
  };
}

function gradientContest({ rows, classes, x, labels }: Batch): Contest {
  const shape = [rows, classes];
  const layer = new SoftmaxCrossEntropy({ shape });
  layer.logits.set(x);
  layer.labels.set(labels);
  const out = new Float64Array(x.length);
  const byHand = new Float64Array(x.length);
  const sink = [0];
  return {
    resident: { run: () => sink.fill(layer.forward()) && layer.backward(), result: () => layer.gradient },
    copying: { run: () => crossEntropyWithGradient(x, labels, { shape, out }), result: () => out },
    plain: { run: () => sink.fill(plain.crossEntropyWithGradient(x, labels, byHand, rows, classes)), result: () => byHand },
  };
}

/** A contest, and the exact result of a batch from its exact rows. */
const SUITES: [name: string, contest: (batch: Batch) => Contest, exact: (rows: ExactRow[], labels: Int32Array) => number[]][] = [
  ["softmax", softmaxContest, (rows) => rows.flatMap(({ probs }) => probs.map((p) => p.toNumber()))],
  ["loss", lossContest, (rows, labels) => [rows.reduce((sum, row, r) => sum + exactLoss(row, labels[r]).div(rows.length).toNumber(), 0)]],
  [
    "loss with gradient",
    gradientContest,
    (rows, labels) => rows.flatMap((row, r) => exactGradient(row, labels[r]).map((g) => g.div(rows.length).toNumber())),
  ],
];

/** Relative; plain JavaScript rounds more than the library does. */
const TOLERANCE = 1e-12;

function verify(suite: string, contest: Contest, want: number[]): void {
  for (const [name, { run, result }] of Object.entries(contest)) {
    run();
    const got = result();
    want.forEach((value, i) => {
      if (!(Math.abs(got[i] - value) <= TOLERANCE * Math.abs(value))) throw new Error(`${suite}, ${name}: ${got[i]} is not ${value}`);
    });
  }
}

const report = new Table({
  head: ["", "shape", ...CONTESTANTS, "plain / resident", "plain / copying"],
  colAligns: ["left", "right", "right", "right", "right", "right", "right"],
  style: { head: [], border: [], compact: true },
});

for (const [rows, classes] of SHAPES) {
  const batch = batchOf(rows, classes);
  const small = batchOf(2, classes);
  const exactRows = [0, 1].map((r) => exactRow(small.x.subarray(r * classes, (r + 1) * classes)));
  for (const [name, contestOf, exact] of SUITES) {
    verify(name, contestOf(small), exact(exactRows, small.labels));
    const contest = contestOf(batch);
    const cases = Object.entries(contest).map(([contestant, { run }]) => b.add(contestant, () => void run()));
    // Some hundred samples a case, or twenty for a slow one.
    const config = b.configure({ cases: { minSamples: 20, maxTime: 0.6 } });
    const live = process.stdout.isTTY ? [b.cycle()] : [];
    const { results } = await b.suite(`${name}, ${rows}×${classes}`, ...cases, config, ...live);
    const nsOf = (contestant: string) => {
      const result = results.find((candidate) => candidate.name === contestant);
      return result ? (result.details.median * 1e9) / (rows * classes) : Number.NaN;
    };
    const cell = (value: number, text: string) => (Number.isNaN(value) ? "" : text);
    const times = CONTESTANTS.map(nsOf);
    report.push([
      name,
      `${rows}×${classes}`,
      ...times.map((ns) => cell(ns, `${ns.toFixed(2)} ns`)),
      ...times.slice(0, 2).map((ns) => cell(ns, `${(times[2] / ns).toFixed(1)}×`)),
    ]);
  }
}

console.log(`\nTime per logit; ${cpus()[0].model.trim()}, Node ${process.versions.node}, V8 ${process.versions.v8}\n${report}`);
