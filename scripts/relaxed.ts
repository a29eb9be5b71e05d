// Runs the tests on the build with relaxed SIMD, on a Node that has it. With `--slow` the slow ones.

import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { nodeOf } from "./nodes.js";

const vitest = fileURLToPath(new URL("../node_modules/vitest/vitest.mjs", import.meta.url));
const project = process.argv.includes("--slow") ? "relaxed-slow" : "relaxed";
process.exitCode = spawnSync(nodeOf("24"), [vitest, "run", "--project", project], { stdio: "inherit" }).status ?? 1;
