// The results of naive code for a row, and an explanation of their errors.

import { full } from "./format.js";
import type { Row } from "./row.js";

export interface RowResult {
  readonly probs: readonly number[];
  readonly loss: number;
  /** With respect to the logits. */
  readonly gradient: readonly number[];
}

/** Softmax and cross-entropy by their formulas as they are written, and the x whose exp they take. */
export function naiveRow(row: Row): RowResult & { readonly x: readonly number[] } {
  const { logits, label, labelSmoothing, softcap, weights, mask } = row;
  const scale = 1 / row.temperature;
  const round = row.isFloat32 ? Math.fround : (value: number) => value;
  const tanhs = logits.map((logit) => (softcap ? Math.tanh(logit / softcap) : 0));
  const x = logits.map((logit, j) => round(scale * (softcap ? softcap * tanhs[j] : logit)));
  const exps = x.map((value, j) => (mask[j] ? round(Math.exp(value)) : 0));
  const sum = exps.reduce((a, b) => round(a + b));
  const probs = exps.map((e) => round(e / sum));
  const classes = mask.filter(Boolean).length;
  const t = weights.map((weight, j) => weight * ((1 - labelSmoothing) * Number(j === label) + (mask[j] ? labelSmoothing / classes : 0)));
  const mass = t.reduce((a, b) => a + b);
  return {
    x,
    probs,
    loss: round(-t.reduce((total, value, j) => (mask[j] || value ? round(total + value * round(Math.log(probs[j]))) : total), 0)),
    gradient: probs.map((p, j) => (mask[j] ? round(scale * (1 - tanhs[j] ** 2) * (mass * p - t[j])) : 0)),
  };
}

/** The relative error; NaN if `got` is NaN. */
function errorOf(got: number, want: number): number {
  return got === want ? 0 : Math.abs(got - want) / Math.abs(want);
}

/** Of an element type: the digits that it has, the fewest right ones that are not wrong, and where numbers lose digits the smaller they are. */
const FLOAT64 = { digits: 15, fewest: 6, leastNormal: 2 ** -1022, power: "10⁻³⁰⁸" };
const FLOAT32 = { digits: 6, fewest: 4, leastNormal: 2 ** -126, power: "10⁻³⁸" };
const typeOf = ({ isFloat32 }: Row) => (isFloat32 ? FLOAT32 : FLOAT64);

/** True if few digits of a result are right. */
export function isWrong(row: Row, got: number, want: number): boolean {
  return !(errorOf(got, want) < 10 ** -typeOf(row).fewest);
}

/** The cause of the errors in the naive results, in words. */
export function explain(row: Row, naive: RowResult & { readonly x: readonly number[] }, truth: RowResult): string {
  const { label, mask } = row;
  const max = Math.max(...naive.x.filter((_, j) => mask[j]));
  if (!mask[label]) return "The label does not take part: its p is 0, and its loss ∞.";
  if (naive.probs.some(Number.isNaN)) {
    return max > 0 ? `exp(${full(max)}) is ∞, and ∞ / ∞ is NaN.` : `exp(${full(max)}) is 0, as are all the others, and 0 / 0 is NaN.`;
  }
  if (naive.probs.every((p) => p === 0)) return "The sum of all exp is ∞, which makes every p 0, and 0 · log 0 is NaN.";
  if (Number.isNaN(naive.loss)) return "A p is rounded to 0, and 0 · log 0 is NaN.";
  if (naive.loss === Infinity && truth.loss !== Infinity)
    return naive.probs[label] === 0 ? "p of the label is rounded to 0, and −log 0 is ∞." : "A p is rounded to 0, and −log 0 is ∞.";
  if (naive.probs[label] === 1 && truth.loss !== 0)
    return "p of the label is rounded to 1: −log 1 is 0, and so is 1 − 1. The digits of loss and gradient are lost.";
  const pairs = [
    [naive.loss, truth.loss],
    ...truth.probs.map((p, j) => [naive.probs[j], p]),
    ...truth.gradient.map((g, j) => [naive.gradient[j], g]),
  ];
  const { digits: all, leastNormal, power } = typeOf(row);
  const worst = Math.max(...pairs.map(([got, want]) => errorOf(got, want)));
  const digits = Math.floor(-Math.log10(worst));
  if (digits >= all) return "Here it is right, but for last digits.";
  const why = Math.exp(max) < leastNormal ? ` exp(${full(max)}) has few digits, as all numbers below ${power}.` : "";
  if (digits < 1) return `Here some numbers have no right digit.${why}`;
  return `Here every number has ${digits} right ${digits === 1 ? "digit" : "digits"} or more.${why}`;
}
