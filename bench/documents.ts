// What the documents say of records: tables, and sentences with numbers of them. Each text stands between two marks,
// `<!-- name -->` and `<!-- end of name -->`; a test compares them with the records.
//
// `tsx bench/documents.ts` writes the texts and the figures. Each benchmark does so after its record.

import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { withoutTitle } from "./accuracy/tables.js";
import { draw as drawLinear } from "./linear-figure.js";
import {
  type AccuracyRecord,
  type BenchRecord,
  baselineOf,
  type DecodeRecord,
  type EvaluateRecord,
  type LinearRecord,
  type NestedRecord,
  OP_TITLES,
  type OptionsRecord,
  type Provenance,
  readRecord,
  type SetupRecord,
  type ThreadsRecord,
  type Time,
  writeFigure,
} from "./record.js";
import { number } from "./report.js";
import { draw as drawSpeed } from "./speed-figure.js";
import {
  comparisonTable,
  costsTable,
  headTable,
  nestedTable,
  productsTable,
  setupTable,
  threadsTable,
  timesTable,
  timesTableOfFloat32,
} from "./tables.js";
import { draw as drawThreads } from "./threads-figure.js";
import type { Op } from "./workloads.js";

const times = (major?: number) => readRecord<BenchRecord>("", major);
const timesOfFloat32 = (major?: number) => readRecord<BenchRecord>("float32-", major);
const threads = () => readRecord<ThreadsRecord>("threads-");
const linear = () => readRecord<LinearRecord>("linear-");
const accuracy = () => readRecord<AccuracyRecord>("accuracy-");
const setup = () => readRecord<SetupRecord>("setup-");

