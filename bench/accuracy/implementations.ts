/// <reference lib="esnext.float16" />
// The implementations of softmax, cross-entropy and its gradient: this library, plain JavaScript in two forms, and other libraries.

import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { defaultDevice, grad, init, nn, numpy as np } from "@jax-js/jax";
import { crossEntropyWithGradient, softmax } from "softmax-wasm";

/** logits (rows, classes) and a class index for each row. */
export interface Batch {
  readonly rows: number;
  readonly classes: number;
  readonly logits: Float64Array;
  readonly labels: Int32Array;
}

/** probs (rows, classes), losses (rows), and the gradient of each row's own loss (rows, classes). */
export interface Results {
  readonly probs: ArrayLike<number>;
  readonly losses: ArrayLike<number>;
  readonly gradient: ArrayLike<number>;
}

export interface Implementation {
  readonly name: string;
  readonly version: string;
  /** The functions that it calls, for a table. */
  readonly calls: string;
  readonly precision: "float64" | "float32";
  readonly run: (batches: readonly Batch[]) => Promise<Results[]>;
}

const root = new URL("../../", import.meta.url);
const { packages } = JSON.parse(readFileSync(new URL("package-lock.json", root), "utf8"));
const require = createRequire(import.meta.url);

const eachBatch = (run: (batch: Batch) => Results | Promise<Results>) => (batches: readonly Batch[]) => Promise.all(batches.map(run));

export const softmaxWasm: Implementation = {
  name: "softmax-wasm",
  version: packages[""].version,
  calls: "`softmax`, `crossEntropyWithGradient`",
  precision: "float64",
  run: eachBatch(({ rows, classes, logits, labels }) => {
    const shape = [rows, classes];
    const { loss, gradient } = crossEntropyWithGradient(logits, labels, { shape, reduction: "none" });
    return { probs: softmax(logits, { shape }), losses: loss, gradient };
  }),
};

/** Row by row in plain JavaScript: p = exp(x − max) / Σ, then the loss from x − max, p and Σ at the label, and p − [j = y]. */
function byHand(lossOf: (shifted: number, prob: number, sum: number) => number): Implementation["run"] {
  return eachBatch(({ rows, classes, logits, labels }) => {
    const probs = new Float64Array(rows * classes);
    const losses = new Float64Array(rows);
    const gradient = new Float64Array(rows * classes);
    labels.forEach((label, r) => {
      const start = r * classes;
      const x = logits.subarray(start, start + classes);
      const max = x.reduce((a, b) => Math.max(a, b));
      const exps = x.map((value) => Math.exp(value - max));
      const sum = exps.reduce((a, b) => a + b);
      const p = exps.map((e) => e / sum);
      probs.set(p, start);
      losses[r] = lossOf(x[label] - max, p[label], sum);
      gradient.set(p, start);
      gradient[start + label] -= 1;
    });
    return { probs, losses, gradient };
  });
}

const naive: Implementation = {
  name: "naive JavaScript",
  version: "",
  calls: "textbook NumPy code, translated: loss −log(p + 1e-12), gradient p − 1 at the label",
  precision: "float64",
  run: byHand((_shifted, prob) => -Math.log(prob + 1e-12)),
};

const careful: Implementation = {
  name: "careful JavaScript",
  version: "",
  calls: "the usual careful form: loss log Σ exp(x − max) − (x_y − max), gradient p − 1 at the label",
  precision: "float64",
  run: byHand((shifted, _prob, sum) => Math.log(sum) - shifted),
};

const PYTHONS = ["/usr/bin/python3", "python3"];

/** PyTorch, if a Python has it. */
export function pyTorch(precision: Implementation["precision"]): Implementation[] {
  for (const python of PYTHONS) {
    const { status, stdout } = spawnSync(python, ["-c", "import torch; print(torch.__version__)"], { encoding: "utf8" });
    if (status === 0) return [{ ...torchOn(python, precision), version: stdout.trim() }];
  }
  return [];
}

function torchOn(python: string, precision: Implementation["precision"]): Omit<Implementation, "version"> {
  const script = fileURLToPath(new URL("torch_results.py", import.meta.url));
  return {
    name: "PyTorch",
    calls: `\`torch.softmax\`, \`cross_entropy\`, autograd; ${precision} on the CPU, in Python`,
    precision,
    async run(batches) {
      const words = batches.flatMap(({ rows, classes, logits, labels }) => [rows, classes, ...logits, ...labels]);
      const { status, stdout, stderr } = spawnSync(python, [script, precision], {
        input: new Uint8Array(Float64Array.from(words).buffer),
        maxBuffer: 1 << 30,
      });
      if (status !== 0) throw new Error(`torch_results.py: ${stderr}`);
      const results = new Float64Array(new Uint8Array(stdout).buffer);
      let position = 0;
      const take = (count: number) => {
        position += count;
        return results.subarray(position - count, position);
      };
      return batches.map(({ rows, classes }) => ({ probs: take(rows * classes), losses: take(rows), gradient: take(rows * classes) }));
    },
  };
}

