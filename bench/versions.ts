// The date, machine, Node, commit and other software that a record was made with.

import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";
import { PYTHON } from "./commands.js";
import type { Provenance } from "./record.js";

const root = fileURLToPath(new URL("..", import.meta.url));

/** The output of a command; undefined if it fails. */
function outputOf(command: string, ...args: readonly string[]): string | undefined {
  const { status, stdout } = spawnSync(command, args, { encoding: "utf8", cwd: root });
  return status === 0 ? stdout.trim() : undefined;
}

/** The versions of the implementations that are installed, without this library. */
export function versions(): Record<string, string> {
  const pythonModule = (name: string) => outputOf(PYTHON, "-c", `import ${name}; print(${name}.__version__)`);
  const found: Record<string, string | undefined> = {
    Python: outputOf(PYTHON, "-c", "import platform; print(platform.python_version())"),
    NumPy: pythonModule("numpy"),
    PyTorch: pythonModule("torch"),
    gcc: outputOf("gcc", "-dumpfullversion"),
  };
  const { packages } = JSON.parse(readFileSync(new URL("peers/package-lock.json", import.meta.url), "utf8"));
  for (const name of Object.keys(packages[""].dependencies)) found[name] = packages[`node_modules/${name}`]?.version;
  return Object.fromEntries(Object.entries(found).flatMap(([name, version]) => (version === undefined ? [] : [[name, version]])));
}

/** The version of a Node, given by its path, and that of its V8. */
export function versionsOf(node: string): { readonly node: string; readonly v8: string } {
  return JSON.parse(execFileSync(node, ["-p", "JSON.stringify(process.versions)"], { encoding: "utf8" }));
}

/** The commit, marked "-dirty" if files have changed since, other than those that a run with --record writes. */
function commit(): string {
  const written = ["bench/results", "docs", "README.md"].map((file) => `:!/${file}`);
  const hash = outputOf("git", "rev-parse", "--short", "HEAD");
  const changed = outputOf("git", "status", "--porcelain", "--", ":/", ...written);
  return hash === undefined ? "unknown" : `${hash}${changed ? "-dirty" : ""}`;
}

export function provenance(node = process.execPath): Provenance {
  return {
    date: new Date().toISOString().slice(0, 10),
    cpu: cpus()[0].model.trim(),
    node: versionsOf(node).node,
    commit: commit(),
  };
}