const one = (value: number) => value.toFixed(1);
/** "2.1", or "2.1 to 3.4". */
function span(values: readonly number[], show = one): string {
  const [least, most] = [show(Math.min(...values)), show(Math.max(...values))];
  return least === most ? least : `${least} to ${most}`;
}
const joined = (words: readonly string[]) => (words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`);

/** The ratios of the times of two implementations, of workloads that have more than one row. */
function ratios({ workloads }: BenchRecord, of: string, over: string, isWanted: (id: string) => boolean = () => true): number[] {
  return workloads.flatMap(({ id, isTiny, times }) =>
    !isTiny && isWanted(id) && of in times && over in times ? [times[of].nsPerLogit / times[over].nsPerLogit] : [],
  );
}

const dateOf = (date: string) =>
  new Date(date).toLocaleDateString("en-GB", { day: "numeric", month: "long", year: "numeric", timeZone: "UTC" });
const machineOf = ({ cpu, node, date }: Provenance) => `${cpu}, a virtual machine, with Node ${node}, on ${dateOf(date)}`;

function machine(record: BenchRecord): string {
  return `The machine is one core of an ${machineOf(record)}. The times are medians of ${record.rounds} rounds.`;
}

const TITLES: Readonly<Record<string, string>> = {
  "onnxruntime-node": "ONNX Runtime, native",
  "onnxruntime-web": "ONNX Runtime, WebAssembly",
};

/** A line for each implementation that takes less time than this library for some workload: the ratios of those workloads. */
function whoIsFaster({ implementations, workloads }: BenchRecord, dtype: Time["dtype"]): string[] {
  return Object.entries(implementations).flatMap(([name, { title }]) => {
    if (/^(resident|copying|relaxed)|^c$/.test(name)) return [];
    const ratiosOf = (op: Op) =>
      workloads.flatMap((workload) => {
        const [time, ours] = [workload.times[name], baselineOf(workload, dtype)];
        if (workload.op !== op || workload.isTiny || !ours || time?.dtype !== dtype || time.nsPerLogit >= ours.nsPerLogit) return [];
        return [`${(time.nsPerLogit / ours.nsPerLogit).toFixed(2)} (${workload.title})`];
      });
    const found = (Object.keys(OP_TITLES) as Op[]).flatMap((op) => {
      const those = ratiosOf(op);
      return those.length > 0 ? [`${OP_TITLES[op].toLowerCase()} ${joined(those)}`] : [];
    });
    const library = title.replace(` (${dtype})`, "");
    return found.length > 0 ? [`- ${TITLES[library] ?? library}, ${dtype}: ${found.join("; ")}.`] : [];
  });
}

/** Times of one call on ten logits, in µs. */
function oneRow(record: BenchRecord): string {
  const micro = (op: string, name: string) => {
    const { classes, times } = record.workloads.find(({ id }) => id === `${op}-1x10`)!;
    return ((times[name].nsPerLogit * classes) / 1e3).toFixed(2);
  };
  const both = (name: string) => `${micro("softmax", name)} and ${micro("gradient", name)} µs`;
  return `On ten logits softmax and loss with gradient take ${both("resident")} resident, ${both("copying")} copying, and ${both("plain")} in plain JavaScript.`;
}

function fewClasses(record: BenchRecord): string {
  const isFew = (id: string) => /^gradient-8192x[23]$/.test(id);
  const over = (name: string) => span(ratios(record, name, "resident", isFew));
  return `Rows of two or three classes gain less than long ones: plain JavaScript takes ${over("plain")} times as long as _resident_, and with its own exp
${over("plain-exp")} times.`;
}

function otherNodes(): string {
  const idOf = "gradient-1024x1000";
  const ratio = (record: BenchRecord, name: string, over: string) => one(ratios(record, name, over, (id) => id === idOf)[0]);
  const majors = [20, 24, 26];
  const [wide, narrow] = [
    majors.map((major) => ratio(times(major), "plain", "resident")),
    majors.map((major) => ratio(timesOfFloat32(major), "plain-float32", "resident-float32")),
  ];
  return `For loss with gradient of 1024×1000, plain JavaScript takes ${joined(wide)} times as long as _resident_ on Node ${joined(majors.map(String))}; in float32
${joined(narrow)} times.`;
}

/** Of Node 24: Node 20 has no relaxed SIMD. */
function relaxed(record: BenchRecord): string {
  const over = (isWanted: (id: string) => boolean) => span(ratios(record, "relaxed", "resident", isWanted), (x) => x.toFixed(2));
  const isLong = (id: string) => /^gradient-\d+x\d{4,}$/.test(id);
  return `On Node 24, loss with gradient takes ${over(isLong)} of the time for rows of a thousand classes and more, and
${over((id) => id === "gradient-8192x10")} for ten classes.`;
}

function evaluation({ shape, seconds, inputMB, besideMB }: EvaluateRecord): string {
  return `The input is ${shape.join("×")} float32 logits (${inputMB.toFixed(0)} MB); a fifth of the rows is padding. \`crossEntropy\` with \`ignoreIndex\` and
the outputs \`correct\` and \`entropy\` takes ${seconds.library.toFixed(2)} s. A loop in plain JavaScript takes ${seconds.plain.toFixed(2)} s for the same numbers, ${one(seconds.plain / seconds.library)} times
as long. The first call adds ${besideMB.toFixed(0)} MB to the memory of the process.`;
}

function decoding({ classes, rows }: DecodeRecord): string {
  const over = (call: string) => span(rows.map(({ calls }) => calls[call].overOut));
  return [
    `Times of a row of ${classes.toLocaleString("en-US")} float32 logits, divided by that of \`softmax\` with \`out\`:`,
    "",
    `- \`topK(x, 50)\`: ${over("topK(50)")}`,
    `- \`sample(x)\`: ${over("sample")}`,
    ...["topP: 0.9", "topK: 50, topP: 0.9, scale: 1 / 0.7", "minP: 0.05"].map((call) => `- \`sample(x, { ${call} })\`: ${over(call)}`),
  ].join("\n");
}

function copies(): string {
  const isLarge = (id: string) => !/64x10$/.test(id);
  const [large, small] = [isLarge, (id: string) => !isLarge(id)].map((isWanted) => [
    ...ratios(times(), "copying", "resident", isWanted),
    ...ratios(timesOfFloat32(), "copying-float32", "resident-float32", isWanted),
  ]);
  return `A function copies the batch in and out. Its time is ${span(large)} times that of a layer, and ${span(small)} times for a small batch (64×10).`;
}

