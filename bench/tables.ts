// Records as tables in Markdown.

import {
  type AccuracyRecord,
  type BenchRecord,
  baselineOf,
  type HeadWay,
  type LinearRecord,
  type NestedRecord,
  OP_TITLES,
  type OptionsRecord,
  type SetupRecord,
  type ThreadsRecord,
  type Time,
  type Timed,
} from "./record.js";
import { number } from "./report.js";

const markdown = (lines: readonly (readonly string[])[]) => lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");

/** Of the tables of times, by element type: the columns by implementation. */
const COLUMNS: Readonly<Record<Time["dtype"], Readonly<Record<string, string>>>> = {
  float64: {
    resident: "resident",
    copying: "copying",
    plain: "plain",
    "plain-exp": "own exp",
    numpy: "NumPy",
    pytorch: "PyTorch",
    c: "C",
  },
  float32: {
    resident: "_resident, float64_",
    "resident-float32": "resident",
    "copying-float32": "copying",
    "plain-float32": "plain",
    "pytorch-float32": "PyTorch",
    "onnxruntime-node-float32": "ONNX Runtime, native",
    "onnxruntime-web-float32": "ONNX Runtime, WebAssembly",
    "tfjs-wasm": "TensorFlow.js, WebAssembly",
    "jax-js": "jax-js",
  },
};

/** The columns of this library. The cells of the others also say how many times its time they take. */
const isOurs = (name: string) => /^(resident|copying)/.test(name);

function cell(name: string, workload: Timed, dtype: Time["dtype"]): string {
  const time = workload.times[name]?.nsPerLogit;
  if (time === undefined) return "";
  const baseline = baselineOf(workload, dtype);
  const ratio = baseline && !isOurs(name) ? ` (${(time / baseline.nsPerLogit).toFixed(1)}×)` : "";
  return `${number(time)}${ratio}`;
}

/** ns per logit: a line a workload, a column an implementation. */
export const timesTable = (record: BenchRecord) => timesTableOf("float64", record);
export const timesTableOfFloat32 = (record: BenchRecord) => timesTableOf("float32", record);

function timesTableOf(dtype: Time["dtype"], { workloads }: BenchRecord): string {
  const columns = COLUMNS[dtype];
  return markdown([
    ["", "shape", ...Object.values(columns)],
    ["---", "---", ...Object.keys(columns).map(() => "---:")],
    ...workloads
      .filter(({ isTiny }) => !isTiny)
      .map((workload) => [
        OP_TITLES[workload.op].toLowerCase(),
        workload.title,
        ...Object.keys(columns).map((name) => cell(name, workload, dtype)),
      ]),
  ]);
}

/** Times over those of the plain loss: a line an option, two columns a shape. */
export function costsTable({ shapes }: OptionsRecord): string {
  return markdown([
    ["", ...shapes.flatMap(({ title }) => [`${title}, resident`, "copying"])],
    ["---", ...shapes.flatMap(() => ["---:", "---:"])],
    ...Object.keys(shapes[0].costs).map((name) => [
      name,
      ...shapes.flatMap(({ costs }) => [costs[name].resident, costs[name].copying].map((ratio) => `${ratio.toFixed(2)}×`)),
    ]),
  ]);
}

/** Speeds over that of one thread: a line a shape, a column a number of threads. */
export function threadsTable({ shapes }: ThreadsRecord): string {
  const counts = Object.keys(shapes[0].speedups);
  return markdown([
    ["", ...counts.map((threads) => (threads === "1" ? "1 thread" : `${threads} threads`))],
    ["---", ...counts.map(() => "---:")],
    ...shapes.map(({ title, speedups }) => [title, ...counts.map((threads) => `${speedups[threads].toFixed(2)}×`)]),
  ]);
}

/** By implementation of products: its name in tables. */
export const PRODUCTS: Readonly<Record<string, string>> = {
  "softmax-wasm": "softmax-wasm",
  plain: "plain JavaScript",
  "tfjs-wasm": "TensorFlow.js, wasm",
  "onnxruntime-web": "ONNX Runtime, wasm",
  c: "C, 128 bits",
  numpy: "NumPy, OpenBLAS",
  pytorch: "PyTorch, OpenBLAS",
};

/** GFLOP/s: a line a shape, a column an implementation; in brackets how many times its rate ours is. */
export function productsTable({ products }: LinearRecord): string {
  const names = Object.keys(PRODUCTS).filter((name) => products.some(({ gflops }) => name in gflops));
  const cellOf = (gflops: number | undefined, ratio: number, name: string) =>
    gflops === undefined ? "" : `${number(gflops)}${name === "softmax-wasm" ? "" : ` (${number(ratio)}×)`}`;
  return markdown([
    ["", ...names.map((name) => PRODUCTS[name])],
    ["---", ...names.map(() => "---:")],
    ...products.map(({ title, dtype, gflops, ratios }) => [
      `${dtype}, ${title}`,
      ...names.map((name) => cellOf(gflops[name], ratios[name], name)),
    ]),
  ]);
}

