// The tables of a run for the terminal: for each operation, ns per logit by implementation, and its ratio to the time of this library.

import Table from "cli-table3";
import { type BenchRecord, baselineOf, logitsOf, OP_TITLES, type Timed } from "./record.js";
import type { Op } from "./workloads.js";

const OPS: readonly Op[] = ["gradient", "softmax", "loss"];
const LIBRARY = ["resident", "relaxed", "copying"];

/** A number with three digits. */
export const number = (value: number) => value.toFixed(value < 9.995 ? 2 : value < 99.95 ? 1 : 0);

function ratioOf(name: string, workload: Timed): number | undefined {
  const baseline = baselineOf(workload);
  const time = workload.times[name];
  return baseline && time && time.nsPerLogit / baseline.nsPerLogit;
}

/** Names from the fastest to the slowest, by the geometric mean of the ratios. */
function ranking(workloads: readonly Timed[]): string[] {
  const names = [...new Set(workloads.flatMap(({ times }) => Object.keys(times)))];
  const rank = (name: string) => {
    const logs = workloads.flatMap((workload) => {
      const ratio = ratioOf(name, workload) ?? workload.times[name]?.nsPerLogit;
      return ratio === undefined ? [] : [Math.log(ratio)];
    });
    return logs.reduce((a, b) => a + b, 0) / logs.length;
  };
  return names.sort((a, b) => rank(a) - rank(b));
}

function table(title: string, workloads: readonly Timed[], { implementations }: BenchRecord, unitOf: (workload: Timed) => number): string {
  const drawn = new Table({
    head: ["", ...workloads.map((workload) => workload.title)],
    colAligns: ["left", ...workloads.map(() => "right" as const)],
    style: { head: [], border: [], compact: true },
  });
  const names = ranking(workloads);
  for (const name of names) {
    const cells = workloads.map((workload) => {
      const time = workload.times[name];
      if (!time) return "";
      const ratio = ratioOf(name, workload);
      return `${number(time.nsPerLogit * unitOf(workload))}${ratio === undefined ? "" : `${number(ratio).padStart(6)}×`}`;
    });
    drawn.push([implementations[name].title, ...cells]);
  }
  for (const name of LIBRARY.filter((candidate) => names.includes(candidate) && !workloads[0].isTiny)) {
    const cells = workloads.map(({ times, bytesPerLogit }) => (times[name] ? number(bytesPerLogit / times[name].nsPerLogit) : ""));
    drawn.push([`${implementations[name].title}, GB/s`, ...cells]);
  }
  return `${title}\n${drawn}`;
}

const perLogit = () => 1;

/** Rounds whose times differ by a larger factor show that the machine did other things. */
const MAX_SPREAD = 1.25;

/** A line for each implementation and workload whose rounds differ by more than that. */
function noise({ workloads, implementations }: BenchRecord): string[] {
  return workloads.flatMap(({ id, times }) =>
    Object.entries(times).flatMap(([name, { rounds }]) => {
      const [least, most] = [Math.min(...rounds), Math.max(...rounds)];
      return most > MAX_SPREAD * least ? [`  ${implementations[name].title}, ${id}: ${number(least)} to ${number(most)}`] : [];
    }),
  );
}

/** Workloads with at most so many classes have a table of their own, as the fixed work of a row shows there. */
const FEW_CLASSES = 16;

function tablesOf(op: Op, record: BenchRecord): string[] {
  const ofOp = record.workloads.filter((workload) => workload.op === op && !workload.isTiny);
  const few = op === "gradient" ? ofOp.filter(({ classes }) => classes <= FEW_CLASSES) : [];
  const parts: [title: string, workloads: Timed[]][] = [
    [`${OP_TITLES[op]}, few classes`, few],
    [OP_TITLES[op], ofOp.filter((workload) => !few.includes(workload))],
  ];
  return parts
    .filter(([, workloads]) => workloads.length)
    .map(([title, workloads]) => {
      const baseline = baselineOf(workloads[0]);
      const ratios = baseline ? `, and × ${record.implementations[baseline.name].title}` : "";
      return table(`${title}: ns per logit${ratios}; ${workloads[0].bytesPerLogit} bytes a logit at least`, workloads, record, perLogit);
    });
}

/** The whole report of a run. */
export function report(record: BenchRecord): string {
  const { workloads, implementations, skipped, versions } = record;
  const tables = OPS.flatMap((op) => tablesOf(op, record));
  const tiny = workloads.filter(({ isTiny }) => isTiny);
  const titled = tiny.map((workload) => ({ ...workload, title: `${OP_TITLES[workload.op]}, ${workload.title}` }));
  if (tiny.length) tables.push(table("One row: ns per call", titled, record, logitsOf));

  const shown = Object.entries(implementations).filter(([name]) => workloads.some(({ times }) => name in times));
  const notes = shown.filter(([, { note }]) => note).map(([, { title, note }]) => `  ${title}: ${note}`);
  const absences = skipped.map(({ implementation, reason, workloads: ids }) => {
    const where = ids.length === workloads.length ? "" : ` (${ids.join(", ")})`;
    return `  ${implementations[implementation].title}: ${reason}${where}`;
  });
  const noisy = noise(record);
  const others = Object.entries(versions).map((entry) => entry.join(" "));
  const rounds = record.rounds === 1 ? "one round" : `medians of ${record.rounds} rounds`;
  return [
    ...tables,
    `Implementations\n${notes.join("\n")}`,
    ...(absences.length ? [`Skipped\n${absences.join("\n")}`] : []),
    ...(noisy.length ? [`Noisy: ns per logit from round to round\n${noisy.join("\n")}`] : []),
    `${record.cpu}, Node ${record.node}, V8 ${record.v8}; commit ${record.commit}, ${record.date}; ${rounds}\n${others.join(", ")}`,
  ].join("\n\n");
}
