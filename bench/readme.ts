// README's table of times, between its two marks.

import { type BenchRecord, baselineOf, OP_TITLES, type Timed } from "./record.js";
import { number } from "./report.js";

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
  return lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

/** README with the times of a record. */
export function withTimes(readme: string, record: BenchRecord): string {
  const marks = /(<!-- times -->\n).*?(\n<!-- end of times -->)/s;
  if (!marks.test(readme)) throw new Error("README has no marks around its times");
  return readme.replace(marks, (_, before: string, after: string) => `${before}\n${table(record)}\n${after}`);
}
