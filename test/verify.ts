// Results held to the bounds against the oracle: those of one batch through every forward kernel and every gradient, with canaries around all
// buffers; those of a loss with options.

import { expect } from "vitest";
import type { Rows } from "../reference/data.js";
import type { Conditioned } from "../reference/exact-terms.js";
import { layOut, positionIn } from "../reference/layout.js";
import { LIMITS, limitIn } from "../reference/limits.js";
import {
  type Exact,
  type ExactRow,
  exact,
  exactGradient,
  exactLoss,
  exactRow,
  exactSum,
  type Precision,
  ulpError,
} from "../reference/oracle.js";
import type { CanaryArena } from "./arena.js";
import { lossOf } from "./loss-call.js";
import { type LossCase, rowOf } from "./loss-cases.js";

/** Results of one element type. */
export type Floats = Float64Array | Float32Array;

/** The precision of results. */
export const precisionOf = (results: unknown): Precision => (results instanceof Float32Array ? "float32" : "float64");

/** Fails unless `got` is within a bound of doubles, in ulps of the exact value or of `unit` where that is larger, or within what it is in float32. */
export function within(limit: number, what: string, got: number, want: Exact, unit?: Exact, precision: Precision = "float64"): void {
  const allowed = limitIn(precision, limit);
  const error = ulpError(got, want, unit, precision);
  if (!(error <= allowed)) expect.fail(`${what}: got ${got}, want ${want.toNumber()}, ${error} ulp off, ${allowed} allowed`);
}

/** Fails unless two arrays hold the same numbers of the same type, bit for bit; fast for long ones. */
export function expectSameBits(got: Floats, want: Floats): void {
  expect(precisionOf(got)).toBe(precisionOf(want));
  expect(got.length).toBe(want.length);
  for (let i = 0; i < got.length; i++) {
    if (!Object.is(got[i], want[i])) expect.fail(`element ${i} of ${got.length}: got ${got[i]}, want ${want[i]}`);
  }
}

/** The type of an array of elements. */
export interface ArrayType<A extends Floats> {
  readonly name: string;
  readonly BYTES_PER_ELEMENT: number;
  new (length: number): A;
  from(values: ArrayLike<number>): A;
}

const exactRows = new WeakMap<ArrayLike<number>, ExactRow>();

/** The oracle's results of a row, computed once. */
function exactRowOf(logits: ArrayLike<number>): ExactRow {
  let row = exactRows.get(logits);
  if (row === undefined) {
    row = exactRow(logits);
    exactRows.set(logits, row);
  }
  return row;
}

/** (Q p + q) / |Q p − q|, for q >= 0. */
function condition(row: ExactRow, mass: Exact, q: number, gradient: Exact, j: number): number {
  if (gradient.isZero()) return 1;
  return row.probs[j].times(mass).plus(exact(q)).div(gradient.abs()).toNumber();
}

/** All that the forward kernels made of a batch. */
export interface Results<A extends Floats = Floats> {
  readonly probs: A;
  readonly logProbs: A;
  readonly lse: A;
  readonly losses: A;
  readonly gradient: A;
  readonly softLosses: A;
  readonly softGradient: A;
}

