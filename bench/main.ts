// npm run bench: a benny suite for each workload, this library against plain JavaScript in one process; then those of threads.ts. With
// `-- --record` the report goes to results/suites-node-<major>.json, threads' to results/threads-node-<major>.json, their figure and README's
// table; `-- --only 1000,softmax` takes the workloads whose id has one of these in it, `-- --only threads` the threads alone.
//
// Each contestant is verified before it is timed. Times are medians. In one process the contestants share what the engine has learned of
// their functions and the caches: npm run bench:all starts each alone.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import b from "benny";
import { CONTESTANTS } from "./contestants.js";
import { commit, javascript, versionsOf } from "./entrants.js";
import { threadsTable, withThreads } from "./readme.js";
import { addSkipped, type BenchRecord, logitsOf, type Skipped, type Time, type Timed } from "./record.js";
import { report } from "./report.js";
import { threadsRecord } from "./threads.js";
import { draw } from "./threads-figure.js";
import { sink } from "./timing.js";
import { Reference } from "./verify.js";
import { BYTES_PER_LOGIT, batchOf, WORKLOADS, type Workload } from "./workloads.js";

const { values: options } = parseArgs({ options: { only: { type: "string", default: "" }, record: { type: "boolean", default: false } } });

/** A row is soon timed: so many calls make a sample, and the suite's own cost is not seen. */
const CALLS_OF_TINY = 1000;

const skipped: Skipped[] = [];

async function suite(workload: Workload): Promise<Timed> {
  const batch = batchOf(workload);
  const reference = new Reference(workload, batch);
  const calls = workload.isTiny ? CALLS_OF_TINY : 1;
  const cases = [];
  for (const [name, contestantOf] of Object.entries(CONTESTANTS)) {
    const contestant = contestantOf({ ...workload, ...batch, contestant: name });
    if (typeof contestant === "string") {
      addSkipped(skipped, name, contestant, workload.id);
      continue;
    }
    const { run, result, dtype } = contestant;
    await run();
    const flaw = reference.flawOf(Float64Array.from(await result()), dtype);
    if (flaw) throw new Error(`${name}, ${workload.id}: ${flaw}`);
    cases.push(
      b.add(name, () => {
        for (let i = 0; i < calls; i++) sink.value = run();
      }),
    );
  }
  // Some hundred samples a case, or twenty for a slow one.
  const config = b.configure({ cases: { minSamples: 20, maxTime: 0.6 } });
  const live = process.stdout.isTTY ? [b.cycle()] : [];
  const { results } = await b.suite(workload.id, ...cases, config, ...live);
  const times = results.map(({ name, details }): [string, Time] => {
    const nsPerLogit = Number(((details.median * 1e9) / calls / logitsOf(workload)).toPrecision(4));
    return [name, { dtype: "float64", nsPerLogit, rounds: [nsPerLogit] }];
  });
  return { ...workload, bytesPerLogit: BYTES_PER_LOGIT[workload.op], times: Object.fromEntries(times) };
}

const only = options.only.split(",");
const { node, v8 } = versionsOf(process.execPath);
const results = new URL("results/", import.meta.url);
const major = node.split(".")[0];

function write(name: string, content: unknown): void {
  mkdirSync(results, { recursive: true });
  writeFileSync(new URL(`${name}-node-${major}.json`, results), `${JSON.stringify(content, null, 2)}\n`);
}

const workloads: Timed[] = [];
for (const workload of WORKLOADS.filter(({ id }) => only.some((part) => id.includes(part)))) workloads.push(await suite(workload));
if (workloads.length > 0) {
  const record: BenchRecord = {
    date: new Date().toISOString().slice(0, 10),
    cpu: cpus()[0].model.trim(),
    node,
    v8,
    versions: {},
    commit: commit(),
    rounds: 1,
    contestants: Object.fromEntries(javascript(node).map(({ name, title, note }) => [name, { title, note }])),
    workloads,
    skipped,
  };
  console.log(`\n${report(record)}`);
  if (options.record) write("suites", record);
}

if (only.some((part) => "threads".includes(part))) {
  const record = await threadsRecord();
  console.log(`\nTimes as fast as one thread, loss with gradient:\n\n${threadsTable(record)}`);
  if (options.record) {
    write("threads", record);
    writeFileSync(new URL("threads.svg", results), draw(record));
    const readme = new URL("../README.md", import.meta.url);
    writeFileSync(readme, withThreads(readFileSync(readme, "utf8"), record));
  }
}
