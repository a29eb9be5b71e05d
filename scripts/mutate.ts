// Compiles every mutant of the kernels and runs the tests on it: all must fail, but for those that say why they survive. `--bounds`
// leaves the digests out, which see any change of a bit, and so tells which of them the tests against exact results notice.

import { execFile } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";
import { MUTANTS, type Mutant } from "../test/mutants.js";
import { embedded, small } from "./embed.js";

const root = fileURLToPath(new URL("..", import.meta.url));
/** Modules with kernels of their own, and the suites that test them. */
const MODULES = ["decode", "linear"] as const;
/** In the order in which they are likely to kill soon. */
const SUITES = [
  ...["digests", "special-values", "functions", "axes", "softcap", "scale-and-mask", "summaries", "divergence", "nll-loss"],
  ...["cross-entropy", "parts", "loss-options", "plan", "kernels", "accuracy"],
];
/** A mutant that loops for ever is dead too. */
const TIMEOUT_MS = 300_000;

const run = promisify(execFile);

const { values: options } = parseArgs({
  options: { only: { type: "string", default: "" }, bounds: { type: "boolean", default: false } },
});
const kernelSuites = SUITES.filter((suite) => !(options.bounds && suite === "digests"));
const chosen = MUTANTS.map((mutant, number) => ({ mutant, number })).filter(
  ({ mutant }) => mutant.file.includes(options.only) || mutant.find.includes(options.only),
);

/** Builds the kernels as a copy of the project has them. */
async function build(copy: string): Promise<void> {
  const targets = ["release", "release-threads"];
  for (const target of targets) await run("npx", ["asc", "--config", "asconfig.json", "--target", target], { cwd: copy });
  const [binary, shared] = targets.map((target) => readFileSync(join(copy, `build/${target}.wasm`)));
  writeFileSync(join(copy, "src/wasm/binary.generated.ts"), embedded("release", binary, shared));
}

/** Builds a module with kernels of its own as a copy of the project has it. */
async function buildModule(name: string, copy: string): Promise<void> {
  const targets = name === "linear" ? ["release", "threads"] : ["release"];
  for (const target of targets) await run("npx", ["asc", "--config", `assembly/${name}/asconfig.json`, "--target", target], { cwd: copy });
  const [binary, shared] = targets.map((target) =>
    readFileSync(join(copy, `build/${target === "threads" ? `${name}-threads` : name}.wasm`)),
  );
  writeFileSync(join(copy, `src/wasm/${name}.generated.ts`), small(name, binary, shared));
}

/** The first of the suites that fails in a copy of the project, or undefined. */
async function failingSuite(copy: string, suites: readonly string[]): Promise<string | undefined> {
  for (const suite of suites) {
    try {
      await run("npx", ["vitest", "run", "--project", "release", "--bail", "1", `test/${suite}.test.ts`], {
        cwd: copy,
        timeout: TIMEOUT_MS,
        maxBuffer: 2 ** 28,
      });
    } catch (error) {
      return (error as { killed?: boolean }).killed ? `a time limit in ${suite}` : suite;
    }
  }
  return undefined;
}

const moduleOf = ({ file }: Mutant) => MODULES.find((name) => file.startsWith(`${name}/`));
const suitesOf = (mutant: Mutant) => {
  const name = moduleOf(mutant);
  return name ? [name] : kernelSuites;
};

async function killerOf(mutant: Mutant, copy: string): Promise<string | undefined> {
  const path = join(copy, "assembly", mutant.file);
  const original = readFileSync(path, "utf8");
  writeFileSync(
    path,
    original.replace(mutant.find, () => mutant.replace),
  );
  const name = moduleOf(mutant);
  await (name ? buildModule(name, copy) : build(copy));
  const killer = await failingSuite(copy, suitesOf(mutant));
  writeFileSync(path, original);
  return killer;
}

if (chosen.length === 0) throw new Error(`no mutant has ${options.only}`);

const queue = chosen.slice();
const results: { mutant: Mutant; killer: string | undefined }[] = [];

const copies: string[] = [];
const removeCopies = () => {
  for (const copy of copies) rmSync(copy, { recursive: true, force: true });
};
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    removeCopies();
    process.exit(1);
  });
}

/** A copy of what the tests need. */
function copyProject(): string {
  const copy = mkdtempSync(join(tmpdir(), "mutants-"));
  copies.push(copy);
  const sources = [
    "assembly",
    "src",
    "reference",
    "test",
    "examples",
    "dist",
    "asconfig.json",
    "package.json",
    "tsconfig.json",
    "vitest.config.ts",
    "README.md",
  ];
  for (const name of sources) cpSync(join(root, name), join(copy, name), { recursive: true });
  symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
  mkdirSync(join(copy, "build"));
  return copy;
}

const nameOf = ({ file, find, replace }: Mutant) => `${file}: ${find} -> ${replace}`.replace(/\s+/g, " ");

function verdictOn({ survives }: Mutant, killer: string | undefined): string {
  if (killer === undefined) return survives ? `survives ${survives}` : "SURVIVES";
  return survives ? `KILLED by ${killer}, though it says it survives` : `killed by ${killer}`;
}

async function work(copy: string): Promise<void> {
  for (let next = queue.shift(); next; next = queue.shift()) {
    const { mutant, number } = next;
    const killer = await killerOf(mutant, copy);
    results.push({ mutant, killer });
    console.log(`${number + 1}/${MUTANTS.length} ${nameOf(mutant)}: ${verdictOn(mutant, killer)}`);
  }
}

try {
  const first = copyProject();
  await build(first);
  for (const name of MODULES) await buildModule(name, first);
  const failing = await failingSuite(first, [...new Set(chosen.flatMap(({ mutant }) => suitesOf(mutant)))]);
  if (failing) throw new Error(`${failing} fails without a mutant`);
  const others = Array.from({ length: Math.min(2, availableParallelism()) - 1 }, copyProject);
  await Promise.all([first, ...others].map(work));
} finally {
  removeCopies();
}

const killed = results.filter(({ killer }) => killer !== undefined);
const unexpected = results.filter(({ mutant, killer }) => (killer === undefined) !== (mutant.survives !== undefined));
console.log(
  `${results.length} mutants: ${killed.length} killed, ${results.length - killed.length} survive; ${unexpected.length} not as they say`,
);
for (const { mutant, killer } of unexpected) console.log(`${nameOf(mutant)}: ${verdictOn(mutant, killer)}`);
process.exitCode = unexpected.length && !options.bounds ? 1 : 0;
