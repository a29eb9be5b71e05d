// Compiles every mutant of the kernels and runs the tests on it: all must fail, but for those that say why they survive. The bounds
// are tried first, the digests on what they let live.

import { execFile } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";
import { MUTANTS, type Mutant } from "../test/mutants.js";

const root = fileURLToPath(new URL("..", import.meta.url));
/** In the order in which they are likely to kill soon. */
const SUITES = [
  "test/kernels.test.ts",
  "test/special-values.test.ts",
  "test/cross-entropy.test.ts",
  "test/accuracy.test.ts",
  "test/functions.test.ts",
  "test/digests.test.ts",
];
/** A mutant that loops for ever is dead too. */
const TIMEOUT_MS = 300_000;

const run = promisify(execFile);

const { values: options } = parseArgs({ options: { only: { type: "string", default: "" } } });
const chosen = MUTANTS.map((mutant, number) => ({ mutant, number })).filter(
  ({ mutant }) => mutant.file.includes(options.only) || mutant.find.includes(options.only),
);

/** Tries a mutant in a copy of the project; the suite that fails on it, or undefined. */
async function killerOf(mutant: Mutant, copy: string): Promise<string | undefined> {
  const path = join(copy, "assembly", mutant.file);
  const original = readFileSync(path, "utf8");
  writeFileSync(
    path,
    original.replace(mutant.find, () => mutant.replace),
  );
  try {
    await run("npx", ["asc", "--config", "asconfig.json", "--target", "release"], { cwd: copy });
  } finally {
    writeFileSync(path, original);
  }
  const binary = readFileSync(join(copy, "build/release.wasm")).toString("base64");
  writeFileSync(join(copy, "src/wasm.generated.ts"), `export const wasm: string = "${binary}";\n`);
  for (const suite of SUITES) {
    try {
      await run("npx", ["vitest", "run", "--project", "release", "--bail", "1", suite], {
        cwd: copy,
        timeout: TIMEOUT_MS,
        maxBuffer: 2 ** 28,
      });
    } catch {
      return suite;
    }
  }
  return undefined;
}

const queue = chosen.slice();
const results: { mutant: Mutant; killer: string | undefined }[] = [];

async function work(): Promise<void> {
  const copy = mkdtempSync(join(tmpdir(), "mutants-"));
  try {
    for (const name of [
      "assembly",
      "src",
      "test",
      "dist",
      "asconfig.json",
      "package.json",
      "tsconfig.json",
      "vitest.config.ts",
      "README.md",
    ]) {
      cpSync(join(root, name), join(copy, name), { recursive: true });
    }
    symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
    mkdirSync(join(copy, "build"));
    for (let next = queue.shift(); next; next = queue.shift()) {
      const { mutant, number } = next;
      const killer = await killerOf(mutant, copy);
      results.push({ mutant, killer });
      const verdict = killer ? `killed by ${killer}` : mutant.survives ? `survives ${mutant.survives}` : "SURVIVES";
      console.log(`${number + 1}/${MUTANTS.length} ${mutant.file}: ${mutant.find.trim()} -> ${mutant.replace.trim()}: ${verdict}`);
    }
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

await Promise.all(Array.from({ length: Math.min(2, availableParallelism()) }, work));

const survivors = results.filter(({ killer }) => killer === undefined);
const byDigests = results.filter(({ killer }) => killer?.includes("digests"));
const explained = survivors.filter(({ mutant }) => mutant.survives !== undefined);
console.log(
  `${results.length} mutants: ${results.length - survivors.length} killed, ${byDigests.length} of them by the digests alone; ` +
    `${explained.length} survive as explained, ${survivors.length - explained.length} without an explanation`,
);
process.exitCode = survivors.length > explained.length ? 1 : 0;
