// The outputs of the loss. An output is a line of BatchOutputs, which says its meaning, and a row of OUTPUTS, which says where it comes from.

import { checkOneOf, isArray, rangeError, typeError } from "../errors.js";
import type { ByRow, IndexByRow, SameAxes, Tensor } from "../tensor/containers.js";
import type { Extent } from "../tensor/shape.js";
import { type ArraySpec, KERNEL_OUTPUTS, type KernelOutput } from "./kernel-outputs.js";
import {
  accuracy,
  type Calibration,
  type Computed,
  calibration,
  confusion,
  correct,
  firstBadRow,
  type GroupLosses,
  groupLosses,
  meanEntropy,
  perplexity,
  type ResultsByRow,
  type ScaleGradient,
  scaleGradient,
  topK,
  topKAccuracy,
} from "./summaries.js";
import { totalsOf } from "./totals.js";

/** Everything that a loss can return besides, but for `total`. */
export interface BatchOutputs<T extends Tensor> {
  /** The loss of each row, times its weight. */
  losses: ByRow<T>;
  /** p; 0 for excluded classes and ignored rows. */
  probs: SameAxes<T>;
  /** log p; −∞ for excluded classes and ignored rows. */
  logProbs: SameAxes<T>;
  /** log Σ exp(x) of each row; −∞ for ignored rows. */
  lse: ByRow<T>;
  /** The entropy −Σ p log p of each row, in nats. */
  entropy: ByRow<T>;
  /** The class of each row's maximum, the first of equals; −1 where p is NaN or the row is ignored. */
  argmax: IndexByRow<T>;
  /** The number of rows that have their label at the maximum; of a distribution the label is the first of its largest entries. A label whose class is masked is at no place. */
  correct: number;
  /** The number of rows that have their label among the k largest logits, k the option `topK`; of a distribution as for `correct`. */
  topK: number;
  /** The part of the rows that are not ignored which are `correct`. */
  accuracy: number;
  /** The part of the rows that are not ignored which `topK` counts. */
  topKAccuracy: number;
  /** exp of the mean of the rows' losses over their total weight, whatever the reduction. */
  perplexity: number;
  /** The mean of `entropy` over the rows that are not ignored. */
  meanEntropy: number;
  /** p of each row's maximum; 0 for ignored rows. */
  confidence: ByRow<T>;
  /** How well `confidence` tells the accuracy. */
  calibration: Calibration;
  /** The number of rows by the class of their label and by that of their maximum, C × C, row-major; for up to 4096 classes. */
  confusion: Uint32Array;
  /** The derivatives of the loss with respect to the option `scale`; with reduction "none" those of the sum. */
  scaleGradient: ScaleGradient;
  /** The losses by the option `groups`. */
  groups: GroupLosses;
  /** The number of rows that are not ignored. */
  validCount: number;
  /** The sum of the rows' weights, the divisor of the mean. */
  totalWeight: number;
  /** The first row whose loss is NaN or infinite, or −1. */
  firstBadRow: number;
}

/** The name of an output, an entry of {@link LossOutputs}. */
export type Output = keyof BatchOutputs<Tensor> | "total";

/** The loss of logits of the kind `T`: a number, or one for each row. */
export type Loss<T extends Tensor, R extends string | undefined> = string extends R
  ? ByRow<T> | number
  : R extends "none"
    ? ByRow<T>
    : number;

/** A value that is computed after the kernel, from arrays by row that the kernel writes. */
interface ValueSpec {
  readonly type: "value";
  readonly from: readonly (keyof ResultsByRow)[];
  readonly compute: (computed: Computed) => unknown;
}

