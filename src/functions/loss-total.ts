// LossTotal: the losses of batches in pieces.

import { checkOptions, isRevoked, typeError } from "../errors.js";
import { quotient, rounded, sumOfOnes } from "../loss/exact-sum.js";
import type { Labels } from "../loss/labels.js";
import { LOSS_OPTIONS, type LossOptions } from "../loss/options.js";
import type { BatchOutputs, Output } from "../loss/outputs.js";
import { type Calibration, calibrationOf, type GroupLosses } from "../loss/summaries.js";
import { bytesOfTotals, totalsOfBytes } from "../loss/total-bytes.js";
import { addTotals, EMPTY, type Totals } from "../loss/totals.js";
import { exp } from "../memory/chunks.js";
import type { Tensor } from "../tensor/containers.js";
import { evaluate, type KnownNames, readBatch } from "./batch.js";

/** Everything that a loss can return besides. */
export interface LossOutputs<T extends Tensor> extends BatchOutputs<T> {
  /** The exact totals of the batch, to merge with those of others; with `calibration`, `confusion` and `groups` if they are outputs, too. */
  total: LossTotal;
}

/** The outputs of the names `O`; perhaps any of them where the type of the names tells no more. */
export type Outputs<T extends Tensor, O extends string> = string extends O ? Partial<LossOutputs<T>> : Pick<LossOutputs<T>, O & Output>;

/**
 * The loss of batches in pieces: micro-batches, an evaluation set, the shares of several machines. Sums are exact and rounded once (R. M. Neal,
 * "Fast exact summation using small and large superaccumulators", 2015), so every cut of the rows and every order gives the same bits.
 *
 * @example
 * const total = new LossTotal().add([[2, 1]], [0]).add(crossEntropy([[0, 3]], [1], { outputs: ["total"] }));
 * total.loss; // → 0.180925
 * total.accuracy; // → 1
 * LossTotal.fromBytes(total.toBytes()).merge(total).validCount; // → 4
 */
export class LossTotal {
  #totals: Totals = EMPTY;

  /** @internal */
  static of(totals: Totals): LossTotal {
    const total = new LossTotal();
    total.#totals = totals;
    return total;
  }

  /**
   * Adds a batch that has been computed.
   *
   * @param result The result of a call with `outputs: ["total"]`, or a layer with these after its forward.
   * @returns This total.
   * @throws TypeError for anything else, RangeError where the two totals differ in `topK`, `bins`, classes, or in which of `calibration`,
   *   `confusion` and `groups` they have; nothing is added then.
   */
  add(result: { readonly total: LossTotal }): this;
  /**
   * Computes a batch and adds it.
   *
   * @param logits Logits, as for {@link crossEntropy}.
   * @param labels Labels, as for {@link crossEntropy}.
   * @param options Those of {@link crossEntropy}. Of `outputs` a total holds `calibration`, `confusion` and `groups`.
   * @returns This total.
   * @throws As {@link crossEntropy}, and as for a result; nothing is added then.
   */
  add<T extends Tensor, const R extends string = "mean", const O extends string = never>(
    logits: T,
    labels: Labels,
    options?: LossOptions<R, O> & KnownNames<R, O>,
  ): this;
  add(first: unknown, labels?: unknown, options?: LossOptions<string, string>): this {
    if (labels === undefined && options === undefined) {
      const total = typeof first === "object" && first !== null && !isRevoked(first) ? (first as { total?: unknown }).total : undefined;
      const totals = LossTotal.#totalsOf(total);
      if (totals === undefined) throw typeError("result", "a result or a layer with the output total, or logits and labels", first);
      return this.#add("result", totals);
    }
    const batch = readBatch(first, labels, checkOptions(options, LOSS_OPTIONS));
    const outputs: readonly Output[] = [...batch.outputs, "total"];
    return this.#add("options", evaluate({ ...batch, outputs }, undefined, undefined, ["total"]).total as Totals);
  }

