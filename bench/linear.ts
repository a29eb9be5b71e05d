// Linear layers on one core: for each shape and element type a benny suite of the product X Wᵀ, by the kernels of softmax-wasm/linear and others;
// and the time of loss and gradients of a language model's head, with the logits of some rows in memory and with all. main.ts runs it.
//
// Each result is verified before it is timed. C, NumPy and PyTorch run in processes of their own in each round.

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import b from "benny";
import { crossEntropyWithGradient } from "softmax-wasm";
import { LinearCrossEntropy, linear, linearBackward, linearCrossEntropyWithGradient } from "softmax-wasm/linear";
import { seeded } from "../reference/data.js";
import { median } from "../reference/median.js";
import { GCC_FLAGS, PYTHON } from "./commands.js";
import { ARRAYS, kernels, onnxRuntime, type Product, type ProductImplementation, plain, tensorFlow, verify } from "./linear-products.js";
import type { HeadWay, LinearRecord } from "./record.js";
import { sink } from "./timing.js";
import { provenance, versions } from "./versions.js";

/** Rows, features, classes: large and square, the digits of MNIST, and a block of a language model's head. */
const SHAPES = [
  [512, 512, 512],
  [100, 784, 10],
  [64, 512, 1024],
] as const;
const HEAD = [1024, 512, 32_000] as const;

/** The number of rounds, in which all take turns; each ratio is of one round. */
const ROUNDS = 5;
/** The operations of a sample, at least. */
const OPERATIONS = 5e7;

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));
const numbers = (length: number, random: () => number) => Float32Array.from({ length }, () => random() - 0.5);

/** The median seconds of a call of each function, by a benny suite. */
async function secondsOf(title: string, runs: Readonly<Record<string, () => unknown>>, calls: number): Promise<Record<string, number>> {
  const cases = Object.entries(runs).map(([name, run]) => {
    const isAsync = run() instanceof Promise;
    const sample = isAsync
      ? async () => {
          for (let call = 0; call < calls; call++) sink.value = await run();
        }
      : () => {
          for (let call = 0; call < calls; call++) sink.value = run();
        };
    return b.add(name, sample);
  });
  const config = b.configure({ cases: { minSamples: 5, maxTime: 0.3 } });
  const live = process.stdout.isTTY ? [b.cycle()] : [];
  const { results } = await b.suite(title, ...cases, config, ...live);
  return Object.fromEntries(results.map(({ name, details }) => [name, details.median / calls]));
}

/** Those who can compute a product here, verified. */
async function implementationsOf(product: Product): Promise<Record<string, ProductImplementation["run"]>> {
  const makers: Record<string, (product: Product) => ProductImplementation | Promise<ProductImplementation>> = {
    "softmax-wasm": kernels,
    plain,
    ...(product.dtype === "float32" && { "tfjs-wasm": tensorFlow }),
    "onnxruntime-web": onnxRuntime,
  };
  const runs: Record<string, ProductImplementation["run"]> = {};
  for (const [name, make] of Object.entries(makers)) {
    let implementation: ProductImplementation;
    try {
      implementation = await make(product);
    } catch (error) {
      console.log(`${name} is left out: ${(error as Error).message.split("\n")[0]}`);
      continue;
    }
    await verify(name, product, implementation);
    runs[name] = implementation.run;
  }
  return runs;
}

/** GFLOP/s by programs of their own, as far as there are a compiler and Python. */
function nativeRates(program: string, { dtype, rows, depth, classes }: Product): Record<string, number> {
  const shape = [rows, depth, classes].map(String);
  const outputOf = (...[command, ...args]: string[]) =>
    JSON.parse(execFileSync(command, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }));
  const rates: Record<string, number> = {};
  try {
    const type = dtype === "float32" ? "float" : "double";
    rates.c = Math.max(...["0", "1"].map((order) => outputOf(program, ...shape, type, order)));
  } catch {}
  try {
    Object.assign(rates, outputOf(PYTHON, path("native/products.py"), ...shape, dtype));
  } catch {}
  return rates;
}

