// npm run evaluate:limits: the rate of the evaluation beside those that limit it.

import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import Table from "cli-table3";
import { LossTotal } from "softmax-wasm";
import { median } from "../../reference/median.js";
import { numberOption } from "../number-option.js";
import { BlockMemory, BlockReader } from "./blocks.js";
import { addBlock } from "./evaluator.js";
import { readInput } from "./files.js";
import { isCount, showBytes, threadsOption } from "./options.js";
import { bytesOf, type Plan, planOf } from "./pieces.js";
import { locally, run } from "./run.js";

const USAGE = `The rate of the evaluation beside those that limit it: of the same reads without computing, from the disk and from memory, and of
computing the same sums of one block that is in memory. Rows with the label -100 are left out.

  npm run evaluate:limits -- logits.npy labels.npy [options]

  --rounds N     passes take turns, so many times each (default 3)
  --threads N    of the second evaluation, or auto (default 2)
  --help         this text

Rates are medians and the best of all rounds, and the time of processors, of all threads, a median. A pass from the disk first lets the system drop
the files that it keeps in memory. Only root can do that; without it, these passes are left out.
`;

const MEMORY = 256e6;
const PIECE = 64e6;

/** Reads all blocks. */
async function readAll({ pieces }: Plan, memory: BlockMemory): Promise<void> {
  for (const piece of pieces) {
    const reader = await BlockReader.open(piece, memory);
    let slices = 0;
    for await (const block of reader.blocks()) slices += block.slices;
    await reader.close();
    if (slices !== piece.slices) throw new Error(`read ${slices} rows of ${piece.slices}`);
  }
}

/** Computes the first block again and again, as many slices as there are. */
async function computeAll({ pieces, settings }: Plan, memory: BlockMemory): Promise<void> {
  const slices = pieces.reduce((sum, piece) => sum + piece.slices, 0);
  const [piece] = pieces;
  const reader = await BlockReader.open(piece, memory);
  for await (const block of reader.blocks()) {
    const total = new LossTotal();
    for (let done = 0; done < slices; done += block.slices) addBlock(total, piece, block, settings);
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

interface Pass {
  readonly name: string;
  readonly isCold?: boolean;
  readonly pass: () => Promise<unknown>;
}

function passesOf(plan: Plan, threads: number): readonly Pass[] {
  const memory = new BlockMemory(MEMORY / 2);
  const reads = () => readAll(plan, memory);
  const evaluateBy = (count: number) => () => run(plan, { evaluate: locally(count, MEMORY) });
  const [one, several] = ["evaluation, 1 thread", `evaluation, ${threads} threads`];
  return [
    { name: "reads alone, from the disk", isCold: true, pass: reads },
    { name: `${one}, from the disk`, isCold: true, pass: evaluateBy(1) },
    { name: `${several}, from the disk`, isCold: true, pass: evaluateBy(threads) },
    { name: "reads alone, from memory", pass: reads },
    { name: "sums alone, 1 thread", pass: () => computeAll(plan, memory) },
    { name: `${one}, from memory`, pass: evaluateBy(1) },
    { name: `${several}, from memory`, pass: evaluateBy(threads) },
  ];
}

/** The rate of each round in bytes a second, and the seconds of processors for a gigabyte. */
interface Measured {
  readonly rates: number[];
  readonly processors: number[];
}

async function measure(passes: readonly Pass[], bytes: number, rounds: number): Promise<Map<string, Measured>> {
  const results = new Map<string, Measured>();
  for (let round = 0; round < rounds; round++) {
    for (const { name, isCold, pass } of passes) {
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
  return results;
}

async function limits(): Promise<string> {
  const { values, positionals } = parseArgs({
    options: {
      rounds: { type: "string", default: "3" },
      threads: { type: "string", default: "2" },
      help: { type: "boolean", default: false },
    },
    allowPositionals: true,
  });
  if (values.help) return USAGE;
  const [logits, labels] = positionals;
  if (positionals.length !== 2)
    throw new RangeError(`expected two arguments, logits and labels, got ${positionals.length}; --help says more`);
  const rounds = numberOption("rounds", values.rounds, isCount, "an integer of at least 1");
  const plan = planOf(await readInput(logits, labels), { ignoreIndex: -100 }, PIECE);
  const bytes = plan.pieces.reduce((sum, piece) => sum + bytesOf(piece), 0);
  const results = await measure(passesOf(plan, threadsOption(values.threads)), bytes, rounds);
  const table = new Table({
    head: [`${plan.pieces.length} pieces, ${showBytes(bytes)}`, "median", "best", "processors"],
    colAligns: ["left", "right", "right", "right"],
    style: { head: [], border: [], compact: true },
  });
  const rate = (value: number) => `${showBytes(Math.round(value))}/s`;
  for (const [name, { rates, processors }] of results) {
    table.push([name, rate(median(rates)), rate(Math.max(...rates)), `${median(processors).toFixed(2)} s/GB`]);
  }
  const memory = showBytes(process.resourceUsage().maxRSS * 1024);
  return `${table}\nmedians of ${rounds} rounds; memory of the process at most ${memory}\n`;
}

try {
  process.stdout.write(await limits());
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}