const twoThreads = ({ shapes }: ThreadsRecord) =>
  `On two cores, loss with gradient of 1024×1000 logits is ${one(shapes.find(({ title }) => title === "1024×1000")!.speedups[2])} times as fast as on one thread.`;

const float32InShort = () =>
  `Float32 takes half the memory, and for loss with gradient ${span(
    ratios(timesOfFloat32(), "resident-float32", "resident", (id) => id.startsWith("gradient-")),
    (x) => x.toFixed(2),
  )} of the time of float64, as its exp needs
fewer digits; the arithmetic is that of doubles.`;

/** By name: the document that has a text, relative to the root of the project, and the text. */
export const TEXTS: Readonly<Record<string, { readonly document: string; readonly text: () => string }>> = {
  comparison: { document: "README.md", text: () => comparisonTable(times(), timesOfFloat32(), accuracy(), setup()) },
  faster: {
    document: "README.md",
    text: () => [...whoIsFaster(times(), "float64"), ...whoIsFaster(timesOfFloat32(), "float32")].join("\n"),
  },
  copies: { document: "README.md", text: copies },
  "two threads": { document: "README.md", text: () => twoThreads(threads()) },
  machine: { document: "docs/performance.md", text: () => machine(times()) },
  times: { document: "docs/performance.md", text: () => timesTable(times()) },
  "float32 in short": { document: "docs/performance.md", text: float32InShort },
  "times of float32": { document: "docs/performance.md", text: () => timesTableOfFloat32(timesOfFloat32()) },
  "machine of float32": { document: "docs/performance.md", text: () => machine(timesOfFloat32()) },
  "other Nodes": { document: "docs/performance.md", text: otherNodes },
  evaluation: { document: "docs/performance.md", text: () => evaluation(readRecord("evaluate-")) },
  setup: { document: "docs/performance.md", text: () => setupTable(setup()) },
  costs: { document: "docs/performance.md", text: () => costsTable(readRecord<OptionsRecord>("options-")) },
  nested: { document: "docs/performance.md", text: () => nestedTable(readRecord<NestedRecord>("nested-")) },
  "one row": { document: "docs/performance.md", text: () => oneRow(times()) },
  "few classes": { document: "docs/performance.md", text: () => fewClasses(times()) },
  relaxed: { document: "docs/performance.md", text: () => relaxed(times(24)) },
  decoding: { document: "docs/usage.md", text: () => decoding(readRecord("decode-")) },
  threads: { document: "docs/threads.md", text: () => threadsTable(threads()) },
  products: { document: "docs/linear.md", text: () => productsTable(linear()) },
  head: { document: "docs/linear.md", text: () => headTable(linear()) },
  "memory of a head": {
    document: "docs/linear.md",
    text: () => `The layer's memory beside operands and gradients is ${number(linear().head.besideMB)} MB.`,
  },
  float32: { document: "docs/numerics.md", text: () => withoutTitle(accuracy().float32) },
};

/** A document with a text between the marks of its name. */
export function withText(document: string, name: string, text: string): string {
  const marks = new RegExp(`(<!-- ${name} -->\\n).*?(\\n<!-- end of ${name} -->)`, "s");
  if (!marks.test(document)) throw new Error(`there are no marks around ${name}`);
  return document.replace(marks, (_, before: string, after: string) => `${before}\n${text}\n${after}`);
}

/** Writes all texts and figures. */
export function writeDocuments(): void {
  // All of them first: nothing is written if a record is missing.
  const texts = Object.entries(TEXTS).map(([name, { document, text }]) => ({ name, document, text: text() }));
  for (const { name, document, text } of texts) {
    const path = fileURLToPath(new URL(`../${document}`, import.meta.url));
    writeFileSync(path, withText(readFileSync(path, "utf8"), name, text));
  }
  writeFigure("speed", drawSpeed(times()));
  writeFigure("threads", drawThreads(threads()));
  writeFigure("linear", drawLinear(linear()));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeDocuments();
