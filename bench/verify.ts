// The results that implementations must agree with before they are timed. They are computed in careful Float64; the first and the last row
// are checked against exact arithmetic.

import { add, exp, log1p, type Pair, twoSum } from "../reference/double-double.js";
import { positionIn } from "../reference/layout.js";
import { exactLoss, exactRow } from "../reference/oracle.js";
import type { Implementation } from "./task.js";
import type { Batch, Workload } from "./workloads.js";

/** The largest relative error of a result. At a label, where p − 1 may cancel, the error of a gradient (p − 1)/N is relative to 1/N. */
const TOLERANCES: Readonly<Record<Implementation["dtype"], number>> = { float64: 1e-12, float32: 1e-4 };
const TOLERANCE_OF_REFERENCE = 1e-13;

/** Rows with more classes are checked in pairs of doubles, as decimal arithmetic is too slow for them. */
const MAX_DECIMAL_CLASSES = 1000;

interface RowResults {
  readonly probs: ArrayLike<number>;
  readonly loss: number;
}

function exactly(logits: Float64Array, label: number): RowResults {
  if (logits.length <= MAX_DECIMAL_CLASSES) {
    const row = exactRow(logits);
    return { probs: row.probs.map((p) => p.toNumber()), loss: exactLoss(row, label).toNumber() };
  }
  const max = logits.reduce((a, b) => Math.max(a, b));
  const exps = logits.slice();
  let sum: Pair = [0, 0];
  for (let j = 0; j < logits.length; j++) {
    const { mantissa, exponent } = exp(twoSum(logits[j], -max));
    const e: Pair = [mantissa[0] * 2 ** exponent, mantissa[1] * 2 ** exponent];
    exps[j] = e[0];
    sum = add(sum, e);
  }
  const total = sum[0];
  return { probs: exps.map((e) => e / total), loss: add(log1p(add(sum, [-1, 0])), twoSum(max, -logits[label]))[0] };
}

/** A compensated sum, after Neumaier. */
class Sum {
  #sum = 0;
  #lost = 0;

  add(value: number): void {
    const sum = this.#sum + value;
    this.#lost += Math.abs(this.#sum) < Math.abs(value) ? value - sum + this.#sum : this.#sum - sum + value;
    this.#sum = sum;
  }

  get value(): number {
    return this.#sum + this.#lost;
  }
}

/** Writes the probabilities of the row that begins at `start` and goes on in steps of `inner`; returns its loss. */
function carefully(logits: Float64Array, probs: Float64Array, start: number, classes: number, inner: number, label: number): number {
  const end = start + classes * inner;
  let max = -Infinity;
  for (let i = start; i < end; i += inner) max = Math.max(max, logits[i]);
  const sum = new Sum();
  for (let i = start; i < end; i += inner) {
    probs[i] = Math.exp(logits[i] - max);
    sum.add(probs[i]);
  }
  const total = sum.value;
  for (let i = start; i < end; i += inner) probs[i] /= total;
  return max - logits[start + label * inner] + Math.log(total);
}

/** The right results of a batch. */
export class Reference {
  readonly #workload: Workload;
  readonly #batch: Batch;
  readonly #at: (r: number, j: number) => number;
  readonly #rows: number;
  /** Probabilities, or the gradient. */
  readonly #want: Float64Array;
  readonly #loss: number;

  /** @throws Error if a checked row of the reference is wrong. */
  constructor(workload: Workload, batch: Batch) {
    const { op, outer, classes, inner } = workload;
    const { logits, labels } = batch;
    this.#workload = workload;
    this.#batch = batch;
    this.#at = positionIn(classes, inner);
    this.#rows = outer * inner;
    const at = this.#at;
    const probs = new Float64Array(logits.length);
    const losses = new Float64Array(this.#rows);
    for (let r = 0; r < this.#rows; r++) losses[r] = carefully(logits, probs, at(r, 0), classes, inner, labels[r]);
    for (const r of [0, this.#rows - 1]) this.#checkRow(r, probs, losses[r]);

    const sum = new Sum();
    for (const loss of losses) sum.add(loss);
    this.#loss = sum.value / this.#rows;
    if (op === "gradient") {
      for (let r = 0; r < this.#rows; r++) probs[at(r, labels[r])] -= 1;
      for (let i = 0; i < probs.length; i++) probs[i] /= this.#rows;
    }
    this.#want = probs;
  }

  #checkRow(r: number, probs: Float64Array, loss: number): void {
    const { classes, id } = this.#workload;
    const { logits, labels } = this.#batch;
    const row = Float64Array.from({ length: classes }, (_, j) => logits[this.#at(r, j)]);
    const want = exactly(row, labels[r]);
    const isClose = (got: number, value: number, unit = value) => Math.abs(got - value) <= TOLERANCE_OF_REFERENCE * unit;
    for (let j = 0; j < classes; j++) {
      const got = probs[this.#at(r, j)];
      if (!isClose(got, want.probs[j])) throw new Error(`the reference of ${id} is wrong in row ${r}: ${got} is not ${want.probs[j]}`);
    }
    if (!isClose(loss, want.loss, Math.max(1, want.loss)))
      throw new Error(`the reference of ${id} is wrong in row ${r}: a loss of ${loss}, not ${want.loss}`);
  }

  #isLabel(i: number): boolean {
    const { classes, inner } = this.#workload;
    const row = Math.floor(i / (classes * inner)) * inner + (i % inner);
    return this.#batch.labels[row] === Math.floor(i / inner) % classes;
  }

  /** Describes an error of a result (probs; the loss; or the loss, then the gradient); undefined if there is none. */
  flawOf(got: Float64Array, dtype: Implementation["dtype"]): string | undefined {
    const tolerance = TOLERANCES[dtype];
    const { op } = this.#workload;
    const hasLoss = op !== "softmax";
    const values = op === "loss" ? new Float64Array() : this.#want;
    const first = hasLoss ? 1 : 0;
    if (got.length !== first + values.length) return `${got.length} numbers instead of ${first + values.length}`;
    if (hasLoss && !(Math.abs(got[0] - this.#loss) <= tolerance * this.#loss)) return `a loss of ${got[0]}, not ${this.#loss}`;
    for (let i = 0; i < values.length; i++) {
      const error = Math.abs(got[first + i] - values[i]);
      if (error <= tolerance * Math.abs(values[i])) continue;
      if (op === "gradient" && this.#isLabel(i) && error <= tolerance / this.#rows) continue;
      return `${got[first + i]} at ${i}, not ${values[i]}`;
    }
    return undefined;
  }
}
