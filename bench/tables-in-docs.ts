// The tables of records in the documents. Each stands between two marks, `<!-- name -->` and `<!-- end of name -->`.

import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type BenchRecord, baselineOf, OP_TITLES, type OptionsRecord, type ThreadsRecord, type Timed } from "./record.js";
import { number } from "./report.js";

/** By the name of a table: the document that it is in, relative to the root of the project. */
export const DOCUMENTS = {
  times: "docs/performance.md",
  costs: "docs/performance.md",
  threads: "docs/threads.md",
  float32: "docs/numerics.md",
} as const;
export type TableName = keyof typeof DOCUMENTS;

const markdown = (lines: readonly (readonly string[])[]) => lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");

const COLUMNS: Readonly<Record<string, string>> = {
  resident: "resident",
  copying: "copying",
  plain: "plain",
  "plain-exp": "own exp",
  numpy: "NumPy",
  pytorch: "PyTorch",
  c: "C",
};

/** The columns of this library. The cells of the others also say how many times its time they take. */
const OURS = ["resident", "copying"];

function cell(name: string, workload: Timed): string {
  const time = workload.times[name]?.nsPerLogit;
  if (time === undefined) return "";
  const baseline = baselineOf(workload);
  const ratio = baseline && !OURS.includes(name) ? ` (${(time / baseline.nsPerLogit).toFixed(1)}×)` : "";
  return `${number(time)}${ratio}`;
}

/** ns per logit: a line a workload, a column an implementation. */
export function timesTable({ workloads }: BenchRecord): string {
  return markdown([
    ["", "shape", ...Object.values(COLUMNS)],
    ["---", "---", ...Object.keys(COLUMNS).map(() => "---:")],
    ...workloads
      .filter(({ isTiny }) => !isTiny)
      .map((workload) => [
        OP_TITLES[workload.op].toLowerCase(),
        workload.title,
        ...Object.keys(COLUMNS).map((name) => cell(name, workload)),
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
