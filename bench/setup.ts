// npm run bench:setup: what a program pays before its first softmax: the milliseconds from the import to the result, in a fresh process, and the kB of
// a page that has it, minified and gzipped, with the .wasm that it loads.
//
// It needs bench/peers (npm ci there), and NumPy and PyTorch of /usr/bin/python3.
//
//   --record   writes results/setup-node-<major>.json, and what documents say of it

import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { median } from "../reference/median.js";
import { PYTHON } from "./commands.js";
import { writeDocuments } from "./documents.js";
import { model, node, value } from "./peers/onnx-model.js";
import { type SetupRecord, writeRecord } from "./record.js";
import { setupTable } from "./tables.js";
import { provenance } from "./versions.js";

const { values: options } = parseArgs({ options: { record: { type: "boolean", default: false } } });

const ROUNDS = 7;
const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

const onnx = model([node("Softmax", ["x"], "p", { axis: 1 })], [value("x", "float32", [2, 3])], value("p", "float32", [2, 3]));

interface Program {
  /** The folder whose packages it imports. */
  readonly folder: string;
  /** Sets `p` to the softmax of the six logits `x`; the last one of each row is the largest. */
  readonly code: string;
  /** Files that it loads besides, relative to the folder. */
  readonly files?: readonly string[];
}

const peers = path("peers");

const PROGRAMS: Readonly<Record<string, Program>> = {
  "softmax-wasm": {
    folder: path(".."),
    code: 'const { softmax } = await import("softmax-wasm"); p = softmax(x, { shape: [2, 3] });',
  },
  plain: {
    folder: peers,
    code: `p = x.slice();
      for (let at = 0; at < 6; at += 3) {
        const max = Math.max(...x.subarray(at, at + 3));
        let sum = 0;
        for (let j = at; j < at + 3; j++) sum += p[j] = Math.exp(x[j] - max);
        for (let j = at; j < at + 3; j++) p[j] /= sum;
      }`,
  },
  "tfjs-wasm": {
    folder: peers,
    code: `const tf = await import("@tensorflow/tfjs-core");
      await import("@tensorflow/tfjs-backend-wasm");
      await tf.setBackend("wasm");
      p = tf.softmax(tf.tensor(x, [2, 3])).dataSync();`,
    files: ["node_modules/@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm"],
  },
  "onnxruntime-web": {
    folder: peers,
    code: `const { env, InferenceSession, Tensor } = await import("onnxruntime-web/wasm");
      env.wasm.numThreads = 1;
      const session = await InferenceSession.create(Uint8Array.from([${onnx}]));
      p = (await session.run({ x: new Tensor("float32", x, [2, 3]) })).p.data;`,
    files: ["node_modules/onnxruntime-web/dist/ort-wasm-simd-threaded.wasm"],
  },
  "jax-js": {
    folder: peers,
    code: `globalThis.Float16Array ??= class {};
      const { init, defaultDevice, nn, numpy } = await import("@jax-js/jax");
      await init("wasm");
      defaultDevice("wasm");
      p = nn.softmax(numpy.array(x, { shape: [2, 3] }), 1).dataSync();`,
  },
};

const PYTHON_PROGRAMS: Readonly<Record<string, string>> = {
  pytorch: "import torch; p = torch.softmax(torch.tensor([[1.0, 2, 3], [1, 2, 3]]), 1).flatten()",
  numpy:
    "import numpy as np; x = np.array([[1.0, 2, 3], [1, 2, 3]]); e = np.exp(x - x.max(1, keepdims=True)); p = (e / e.sum(1, keepdims=True)).flatten()",
};

/** softmax([1, 2, 3])[2]. */
const LAST = 0.6652409557748219;

/** The milliseconds that a program takes. It prints them, and its last result, which is checked. */
function millisecondsOf(command: string, argv: readonly string[], cwd: string): number {
  const { stdout, stderr, status, error } = spawnSync(command, argv, { cwd, encoding: "utf8" });
  if (error) throw error;
  const [ms, result] = stdout.trim().split("\n").at(-1)!.split(" ").map(Number);
  if (status !== 0 || !(Math.abs(result - LAST) < 1e-6)) throw new Error(`${argv.at(-1)}: ${stdout}${stderr}`);
  return ms;
}

function firstMsOf(name: string): number {
  const program = PROGRAMS[name];
  if (!program) {
    const code = `import time; start = time.perf_counter(); ${PYTHON_PROGRAMS[name]}; print((time.perf_counter() - start) * 1e3, float(p[5]))`;
    return millisecondsOf(PYTHON, ["-c", code], peers);
  }
  const code = `let p; const x = Float32Array.of(1, 2, 3, 1, 2, 3); const start = performance.now();
    ${program.code}
    console.log(performance.now() - start, p[5]); process.exit();`;
  return millisecondsOf(process.execPath, ["--input-type=module", "-e", code], program.folder);
}

async function kilobytesOf({ folder, code, files = [] }: Program): Promise<number> {
  // Names that are taken from a package as it is imported leave the rest of it out, as static imports do.
  const contents = `let p; const x = Float32Array.of(1, 2, 3, 1, 2, 3);\n${code.replace(
    /const (.+?) = await import\((".+?")\);/g,
    (_, names, from) => (names.startsWith("{") ? `import ${names} from ${from};` : `import * as ${names} from ${from};`),
  )}\nconsole.log(p);`.replace(/await import\((".+?")\);/g, "import $1;");
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: folder },
    bundle: true,
    minify: true,
    write: false,
    format: "esm",
    target: "es2022",
    external: ["fs", "path", "crypto", "util", "worker_threads", "perf_hooks", "os", "module", "url", "node:*"],
    logLevel: "error",
  });
  const sizes = [outputFiles[0].contents, ...files.map((file) => readFileSync(`${folder}/${file}`))].map((bytes) => gzipSync(bytes).length);
  return sizes.reduce((a, b) => a + b, 0) / 1e3;
}

const names = [...Object.keys(PROGRAMS), ...Object.keys(PYTHON_PROGRAMS)];
const rounds = Array.from({ length: ROUNDS }, () => names.map(firstMsOf));
const rounded = (value: number) => Number(value.toPrecision(3));
const firstMs = Object.fromEntries(names.map((name, i) => [name, rounded(median(rounds.map((ms) => ms[i])))]));
const kB: Record<string, number> = {};
for (const [name, program] of Object.entries(PROGRAMS)) kB[name] = rounded(await kilobytesOf(program));

const record: SetupRecord = { ...provenance(), rounds: ROUNDS, firstMs, kB };
console.log(setupTable(record));
if (options.record) {
  writeRecord("setup-", record);
  writeDocuments();
}
