// The tables of records in the documents. Each stands between two marks, `<!-- name -->` and `<!-- end of name -->`.

import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import {
  type BenchRecord,
  baselineOf,
  type HeadWay,
  type LinearRecord,
  OP_TITLES,
  type OptionsRecord,
  type ThreadsRecord,
  type Time,
  type Timed,
} from "./record.js";
import { number } from "./report.js";

/** By the name of a table: the document that it is in, relative to the root of the project. */
export const DOCUMENTS = {
  times: "docs/performance.md",
  "times of float32": "docs/performance.md",
  costs: "docs/performance.md",
  threads: "docs/threads.md",
  products: "docs/linear.md",
  head: "docs/linear.md",
  float32: "docs/numerics.md",
} as const;
export type TableName = keyof typeof DOCUMENTS;

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

/** A document with a table between the marks of its name. */
export function withTable(document: string, name: TableName, table: string): string {
  const marks = new RegExp(`(<!-- ${name} -->\\n).*?(\\n<!-- end of ${name} -->)`, "s");
  if (!marks.test(document)) throw new Error(`${DOCUMENTS[name]} has no marks around its ${name}`);
  return document.replace(marks, (_, before: string, after: string) => `${before}\n${table}\n${after}`);
}

/** Writes a table into its document, or into another one that has the marks. */
export function writeTable(name: TableName, table: string, path = fileURLToPath(new URL(`../${DOCUMENTS[name]}`, import.meta.url))): void {
  writeFileSync(path, withTable(readFileSync(path, "utf8"), name, table));
}
