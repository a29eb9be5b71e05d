// What a total holds of the batches that were added to it, and how two of them are merged. Sums are exact and counts are integers, so that
// neither the order of the batches nor the way they are cut leaves a trace.

import { rangeError, Verbatim } from "../errors.js";
import { type ExactSum, exactSum, plus, ZERO } from "./exact-sum.js";
import { type Computed, confusion, correct, topK, visitBins } from "./summaries.js";

/** Counts and sums, which are added place by place. */
export interface Part {
  readonly counts: ArrayLike<number>;
  readonly sums: readonly ExactSum[];
}

/** The contents of a total. No part of them is ever changed. */
export interface Totals {
  /** The k of the top-k hits; 0 if nothing was added. */
  readonly topK: number;
  /** Rows: valid, correct, top-k hits, with a weight other than 0. Sums: losses, weights, entropies. */
  readonly rows: Part;
  /** Rows by bin, then those that are correct; the sum of the confidences by bin. */
  readonly calibration?: Part;
  /** Rows by the class of their label and that of their maximum. */
  readonly confusion?: Part;
  /** Rows by group, and the sums of their losses. */
  readonly groups?: Part;
}

export const PARTS = ["rows", "calibration", "confusion", "groups"] as const;

/** A total that nothing was added to. */
export const EMPTY: Totals = { topK: 0, rows: { counts: [0, 0, 0, 0], sums: [ZERO, ZERO, ZERO] } };

/** The counts and sums of values at so many places; −1 for a value that counts nowhere. */
function partOf(places: number, placeOf: Int32Array, values: Float64Array): Part {
  const counts = new Uint32Array(places);
  for (const place of placeOf) if (place >= 0) counts[place]++;
  // The values of each place side by side.
  const ends = new Uint32Array(places);
  for (let place = 1; place < places; place++) ends[place] = ends[place - 1] + counts[place - 1];
  const sorted = new Float64Array(values.length);
  for (let i = 0; i < placeOf.length; i++) if (placeOf[i] >= 0) sorted[ends[placeOf[i]]++] = values[i];
  return { counts, sums: Array.from(counts, (count, place) => exactSum(sorted, ends[place] - count, ends[place])) };
}

function binsOf(computed: Computed): Part {
  const { confidence, ranks, terms } = computed;
  const bins = new Int32Array(confidence.length).fill(-1);
  const correct = new Uint32Array(terms.bins);
  visitBins(computed, (bin, row) => {
    bins[row] = bin;
    if (ranks[row] === 0) correct[bin]++;
  });
  const { counts, sums } = partOf(terms.bins, bins, confidence);
  return { counts: [...Array.from(counts), ...correct], sums };
}

function groupsOf({ losses, rowWeights, groups = new Int32Array(0) }: Computed): Part {
  const places = groups.reduce((most, group) => Math.max(most, group + 1), 0);
  const counted = groups.map((group, row) => (rowWeights && Number.isNaN(rowWeights[row]) ? -1 : group));
  return partOf(places, counted, losses);
}

/** The totals of one call. They hold calibration, confusion and groups if these are outputs of the call. */
export function totalsOf(computed: Computed): Totals {
  const { outputs, weight, weighing, terms, losses, entropy } = computed;
  return {
    topK: terms.topK,
    rows: {
      counts: [weighing.validCount, correct(computed), topK(computed), weight.count],
      sums: [exactSum(losses), weight.sum, exactSum(entropy)],
    },
    calibration: outputs.includes("calibration") ? binsOf(computed) : undefined,
    confusion: outputs.includes("confusion") ? { counts: confusion(computed), sums: [] } : undefined,
    groups: outputs.includes("groups") ? groupsOf(computed) : undefined,
  };
}

/** What two totals must have in common, as texts. */
const FORMS: readonly ((totals: Totals) => string)[] = [
  ({ topK }) => `topK: ${topK}`,
  ({ calibration }) => (calibration ? `calibration with bins: ${calibration.sums.length}` : "no calibration"),
  ({ confusion }) => (confusion ? `confusion of ${Math.sqrt(confusion.counts.length)} classes` : "no confusion"),
  ({ groups }) => (groups ? "groups" : "no groups"),
];

/** The sum of two parts. One of them may have more places. */
function addParts(a: Part, b: Part): Part {
  const counts = new Float64Array(Math.max(a.counts.length, b.counts.length));
  for (const part of [a, b]) for (let i = 0; i < part.counts.length; i++) counts[i] += part.counts[i];
  const [long, short] = a.sums.length < b.sums.length ? [b.sums, a.sums] : [a.sums, b.sums];
  return { counts, sums: long.map((sum, i) => (i < short.length ? plus(sum, short[i]) : sum)) };
}

/** The most rows of a total whose counts are given as 32 bits. */
const MOST_COUNTED = 2 ** 32 - 1;

/** The totals of two; `argument` is the name of the other ones in messages. */
export function addTotals(a: Totals, argument: string, b: Totals): Totals {
  if (a.topK === 0) return b;
  if (b.topK === 0) return a;
  for (const formOf of FORMS) {
    if (formOf(a) !== formOf(b)) throw rangeError(argument, `${formOf(a)}, as this total has`, new Verbatim(formOf(b)));
  }
  const rows = a.rows.counts[0] + b.rows.counts[0];
  const most = a.calibration || a.confusion || a.groups ? MOST_COUNTED : Number.MAX_SAFE_INTEGER;
  if (rows > most) throw rangeError(argument, `at most ${most} rows with those of this total`, rows);
  const total: { -readonly [N in keyof Totals]: Totals[N] } = { ...a };
  for (const name of PARTS) {
    const [mine, others] = [a[name], b[name]];
    if (mine && others) total[name] = addParts(mine, others);
  }
  return total;
}
