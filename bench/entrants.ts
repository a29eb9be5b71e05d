// Who can take part: the command of each contestant's runner, and the versions of what it runs.

import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export interface Entrant {
  readonly name: string;
  readonly title: string;
  readonly note: string;
  /** The runner, to which contestant, op, shape and folder are added; or why there is none. */
  readonly command: readonly string[] | { readonly missing: string };
  readonly cwd: string;
}

/** A row of PEERS in peers/contestants.ts. */
interface Peer {
  readonly name: string;
  readonly dtype: string;
  readonly note: string;
}

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));
const root = path("..");
const PYTHON = "/usr/bin/python3";

/** What a command prints; nothing if it fails. */
function outputOf(command: string, ...args: readonly string[]): string | undefined {
  const { status, stdout } = spawnSync(command, args, { encoding: "utf8", cwd: root });
  return status === 0 ? stdout.trim() : undefined;
}

const GCC_FLAGS = ["-O3", "-msse4.2"];

/** The same algorithm in C, compiled into the folder. */
function compiledC(folder: string): Entrant["command"] {
  const source = path("native/softmax.c");
  if (!existsSync(source)) return { missing: "there is no bench/native/softmax.c" };
  const program = join(folder, "softmax");
  const { status, stderr, error } = spawnSync("gcc", [...GCC_FLAGS, "-o", program, source, "-lm"], { encoding: "utf8" });
  if (error) return { missing: "there is no gcc" };
  return status === 0 ? [program] : { missing: `gcc: ${stderr.trim().split("\n")[0]}` };
}

async function peers(node: string): Promise<Entrant[]> {
  const cwd = path("peers");
  const [contestants, runner] = ["contestants", "runner"].map((name) =>
    ["ts", "mjs"].map((extension) => join(cwd, `${name}.${extension}`)).find(existsSync),
  );
  if (!contestants || !runner || !existsSync(join(cwd, "node_modules"))) {
    return [
      { name: "peers", title: "other libraries", note: "", cwd, command: { missing: "they are not installed: npm ci in bench/peers" } },
    ];
  }
  const { PEERS } = (await import(contestants)) as { PEERS: readonly Peer[] };
  return PEERS.map(({ name, dtype, note }) => ({
    name,
    title: dtype === "float64" ? name : `${name.replace(`-${dtype}`, "")} (${dtype})`,
    note,
    command: [node, "--import", "tsx", runner],
    cwd,
  }));
}

/** Those of contestants.ts. */
export function javascript(node: string): Entrant[] {
  const rest = { command: [node, "--import", "tsx", path("runner.ts")], cwd: root };
  return [
    { name: "resident", title: "softmax-wasm, resident", note: "a layer's own memory, nothing copied", ...rest },
    { name: "copying", title: "softmax-wasm, copying", note: "a function on ordinary Float64Arrays, `out` given", ...rest },
    { name: "relaxed", title: "softmax-wasm/relaxed, resident", note: "the same by the build with relaxed SIMD", ...rest },
    { name: "plain", title: "plain JavaScript", note: "bench/plain.ts by Math.exp, its fastest form", ...rest },
    { name: "plain-exp", title: "plain JavaScript, own exp", note: "the same by bench/plain-exp.ts", ...rest },
  ];
}

/** In the order in which they are run. */
export async function entrants(node: string, folder: string): Promise<Entrant[]> {
  const python = [PYTHON, path("native/numpy_torch.py")];
  const cwd = root;
  return [
    ...javascript(node),
    { name: "numpy", title: "NumPy", note: "the textbook class, float64, one thread", command: python, cwd },
    { name: "pytorch", title: "PyTorch", note: "softmax, cross_entropy, autograd; float64 on the CPU, one thread", command: python, cwd },
    { name: "c", title: "C", note: `bench/native/softmax.c, gcc ${GCC_FLAGS.join(" ")}`, command: compiledC(folder), cwd },
    ...(await peers(node)),
  ];
}

/** Of what is not this library, as far as it is here. */
export function versions(): Record<string, string> {
  const pythonModule = (name: string) => outputOf(PYTHON, "-c", `import ${name}; print(${name}.__version__)`);
  const found: Record<string, string | undefined> = {
    Python: outputOf(PYTHON, "-c", "import platform; print(platform.python_version())"),
    NumPy: pythonModule("numpy"),
    PyTorch: pythonModule("torch"),
    gcc: outputOf("gcc", "-dumpfullversion"),
  };
  const lock = path("peers/package-lock.json");
  if (existsSync(lock)) {
    const { packages } = JSON.parse(readFileSync(lock, "utf8"));
    for (const name of Object.keys(packages[""].dependencies ?? {})) found[name] = packages[`node_modules/${name}`]?.version;
  }
  return Object.fromEntries(Object.entries(found).flatMap(([name, version]) => (version === undefined ? [] : [[name, version]])));
}

/** The commit, with a mark if files have been changed since, other than what a record writes. */
export function commit(): string {
  const hash = outputOf("git", "rev-parse", "--short", "HEAD");
  const changed = outputOf("git", "status", "--porcelain", "--", ":/", ":!/bench/results", ":!/README.md");
  return hash === undefined ? "unknown" : `${hash}${changed ? "-dirty" : ""}`;
}

/** The version of a Node and of its V8. */
export function versionsOf(node: string): { readonly node: string; readonly v8: string } {
  return JSON.parse(execFileSync(node, ["-p", "JSON.stringify(process.versions)"], { encoding: "utf8" }));
}
