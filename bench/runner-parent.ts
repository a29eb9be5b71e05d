// The parent's end of the benchmark's protocol: starts a runner, verifies its result, lets it time. runner-child.ts describes the protocol.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Command } from "./commands.js";
import type { Implementation } from "./task.js";
import type { Timing } from "./timing.js";
import type { Reference } from "./verify.js";
import type { Batch, Workload } from "./workloads.js";

export type Outcome = (Timing & { readonly dtype: Implementation["dtype"] }) | { readonly skipped: string };

const MAX_SECONDS = 120;
/** glibc keeps memory that was freed: in a virtual machine new memory can take longer than the arithmetic. */
const KEPT_MEMORY = { MALLOC_MMAP_MAX_: "0", MALLOC_TRIM_THRESHOLD_: String(2 ** 34) };

const ONE_THREAD = { OMP_NUM_THREADS: "1", OPENBLAS_NUM_THREADS: "1", MKL_NUM_THREADS: "1" };

/** Writes a batch to the folder from which runners read it. */
export function writeBatch(folder: string, { logits, labels }: Batch): void {
  writeFileSync(join(folder, "logits.f64"), new Uint8Array(logits.buffer));
  writeFileSync(join(folder, "labels.i32"), new Uint8Array(labels.buffer));
}

function readResult(path: string): Float64Array {
  return existsSync(path) ? new Float64Array(new Uint8Array(readFileSync(path)).buffer) : new Float64Array();
}

/** Times one implementation on one workload, in a process of its own. */
export async function timeByRunner(
  { name, argv, cwd }: Command,
  workload: Workload,
  folder: string,
  reference: Reference,
): Promise<Outcome> {
  if ("missing" in argv) return { skipped: argv.missing };
  const resultPath = join(folder, "result.f64");
  rmSync(resultPath, { force: true });
  const { op, outer, classes, inner } = workload;
  const [program, ...args] = [...argv, name, op, String(outer), String(classes), String(inner), folder];
  const child = spawn(program, args, {
    cwd,
    env: { ...process.env, ...ONE_THREAD, ...KEPT_MEMORY },
    timeout: MAX_SECONDS * 1000,
    killSignal: "SIGKILL",
  });
  let notes = "";
  child.stderr.on("data", (chunk) => {
    notes += chunk;
  });
  // A runner that has ended closes the pipe. Its status, read below, is the error to report.
  child.stdin.on("error", () => {});

  let dtype: Implementation["dtype"] | undefined;
  let outcome: Outcome | undefined;
  createInterface(child.stdout).on("line", (line) => {
    if (dtype === undefined && line.startsWith("skip ")) {
      outcome = { skipped: line.slice("skip ".length) };
    } else if (dtype === undefined && line.startsWith("ready ")) {
      dtype = line.slice("ready ".length) as Implementation["dtype"];
      const flaw = reference.flawOf(readResult(resultPath), dtype);
      if (flaw !== undefined) outcome = { skipped: `wrong: ${flaw}` };
      child.stdin.write(flaw === undefined ? "go\n" : "stop\n");
    } else if (dtype !== undefined && !outcome && line.startsWith("{")) {
      outcome = { ...JSON.parse(line), dtype };
    }
  });
  try {
    const [status, signal] = await once(child, "close");
    if (outcome) return outcome;
    if (signal === "SIGKILL") return { skipped: `not done in ${MAX_SECONDS} s` };
    const error = notes.match(/^.*Error.*$/m) ?? notes.match(/^.+$/m);
    return { skipped: `failed with status ${status}${error ? `: ${error[0].trim()}` : ""}` };
  } catch (error) {
    return { skipped: (error as Error).message };
  }
}
