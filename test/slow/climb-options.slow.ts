// Looks for the rows with the largest errors with options: climbs from random rows towards larger errors, for each result, against the oracle.

import { expect, it } from "vitest";
import { distribution, type Random, ROWS, seeded } from "../../reference/data.js";
import { type Conditioned, exactTerms, type TermsOfRow } from "../../reference/exact-terms.js";
import { LIMITS } from "../../reference/limits.js";
import { type Exact, ulpError } from "../../reference/oracle.js";
import { crossEntropyHessianDiagonal, crossEntropyHvp, crossEntropyWithGradient } from "../../src/index.js";

const RESULTS = {
  loss: LIMITS.loss,
  entropy: LIMITS.loss,
  gradient: LIMITS.gradient,
  labelGradient: LIMITS.gradient,
  product: LIMITS.secondOrder,
  diagonal: LIMITS.secondOrder,
};
type Result = keyof typeof RESULTS;
const NAMES = Object.keys(RESULTS) as Result[];
const CLIMBS = 12;
const STEPS = 100;

/** A row before its logits are scaled, and a vector. */
type Row = Omit<TermsOfRow, "open"> & { readonly vector: readonly number[] };

/** The error in ulps over the condition; 0 where nearly all cancels. */
function errorOf(got: number, { value, size }: Conditioned): number {
  if (!value.isFinite() || value.isZero()) return 0;
  const condition = Math.max(1, size.div(value.abs()).toNumber());
  return condition > 1e12 ? 0 : ulpError(got, value) / condition;
}

const plain = (value: Exact): Conditioned => ({ value, size: value.abs() });

/** The largest error of each result of a row. */
function errorsOf(row: Row): Record<Result, number> {
  const { logits, label, weights, labelSmoothing, zLoss, sampleWeight, scale, vector } = row;
  const want = exactTerms({ ...row, logits: logits.map((x) => x * scale), open: logits.map(() => true) });
  const x = Float64Array.from(logits);
  const isSoft = typeof label !== "number";
  const labels = isSoft ? Float64Array.from(label) : [label];
  const terms = { weights, sampleWeights: [sampleWeight], labelSmoothing, zLoss, scale, reduction: "none" } as const;
  const got = crossEntropyWithGradient(x, labels, { ...terms, outputs: ["entropy"], labelGradient: isSoft as true });
  const worst = (values: ArrayLike<number>, exact: readonly Conditioned[]) =>
    Math.max(...exact.map((value, j) => errorOf(values[j], value)));
  return {
    loss: errorOf(got.loss[0], want.loss),
    entropy: errorOf(got.entropy[0], plain(want.entropy)),
    gradient: worst(got.gradient, want.gradient),
    labelGradient: isSoft ? worst(got.labelGradient, want.labelGradient.map(plain)) : 0,
    product: worst(crossEntropyHvp(x, labels, Float64Array.from(vector), terms), want.product(vector)),
    diagonal: worst(crossEntropyHessianDiagonal(x, labels, terms), want.diagonal),
  };
}

function randomRow(random: Random): Row {
  const pick = <T>(from: readonly T[]) => from[Math.floor(random() * from.length)];
  const logits = pick([ROWS.uniform, ROWS.peaked, ROWS.tied])(random, pick([2, 3, 5, 10, 17, 41, 48]));
  return {
    logits,
    label: random() < 0.5 ? distribution(random, logits.length, Math.floor(6 * random())) : Math.floor(random() * logits.length),
    weights: logits.map(random() < 0.5 ? () => 1 : () => 3 * random()),
    labelSmoothing: pick([0, 0.1, random(), 1e-6]),
    zLoss: pick([0, 0, 0.01 * random()]),
    sampleWeight: pick([1, random()]),
    scale: pick([1, 2 * random()]),
    vector: logits.map(() => 4 * random() - 2),
  };
}

/** A row with one number changed, by its last bit up to a few hundredths. */
function neighbour(random: Random, row: Row): Row {
  const j = Math.floor(random() * row.logits.length);
  const step = (random() - 0.5) * (random() < 0.5 ? 2 ** (-50 * random()) : 0.05);
  const grown = (value: number) => Math.abs(value * (1 + step));
  const kind = random();
  if (kind < 0.1) return { ...row, weights: row.weights.with(j, grown(row.weights[j])) };
  if (kind < 0.2 && typeof row.label !== "number") return { ...row, label: row.label.with(j, grown(row.label[j])) };
  if (kind < 0.25) return { ...row, sampleWeight: grown(row.sampleWeight) };
  if (kind < 0.3) return { ...row, labelSmoothing: Math.min(1, grown(row.labelSmoothing)) };
  if (kind < 0.35) return { ...row, vector: row.vector.with(j, row.vector[j] * (1 + step)) };
  return { ...row, logits: row.logits.with(j, row.logits[j] + step) };
}

it.each(NAMES)("climbs find no %s beyond its bound", { timeout: 600_000 }, (name) => {
  const random = seeded(NAMES.indexOf(name));
  let worst = 0;
  for (let climb = 0; climb < CLIMBS; climb++) {
    let row = randomRow(random);
    let error = errorsOf(row)[name];
    for (let step = 0; step < STEPS; step++) {
      const next = neighbour(random, row);
      const nextError = errorsOf(next)[name];
      if (nextError >= error) [row, error] = [next, nextError];
    }
    expect(error, JSON.stringify(row)).toBeLessThanOrEqual(RESULTS[name]);
    worst = Math.max(worst, error);
  }
  console.log(`${name} with options: ${worst.toFixed(2)} ulp`);
});
