// Looks for the worst rows there are: climbs from random ones towards larger errors, result by result, against pairs of doubles.

import { expect, it } from "vitest";
import { instantiate } from "../../src/module.js";
import { type Random, seeded } from "../data.js";
import { add, div, exp, log1p, mul, type Pair, twoSum } from "../double-double.js";
import { LIMITS } from "../limits.js";
import { ulp } from "../oracle.js";

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

interface Row {
  readonly logits: number[];
  readonly label: number;
  readonly q: number[];
}

/** What is far below the maximum is left out: pairs of doubles lose digits near the least normal number. */
const DEPTH = 600;
const POOL = 50;
const ZERO: Pair = [0, 0];

const { kernels, memory } = instantiate();

function errorOf(got: number, want: Pair, unitOf = 0): number {
  return Math.abs(got - want[0] - want[1]) / Math.max(ulp(want[0]), ulp(unitOf));
}

const negative = ([hi, lo]: Pair): Pair => [-hi, -lo];

/** The largest error of each result of a row. */
function errorsOf({ logits, label, q }: Row): Record<Result, number> {
  const classes = logits.length;
  const top = logits.reduce((best, x, j) => (x > logits[best] ? j : best), 0);
  const gaps = logits.map((x) => twoSum(logits[top], -x));
  const e = gaps.map((gap, j): Pair => {
    if (j === top) return [1, 0];
    const { mantissa, exponent } = exp(negative(gap));
    return [mantissa[0] * 2 ** exponent, mantissa[1] * 2 ** exponent];
  });
  const sumOf = (omitted: number) => e.reduce((sum, value, j) => (j === omitted ? sum : add(sum, value)), ZERO);
  const rest = sumOf(top);
  const s = add([1, 0], rest);
  const logSum = log1p(rest);
  const divisor: Pair = [1 + (classes % 3) * 2, 0];

  const start = Math.ceil(kernels.heapBase() / 64) * 64;
  const [x, out, labels] = [0, 1, 2].map((i) => new Float64Array(memory.buffer, start + 1024 * i, classes));
  const byRow = new Float64Array(memory.buffer, start + 3072, 1);
  const index = new Int32Array(memory.buffer, start + 3080, 1);
  x.set(logits);
  labels.set(q);
  index[0] = label;
  const errors = Object.fromEntries(NAMES.map((name) => [name, 0])) as Record<Result, number>;
  const note = (name: Result, error: number) => {
    if (!(error <= errors[name])) errors[name] = error;
  };

  kernels.softmax(x.byteOffset, out.byteOffset, 1, classes, 1);
  e.forEach((value, j) => {
    note("probs", errorOf(out[j], div(value, s)));
  });
  kernels.logSoftmax(x.byteOffset, out.byteOffset, 1, classes, 1);
  gaps.forEach((gap, j) => {
    note("logProbs", errorOf(out[j], negative(add(gap, logSum))));
  });
  kernels.logSumExp(x.byteOffset, byRow.byteOffset, 1, classes, 1);
  note("lse", errorOf(byRow[0], add([logits[top], 0], logSum), logits[top]));

  const loss = byRow.byteOffset;
  kernels.gradientOfIndices(x.byteOffset, index.byteOffset, loss, out.byteOffset, 1, classes, 1, 0, 1, divisor[0]);
  note("loss", errorOf(byRow[0], add(gaps[label], logSum)));
  e.forEach((value, j) => {
    if (j !== label) note("gradient", errorOf(out[j], div(div(value, s), divisor)));
  });
  note("gradient at the label", errorOf(out[label], negative(div(div(sumOf(label), s), divisor))));

  kernels.gradientOfDistributions(x.byteOffset, labels.byteOffset, loss, out.byteOffset, 1, classes, 1, 0, 1, divisor[0]);
  const mass = q.reduce((sum, value) => add(sum, [value, 0]), ZERO);
  const softLoss = q.reduce((sum, value, j) => add(sum, mul([value, 0], add(gaps[j], logSum))), ZERO);
  note("soft loss", errorOf(byRow[0], softLoss));
  e.forEach((value, j) => {
    const p = mul(div(value, s), mass);
    const gradient = div(add(p, [-q[j], 0]), divisor);
    const condition = (p[0] + q[j]) / divisor[0] / Math.abs(gradient[0]);
    // Where nearly all cancels, nothing of the pair is left to compare with.
    if (condition < 1e9) note("soft gradient", errorOf(out[j], gradient) / Math.max(1, condition));
  });
  return errors;
}

function randomRow(random: Random, length: number): Row {
  const pick = <T>(from: readonly T[]) => from[Math.floor(random() * from.length)];
  const [scale, offset] = [pick([1, 4, 20, 40]), pick([0, 0, 0, 100, 1000, -3000])];
  const fade = random() < 0.3 ? 60 : 0;
  const logits = Array.from({ length }, (_, j) => offset + scale * (random() - 0.5) - (j > 1 ? fade * random() : 0));
  const q = logits.map(() => (random() < 0.5 ? 0 : random()));
  q[Math.floor(random() * length)] = random() < 0.3 ? 1 : random();
  return { logits, label: Math.floor(random() * length), q };
}

/** A row with one or two logits moved, by anything from the last bit to half a unit, and at times one label. */
function neighbour(random: Random, { logits, label, q }: Row): Row {
  const [x, p] = [logits.slice(), q.slice()];
  for (let moves = random() < 0.5 ? 1 : 2; moves > 0; moves--) {
    x[Math.floor(random() * x.length)] += (random() - 0.5) * (random() < 0.5 ? 2 ** (-50 * random()) : 0.02);
  }
  if (random() < 0.3) {
    const j = Math.floor(random() * p.length);
    p[j] = Math.min(1, p[j] * (0.95 + 0.1 * random()));
  }
  return Math.max(...x) - Math.min(...x) < DEPTH ? { logits: x, label, q: p } : { logits, label, q };
}

it.each([
  { kernel: "lanes", lengths: [2, 3, 4], evaluations: 1_500_000 },
  { kernel: "row", lengths: [17, 18, 19], evaluations: 500_000 },
])("no row of the $kernel kernel that a climb finds is beyond the bounds", { timeout: 1_200_000 }, ({ kernel, lengths, evaluations }) => {
  const random = seeded(evaluations);
  const pools = new Map<Result, { error: number; row: Row }[]>(NAMES.map((name) => [name, []]));
  for (let i = 0; i < evaluations; i++) {
    const pool = pools.get(NAMES[i % NAMES.length])!;
    const row =
      random() < 0.25 || pool.length < POOL
        ? randomRow(random, lengths[i % lengths.length])
        : neighbour(random, pool[Math.floor(random() * pool.length)].row);
    const errors = errorsOf(row);
    for (const [name, best] of pools) {
      if (best.length === POOL && errors[name] <= best[POOL - 1].error) continue;
      best.push({ error: errors[name], row });
      best.sort((a, b) => b.error - a.error);
      best.length = Math.min(best.length, POOL);
    }
  }
  for (const [name, [{ error, row }]] of pools) {
    console.log(`${kernel}, ${name}: ${error.toFixed(2)} ulp${row.logits.length < 5 ? ` at ${JSON.stringify(row)}` : ""}`);
    expect(error, `${name} of ${JSON.stringify(row)}`).toBeLessThanOrEqual(RESULTS[name]);
  }
});
