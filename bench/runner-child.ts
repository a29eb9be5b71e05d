// The runner's end of the benchmark's protocol. A runner is a process that times one implementation on one workload.
//
//   <runner> <implementation> <op> <outer> <classes> <inner> <folder>
//
// The folder holds logits.f64 (outer, classes, inner) and labels.i32 (outer, inner), little-endian. The runner does the task once, writes
// the result to result.f64 and prints `ready <dtype>`. The parent verifies the result and answers `go` or `stop`. On `go` the runner times
// the task and prints {"seconds", "samples"}. A runner that cannot do the task prints `skip <reason>` instead of `ready`.

import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Implementation, Task } from "./task.js";
import { time } from "./timing.js";

function taskOf([implementation, op, outer, classes, inner, folder]: readonly string[]): Task {
  const bytes = (name: string) => new Uint8Array(readFileSync(join(folder, name))).buffer;
  return {
    implementation,
    op: op as Task["op"],
    outer: Number(outer),
    classes: Number(classes),
    inner: Number(inner),
    logits: new Float64Array(bytes("logits.f64")),
    labels: new Int32Array(bytes("labels.i32")),
  };
}

/** Serves the parent that started this process. `implement` gives an implementation, or the reason why there is none for the task. */
export async function serve(implement: (task: Task) => Promise<Implementation | string> | Implementation | string): Promise<void> {
  const words = process.argv.slice(2);
  const implementation = await implement(taskOf(words));
  if (typeof implementation === "string") {
    console.log(`skip ${implementation}`);
    process.exit();
  }
  const { dtype, run, result } = implementation;
  const first = run();
  await first;
  writeFileSync(join(words[5], "result.f64"), new Uint8Array(Float64Array.from(await result()).buffer));
  const lines = createInterface(process.stdin);
  console.log(`ready ${dtype}`);
  const [answer] = await once(lines, "line");
  if (answer === "go") console.log(JSON.stringify(await time(run, first instanceof Promise)));
  // Some libraries leave threads or timers behind, which would keep the process alive.
  process.exit();
}