  /**
   * Adds what another total holds, which stays as it is.
   *
   * @returns This total.
   * @throws TypeError for anything but a total, RangeError as {@link add}.
   */
  merge(other: LossTotal): this {
    const totals = LossTotal.#totalsOf(other);
    if (totals === undefined) throw typeError("other", "a LossTotal", other);
    return this.#add("other", totals);
  }

  static #totalsOf(value: unknown): Totals | undefined {
    return typeof value === "object" && value !== null && #totals in value ? value.#totals : undefined;
  }

  #add(argument: string, totals: Totals): this {
    this.#totals = addTotals(this.#totals, argument, totals);
    return this;
  }

  /** The mean of the rows' losses: their sum over their total weight, rounded once; 0 if all rows weigh 0. */
  get loss(): number {
    const { counts, sums } = this.#totals.rows;
    return counts[3] > 0 ? quotient(sums[0], sums[1]) : 0;
  }

  /** The sum of the rows' losses, each times its weight. */
  get lossSum(): number {
    return rounded(this.#totals.rows.sums[0]);
  }

  /** The sum of the rows' weights, the divisor of {@link loss}. */
  get totalWeight(): number {
    return rounded(this.#totals.rows.sums[1]);
  }

  /** The number of rows that are not ignored. */
  get validCount(): number {
    return this.#totals.rows.counts[0];
  }

  /** exp of {@link loss}. */
  get perplexity(): number {
    return exp(this.totalWeight === 0 ? 0 : this.loss);
  }

  /** The part of the rows that are not ignored whose label is at the maximum; 0 of no rows. */
  get accuracy(): number {
    return this.#perRow(this.#totals.rows.counts[1]);
  }

  /** The part of the rows that are not ignored whose label is among the k largest logits, k the option `topK` of the calls; 0 of no rows. */
  get topKAccuracy(): number {
    return this.#perRow(this.#totals.rows.counts[2]);
  }

  /** The mean of the entropy of p over the rows that are not ignored, rounded once; 0 of no rows. */
  get meanEntropy(): number {
    return this.validCount > 0 ? quotient(this.#totals.rows.sums[2], sumOfOnes(this.validCount)) : 0;
  }

  #perRow(count: number): number {
    return this.validCount > 0 ? count / this.validCount : 0;
  }

  /** The calibration of all rows, if it is an output of the calls. */
  get calibration(): Calibration {
    const { counts, sums } = this.#part("calibration");
    const bins = sums.length;
    return calibrationOf(counts.slice(0, bins), counts.subarray(bins), sums);
  }

  /** The confusion matrix of all rows, if it is an output of the calls. */
  get confusion(): Uint32Array {
    return this.#part("confusion").counts;
  }

  /** The losses of all rows by group, if they are an output of the calls. Batches may have different groups. */
  get groups(): GroupLosses {
    const { counts, sums } = this.#part("groups");
    return { losses: sums, counts };
  }

  #part(name: "calibration" | "confusion" | "groups"): { counts: Uint32Array; sums: Float64Array } {
    const part = this.#totals[name];
    if (part === undefined) throw new Error(`LossTotal: ${name} expected to be listed in the outputs of what is added`);
    return { counts: Uint32Array.from(part.counts), sums: Float64Array.from(part.sums, rounded) };
  }

  /**
   * The total as bytes, for another thread, process or machine: little-endian, with a version and a checksum. Totals of the same rows have the
   * same bytes.
   */
  toBytes(): Uint8Array<ArrayBuffer> {
    return bytesOfTotals(this.#totals);
  }

  /**
   * The total whose bytes these are.
   *
   * @throws TypeError for anything but a Uint8Array, RangeError for bytes that are no total, incomplete, changed, or of a newer version.
   */
  static fromBytes(bytes: Uint8Array): LossTotal {
    return LossTotal.of(totalsOfBytes(bytes));
  }
}

/** A result of `evaluate` as users get it. */
export function withTotal(result: Record<string, unknown>): Record<string, unknown> {
  if (Object.hasOwn(result, "total")) result.total = LossTotal.of(result.total as Totals);
  return result;
}
