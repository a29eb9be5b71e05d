// Makes the checkout ready to run: installs when node_modules is missing or older than the lock file, builds when a source has
// changed since the last build. Needs nothing but Node and npm.

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
process.chdir(root);

/** Runs a command, which says itself what is wrong; ends where it fails. */
function run(command) {
  const { status } = spawnSync(command, { stdio: "inherit", shell: true });
  if (status !== 0) process.exit(status ?? 1);
}

const modifiedAt = (path) => (existsSync(path) ? statSync(path).mtimeMs : 0);

if (modifiedAt("node_modules/.package-lock.json") < modifiedAt("package-lock.json")) {
  console.log("Installing packages …");
  run("npm ci --no-audit --no-fund --loglevel=error");
}

function* filesUnder(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* filesUnder(path);
    else if (!entry.name.includes(".generated.")) yield path;
  }
}

const sources = [
  "asconfig.json",
  "tsconfig.json",
  "package.json",
  "package-lock.json",
  "scripts/constants.ts",
  "scripts/plan.ts",
  "scripts/embed.ts",
  "scripts/embed-worker.ts",
  "scripts/bundle.ts",
  "scripts/entries.ts",
];
const hash = createHash("sha256");
for (const path of [...sources, ...filesUnder("assembly"), ...filesUnder("src")]) hash.update(`${path}\0`).update(readFileSync(path));
const digest = hash.digest("hex");

const stamp = "build/sources.sha256";
const modules = ["binary", "binary-relaxed", "binary-debug", "decoder", "decode", "linear"].map((name) => `src/wasm/${name}.generated.ts`);
const generated = ["src/loss/plan.generated.ts", "src/threads/worker.generated.ts", "assembly/number/constants.generated.ts"];
const results = [stamp, "dist/index.js", "dist/index.d.ts", ...modules, ...generated];
if (!results.every((path) => existsSync(path)) || readFileSync(stamp, "utf8") !== digest) {
  console.log("Building …");
  rmSync("build", { recursive: true, force: true });
  rmSync("dist", { recursive: true, force: true });
  mkdirSync("build");
  // Constants → kernels → src/wasm/*.generated.ts → dist.
  run("npx tsx scripts/constants.ts");
  run("npx tsx scripts/plan.ts");
  for (const build of ["release", "relaxed", "debug"]) {
    for (const target of [build, `${build}-threads`]) run(`npx asc --config asconfig.json --target ${target}`);
  }
  for (const module of ["unpack", "decode", "linear"]) run(`npx asc --config assembly/${module}/asconfig.json`);
  run("npx asc --config assembly/linear/asconfig.json --target threads");
  run("npx tsx scripts/embed.ts");
  run("npx tsx scripts/embed-worker.ts");
  run("npx tsc");
  run("npx tsx scripts/entries.ts");
  writeFileSync(stamp, digest);
}
