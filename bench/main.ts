// npm run bench: for each workload a benny suite of this library and plain JavaScript, in one process; then the suites of threads.ts and linear.ts.
//
//   --only 1000,softmax   workloads whose id contains one of these words; `--only threads` and `--only linear` are those suites alone
//   --record              writes results/{threads,linear}-node-<major>.json, and what documents say of them
//
// Each implementation is verified before it is timed. Times are medians. In one process the implementations share the caches and what the
// engine has learned of their functions; npm run bench:all starts each alone.

import { parseArgs } from "node:util";
import b from "benny";
import { javascriptCommands } from "./commands.js";
import { writeDocuments } from "./documents.js";
import { IMPLEMENTATIONS } from "./implementations.js";
import { linearRecord } from "./linear.js";
import { addSkipped, type BenchRecord, logitsOf, type Skipped, type Time, type Timed, writeRecord } from "./record.js";
import { report } from "./report.js";
import { headTable, productsTable, threadsTable } from "./tables.js";
import { threadsRecord } from "./threads.js";
import { sink } from "./timing.js";
import { Reference } from "./verify.js";
import { provenance, versionsOf } from "./versions.js";
import { BYTES_PER_LOGIT, batchOf, WORKLOADS, type Workload } from "./workloads.js";

const { values: options } = parseArgs({ options: { only: { type: "string", default: "" }, record: { type: "boolean", default: false } } });

/** Calls in a sample of a workload of one row, so many that the suite's own time does not show. */
const CALLS_OF_TINY = 1000;

const skipped: Skipped[] = [];

async function suite(workload: Workload): Promise<Timed> {
  const batch = batchOf(workload);
  const reference = new Reference(workload, batch);
  const calls = workload.isTiny ? CALLS_OF_TINY : 1;
  const cases = [];
  const dtypes = new Map<string, Time["dtype"]>();
  for (const [name, implement] of Object.entries(IMPLEMENTATIONS)) {
    const implementation = implement({ ...workload, ...batch, implementation: name });
    if (typeof implementation === "string") {
      addSkipped(skipped, name, implementation, workload.id);
      continue;
    }
    const { run, result, dtype } = implementation;
    dtypes.set(name, dtype);
    await run();
    const flaw = reference.flawOf(Float64Array.from(await result()), dtype);
    if (flaw) throw new Error(`${name}, ${workload.id}: ${flaw}`);
    cases.push(
      b.add(name, () => {
        for (let i = 0; i < calls; i++) sink.value = run();
      }),
    );
  }
  // Some hundred samples a case, or 20 of a slow one.
  const config = b.configure({ cases: { minSamples: 20, maxTime: 0.6 } });
  const live = process.stdout.isTTY ? [b.cycle()] : [];
  const { results } = await b.suite(workload.id, ...cases, config, ...live);
  const times = results.map(({ name, details }): [string, Time] => {
    const nsPerLogit = Number(((details.median * 1e9) / calls / logitsOf(workload)).toPrecision(4));
    return [name, { dtype: dtypes.get(name)!, nsPerLogit, rounds: [nsPerLogit] }];
  });
  return { ...workload, bytesPerLogit: BYTES_PER_LOGIT[workload.op], times: Object.fromEntries(times) };
}

const only = options.only.split(",");

const workloads: Timed[] = [];
for (const workload of WORKLOADS.filter(({ id }) => only.some((part) => id.includes(part)))) workloads.push(await suite(workload));
if (workloads.length > 0) {
  const node = process.execPath;
  const record: BenchRecord = {
    ...provenance(),
    v8: versionsOf(node).v8,
    versions: {},
    rounds: 1,
    implementations: Object.fromEntries(javascriptCommands(node).map(({ name, title, note }) => [name, { title, note }])),
    workloads,
    skipped,
  };
  console.log(`\n${report(record)}`);
}

if (only.some((part) => "threads".includes(part))) {
  const record = await threadsRecord();
  console.log(`\nTimes as fast as one thread, loss with gradient:\n\n${threadsTable(record)}`);
  if (options.record) writeRecord("threads-", record);
}

if (only.some((part) => "linear".includes(part))) {
  const record = await linearRecord();
  console.log(`\nGFLOP/s of X Wᵀ, and loss with gradients of a head:\n\n${productsTable(record)}\n\n${headTable(record)}`);
  if (options.record) writeRecord("linear-", record);
}

if (options.record) writeDocuments();
