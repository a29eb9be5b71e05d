// Runs random calls of the library on every processor: `--calls` of them, with the seeds from `--seed` on.

import { spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const { values } = parseArgs({ options: { calls: { type: "string", default: "100000" }, seed: { type: "string", default: "2000" } } });
const vitest = fileURLToPath(new URL("../node_modules/vitest/vitest.mjs", import.meta.url));
const [first, end] = [Number(values.seed), Number(values.seed) + Number(values.calls)];
const calls = Math.ceil(Number(values.calls) / availableParallelism());

for (let seed = first; seed < end; seed += calls) {
  const env = { ...process.env, FUZZ_CALLS: String(Math.min(calls, end - seed)), FUZZ_SEED: String(seed) };
  spawn(process.execPath, [vitest, "run", "--project", "release", "test/fuzz.test.ts"], { env, stdio: "inherit" }).on("exit", (code) => {
    process.exitCode ||= code ?? 1;
  });
}