// jax-js evaluates `instanceof Float16Array`; Node has that class from version 24 on.
Object.assign(globalThis, { Float16Array: globalThis.Float16Array ?? class {} });

const jaxJs: Implementation = {
  name: "jax-js",
  version: packages["node_modules/@jax-js/jax"].version,
  calls: "`nn.softmax`, `nn.logSoftmax` taken at the labels, `grad`; float64 on its CPU device",
  precision: "float64",
  async run(batches) {
    await init("cpu");
    defaultDevice("cpu");
    const run = async ({ rows, classes, logits, labels }: Batch) => {
      const x = np.array(logits as Float64Array<ArrayBuffer>, { shape: [rows, classes], dtype: np.float64 });
      const y = np.array(labels as Int32Array<ArrayBuffer>, { shape: [rows, 1], dtype: np.int32 });
      const losses = (x: np.Array) => np.negative(np.takeAlongAxis(nn.logSoftmax(x), y.ref, 1));
      return {
        probs: await nn.softmax(x.ref).data(),
        losses: await losses(x.ref).data(),
        gradient: await grad((x: np.Array) => np.sum(losses(x)))(x).data(),
      };
    };
    return Promise.all(batches.map(run));
  },
};

/** The types of the functions of TensorFlow.js that are called here; its own types conflict with those of TypeScript's DOM. */
interface TensorFlow {
  enableProdMode(): void;
  setBackend(name: string): Promise<boolean>;
  tensor2d(data: Float32Array, shape: [number, number]): Tensor;
  ones(shape: [number]): Tensor;
  softmax(logits: Tensor): Tensor;
  grad(f: (x: Tensor) => Tensor): (x: Tensor, upstream: Tensor) => Tensor;
  losses: {
    softmaxCrossEntropy(oneHot: Tensor, logits: Tensor, weights: undefined, labelSmoothing: number, reduction: number): Tensor;
  };
  Reduction: { NONE: number };
}
interface Tensor {
  dataSync(): Float32Array;
}

const tensorFlow: Implementation = {
  name: "TensorFlow.js",
  version: packages["node_modules/@tensorflow/tfjs-core"].version,
  calls: "`softmax`, `losses.softmaxCrossEntropy`, `grad`; float32, it has no float64; CPU backend",
  precision: "float32",
  async run(batches) {
    const tf: TensorFlow = require("@tensorflow/tfjs-core");
    require("@tensorflow/tfjs-backend-cpu");
    tf.enableProdMode(); // no banner
    await tf.setBackend("cpu");
    return batches.map(({ rows, classes, logits, labels }) => {
      const x = tf.tensor2d(Float32Array.from(logits), [rows, classes]);
      const y = tf.tensor2d(
        Float32Array.from(logits, (_, i) => (i % classes === labels[Math.floor(i / classes)] ? 1 : 0)),
        [rows, classes],
      );
      const losses = (x: Tensor) => tf.losses.softmaxCrossEntropy(y, x, undefined, 0, tf.Reduction.NONE);
      return {
        probs: tf.softmax(x).dataSync(),
        losses: losses(x).dataSync(),
        gradient: tf
          .grad(losses)(x, tf.ones([rows]))
          .dataSync(),
      };
    });
  },
};

/** The types of the functions of ConvNetJS that are called here; the package has no types. */
interface ConvNet {
  Vol: new (values: number[]) => { readonly dw: Float64Array };
  SoftmaxLayer: new (size: {
    in_sx: number;
    in_sy: number;
    in_depth: number;
  }) => {
    forward(logits: InstanceType<ConvNet["Vol"]>): { readonly w: Float64Array };
    /** Writes the gradient to dw of the logits; returns the loss. */
    backward(label: number): number;
  };
}

const convNetJs: Implementation = {
  name: "ConvNetJS",
  version: packages["node_modules/convnetjs"].version,
  calls: "`SoftmaxLayer`, `forward` and `backward`; float64",
  precision: "float64",
  run: eachBatch(({ rows, classes, logits, labels }) => {
    const { Vol, SoftmaxLayer }: ConvNet = require("convnetjs");
    const probs = new Float64Array(rows * classes);
    const losses = new Float64Array(rows);
    const gradient = new Float64Array(rows * classes);
    const layer = new SoftmaxLayer({ in_sx: 1, in_sy: 1, in_depth: classes });
    labels.forEach((label, r) => {
      const start = r * classes;
      const row = new Vol(Array.from(logits.subarray(start, start + classes)));
      probs.set(layer.forward(row).w, start);
      losses[r] = layer.backward(label);
      gradient.set(row.dw, start);
    });
    return { probs, losses, gradient };
  }),
};

/** All implementations that are installed. */
export const implementations = (): Implementation[] => [softmaxWasm, careful, naive, ...pyTorch("float64"), jaxJs, convNetJs, tensorFlow];
