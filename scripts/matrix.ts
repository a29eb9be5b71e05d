// Runs the digests on every Node and build, and on the oldest and the newest Node the release build by each compiler of V8's: all must give the
// committed bits. `--write` commits to new ones, those of the release build on this Node.

import { execFile, execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";
import Table from "cli-table3";
import { bundle } from "./bundle.js";
import type { Build } from "./embed.js";
import { nodeOf } from "./nodes.js";

const NODES = ["20", "22", "24", "26"];
const BUILDS = ["release", "debug"] as const;
/** The baseline compiler alone, by two names; the optimizing one alone. */
const COMPILERS = [["--liftoff-only"], ["--no-wasm-tier-up"], ["--no-liftoff"]];

type Digests = Record<string, string>;

const root = new URL("..", import.meta.url);
const path = (relative: string) => fileURLToPath(new URL(relative, root));
const committedPath = path("test/digests.json");

/** Bundles the program with one of the builds of the kernels; its worker lies beside it. */
const programOf = (name: Build) => bundle("test/digests.main.ts", `build/digests-${name}.mjs`, name, { smallGrain: true });

async function run(node: string, flags: readonly string[], program: string): Promise<Record<string, Digests>> {
  const { stdout } = await promisify(execFile)(node, [...flags, program], { maxBuffer: 2 ** 26 });
  return JSON.parse(stdout);
}

const { values: options } = parseArgs({
  options: { write: { type: "boolean", default: false }, nodes: { type: "string", default: NODES.join(",") } },
});

mkdirSync(path("build"), { recursive: true });
if (options.write) {
  const digests: Digests = {};
  for (const [way, found] of Object.entries(await run(process.execPath, [], await programOf("release")))) {
    for (const [what, digest] of Object.entries(found)) {
      digests[what] ??= digest;
      if (digests[what] !== digest) throw new Error(`${what} by ${way} differs from that by other ways: nothing is written`);
    }
  }
  writeFileSync(committedPath, `${JSON.stringify(digests, null, 2)}\n`);
}
const committed: Digests = JSON.parse(readFileSync(committedPath, "utf8"));

const programs = await Promise.all(BUILDS.map(programOf));
let differences = 0;

/** A row of the table: one program by one Node with flags. */
interface Case {
  readonly node: string;
  readonly version: string;
  readonly v8: string;
  readonly build: number;
  readonly flags: readonly string[];
}

async function check({ node, version, v8, build, flags }: Case): Promise<string[]> {
  const ways = await run(node, flags, programs[build]);
  const all = Object.entries(ways).flatMap(([way, digests]) => Object.entries(digests).map(([what, digest]) => ({ way, what, digest })));
  const wrong = all.filter(({ what, digest }) => digest !== committed[what]);
  for (const what of Object.keys(committed)) if (!all.some((found) => found.what === what)) wrong.push({ way: "no way", what, digest: "" });
  const name = BUILDS[build];
  for (const { way, what } of wrong) console.error(`${version}, ${name}, ${flags.join(" ")}: ${what} by ${way} differs`);
  differences += wrong.length;
  return [version, v8, name, flags.join(" "), wrong.length ? `${wrong.length} of ${all.length} differ` : `${all.length} agree`];
}

const cases = options.nodes.split(",").flatMap((major, i, { length }) => {
  const node = nodeOf(major);
  const [version, v8] = execFileSync(node, ["-p", "process.version + ' ' + process.versions.v8"], { encoding: "utf8" }).trim().split(" ");
  const hasCompilers = i === 0 || i === length - 1;
  const flagsOf = (name: Build) => [[], ...(hasCompilers && name === "release" ? COMPILERS : [])];
  return BUILDS.flatMap((name, build) => flagsOf(name).map((flags) => ({ node, version, v8, build, flags })));
});
// One for each processor at a time.
const rows: string[][] = [];
const waiting = cases.entries();
const lane = async (): Promise<void> => {
  for (const [i, its] of waiting) rows[i] = await check(its);
};
await Promise.all(Array.from({ length: availableParallelism() }, lane));
const table = new Table({ head: ["Node", "V8", "build", "flags", "digests"], style: { head: [], border: [] } });
table.push(...rows);
console.log(table.toString());
process.exitCode = differences ? 1 : 0;
