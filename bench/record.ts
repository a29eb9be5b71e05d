// What a run of the benchmark leaves: bench/results/node-<major>.json.

import type { Contestant } from "./timing.js";
import type { Op, Workload } from "./workloads.js";

export interface Time {
  readonly dtype: Contestant["dtype"];
  /** The median over the rounds, and the rounds' own medians. */
  readonly nsPerLogit: number;
  readonly rounds: readonly number[];
}

export interface Timed extends Workload {
  readonly bytesPerLogit: number;
  /** By contestant. */
  readonly times: Readonly<Record<string, Time>>;
}

export interface Skipped {
  readonly contestant: string;
  readonly reason: string;
  /** Ids. */
  readonly workloads: string[];
}

export interface BenchRecord {
  readonly date: string;
  readonly cpu: string;
  readonly node: string;
  readonly v8: string;
  /** Of what else took part. */
  readonly versions: Readonly<Record<string, string>>;
  readonly commit: string;
  readonly rounds: number;
  /** Contestants by name: as they are called in tables, and what is to be said of them. */
  readonly contestants: Readonly<Record<string, { readonly title: string; readonly note: string }>>;
  readonly workloads: readonly Timed[];
  readonly skipped: readonly Skipped[];
}

export const logitsOf = ({ outer, classes, inner }: Workload): number => outer * classes * inner;

/** Adds to what has been skipped. */
export function addSkipped(skipped: Skipped[], contestant: string, reason: string, id: string): void {
  const before = skipped.find((other) => other.contestant === contestant && other.reason === reason);
  if (before) before.workloads.push(id);
  else skipped.push({ contestant, reason, workloads: [id] });
}

/** A contestant's time over that of this library: of the resident layer, or where it has none of the function. */
export function baselineOf({ times }: Timed): { readonly name: string; readonly nsPerLogit: number } | undefined {
  const name = ["resident", "copying"].find((candidate) => candidate in times);
  return name === undefined ? undefined : { name, nsPerLogit: times[name].nsPerLogit };
}

export const OP_TITLES: Readonly<Record<Op, string>> = { gradient: "Loss with gradient", softmax: "Softmax", loss: "Loss alone" };
