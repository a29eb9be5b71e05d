// npm run bench:all: this library, plain JavaScript, NumPy, PyTorch, C and other libraries on every workload, each in a fresh process.
//
//   --rounds 3             how often each contestant is started on each workload, taking turns (5)
//   --only 1000,softmax    workloads whose id has one of these in it
//   --contestants a,b      these alone
//   --node 24              the JavaScript contestants on another Node, by npx
//   --record               writes results/node-<major>.json, and for this Node results/speed.svg and the times in README
//
// A result is verified before it is timed. What is reported is the median over the rounds of the medians of calls.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { nodeOf } from "../scripts/nodes.js";
import { contest, writeBatch } from "./contest.js";
import { commit, type Entrant, entrants, versions, versionsOf } from "./entrants.js";
import { draw } from "./figure.js";
import { withTimes } from "./readme.js";
import { addSkipped, type BenchRecord, logitsOf, type Skipped, type Time, type Timed } from "./record.js";
import { report } from "./report.js";
import { type Contestant, median } from "./timing.js";
import { Reference } from "./verify.js";
import { BYTES_PER_LOGIT, batchOf, WORKLOADS, type Workload } from "./workloads.js";

/** Of the last minute; an idle machine is below it. */
const MAX_LOAD = 0.3;

const { values: options } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    only: { type: "string", default: "" },
    contestants: { type: "string" },
    node: { type: "string", default: process.versions.node.split(".")[0] },
    record: { type: "boolean", default: false },
  },
});
const rounds = Number(options.rounds);
if (!(Number.isInteger(rounds) && rounds > 0)) throw new RangeError(`--rounds expected a positive integer, got ${options.rounds}`);

const rounded = (value: number) => Number(value.toPrecision(4));

/** One whose call takes longer is not started again: a round of it is long, and its place in the table is sure. */
const SLOW_SECONDS = 1;

/** Everyone on one workload, taking turns; each round begins with another. */
async function timed(workload: Workload, field: readonly Entrant[], folder: string, skip: (name: string, reason: string) => void) {
  const batch = batchOf(workload);
  const reference = new Reference(workload, batch);
  writeBatch(folder, batch);
  const samples = new Map<string, { dtype: Contestant["dtype"]; rounds: number[] }>();
  let present = [...field];
  for (let round = 0; round < rounds; round++) {
    const first = round % Math.max(1, present.length);
    for (const entrant of [...present.slice(first), ...present.slice(0, first)]) {
      const outcome = await contest(entrant, workload, folder, reference);
      if ("skipped" in outcome) {
        skip(entrant.name, outcome.skipped);
        samples.delete(entrant.name);
        present = present.filter((other) => other !== entrant);
        continue;
      }
      const { dtype, seconds } = outcome;
      if (!samples.has(entrant.name)) samples.set(entrant.name, { dtype, rounds: [] });
      samples.get(entrant.name)!.rounds.push((seconds * 1e9) / logitsOf(workload));
      if (seconds > SLOW_SECONDS) present = present.filter((other) => other !== entrant);
    }
  }
  const times: Record<string, Time> = {};
  for (const { name } of field) {
    const found = samples.get(name);
    if (found) times[name] = { dtype: found.dtype, nsPerLogit: rounded(median(found.rounds)), rounds: found.rounds.map(rounded) };
  }
  return { ...workload, bytesPerLogit: BYTES_PER_LOGIT[workload.op], times };
}

const folder = mkdtempSync(join(tmpdir(), "softmax-wasm-bench-"));
process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
process.once("SIGINT", () => process.exit(130));

const load = loadavg()[0];
if (load > MAX_LOAD) console.error(`This machine is not idle: its load was ${load.toFixed(2)} in the last minute. Times will be off.`);
const node = nodeOf(options.node);
const all = await entrants(node, folder);
const wanted = options.contestants?.split(",");
const unknown = wanted?.filter((name) => !all.some((entrant) => entrant.name === name)) ?? [];
if (unknown.length) throw new RangeError(`--contestants expected some of ${all.map(({ name }) => name).join(", ")}, got ${unknown}`);
const field = all.filter(({ name }) => wanted?.includes(name) ?? true);
const chosen = WORKLOADS.filter(({ id }) => options.only.split(",").some((part) => id.includes(part)));

const skipped: Skipped[] = [];
const workloads: Timed[] = [];
for (const workload of chosen) {
  console.error(`${workload.id}: ${workload.reason}`);
  const skip = (contestant: string, reason: string) => addSkipped(skipped, contestant, reason, workload.id);
  workloads.push(await timed(workload, field, folder, skip));
}

const record: BenchRecord = {
  date: new Date().toISOString().slice(0, 10),
  cpu: cpus()[0].model.trim(),
  node: versionsOf(node).node,
  v8: versionsOf(node).v8,
  versions: versions(),
  commit: commit(),
  rounds,
  contestants: Object.fromEntries(field.map(({ name, title, note }) => [name, { title, note }])),
  workloads,
  skipped,
};
console.log(`\n${report(record)}`);
if (options.record) {
  const results = new URL("results/", import.meta.url);
  mkdirSync(results, { recursive: true });
  const major = record.node.split(".")[0];
  writeFileSync(new URL(`node-${major}.json`, results), `${JSON.stringify(record, null, 2)}\n`);
  if (node === process.execPath) {
    writeFileSync(new URL("speed.svg", results), draw(record));
    const readme = new URL("../README.md", import.meta.url);
    writeFileSync(readme, withTimes(readFileSync(readme, "utf8"), record));
  }
}
