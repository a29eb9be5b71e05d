// npm run bench:all: this library, plain JavaScript, NumPy, PyTorch, C and other libraries on every workload, each in a fresh process.
//
//   --rounds 3                 how often each implementation is started on each workload, taking turns (5)
//   --only 1000,softmax        workloads whose id contains one of these words
//   --implementations a,b      these implementations alone
//   --node 24                  the JavaScript implementations on another Node, from npm
//   --float32                  the implementations in float32, and this library in float64; without, those in float64
//   --record                   writes results/node-<major>.json, with --float32 results/float32-node-<major>.json, and what documents say of it;
//                              of some workloads or implementations, their part of the record that is there
//
// A result is verified before it is timed. The time reported is the median over the rounds; that of a round is the median of its calls.

import { mkdtempSync, rmSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { median } from "../reference/median.js";
import { nodeOf } from "../scripts/nodes.js";
import { type Command, commands } from "./commands.js";
import { writeDocuments } from "./documents.js";
import { addSkipped, type BenchRecord, logitsOf, readRecord, type Skipped, type Time, type Timed, writeRecord } from "./record.js";
import { report } from "./report.js";
import { timeByRunner, writeBatch } from "./runner-parent.js";
import type { Implementation } from "./task.js";
import { Reference } from "./verify.js";
import { provenance, versions, versionsOf } from "./versions.js";
import { BYTES_PER_LOGIT, batchOf, WORKLOADS, type Workload } from "./workloads.js";

/** An idle machine's load of the last minute is below this. */
const MAX_LOAD = 0.3;

const { values: options } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    only: { type: "string", default: "" },
    implementations: { type: "string" },
    node: { type: "string", default: process.versions.node.split(".")[0] },
    float32: { type: "boolean", default: false },
    record: { type: "boolean", default: false },
  },
});
const rounds = Number(options.rounds);
if (!(Number.isInteger(rounds) && rounds > 0)) throw new RangeError(`--rounds expected a positive integer, got ${options.rounds}`);

const rounded = (value: number) => Number(value.toPrecision(4));

/** An implementation whose call takes longer is started once only: a round of it is long, and its place in the table is clear. */
const SLOW_SECONDS = 1;

/** Times all implementations on one workload, taking turns; each round begins with another one. */
async function timed(workload: Workload, chosen: readonly Command[], folder: string, skip: (name: string, reason: string) => void) {
  const batch = batchOf(workload);
  const reference = new Reference(workload, batch);
  writeBatch(folder, batch);
  const samples = new Map<string, { dtype: Implementation["dtype"]; rounds: number[] }>();
  let present = [...chosen];
  for (let round = 0; round < rounds; round++) {
    const first = round % Math.max(1, present.length);
    for (const command of [...present.slice(first), ...present.slice(0, first)]) {
      const outcome = await timeByRunner(command, workload, folder, reference);
      if ("skipped" in outcome) {
        skip(command.name, outcome.skipped);
        samples.delete(command.name);
        present = present.filter((other) => other !== command);
        continue;
      }
      const { dtype, seconds } = outcome;
      if (!samples.has(command.name)) samples.set(command.name, { dtype, rounds: [] });
      samples.get(command.name)!.rounds.push((seconds * 1e9) / logitsOf(workload));
      if (seconds > SLOW_SECONDS) present = present.filter((other) => other !== command);
    }
  }
  const times: Record<string, Time> = {};
  for (const { name } of chosen) {
    const found = samples.get(name);
    if (found) times[name] = { dtype: found.dtype, nsPerLogit: rounded(median(found.rounds)), rounds: found.rounds.map(rounded) };
  }
  return { ...workload, bytesPerLogit: BYTES_PER_LOGIT[workload.op], times };
}

/** A record with the times of a part of its workloads and implementations measured anew, on the same machine. */
function renewed(before: BenchRecord, { implementations, workloads, skipped, ...now }: BenchRecord): BenchRecord {
  if (now.cpu !== before.cpu) throw new RangeError(`--record expected the machine of the record, ${before.cpu}, got ${now.cpu}`);
  const isAnew = (id: string) => workloads.some((workload) => workload.id === id);
  return {
    ...now,
    implementations: { ...before.implementations, ...implementations },
    workloads: before.workloads.map((workload) => {
      const times = workloads.find(({ id }) => id === workload.id)?.times;
      return { ...workload, times: { ...workload.times, ...times } };
    }),
    skipped: [
      ...before.skipped.filter(({ implementation, workloads: ids }) => !(implementation in implementations && ids.every(isAnew))),
      ...skipped,
    ],
  };
}

const folder = mkdtempSync(join(tmpdir(), "softmax-wasm-bench-"));
process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
process.once("SIGINT", () => process.exit(130));

const node = nodeOf(options.node);
const load = loadavg()[0];
if (load > MAX_LOAD) console.error(`This machine is not idle: its load was ${load.toFixed(2)} in the last minute. Times will be off.`);
const all = commands(node, folder);
const wanted = options.implementations?.split(",");
const unknown = wanted?.filter((name) => !all.some((command) => command.name === name)) ?? [];
if (unknown.length) throw new RangeError(`--implementations expected some of ${all.map(({ name }) => name).join(", ")}, got ${unknown}`);
const isOfFloat32 = (name: string) => /-float32$|^tfjs-|^jax-js$/.test(name);
const takesPart = ({ name }: Command) => (name === "resident" && options.float32) || isOfFloat32(name) === options.float32;
const chosen = all.filter((command) => wanted?.includes(command.name) ?? takesPart(command));

const skipped: Skipped[] = [];
const workloads: Timed[] = [];
for (const workload of WORKLOADS.filter(({ id }) => options.only.split(",").some((part) => id.includes(part)))) {
  console.error(`${workload.id}: ${workload.reason}`);
  const skip = (implementation: string, reason: string) => addSkipped(skipped, implementation, reason, workload.id);
  workloads.push(await timed(workload, chosen, folder, skip));
}

const record: BenchRecord = {
  ...provenance(node),
  v8: versionsOf(node).v8,
  versions: versions(),
  rounds,
  implementations: Object.fromEntries(chosen.map(({ name, title, note }) => [name, { title, note }])),
  workloads,
  skipped,
};
console.log(`\n${report(record)}`);
if (options.record) {
  const prefix = options.float32 ? "float32-" : "";
  const isWhole = options.only === "" && options.implementations === undefined;
  writeRecord(prefix, isWhole ? record : renewed(readRecord(prefix, Number(options.node)), record));
  writeDocuments();
}
