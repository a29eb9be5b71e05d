// Runs the digests on every Node and build, and the release build by each compiler of V8's: all must give the committed bits. `--write`
// commits to new ones, those of the release build on this Node.

import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import Table from "cli-table3";
import { bundle } from "./bundle.js";
import type { Build } from "./embed.js";
import { nodeOf } from "./nodes.js";

const NODES = ["20", "22", "24", "26"];
const BUILDS = ["release", "debug"] as const;
/** WebAssembly as V8 runs it by default; by the baseline compiler alone, by two names; by the optimizing one alone. */
const FLAGS = {
  release: [[], ["--liftoff-only"], ["--no-wasm-tier-up"], ["--no-liftoff"]],
  debug: [[]],
};

type Digests = Record<string, string>;

const root = new URL("..", import.meta.url);
const path = (relative: string) => fileURLToPath(new URL(relative, root));
const committedPath = path("test/digests.json");

/** Bundles the program with one of the builds of the kernels; its worker lies beside it. */
const programOf = (name: Build) => bundle("test/digests.main.ts", `build/digests-${name}.mjs`, name, { smallGrain: true });

function run(node: string, flags: readonly string[], program: string): Record<string, Digests> {
  return JSON.parse(execFileSync(node, [...flags, program], { encoding: "utf8", maxBuffer: 2 ** 26 }));
}

const { values: options } = parseArgs({
  options: { write: { type: "boolean", default: false }, nodes: { type: "string", default: NODES.join(",") } },
});

mkdirSync(path("build"), { recursive: true });
if (options.write) {
  const digests: Digests = {};
  for (const [way, found] of Object.entries(run(process.execPath, [], await programOf("release")))) {
    for (const [what, digest] of Object.entries(found)) {
      digests[what] ??= digest;
      if (digests[what] !== digest) throw new Error(`${what} by ${way} differs from that by other ways: nothing is written`);
    }
  }
  writeFileSync(committedPath, `${JSON.stringify(digests, null, 2)}\n`);
}
const committed: Digests = JSON.parse(readFileSync(committedPath, "utf8"));

const programs = await Promise.all(BUILDS.map(programOf));
const table = new Table({ head: ["Node", "V8", "build", "flags", "digests"], style: { head: [], border: [] } });
let differences = 0;
for (const major of options.nodes.split(",")) {
  const node = nodeOf(major);
  const [version, v8] = execFileSync(node, ["-p", "process.version + ' ' + process.versions.v8"], { encoding: "utf8" }).trim().split(" ");
  for (const [i, name] of BUILDS.entries()) {
    for (const flags of FLAGS[name]) {
      const ways = run(node, flags, programs[i]);
      const all = Object.entries(ways).flatMap(([way, digests]) =>
        Object.entries(digests).map(([what, digest]) => ({ way, what, digest })),
      );
      const wrong = all.filter(({ what, digest }) => digest !== committed[what]);
      for (const what of Object.keys(committed))
        if (!all.some((found) => found.what === what)) wrong.push({ way: "no way", what, digest: "" });
      for (const { way, what } of wrong) console.error(`${version}, ${name}, ${flags.join(" ")}: ${what} by ${way} differs`);
      differences += wrong.length;
      table.push([version, v8, name, flags.join(" "), wrong.length ? `${wrong.length} of ${all.length} differ` : `${all.length} agree`]);
    }
  }
}
console.log(table.toString());
process.exitCode = differences ? 1 : 0;