/** All outputs. */
export const OUTPUTS = /* @__PURE__ */ (() =>
  ({
    losses: KERNEL_OUTPUTS.losses,
    probs: KERNEL_OUTPUTS.probs,
    logProbs: KERNEL_OUTPUTS.logProbs,
    lse: KERNEL_OUTPUTS.lse,
    entropy: KERNEL_OUTPUTS.entropy,
    argmax: KERNEL_OUTPUTS.argmax,
    correct: { type: "value", from: ["ranks"], compute: correct },
    topK: { type: "value", from: ["ranks"], compute: topK },
    accuracy: { type: "value", from: ["ranks"], compute: accuracy },
    topKAccuracy: { type: "value", from: ["ranks"], compute: topKAccuracy },
    perplexity: { type: "value", from: ["losses"], compute: perplexity },
    meanEntropy: { type: "value", from: ["entropy"], compute: meanEntropy },
    confidence: KERNEL_OUTPUTS.confidence,
    calibration: { type: "value", from: ["confidence", "argmax", "ranks"], compute: calibration },
    confusion: { type: "value", from: ["argmax"], compute: confusion },
    scaleGradient: { type: "value", from: ["scaleGradients", "scaleCurvatures"], compute: scaleGradient },
    groups: { type: "value", from: ["losses"], compute: groupLosses },
    validCount: { type: "value", from: [], compute: ({ weighing }) => weighing.validCount },
    totalWeight: { type: "value", from: [], compute: ({ weighing }) => weighing.totalWeight },
    firstBadRow: { type: "value", from: ["losses"], compute: firstBadRow },
    total: { type: "value", from: ["losses", "entropy", "ranks"], compute: totalsOf },
  }) as const satisfies Record<Output, ArraySpec | ValueSpec>)();

const ONLY_LOSSES: readonly KernelOutput[] = ["losses"];

/** The arrays that the kernel must write for these outputs, the losses among them. */
export function kernelOutputsOf(outputs: readonly Output[], labelGradient: boolean): readonly KernelOutput[] {
  if (outputs.length === 0 && !labelGradient) return ONLY_LOSSES;
  const names = new Set<KernelOutput>(labelGradient ? ["losses", "labelGradient"] : ["losses"]);
  for (const name of outputs) {
    const spec: ArraySpec | ValueSpec = OUTPUTS[name];
    if (spec.type !== "value") names.add(name as KernelOutput);
    else for (const from of spec.from) names.add(from);
  }
  return [...names];
}

/** Says if an output is an array of the kernel, or a value that is computed from it. */
export function isFrom(name: Output, array: KernelOutput): boolean {
  const spec: ArraySpec | ValueSpec = OUTPUTS[name];
  return spec.type === "value" ? (spec.from as readonly string[]).includes(array) : name === array;
}

/** The names of all outputs. */
export const OUTPUT_NAMES = /* @__PURE__ */ Object.keys(OUTPUTS) as readonly Output[];

const NONE: readonly Output[] = [];

export function checkOutputs(outputs: unknown = NONE): readonly Output[] {
  if (outputs === NONE) return NONE;
  if (!isArray(outputs)) throw typeError("outputs", "an array of names", outputs);
  return Array.from(outputs, (name, i) => checkOneOf(`outputs[${i}]`, name, OUTPUT_NAMES));
}

/** The most classes of a confusion matrix. */
const MAX_CONFUSION = 4096;

/** Checks that there are not too many classes for the outputs. */
export function checkOutputClasses(outputs: readonly Output[], { classes }: Extent, shape: readonly number[]): void {
  if (classes > MAX_CONFUSION && outputs.includes("confusion")) {
    throw rangeError("shape", `at most ${MAX_CONFUSION} classes for the output confusion`, shape);
  }
}

/** Checks that the output `groups` comes with the option of that name. */
export function checkHasGroups(outputs: readonly Output[], groups: unknown): void {
  if (groups !== undefined && !outputs.includes("groups")) throw rangeError("groups", 'the output "groups", which it is for', groups);
  if (groups === undefined && outputs.includes("groups"))
    throw rangeError("groups", "the group of each row, for the output of that name", groups);
}
