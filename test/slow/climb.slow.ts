// Looks for the rows with the largest errors: climbs from random rows towards larger errors, for each result, against pairs of doubles.

import { expect, it } from "vitest";
import { type Random, seeded } from "../../reference/data.js";
import { add, div, exp, log1p, mul, type Pair, twoSum } from "../../reference/double-double.js";
import { LIMITS, limitIn } from "../../reference/limits.js";
import { type Precision, ulp } from "../../reference/oracle.js";
import { DERIVATIVES } from "../../src/loss/plan.generated.js";
import { instantiate } from "../../src/wasm/instantiate.js";
import { type PlanFields, planOf } from "../loss-call.js";

const RESULTS = {
  probs: LIMITS.probs,
  logProbs: LIMITS.logProbs,
  lse: LIMITS.lse,
  loss: LIMITS.loss,
  gradient: LIMITS.gradient,
  "gradient at the label": LIMITS.gradient,
  "soft loss": LIMITS.loss,
  "soft gradient": LIMITS.gradient,
};
type Result = keyof typeof RESULTS;
const NAMES = Object.keys(RESULTS) as Result[];

/** A row with few distinct values, each with its label mass: the logit of class j is values[places[j]]. */
interface Row {
  readonly values: number[];
  readonly masses: number[];
  readonly places: number[];
  readonly label: number;
}

interface Type {
  readonly precision: Precision;
  readonly Elements: Float64ArrayConstructor | Float32ArrayConstructor;
  /** No logit is further below the maximum: pairs of doubles lose digits near the least normal number, and in float32 p is 0. */
  readonly depth: number;
  /** The smallest step of a climb is about 2^-finest. */
  readonly finest: number;
}

const TYPES: readonly Type[] = [
  { precision: "float64", Elements: Float64Array, depth: 600, finest: 50 },
  { precision: "float32", Elements: Float32Array, depth: 105, finest: 24 },
];

const POOL = 50;
const MAX_CLASSES = 100;
const ZERO: Pair = [0, 0];

const { kernels, memory } = instantiate();
const start = Math.ceil(kernels.heapBase() / 64) * 64;
const [xPtr, outPtr, qPtr, byRowPtr, labelPtr, planPtr, scratchPtr] = [0, 1, 2, 3, 4, 5, 6].map((i) => start + i * MAX_CLASSES * 8);
memory.grow(1);

/** Runs the kernel `loss` on one row. */
function lossOfPlan(fields: PlanFields): void {
  const plan = planOf(fields);
  new Float64Array(memory.buffer, planPtr, plan.length).set(plan);
  kernels.loss(planPtr, 0, 1, scratchPtr);
}

/** The error as a part of the bound in ulps, of the exact value or of `unitOf` where that is larger; infinite for NaN. */
function errorOf(precision: Precision, limit: number, got: number, want: Pair, unitOf = 0): number {
  const error = Math.abs(got - want[0] - want[1]) / Math.max(ulp(want[0], precision), ulp(unitOf, precision));
  return Number.isNaN(error) ? Infinity : error / limitIn(precision, limit);
}

const negative = ([hi, lo]: Pair): Pair => [-hi, -lo];

