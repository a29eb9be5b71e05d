// The errors of results against the oracle, in units in the last place.

import { LIMITS } from "../../reference/limits.js";
import { type Exact, exact, exactGradient, exactLoss, exactRow, ulp, ulpError } from "../../reference/oracle.js";
import type { Implementation } from "./implementations.js";

/** A row of logits (classes) and the index of its class. */
export interface Row {
  readonly logits: readonly number[];
  readonly label: number;
}

export const QUANTITIES = ["probs", "loss", "gradient"] as const;
type Of<T> = Record<(typeof QUANTITIES)[number], T>;

/** An implementation's results of one row. */
export type RowResults = Of<number[]>;

export function exactResults({ logits, label }: Row): Of<Exact[]> {
  const row = exactRow(logits);
  return { probs: row.probs, loss: [exactLoss(row, label)], gradient: exactGradient(row, label) };
}

/** An implementation's results of rows, in their order; rows of one length make one batch. */
export async function resultsOf(implementation: Implementation, rows: readonly Row[]): Promise<RowResults[]> {
  const lengths = Array.from(new Set(rows.map(({ logits }) => logits.length)));
  const batches = lengths.map((classes) => {
    const members = rows.filter(({ logits }) => logits.length === classes);
    return {
      rows: members.length,
      classes,
      logits: Float64Array.from(members.flatMap(({ logits }) => logits)),
      labels: Int32Array.from(members, ({ label }) => label),
    };
  });
  const results = await implementation.run(batches);
  const next = new Map(lengths.map((classes) => [classes, 0]));
  return rows.map(({ logits: { length: classes } }) => {
    const { probs, losses, gradient } = results[lengths.indexOf(classes)];
    const r = next.get(classes)!;
    next.set(classes, r + 1);
    const ofRow = (values: ArrayLike<number>) => Array.from({ length: classes }, (_, j) => values[r * classes + j]);
    return { probs: ofRow(probs), loss: [losses[r]], gradient: ofRow(gradient) };
  });
}

/** The distance from |x| to the next number above it. */
const UNITS: Record<Implementation["precision"], (x: number) => number> = {
  float64: ulp,
  float32: (x) => Math.max(2 ** 29 * ulp(x), 2 ** -149),
};

/** The error in ulps. It is infinite where it exceeds both the limit and the exact value: NaN, ∞, 0 and the wrong sign have no right digit. */
export function errorOf(got: number, want: Exact, limit: number, precision: Implementation["precision"] = "float64"): number {
  const value = want.toNumber();
  const error = ulpError(got, want) * (ulp(value) / UNITS[precision](value));
  return error > limit && exact(got).minus(want).abs().gte(want.abs()) ? Infinity : error;
}

/** The error of one quantity of a row. */
export interface Verdict {
  /** The largest error of its values. */
  readonly error: number;
  /** A value without a right digit is 0. */
  readonly zero: boolean;
  /** A value without a right digit is NaN or infinite. */
  readonly notFinite: boolean;
}

export type Verdicts = Of<Verdict>;

export function judge(got: RowResults, want: Of<Exact[]>, precision?: Implementation["precision"]): Verdicts {
  const verdict = (quantity: keyof Of<unknown>): Verdict => {
    const errors = got[quantity].map((value, i) => errorOf(value, want[quantity][i], LIMITS[quantity], precision));
    const lost = got[quantity].filter((_, i) => errors[i] === Infinity);
    return { error: Math.max(...errors), zero: lost.includes(0), notFinite: lost.some((value) => !Number.isFinite(value)) };
  };
  return { probs: verdict("probs"), loss: verdict("loss"), gradient: verdict("gradient") };
}