/** Seconds of loss and gradients of a head, and the speed over that of whole logits. */
export function headTable({ head }: LinearRecord): string {
  const titles: Readonly<Record<HeadWay, string>> = {
    whole: "all logits in memory",
    functions: "`linearCrossEntropyWithGradient`",
    layer: "`LinearCrossEntropy`",
    threads: `\`LinearCrossEntropy\`, ${head.threadCount} threads`,
  };
  return markdown([
    [`float32, ${head.title}`, "seconds", "speed"],
    ["---", "---:", "---:"],
    ...(Object.keys(titles) as HeadWay[]).map((way) => [titles[way], number(head[way].seconds), head[way].speed.toFixed(2)]),
  ]);
}

/** Nested arrays: ns per logit of this library and of a textbook loop. */
export function nestedTable({ times }: NestedRecord): string {
  return markdown([
    ["", "shape", "softmax-wasm", "textbook loop"],
    ["---", "---", "---:", "---:"],
    ...times.map(({ op, title, library, loop, ratio }) => [
      OP_TITLES[op].toLowerCase(),
      title,
      number(library),
      `${number(loop)} (${(1 / ratio).toFixed(1)}×)`,
    ]),
  ]);
}

/** By implementation of setup: its name in tables. */
const SETUPS: Readonly<Record<string, string>> = {
  "softmax-wasm": "softmax-wasm",
  plain: "plain JavaScript",
  "tfjs-wasm": "TensorFlow.js, WebAssembly",
  "onnxruntime-web": "ONNX Runtime, WebAssembly",
  "jax-js": "jax-js",
  pytorch: "PyTorch",
  numpy: "NumPy",
};

const milliseconds = (ms: number) => (ms < 1 ? "< 1" : ms.toFixed(0));
const kilobytes = (kB: number | undefined) => (kB === undefined ? "" : kB < 1 ? "< 1" : kB.toFixed(0));

/** Sizes, and times from the import to the first result. */
export function setupTable({ firstMs, kB }: SetupRecord): string {
  return markdown([
    ["", "kB in a page", "ms to the first softmax"],
    ["---", "---:", "---:"],
    ...Object.entries(SETUPS).map(([name, title]) => [title, kilobytes(kB[name]), milliseconds(firstMs[name])]),
  ]);
}

/** Of the comparison, by implementation: its names in the records of accuracy, and of times in float64 and float32; and what it needs. */
const COMPARED: Readonly<Record<string, { accuracy?: string; float64?: string; float32?: string; needs: string }>> = {
  "softmax-wasm": { accuracy: "softmax-wasm", float64: "resident", float32: "resident-float32", needs: "an import" },
  plain: { accuracy: "careful JavaScript", float64: "plain", float32: "plain-float32", needs: "a loop of your own" },
  "tfjs-wasm": { accuracy: "TensorFlow.js, as float32", float32: "tfjs-wasm", needs: "a backend, its .wasm, `tidy`" },
  "onnxruntime-web": { float64: "onnxruntime-web", float32: "onnxruntime-web-float32", needs: "a model, its .wasm; no gradient" },
  "jax-js": { accuracy: "jax-js", float32: "jax-js", needs: "`init`, counted references" },
  pytorch: { accuracy: "PyTorch", float64: "pytorch", float32: "pytorch-float32", needs: "Python" },
  numpy: { float64: "numpy", needs: "Python, a class of your own" },
};

/** Exactness, speed, size and set-up of this library and others. */
export function comparisonTable(
  times: BenchRecord,
  timesOfFloat32: BenchRecord,
  { overview }: AccuracyRecord,
  { firstMs, kB }: SetupRecord,
): string {
  const nsOf = ({ workloads }: BenchRecord, id: string, name: string | undefined) => {
    const time = name === undefined ? undefined : workloads.find((workload) => workload.id === id)?.times[name]?.nsPerLogit;
    return time === undefined ? "" : number(time);
  };
  const lossOfHardRows = overview.head.length - 2;
  const shareOf = (name: string | undefined) => overview.rows.find(([other]) => other === name)?.[lossOfHardRows] ?? "";
  return markdown([
    ["", "exact losses", "gradient", "in float32", "softmax", "in float32", "kB", "ms", "needs"],
    ["---", "---:", "---:", "---:", "---:", "---:", "---:", "---:", "---"],
    ...Object.entries(COMPARED).map(([name, { accuracy, float64, float32, needs }]) => [
      SETUPS[name],
      shareOf(accuracy),
      ...["gradient-1024x1000", "softmax-1024x1000"].flatMap((id) => [nsOf(times, id, float64), nsOf(timesOfFloat32, id, float32)]),
      kilobytes(kB[name]),
      milliseconds(firstMs[name]),
      needs,
    ]),
  ]);
}