/** The largest error of each result of a row, as a part of its bound. */
function errorsOf({ precision, Elements }: Type, { values, masses, places, label }: Row): Record<Result, number> {
  const classes = places.length;
  const counts = values.map((_, k) => places.reduce((count, place) => count + (place === k ? 1 : 0), 0));
  const top = values.reduce((best, x, k) => (counts[k] > 0 && !(x <= values[best] && counts[best] > 0) ? k : best), 0);
  const gaps = values.map((x) => twoSum(values[top], -x));
  const e = gaps.map((gap, k): Pair => {
    if (k === top) return [1, 0];
    const { mantissa, exponent } = exp(negative(gap));
    return [mantissa[0] * 2 ** exponent, mantissa[1] * 2 ** exponent];
  });
  /** Σ e without one class of value k. */
  const sumWithout = (omitted: number) => e.reduce((sum, value, k) => add(sum, mul(value, [counts[k] - (k === omitted ? 1 : 0), 0])), ZERO);
  const rest = sumWithout(top);
  const s = add([1, 0], rest);
  const logSum = log1p(rest);
  const divisor: Pair = [1 + (classes % 3) * 2, 0];

  const bytes = Elements.BYTES_PER_ELEMENT;
  const [x, out, q] = [xPtr, outPtr, qPtr].map((ptr) => new Elements(memory.buffer, ptr, classes));
  const byRow = new Float64Array(memory.buffer, byRowPtr, 1);
  const resultByRow = () => (precision === "float64" ? byRow[0] : Math.fround(byRow[0]));
  places.forEach((k, j) => {
    x[j] = values[k];
    q[j] = masses[k];
  });
  new Int32Array(memory.buffer, labelPtr, 1)[0] = label;
  const errors = Object.fromEntries(NAMES.map((name) => [name, 0])) as Record<Result, number>;
  const note = (name: Result, got: number, want: Pair, { unitOf = 0, condition = 1 } = {}) => {
    errors[name] = Math.max(errors[name], errorOf(precision, RESULTS[name] * Math.max(1, condition), got, want, unitOf));
  };
  const eachClass = (visit: (j: number, k: number) => void) => {
    places.forEach((k, j) => {
      visit(j, k);
    });
  };

  kernels.softmax(xPtr, outPtr, classes, 1, bytes, 0, 1, scratchPtr);
  const probs = e.map((value) => div(value, s));
  eachClass((j, k) => note("probs", out[j], probs[k]));
  kernels.logSoftmax(xPtr, outPtr, classes, 1, bytes, 0, 1, scratchPtr);
  eachClass((j, k) => note("logProbs", out[j], negative(add(gaps[k], logSum))));
  kernels.logSumExp(xPtr, byRowPtr, classes, 1, bytes, 0, 1, scratchPtr);
  note("lse", resultByRow(), add([values[top], 0], logSum), { unitOf: values[top] });

  const types = { elementBytes: bytes, targetBytes: bytes };
  const buffers = { logits: xPtr, exps: outPtr, losses: byRowPtr };
  const plan = { classes, inner: 1, derivative: DERIVATIVES.GRADIENT, divisor: divisor[0], ...types, ...buffers };
  lossOfPlan({ ...plan, indices: labelPtr });
  note("loss", resultByRow(), add(gaps[places[label]], logSum));
  const gradients = probs.map((p) => div(p, divisor));
  eachClass((j, k) => {
    if (j !== label) note("gradient", out[j], gradients[k]);
  });
  note("gradient at the label", out[label], negative(div(div(sumWithout(places[label]), s), divisor)));

  lossOfPlan({ ...plan, targets: qPtr });
  const mass = masses.reduce((sum, value, k) => add(sum, mul([value, 0], [counts[k], 0])), ZERO);
  const softLoss = masses.reduce((sum, value, k) => add(sum, mul(mul([value, 0], [counts[k], 0]), add(gaps[k], logSum))), ZERO);
  note("soft loss", resultByRow(), softLoss);
  const softGradients = probs.map((p, k) => div(add(mul(p, mass), [-masses[k], 0]), divisor));
  eachClass((j, k) => {
    const condition = (probs[k][0] * mass[0] + masses[k]) / divisor[0] / Math.abs(softGradients[k][0]);
    // Where nearly all cancels, the pair of doubles has no exact digits left.
    if (condition < 1e9) note("soft gradient", out[j], softGradients[k], { condition });
  });
  return errors;
}

