// The results of naive code for a row, and an explanation of their errors.

import { full } from "./format.js";

export interface RowResult {
  readonly probs: readonly number[];
  readonly loss: number;
  /** With respect to the logits. */
  readonly gradient: readonly number[];
}

/** Softmax and cross-entropy by their formulas as they are written, of x = scale · logits and a label y. */
export function naiveRow(x: readonly number[], label: number, scale: number): RowResult {
  const exps = x.map(Math.exp);
  const sum = exps.reduce((a, b) => a + b);
  const probs = exps.map((e) => e / sum);
  const y = x.map((_, j) => Number(j === label));
  return {
    probs,
    loss: -y.reduce((total, value, j) => total + value * Math.log(probs[j]), 0),
    gradient: probs.map((p, j) => scale * (p - y[j])),
  };
}

/** The relative error; NaN if `got` is NaN. */
function errorOf(got: number, want: number): number {
  return got === want ? 0 : Math.abs(got - want) / Math.abs(want);
}

/** True if fewer than six digits are right. */
export function isWrong(got: number, want: number): boolean {
  return !(errorOf(got, want) < 1e-6);
}

/** Doubles below this have the fewer digits the smaller they are. */
const LEAST_NORMAL = 2 ** -1022;

/** The cause of the errors in the naive results, in words. */
export function explain(x: readonly number[], naive: RowResult, truth: RowResult, label: number): string {
  const max = Math.max(...x);
  if (naive.probs.some(Number.isNaN)) {
    return max > 0 ? `exp(${full(max)}) is ∞, and ∞ / ∞ is NaN.` : `exp(${full(max)}) is 0, as are all the others, and 0 / 0 is NaN.`;
  }
  if (naive.probs.every((p) => p === 0)) return "The sum of all exp is ∞, which makes every p 0, and 0 · log 0 is NaN.";
  if (Number.isNaN(naive.loss)) return "A p is rounded to 0, and 0 · log 0 is NaN.";
  if (naive.probs[label] === 0) return "p of the label is rounded to 0, and −log 0 is ∞.";
  if (naive.probs[label] === 1)
    return "p of the label is rounded to 1: −log 1 is 0, and so is 1 − 1. The digits of loss and gradient are lost.";
  const pairs = [
    [naive.loss, truth.loss],
    ...truth.probs.map((p, j) => [naive.probs[j], p]),
    ...truth.gradient.map((g, j) => [naive.gradient[j], g]),
  ];
  const worst = Math.max(...pairs.map(([got, want]) => errorOf(got, want)));
  const digits = Math.floor(-Math.log10(worst));
  if (digits >= 15) return "Here it is right, but for last digits.";
  const why = Math.exp(max) < LEAST_NORMAL ? ` exp(${full(max)}) has few digits, as all numbers below 10⁻³⁰⁸.` : "";
  if (digits < 1) return `Here some numbers have no right digit.${why}`;
  return `Here every number has ${digits} right ${digits === 1 ? "digit" : "digits"} or more.${why}`;
}
