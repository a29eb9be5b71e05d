// The records that runs of the benchmarks leave in bench/results.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import type { Implementation } from "./task.js";
import type { Op, Workload } from "./workloads.js";

/** The fields that all records begin with. */
export interface Provenance {
  readonly date: string;
  readonly cpu: string;
  readonly node: string;
  readonly commit: string;
}

export interface Time {
  readonly dtype: Implementation["dtype"];
  /** The median over the rounds, and the median of each round. */
  readonly nsPerLogit: number;
  readonly rounds: readonly number[];
}

export interface Timed extends Workload {
  readonly bytesPerLogit: number;
  /** By implementation. */
  readonly times: Readonly<Record<string, Time>>;
}

export interface Skipped {
  readonly implementation: string;
  readonly reason: string;
  /** Ids. */
  readonly workloads: string[];
}

/** node-<major>.json and float32-node-<major>.json of bench/all.ts. */
export interface BenchRecord extends Provenance {
  readonly v8: string;
  /** Of the other implementations. */
  readonly versions: Readonly<Record<string, string>>;
  readonly rounds: number;
  /** By name: the name in tables, and a remark. */
  readonly implementations: Readonly<Record<string, { readonly title: string; readonly note: string }>>;
  readonly workloads: readonly Timed[];
  readonly skipped: readonly Skipped[];
}

/** options-node-<major>.json of bench/options.ts. */
export interface OptionsRecord extends Provenance {
  readonly rounds: number;
  readonly shapes: readonly {
    readonly title: string;
    /** By option: its time over that of the plain loss with gradient. */
    readonly costs: Readonly<Record<string, { readonly resident: number; readonly copying: number }>>;
  }[];
}

/** threads-node-<major>.json of bench/main.ts. */
export interface ThreadsRecord extends Provenance {
  readonly processors: number;
  readonly rounds: number;
  readonly shapes: readonly {
    readonly title: string;
    /** By the number of threads: how many times as fast as one. */
    readonly speedups: Readonly<Record<string, number>>;
  }[];
}

/** All logits in memory; the logits of some rows, by functions, by a layer, and by a layer with a thread for each processor. */
export type HeadWay = "whole" | "functions" | "layer" | "threads";

/** linear-node-<major>.json of bench/main.ts. */
export interface LinearRecord extends Provenance {
  /** Of the other implementations. */
  readonly versions: Readonly<Record<string, string>>;
  readonly rounds: number;
  readonly products: readonly {
    /** Rows × features × classes. */
    readonly title: string;
    readonly dtype: Time["dtype"];
    /** By implementation: its rate, and the rate of this library divided by it. */
    readonly gflops: Readonly<Record<string, number>>;
    readonly ratios: Readonly<Record<string, number>>;
  }[];
  /** Loss and all gradients of a large head in float32: seconds, and the speed over that with all logits in memory. */
  readonly head: Readonly<Record<HeadWay, { readonly seconds: number; readonly speed: number }>> & {
    readonly title: string;
    /** Those of the way "threads". */
    readonly threadCount: number;
    /** The memory of the layer beside operands and gradients. */
    readonly besideMB: number;
  };
}

/** evaluate-node-<major>.json of bench/evaluate.ts. */
export interface EvaluateRecord extends Provenance {
  readonly shape: readonly [rows: number, classes: number];
  readonly rounds: number;
  /** Of the library's first call, and the medians of later ones and of plain JavaScript. */
  readonly seconds: { readonly first: number; readonly library: number; readonly plain: number };
  readonly inputMB: number;
  /** The growth of the process's peak memory in the first call. */
  readonly besideMB: number;
}

/** accuracy-node-<major>.json of bench/accuracy/main.ts: tables as they are shown. */
export interface AccuracyRecord extends Provenance {
  /** The part of rows that are right, by implementation. */
  readonly overview: Table;
  readonly float32: Table;
}

export interface Table {
  readonly title: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** nested-node-<major>.json of bench/nested.ts. */
export interface NestedRecord extends Provenance {
  readonly rounds: number;
  readonly times: readonly {
    readonly op: Exclude<Op, "loss">;
    readonly title: string;
    /** ns per logit of this library, and of a textbook loop, and the ratio of both. */
    readonly library: number;
    readonly loop: number;
    readonly ratio: number;
  }[];
}

/** decode-node-<major>.json of bench/decode.ts. */
export interface DecodeRecord extends Provenance {
  readonly rounds: number;
  readonly classes: number;
  readonly rows: readonly {
    readonly title: string;
    /** By call: milliseconds, and the time over that of softmax with a new result, and with `out`. */
    readonly calls: Readonly<Record<string, { readonly ms: number; readonly overSoftmax: number; readonly overOut: number }>>;
  }[];
}

/** setup-node-<major>.json of bench/setup.ts, by implementation. */
export interface SetupRecord extends Provenance {
  readonly rounds: number;
  /** Milliseconds from the import to the first result. */
  readonly firstMs: Readonly<Record<string, number>>;
  /** Of a page's program, kB minified and gzipped: its code with all that it loads. */
  readonly kB: Readonly<Record<string, number>>;
}

const results = new URL("results/", import.meta.url);

/** A record of Node 20, which the documents show, or of another major version. */
export function readRecord<R extends Provenance>(prefix: string, major = 20): R {
  return JSON.parse(readFileSync(new URL(`${prefix}node-${major}.json`, results), "utf8"));
}

/** Writes a record to bench/results, as `prefix` and the major version of its Node. */
export function writeRecord(prefix: string, record: Provenance): void {
  mkdirSync(results, { recursive: true });
  const [major] = record.node.split(".");
  writeFileSync(new URL(`${prefix}node-${major}.json`, results), `${JSON.stringify(record, null, 2)}\n`);
}

/** Writes a figure to bench/results. */
export function writeFigure(name: string, svg: string): void {
  writeFileSync(new URL(`${name}.svg`, results), svg);
}

export const logitsOf = ({ outer, classes, inner }: Workload): number => outer * classes * inner;

/** Adds a workload that an implementation did not do, and the reason. */
export function addSkipped(skipped: Skipped[], implementation: string, reason: string, id: string): void {
  const before = skipped.find((other) => other.implementation === implementation && other.reason === reason);
  if (before) before.workloads.push(id);
  else skipped.push({ implementation, reason, workloads: [id] });
}

/** The time of this library that others are compared with: that of the resident layer, or of the function where no layer does the op. */
export function baselineOf(
  { times }: Timed,
  dtype: Implementation["dtype"] = "float64",
): { readonly name: string; readonly nsPerLogit: number } | undefined {
  const suffix = dtype === "float64" ? "" : `-${dtype}`;
  const name = ["resident", "copying"].map((own) => own + suffix).find((candidate) => candidate in times);
  return name === undefined ? undefined : { name, nsPerLogit: times[name].nsPerLogit };
}

export const OP_TITLES: Readonly<Record<Op, string>> = { gradient: "Loss with gradient", softmax: "Softmax", loss: "Loss alone" };
