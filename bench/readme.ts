// README's tables of records, each between its two marks.

import { type BenchRecord, baselineOf, OP_TITLES, type Timed } from "./record.js";
import { number } from "./report.js";
import type { ThreadsRecord } from "./threads.js";

const COLUMNS: Readonly<Record<string, string>> = {
  resident: "resident",
  copying: "copying",
  plain: "plain",
  "plain-exp": "own exp",
  numpy: "NumPy",
  pytorch: "PyTorch",
  c: "C",
};

/** Of this library: others are shown as so many times it, too. */
const OURS = ["resident", "copying"];

function cell(name: string, workload: Timed): string {
  const time = workload.times[name]?.nsPerLogit;
  if (time === undefined) return "";
  const baseline = baselineOf(workload);
  const ratio = baseline && !OURS.includes(name) ? ` (${(time / baseline.nsPerLogit).toFixed(1)}×)` : "";
  return `${number(time)}${ratio}`;
}

const written = (lines: readonly (readonly string[])[]) => lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");

function table({ workloads }: BenchRecord): string {
  const lines = [
    ["", "shape", ...Object.values(COLUMNS)],
    ["---", "---", ...Object.keys(COLUMNS).map(() => "---:")],
    ...workloads
      .filter(({ isTiny }) => !isTiny)
      .map((workload) => [
        OP_TITLES[workload.op].toLowerCase(),
        workload.title,
        ...Object.keys(COLUMNS).map((name) => cell(name, workload)),
      ]),
  ];
  return written(lines);
}

/** README with a table between its marks. */
function between(readme: string, name: string, lines: string): string {
  const marks = new RegExp(`(<!-- ${name} -->\\n).*?(\\n<!-- end of ${name} -->)`, "s");
  if (!marks.test(readme)) throw new Error(`README has no marks around its ${name}`);
  return readme.replace(marks, (_, before: string, after: string) => `${before}\n${lines}\n${after}`);
}

/** README with the times of a record. */
export function withTimes(readme: string, record: BenchRecord): string {
  return between(readme, "times", table(record));
}

/** What a run of bench/options.ts leaves. */
export interface OptionsRecord {
  readonly date: string;
  readonly cpu: string;
  readonly node: string;
  readonly commit: string;
  readonly rounds: number;
  readonly shapes: readonly {
    readonly title: string;
    /** By option, times what the plain loss with gradient takes. */
    readonly costs: Readonly<Record<string, { readonly resident: number; readonly copying: number }>>;
  }[];
}

/** README with what options cost. */
export function withOptions(readme: string, { shapes }: OptionsRecord): string {
  const lines = [
    ["", ...shapes.flatMap(({ title }) => [`${title}, resident`, "copying"])],
    ["---", ...shapes.flatMap(() => ["---:", "---:"])],
    ...Object.keys(shapes[0].costs).map((name) => [
      name,
      ...shapes.flatMap(({ costs }) => [costs[name].resident, costs[name].copying].map((ratio) => `${ratio.toFixed(2)}×`)),
    ]),
  ];
  return between(readme, "costs", written(lines));
}

/** What threads bring, by shape. */
export function threadsTable({ shapes }: ThreadsRecord): string {
  const counts = Object.keys(shapes[0].speedups);
  return written([
    ["", ...counts.map((threads) => (threads === "1" ? "1 thread" : `${threads} threads`))],
    ["---", ...counts.map(() => "---:")],
    ...shapes.map(({ title, speedups }) => [title, ...counts.map((threads) => `${speedups[threads].toFixed(2)}×`)]),
  ]);
}

/** README with what threads bring. */
export function withThreads(readme: string, record: ThreadsRecord): string {
  return between(readme, "threads", threadsTable(record));
}
