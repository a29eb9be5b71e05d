// What a total holds of the batches that were added to it, and how two of them are merged. Sums are exact and counts are integers, so that
// neither the order of the batches nor the way they are cut leaves a trace.

import { rangeError, Verbatim } from "../errors.js";
import { type ExactSum, exactSum, plus, ZERO } from "./exact-sum.js";
import { type Computed, confusion, correct, topK, visitBins } from "./summaries.js";

/** Rows by bin or by group. */
export interface SumsByPlace {
  /** The number of the rows. */
  readonly counts: Uint32Array;
  /** The sum of a number of each row. */
  readonly sums: readonly ExactSum[];
}

/** The rows of a calibration by bin: the sums are those of their confidences. */
export interface Bins extends SumsByPlace {
  /** The number of rows that are correct. */
  readonly correct: Uint32Array;
}

/** The contents of a total. No part of them is ever changed. */
export interface Totals {
  /** The k of the top-k hits; 0 if nothing was added. */
  readonly topK: number;
  readonly validCount: number;
  readonly correct: number;
  readonly hits: number;
  /** True if every row weighs 0, or there is none. */
  readonly isZero: boolean;
  readonly losses: ExactSum;
  readonly weight: ExactSum;
  readonly entropy: ExactSum;
  readonly calibration: Bins | undefined;
  readonly confusion: Uint32Array | undefined;
  readonly groups: SumsByPlace | undefined;
}

/** A total that nothing was added to. */
export const EMPTY: Totals = {
  topK: 0,
  validCount: 0,
  correct: 0,
  hits: 0,
  isZero: true,
  losses: ZERO,
  weight: ZERO,
  entropy: ZERO,
  calibration: undefined,
  confusion: undefined,
  groups: undefined,
};

/** Numbers by place, while they are collected. */
class Collection {
  readonly #values: number[][] = [];

  add(place: number, value: number): void {
    this.#values[place] ??= [];
    this.#values[place].push(value);
  }

  /** The sums at so many places. */
  sums(places: number): SumsByPlace {
    return {
      counts: Uint32Array.from({ length: places }, (_, place) => this.#values[place]?.length ?? 0),
      sums: Array.from({ length: places }, (_, place) => exactSum(this.#values[place] ?? [])),
    };
  }
}

function binsOf(computed: Computed): Bins {
  const { confidence, ranks, terms } = computed;
  const collection = new Collection();
  const correct = new Uint32Array(terms.bins);
  visitBins(computed, (bin, row) => {
    collection.add(bin, confidence[row]);
    if (ranks[row] === 0) correct[bin]++;
  });
  return { ...collection.sums(terms.bins), correct };
}

function groupsOf({ losses, rowWeights, groups = new Int32Array(0) }: Computed): SumsByPlace {
  const collection = new Collection();
  let places = 0;
  for (let row = 0; row < groups.length; row++) {
    places = Math.max(places, groups[row] + 1);
    if (!rowWeights || !Number.isNaN(rowWeights[row])) collection.add(groups[row], losses[row]);
  }
  return collection.sums(places);
}

/** The totals of one call. They hold calibration, confusion and groups if these are outputs of the call. */
export function totalsOf(computed: Computed): Totals {
  const { outputs, weight, weighing, terms } = computed;
  return {
    topK: terms.topK,
    validCount: weighing.validCount,
    correct: correct(computed),
    hits: topK(computed),
    isZero: weight.isZero,
    losses: exactSum(computed.losses),
    weight: weight.sum,
    entropy: exactSum(computed.entropy),
    calibration: outputs.includes("calibration") ? binsOf(computed) : undefined,
    confusion: outputs.includes("confusion") ? confusion(computed) : undefined,
    groups: outputs.includes("groups") ? groupsOf(computed) : undefined,
  };
}

/** The part of totals that two of them must have in common, as texts. */
const FORMS: readonly ((totals: Totals) => string)[] = [
  ({ topK }) => `topK: ${topK}`,
  ({ calibration }) => (calibration ? `calibration with bins: ${calibration.counts.length}` : "no calibration"),
  ({ confusion }) => (confusion ? `confusion of ${Math.sqrt(confusion.length)} classes` : "no confusion"),
  ({ groups }) => (groups ? "groups" : "no groups"),
];

function addCounts(a: Uint32Array, b: Uint32Array): Uint32Array {
  const [long, short] = a.length < b.length ? [b, a] : [a, b];
  const counts = long.slice();
  for (let i = 0; i < short.length; i++) counts[i] += short[i];
  return counts;
}

function addSums(a: SumsByPlace, b: SumsByPlace): SumsByPlace {
  const [long, short] = a.sums.length < b.sums.length ? [b.sums, a.sums] : [a.sums, b.sums];
  return { counts: addCounts(a.counts, b.counts), sums: long.map((sum, i) => (i < short.length ? plus(sum, short[i]) : sum)) };
}

/** The most rows of a total with counts of 32 bits. */
const MOST_COUNTED = 2 ** 32 - 1;

/** The totals of two; `argument` is the name of the other ones in messages. */
export function addTotals(a: Totals, argument: string, b: Totals): Totals {
  if (a.topK === 0) return b;
  if (b.topK === 0) return a;
  for (const formOf of FORMS) {
    if (formOf(a) !== formOf(b)) throw rangeError(argument, `${formOf(a)}, as this total has`, new Verbatim(formOf(b)));
  }
  const validCount = a.validCount + b.validCount;
  const most = a.calibration || a.confusion || a.groups ? MOST_COUNTED : Number.MAX_SAFE_INTEGER;
  if (validCount > most) throw rangeError(argument, `at most ${most} rows with those of this total`, validCount);
  return {
    topK: a.topK,
    validCount,
    correct: a.correct + b.correct,
    hits: a.hits + b.hits,
    isZero: a.isZero && b.isZero,
    losses: plus(a.losses, b.losses),
    weight: plus(a.weight, b.weight),
    entropy: plus(a.entropy, b.entropy),
    calibration:
      a.calibration && b.calibration
        ? { ...addSums(a.calibration, b.calibration), correct: addCounts(a.calibration.correct, b.calibration.correct) }
        : undefined,
    confusion: a.confusion && b.confusion && addCounts(a.confusion, b.confusion),
    groups: a.groups && b.groups && addSums(a.groups, b.groups),
  };
}