/** Runs the kernels on rows laid out with `inner` of them side by side (their number is a multiple of it). Elements are doubles by default. */
export function runForward(arena: CanaryArena, rows: Rows, inner: number, divisor: number): Results<Float64Array>;
export function runForward<A extends Floats>(
  arena: CanaryArena,
  rows: Rows,
  inner: number,
  divisor: number,
  Elements: ArrayType<A>,
): Results<A>;
export function runForward(
  arena: CanaryArena,
  { logits, indices, distributions }: Rows,
  inner: number,
  divisor: number,
  Elements: ArrayType<Floats> = Float64Array,
): Results {
  const { kernels } = arena;
  const bytes = Elements.BYTES_PER_ELEMENT;
  const shape = [logits.length / inner, logits[0].length, inner] as const;
  const x = layOut(logits, inner, Elements);
  const q = layOut(distributions, inner, Elements);
  const y = Int32Array.from(indices);
  const output = new Elements(x.length);
  const byRow = new Float64Array(logits.length);
  const [, probs] = arena.run([x, output], (xPtr, out) => kernels.softmax(xPtr, out, ...shape, bytes));
  const [, logProbs] = arena.run([x, output], (xPtr, out) => kernels.logSoftmax(xPtr, out, ...shape, bytes));
  const [, lse] = arena.run([x, byRow], (xPtr, out) => kernels.logSumExp(xPtr, out, ...shape, bytes));
  const ofIndices = { logits: x, indices: y, losses: byRow };
  const ofDistributions = { logits: x, targets: q, losses: byRow };
  const { losses } = lossOf(arena, ofIndices, { shape });
  const { losses: softLosses } = lossOf(arena, ofDistributions, { shape });
  const gradientFields = { shape, derivative: "GRADIENT", divisor } as const;
  const { losses: losses2, exps: gradient } = lossOf(arena, { ...ofIndices, exps: output }, gradientFields);
  const { losses: softLosses2, exps: softGradient } = lossOf(arena, { ...ofDistributions, exps: output }, gradientFields);
  expect(losses2, "the loss with and without gradient").toEqual(losses);
  expect(softLosses2, "the soft loss with and without gradient").toEqual(softLosses);
  // Kernels write results by row as doubles.
  const rounded = (values: Float64Array): Floats => (bytes === 8 ? values : Float32Array.from(values));
  return { probs, logProbs, lse: rounded(lse), losses: rounded(losses), gradient, softLosses: rounded(softLosses), softGradient };
}

/** Holds results to the bounds; of each row at `classes`, or everywhere. */
export function verifyForward(
  what: string,
  { logits, indices, distributions }: Rows,
  results: Results,
  inner: number,
  divisor: number,
  classes = Array.from(logits[0], (_, j) => j),
): void {
  const at = positionIn(logits[0].length, inner);
  const { probs, logProbs, lse, losses, gradient, softLosses, softGradient } = results;
  const precision = precisionOf(probs);
  const check = (limit: number, what: string, got: number, want: Exact, unit?: Exact) => within(limit, what, got, want, unit, precision);
  logits.forEach((x, r) => {
    const row = exactRowOf(x);
    const q = distributions[r];
    const where = (result: string, j?: number) =>
      `${result}, ${what}, C = ${x.length}, inner ${inner}, row ${r}${j === undefined ? "" : `, class ${j}`}`;
    check(LIMITS.lse, where("lse"), lse[r], row.lse, row.max);
    check(LIMITS.loss, where("loss"), losses[r], exactLoss(row, indices[r]));
    check(LIMITS.loss, where("soft loss"), softLosses[r], exactLoss(row, q));
    exactGradient(row, indices[r], classes).forEach((want, i) => {
      check(LIMITS.gradient, where("gradient", classes[i]), gradient[at(r, classes[i])], want.div(divisor));
    });
    const mass = exactSum(q);
    exactGradient(row, q, classes).forEach((want, i) => {
      const j = classes[i];
      const limit = LIMITS.gradient * condition(row, mass, q[j], want, j);
      check(limit, where("soft gradient", j), softGradient[at(r, j)], want.div(divisor));
    });
    for (const j of classes) {
      check(LIMITS.probs, where("p", j), probs[at(r, j)], row.probs[j]);
      const logProb = row.logProbs[j];
      if (logProb) check(LIMITS.logProbs, where("log p", j), logProbs[at(r, j)], logProb);
      else expect(logProbs[at(r, j)], where("log p", j)).toBe(-Infinity);
    }
  });
}

/** Fails unless the error of `got` is within the limit times its condition. */
export function near(limit: number, what: string, got: number, { value, size }: Conditioned, precision: Precision = "float64"): void {
  if (value.isZero()) within(limit, what, got, value, size, precision);
  else if (!value.isFinite()) expect(got, what).toBe(value.toNumber());
  else within(limit * Math.max(1, size.div(value.abs()).toNumber()), what, got, value, undefined, precision);
}

