// The commands by which the runner of each implementation is started.

import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { PEERS } from "./peers/implementations.js";

export interface Command {
  /** The name of the implementation, and its name and a remark in tables. */
  readonly name: string;
  readonly title: string;
  readonly note: string;
  /** The program and its first arguments, to which implementation, op, shape and folder are added; or the reason why there is none. */
  readonly argv: readonly string[] | { readonly missing: string };
  readonly cwd: string;
}

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));
const root = path("..");
export const PYTHON = "/usr/bin/python3";

export const GCC_FLAGS = ["-O3", "-msse4.2"];

/** Compiles softmax.c into the folder. */
function compiledC(folder: string): Command["argv"] {
  const program = join(folder, "softmax");
  const { status, stderr, error } = spawnSync("gcc", [...GCC_FLAGS, "-o", program, path("native/softmax.c"), "-lm"], { encoding: "utf8" });
  if (error) return { missing: "there is no gcc" };
  return status === 0 ? [program] : { missing: `gcc: ${stderr.trim().split("\n")[0]}` };
}

function peerCommands(node: string): Command[] {
  const cwd = path("peers");
  if (!existsSync(join(cwd, "node_modules"))) {
    return [{ name: "peers", title: "other libraries", note: "", cwd, argv: { missing: "they are not installed: npm ci in bench/peers" } }];
  }
  return PEERS.map(({ name, dtype, note }) => ({
    name,
    title: dtype === "float64" ? name : `${name.replace(`-${dtype}`, "")} (${dtype})`,
    note,
    argv: [node, "--import", "tsx", path("peers/runner.ts")],
    cwd,
  }));
}

/** The commands of implementations.ts. */
export function javascriptCommands(node: string): Command[] {
  const rest = { argv: [node, "--import", "tsx", path("runner.ts")], cwd: root };
  return [
    { name: "resident", title: "softmax-wasm, resident", note: "a layer's own memory, nothing copied", ...rest },
    { name: "copying", title: "softmax-wasm, copying", note: "a function on ordinary Float64Arrays, `out` given", ...rest },
    { name: "relaxed", title: "softmax-wasm/relaxed, resident", note: "the same by the build with relaxed SIMD", ...rest },
    { name: "plain", title: "plain JavaScript", note: "reference/plain-javascript.ts by Math.exp, its fastest form", ...rest },
    { name: "plain-exp", title: "plain JavaScript, own exp", note: "the same by bench/plain-exp.ts", ...rest },
    { name: "resident-float32", title: "softmax-wasm, resident (float32)", note: "", ...rest },
    { name: "copying-float32", title: "softmax-wasm, copying (float32)", note: "", ...rest },
    { name: "plain-float32", title: "plain JavaScript (float32)", note: "", ...rest },
  ];
}

/** All commands, in the order in which they are run. */
export function commands(node: string, folder: string): Command[] {
  const python = [PYTHON, path("native/numpy_torch.py")];
  const cwd = root;
  return [
    ...javascriptCommands(node),
    { name: "numpy", title: "NumPy", note: "the textbook class, float64, one thread", argv: python, cwd },
    { name: "pytorch", title: "PyTorch", note: "softmax, cross_entropy, autograd; float64 on the CPU, one thread", argv: python, cwd },
    { name: "pytorch-float32", title: "PyTorch (float32)", note: "", argv: python, cwd },
    { name: "c", title: "C", note: `bench/native/softmax.c, gcc ${GCC_FLAGS.join(" ")}`, argv: compiledC(folder), cwd },
    ...peerCommands(node),
  ];
}