async function productRates(program: string, product: Product): Promise<LinearRecord["products"][number]> {
  const { dtype, rows, depth, classes } = product;
  const operations = 2 * rows * depth * classes;
  const runs = await implementationsOf(product);
  const title = [rows, depth, classes].join("×");
  const rounds: Record<string, number>[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const seconds = await secondsOf(`${dtype} ${title}`, runs, Math.ceil(OPERATIONS / operations));
    const rates = Object.entries(seconds).map(([name, time]) => [name, operations / time / 1e9]);
    rounds.push({ ...Object.fromEntries(rates), ...nativeRates(program, product) });
  }
  const over = (name: string) => median(rounds.map((rates) => rates["softmax-wasm"] / rates[name]));
  const names = Object.keys(rounds[0]);
  return {
    title,
    dtype,
    gflops: Object.fromEntries(names.map((name) => [name, Number(median(rounds.map((rates) => rates[name])).toPrecision(3))])),
    ratios: Object.fromEntries(names.map((name) => [name, Number(over(name).toPrecision(3))])),
  };
}

/** The ways of a head's loss and gradients. A call takes seconds, so that a sample is one. */
async function headTimes(): Promise<LinearRecord["head"]> {
  const [rows, depth, classes] = HEAD;
  const random = seeded(3);
  const input = numbers(rows * depth, random);
  const weights = numbers(classes * depth, random);
  const labels = Int32Array.from({ length: rows }, () => Math.floor(classes * random()));
  const shape = [rows, depth];
  const layerWith = (threads: number) => {
    const layer = new LinearCrossEntropy({ shape, classes, dtype: "float32", threads });
    layer.input.set(input);
    layer.weights.set(weights);
    layer.labels.set(labels);
    return layer;
  };
  const lossOf = (layer: ReturnType<typeof layerWith>) => {
    const loss = layer.forward();
    layer.backward();
    return loss;
  };
  const threadCount = availableParallelism();
  const layer = layerWith(1);
  using shared = layerWith(threadCount);
  const runs: Readonly<Record<HeadWay, () => number>> = {
    whole: () => {
      const logits = linear(input, weights, { shape });
      const { loss } = crossEntropyWithGradient(logits, labels, { shape: [rows, classes], out: logits });
      linearBackward(logits, input, weights, { shape });
      return loss;
    },
    functions: () => linearCrossEntropyWithGradient(input, weights, labels, { shape }).loss,
    layer: () => lossOf(layer),
    threads: () => lossOf(shared),
  };
  const ways = Object.keys(runs) as HeadWay[];
  const losses = ways.map((way) => runs[way]());
  if (losses.some((loss) => !(Math.abs(loss - losses[0]) < 1e-6 * losses[0]))) throw new Error(`losses differ: ${losses}`);
  // Workers start while nothing runs here.
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const rounds: Record<HeadWay, number>[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const times = ways.map((way) => {
      const start = performance.now();
      sink.value = runs[way]();
      return [way, (performance.now() - start) / 1e3];
    });
    rounds.push(Object.fromEntries(times));
  }
  if (shared.threads !== threadCount) throw new Error(`${shared.threads} threads took part, not ${threadCount}`);
  const of = (way: HeadWay) => ({
    seconds: Number(median(rounds.map((times) => times[way])).toPrecision(3)),
    speed: Number(median(rounds.map((times) => times.whole / times[way])).toPrecision(3)),
  });
  const own = 4 * 2 * (rows + classes) * depth;
  return {
    title: HEAD.join("×"),
    threadCount,
    whole: of("whole"),
    functions: of("functions"),
    layer: of("layer"),
    threads: of("threads"),
    besideMB: Number(((layer.byteLength - own) / 1e6).toPrecision(3)),
  };
}

export async function linearRecord(): Promise<LinearRecord> {
  const folder = mkdtempSync(join(tmpdir(), "linear-"));
  try {
    const program = join(folder, "linear");
    try {
      execFileSync("gcc", [...GCC_FLAGS, path("native/linear.c"), "-o", program], { stdio: "ignore" });
    } catch {
      console.log("C is left out: there is no gcc");
    }
    const products = [];
    for (const dtype of ["float32", "float64"] as const) {
      for (const [rows, depth, classes] of SHAPES) {
        const random = seeded(7);
        const [x, w] = [rows, classes].map((lines) => ARRAYS[dtype].from(numbers(lines * depth, random)));
        products.push(await productRates(program, { dtype, rows, depth, classes, x, w }));
      }
    }
    return { ...provenance(), versions: versions(), rounds: ROUNDS, products, head: await headTimes() };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