const plain = (value: Exact): Conditioned => ({ value, size: value.abs() });

/** Results of a loss, each by row or laid out like the logits. */
export interface LossResults {
  readonly losses: ArrayLike<number>;
  readonly lse: ArrayLike<number>;
  readonly entropy: ArrayLike<number>;
  readonly confidence: ArrayLike<number>;
  readonly argmax: ArrayLike<number>;
  readonly probs: ArrayLike<number>;
  readonly logProbs: ArrayLike<number>;
  readonly gradient: ArrayLike<number>;
  readonly labelGradient: ArrayLike<number>;
  readonly hessianProduct: ArrayLike<number>;
  readonly hessianDiagonal: ArrayLike<number>;
}

/** Holds the results of a loss that there are to the bounds. */
export function verifyLoss({ outer, classes, inner, vector, options, exact: rows }: LossCase<Floats>, results: Partial<LossResults>): void {
  const at = positionIn(classes, inner);
  const { losses, lse, entropy, confidence, argmax, probs, logProbs, gradient, labelGradient, hessianProduct, hessianDiagonal } = results;
  const precision = precisionOf(vector);
  rows.forEach((want, r) => {
    const where = (result: string, j?: number) =>
      `${result}, row ${r}${j === undefined ? "" : `, class ${j}`} of [${outer}, ${classes}, ${inner}], ${JSON.stringify(options)}`;
    if (want === undefined) {
      if (losses) expect(losses[r], where("loss")).toBe(0);
      if (lse) expect(lse[r], where("lse")).toBe(-Infinity);
      if (entropy) expect(entropy[r], where("entropy")).toBe(0);
      if (confidence) expect(confidence[r], where("confidence")).toBe(0);
      if (argmax) expect(argmax[r], where("argmax")).toBe(-1);
      for (let j = 0; j < classes; j++) {
        for (const tensor of [probs, gradient, hessianProduct, hessianDiagonal]) {
          if (tensor) expect(tensor[at(r, j)] + 0, where("ignored", j)).toBe(0);
        }
        if (logProbs) expect(logProbs[at(r, j)], where("log p", j)).toBe(-Infinity);
      }
      return;
    }
    const { row } = want;
    if (losses) near(LIMITS.loss, where("loss"), losses[r], want.loss, precision);
    if (lse) within(LIMITS.lse, where("lse"), lse[r], row.lse, row.max, precision);
    if (confidence) near(LIMITS.probs, where("confidence"), confidence[r], plain(want.confidence), precision);
    if (entropy) near(LIMITS.loss, where("entropy"), entropy[r], plain(want.entropy), precision);
    if (argmax) {
      const best = row.probs.reduce((a, b, j) => (b.gt(row.probs[a]) ? j : a), 0);
      expect(argmax[r], where("argmax")).toBe(best);
    }
    const exactProduct = hessianProduct && want.product(rowOf(vector, { classes, inner }, r));
    for (let j = 0; j < classes; j++) {
      const k = at(r, j);
      if (gradient) near(LIMITS.gradient, where("gradient", j), gradient[k], want.gradient[j], precision);
      if (probs) near(LIMITS.probs, where("p", j), probs[k], plain(row.probs[j]), precision);
      const logProb = row.logProbs[j];
      if (logProbs && logProb) within(LIMITS.logProbs, where("log p", j), logProbs[k], logProb, undefined, precision);
      else if (logProbs) expect(logProbs[k], where("log p", j)).toBe(-Infinity);
      if (exactProduct) near(LIMITS.secondOrder, where("product", j), hessianProduct[k], exactProduct[j], precision);
      if (hessianDiagonal) near(LIMITS.secondOrder, where("diagonal", j), hessianDiagonal[k], want.diagonal[j], precision);
      if (labelGradient) near(LIMITS.gradient, where("label gradient", j), labelGradient[k], plain(want.labelGradient[j]), precision);
    }
  });
}
