// npm run evaluate:limits: the rate of the evaluation beside those that limit it: of the same reads without computing, from the disk and from
// memory, and of computing the same sums of one block that is in memory.
//
//   npm run evaluate:limits -- logits.npy labels.npy --rounds 3
//
// Passes take turns. Rates are medians and the best of all rounds, and the time of processors, of all threads, a median. A pass from the disk first lets the system drop the files that it keeps in memory. Only root can do
// that; without it, these passes are left out.

import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import Table from "cli-table3";
import { LossTotal } from "softmax-wasm";
import { median } from "../../reference/median.js";
import { BlockMemory, BlockReader } from "./blocks.js";
import { addBlock } from "./evaluator.js";
import { readInput } from "./files.js";
import { showBytes } from "./options.js";
import { bytesOf, planOf } from "./pieces.js";
import { locally, run } from "./run.js";

const { values, positionals } = parseArgs({ options: { rounds: { type: "string", default: "3" } }, allowPositionals: true });
const [logits, labels] = positionals;
const MEMORY = 256e6;

const plan = planOf(await readInput(logits, labels), { ignoreIndex: -100 }, 64e6);
const bytes = plan.pieces.reduce((sum, piece) => sum + bytesOf(piece), 0);
const ROWS = plan.pieces.reduce((sum, { slices }) => sum + slices, 0);
const memory = new BlockMemory(MEMORY);

async function readAll(): Promise<void> {
  let rows = 0;
  for (const piece of plan.pieces) {
    const reader = await BlockReader.open(piece, memory);
    for await (const block of reader.blocks()) rows += block.slices;
    await reader.close();
  }
  if (rows !== ROWS) throw new Error(`read ${rows} rows of ${ROWS}`);
}

/** Computes the first block again and again, as many slices as there are. */
async function computeAll(): Promise<void> {
  const [piece] = plan.pieces;
  const reader = await BlockReader.open(piece, memory);
  for await (const block of reader.blocks()) {
    const total = new LossTotal();
    for (let done = 0; done < ROWS; done += block.slices) addBlock(total, piece, block, plan.settings);
    break;
  }
  await reader.close();
}

/** Lets the system forget the files that it keeps in memory; false if it does not. */
function dropFiles(): boolean {
  try {
    writeFileSync("/proc/sys/vm/drop_caches", "3");
    return true;
  } catch {
    return false;
  }
}

const evaluateBy = (threads: number) => () => run(plan, { evaluate: locally(threads, MEMORY) });

const PASSES: readonly { name: string; isCold?: true; pass: () => Promise<unknown> }[] = [
  { name: "reads alone, from the disk", isCold: true, pass: readAll },
  { name: "evaluation, from the disk, 1 thread", isCold: true, pass: evaluateBy(1) },
  { name: "evaluation, from the disk, 2 threads", isCold: true, pass: evaluateBy(2) },
  { name: "reads alone, from memory", pass: readAll },
  { name: "sums alone, 1 thread", pass: computeAll },
  { name: "evaluation, from memory, 1 thread", pass: evaluateBy(1) },
  { name: "evaluation, from memory, 2 threads", pass: evaluateBy(2) },
];

/** The rate of each round in bytes a second, and the seconds of processors for a gigabyte. */
interface Measured {
  readonly rates: number[];
  readonly processors: number[];
}
const results = new Map<string, Measured>();
for (let round = 0; round < Number(values.rounds); round++) {
  for (const { name, isCold, pass } of PASSES) {
    if (isCold && !dropFiles()) continue;
    const started = performance.now();
    const before = process.cpuUsage();
    await pass();
    const seconds = (performance.now() - started) / 1e3;
    const { user, system } = process.cpuUsage(before);
    const result = results.get(name) ?? { rates: [], processors: [] };
    result.rates.push(bytes / seconds);
    result.processors.push(((user + system) / 1e6 / bytes) * 1e9);
    results.set(name, result);
  }
}
const table = new Table({
  head: [`${plan.pieces.length} pieces, ${showBytes(bytes)}`, "median", "best", "processors"],
  colAligns: ["left", "right", "right", "right"],
  style: { head: [], border: [], compact: true },
});
const rate = (value: number) => `${showBytes(Math.round(value))}/s`;
for (const [name, { rates, processors }] of results) {
  table.push([name, rate(median(rates)), rate(Math.max(...rates)), `${median(processors).toFixed(2)} s/GB`]);
}
console.log(
  `${table}\nmedians of ${values.rounds} rounds; memory of the process at most ${showBytes(process.resourceUsage().maxRSS * 1024)}`,
);
