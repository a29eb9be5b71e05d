// Looks for the rows with the largest errors with options: climbs from random rows towards larger errors, for each result, against the oracle.

import { expect, it } from "vitest";
import { distribution, type Random, ROWS, seeded } from "../../reference/data.js";
import { type Conditioned, exactTerms, type TermsOfRow } from "../../reference/exact-terms.js";
import { LIMITS, limitIn } from "../../reference/limits.js";
import { type Exact, type Precision, ulpError } from "../../reference/oracle.js";
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
/** A climb in float32 ends at a middle between neighbours, which says less. */
const CLIMBS = { float64: 12, float32: 4 };
const STEPS = 100;

/** A row before its logits are scaled, and a vector. */
type Row = Omit<TermsOfRow, "open"> & { readonly vector: readonly number[] };

/** The error as a part of the bound; 0 where nearly all cancels. */
function errorOf(precision: Precision, limit: number, got: number, { value, size }: Conditioned): number {
  if (!value.isFinite() || value.isZero()) return 0;
  const condition = Math.max(1, size.div(value.abs()).toNumber());
  return condition > 1e12 ? 0 : ulpError(got, value, undefined, precision) / limitIn(precision, limit * condition);
}

const plain = (value: Exact): Conditioned => ({ value, size: value.abs() });

/** The largest error of each result of a row, as a part of its bound. */
function errorsOf(precision: Precision, row: Row): Record<Result, number> {
  const { logits, label, weights, labelSmoothing, zLoss, sampleWeight, scale, vector } = row;
  const Elements = precision === "float64" ? Float64Array : Float32Array;
  const want = exactTerms({ ...row, logits: logits.map((x) => x * scale), open: logits.map(() => true) });
  const x = Elements.from(logits);
  const isSoft = typeof label !== "number";
  const labels = isSoft ? Elements.from(label) : [label];
  const terms = { weights, sampleWeights: [sampleWeight], labelSmoothing, zLoss, scale, reduction: "none" } as const;
  const got = crossEntropyWithGradient(x, labels, { ...terms, outputs: ["entropy"], labelGradient: isSoft as true });
  const worst = (name: Result, values: ArrayLike<number>, exact: readonly Conditioned[]) =>
    Math.max(...exact.map((value, j) => errorOf(precision, RESULTS[name], values[j], value)));
  return {
    loss: worst("loss", got.loss, [want.loss]),
    entropy: worst("entropy", got.entropy, [plain(want.entropy)]),
    gradient: worst("gradient", got.gradient, want.gradient),
    labelGradient: isSoft ? worst("labelGradient", got.labelGradient, want.labelGradient.map(plain)) : 0,
    product: worst("product", crossEntropyHvp(x, labels, Elements.from(vector), terms), want.product(vector)),
    diagonal: worst("diagonal", crossEntropyHessianDiagonal(x, labels, terms), want.diagonal),
  };
}

/** The row with elements of a type. */
function inType(precision: Precision, row: Row): Row {
  if (precision === "float64") return row;
  const rounded = (values: readonly number[]) => values.map(Math.fround);
  const { logits, label, vector } = row;
  return { ...row, logits: rounded(logits), label: typeof label === "number" ? label : rounded(label), vector: rounded(vector) };
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

const CASES = (["float64", "float32"] as const).flatMap((precision) => NAMES.map((name) => ({ precision, name })));

it.each(CASES)("climbs find no $precision $name beyond its bound", { timeout: 600_000 }, ({ precision, name }) => {
  const random = seeded(NAMES.indexOf(name));
  let worst = 0;
  for (let climb = 0; climb < CLIMBS[precision]; climb++) {
    let row = inType(precision, randomRow(random));
    let error = errorsOf(precision, row)[name];
    for (let step = 0; step < STEPS; step++) {
      const next = inType(precision, neighbour(random, row));
      const nextError = errorsOf(precision, next)[name];
      if (nextError >= error) [row, error] = [next, nextError];
    }
    expect(error, JSON.stringify(row)).toBeLessThanOrEqual(1);
    worst = Math.max(worst, error);
  }
  console.log(
    `${precision} ${name} with options: ${(worst * limitIn(precision, RESULTS[name])).toFixed(precision === "float64" ? 2 : 7)} ulp`,
  );
});