/** A row of distinct logits; or of few, repeated in runs or in turns, below one larger logit. */
function randomRow(random: Random, lengths: readonly number[]): Row {
  const pick = <T>(from: readonly T[]) => from[Math.floor(random() * from.length)];
  const classes = pick(lengths);
  const [scale, offset] = [pick([0.5, 1, 4, 20, 40]), pick([0, 0, 0, -1, -4, 100, 1000, -3000])];
  const fade = random() < 0.3 ? 60 : 0;
  const count = random() < 0.5 ? classes : Math.min(classes, 2 + Math.floor(4 * random()));
  const values = Array.from({ length: count }, (_, k) => offset - scale * random() - (k > 1 ? fade * random() : 0));
  const run = pick([1, 2, 4, classes / count]);
  const places = Array.from({ length: classes }, (_, j) => (count === classes ? j : 1 + (Math.floor(j / run) % (count - 1))));
  places[Math.floor(random() * classes)] = 0;
  if (count < classes) values[0] = offset;
  const small = random() < 0.5 ? 0.01 : 1;
  const masses = values.map(() => (random() < 0.5 ? 0 : small * random()));
  masses[Math.floor(random() * count)] = random() < 0.3 ? 1 : random();
  return { values, masses, places, label: Math.floor(random() * classes) };
}

/** A row with one or two values changed, by their last bit up to 1/2, and sometimes a label mass. */
function neighbour({ finest }: Type, random: Random, row: Row): Row {
  const [values, masses] = [row.values.slice(), row.masses.slice()];
  for (let moves = random() < 0.5 ? 1 : 2; moves > 0; moves--) {
    values[Math.floor(random() * values.length)] += (random() - 0.5) * (random() < 0.5 ? 2 ** (-finest * random()) : 0.02);
  }
  if (random() < 0.3) {
    const k = Math.floor(random() * masses.length);
    masses[k] = Math.min(1, masses[k] * (0.95 + 0.1 * random()));
  }
  return { ...row, values, masses };
}

/** The row with elements of a type. */
const inType = ({ Elements }: Type, row: Row): Row => ({
  ...row,
  values: Array.from(Elements.from(row.values)),
  masses: Array.from(Elements.from(row.masses)),
});

/** True if all values are near enough to the maximum and some label mass is above 0. */
function isFit({ depth }: Type, { values, masses, places }: Row): boolean {
  return Math.max(...values) - Math.min(...values) < depth && places.some((k) => masses[k] > 0);
}

const WALKS = [
  { walk: "by lane", lengths: [2, 3, 4, 10, 16, 17, 40], evaluations: 1_500_000 },
  { walk: "by row", lengths: [41, 42, 43, 44, 57, MAX_CLASSES], evaluations: 700_000 },
];

it.each(TYPES.flatMap((type) => WALKS.map((walk) => ({ type, precision: type.precision, ...walk }))))(
  "climbs find no row of $precision, $walk, beyond the bounds",
  { timeout: 1_200_000 },
  ({ type, precision, walk, lengths, evaluations: most }) => {
    const evaluations = precision === "float64" ? most : most / 4;
    const random = seeded(evaluations);
    const pools = new Map<Result, { error: number; row: Row }[]>(NAMES.map((name) => [name, []]));
    for (let i = 0; i < evaluations; i++) {
      const pool = pools.get(NAMES[i % NAMES.length])!;
      const isClimbing = random() < 0.75 && pool.length === POOL;
      const drawn = isClimbing ? neighbour(type, random, pool[Math.floor(random() * POOL)].row) : randomRow(random, lengths);
      const row = inType(type, drawn);
      if (!isFit(type, row)) continue;
      const errors = errorsOf(type, row);
      for (const [name, best] of pools) {
        if (best.length === POOL && errors[name] <= best[POOL - 1].error) continue;
        best.push({ error: errors[name], row });
        best.sort((a, b) => b.error - a.error);
        best.length = Math.min(best.length, POOL);
      }
    }
    for (const [name, [{ error, row }]] of pools) {
      const ulps = error * limitIn(precision, RESULTS[name]);
      const digits = precision === "float64" ? 2 : 7;
      console.log(
        `${precision}, ${walk}, ${name}: ${ulps.toFixed(digits)} ulp${row.values.length < 6 ? ` at ${JSON.stringify(row)}` : ""}`,
      );
      expect(error, `${name} of ${JSON.stringify(row)}`).toBeLessThanOrEqual(1);
    }
  },
);
