// Runs the tests on the build with relaxed SIMD, on a Node that has it. With `--slow` the slow ones; the rest goes to vitest.

import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { nodeOf } from "./nodes.js";

const vitest = fileURLToPath(new URL("../node_modules/vitest/vitest.mjs", import.meta.url));
const [isSlow, rest] = [process.argv.includes("--slow"), process.argv.slice(2).filter((arg) => arg !== "--slow")];
process.exitCode =
  spawnSync(nodeOf("24"), [vitest, "run", "--project", isSlow ? "relaxed-slow" : "relaxed", ...rest], { stdio: "inherit" }).status ?? 1;
