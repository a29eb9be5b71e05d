// npm run evaluate:limits: the rate of the evaluation beside those that limit it: of the same reads without computing, from the disk and from
// memory, and of computing the same sums of one block that is in memory.
//
//   npm run evaluate:limits -- logits.npy labels.npy --rounds 3
//
// Passes take turns; rates are medians. A pass from the disk first lets the system drop the files that it keeps in memory. Only root can do
// that; without it, these passes are left out.

import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
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
const memory = new BlockMemory(MEMORY);

async function readAll(): Promise<void> {
  for (const piece of plan.pieces) {
    const reader = await BlockReader.open(piece, memory);
    for (let first = 0; first < piece.slices; first += reader.slices) await reader.read(first);
    await reader.close();
  }
}

/** Computes the first block again and again, as many slices as there are. */
async function computeAll(): Promise<void> {
  const [piece] = plan.pieces;
  const reader = await BlockReader.open(piece, memory);
  const block = await reader.read(0);
  await reader.close();
  const slices = plan.pieces.reduce((sum, each) => sum + each.slices, 0);
  const total = new LossTotal();
  for (let done = 0; done < slices; done += block.slices) addBlock(total, piece, block, plan.settings);
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
const rates = new Map<string, number[]>();
for (let round = 0; round < Number(values.rounds); round++) {
  for (const { name, isCold, pass } of PASSES) {
    if (isCold && !dropFiles()) continue;
    const started = performance.now();
    await pass();
    rates.set(name, [...(rates.get(name) ?? []), bytes / ((performance.now() - started) / 1e3)]);
  }
}
console.log(`${plan.pieces.length} pieces, ${showBytes(bytes)}; medians of ${values.rounds} rounds`);
for (const [name, measured] of rates) console.log(`  ${name.padEnd(38)} ${showBytes(Math.round(median(measured)))}/s`);
console.log(`  memory of the process at most          ${showBytes(process.resourceUsage().maxRSS * 1024)}`);
