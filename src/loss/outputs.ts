// The outputs of the loss. An output is a line of LossOutputs, which says its meaning, and a row of OUTPUTS, which says where it comes from.

import { checkOneOf, isArray, typeError } from "../errors.js";
import type { ByRow, IndexByRow, SameAxes, Tensor } from "../tensor/containers.js";
import type { Dtype, ElementType, FloatArray } from "../tensor/element.js";

/** Everything that a loss can return besides. */
export interface LossOutputs<T extends Tensor> {
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
  /** The number of rows that are not ignored. */
  validCount: number;
  /** The sum of the rows' weights, the divisor of the mean. */
  totalWeight: number;
  /** The first row whose loss is NaN or infinite, or −1. */
  firstBadRow: number;
}

/** The name of an output, an entry of {@link LossOutputs}. */
export type Output = keyof LossOutputs<Tensor>;

/** The loss of logits of the kind `T`: a number, or one for each row. */
export type Loss<T extends Tensor, R extends string | undefined> = string extends R
  ? ByRow<T> | number
  : R extends "none"
    ? ByRow<T>
    : number;

/** The outputs of the names `O`; perhaps any of them where the type of the names tells no more. */
export type Outputs<T extends Tensor, O extends string> = string extends O ? Partial<LossOutputs<T>> : Pick<LossOutputs<T>, O & Output>;

/** The values that numbers are counted from, of a whole batch. */
export interface Counted {
  readonly losses: FloatArray;
  readonly ranks: Int32Array;
  /** The option `topK`. */
  readonly k: number;
  readonly validCount: number;
  readonly totalWeight: number;
}

/** An array that the kernel writes, to the plan's field of the same name. */
interface ArraySpec {
  /** "float" is the element type of the logits. */
  readonly type: "float" | "int32";
  readonly extent: "tensor" | "rows";
}

/** A number that is counted after the kernel, perhaps from an array that the kernel writes. */
interface NumberSpec {
  readonly type: "number";
  readonly from?: "losses" | "ranks";
  readonly count: (counted: Counted) => number;
}

function countBelow(k: number, ranks: Int32Array): number {
  let count = 0;
  for (const rank of ranks) if (rank >= 0 && rank < k) count++;
  return count;
}

/** All outputs. */
export const OUTPUTS = {
  losses: { type: "float", extent: "rows" },
  probs: { type: "float", extent: "tensor" },
  logProbs: { type: "float", extent: "tensor" },
  lse: { type: "float", extent: "rows" },
  entropy: { type: "float", extent: "rows" },
  argmax: { type: "int32", extent: "rows" },
  correct: { type: "number", from: "ranks", count: ({ ranks }) => countBelow(1, ranks) },
  topK: { type: "number", from: "ranks", count: ({ ranks, k }) => countBelow(k, ranks) },
  validCount: { type: "number", count: ({ validCount }) => validCount },
  totalWeight: { type: "number", count: ({ totalWeight }) => totalWeight },
  firstBadRow: { type: "number", from: "losses", count: ({ losses }) => losses.findIndex((loss) => !Number.isFinite(loss)) },
} as const satisfies Record<Output, ArraySpec | NumberSpec>;

/** Arrays that the kernel writes, but that have no name in the option `outputs`. */
const HIDDEN = {
  /** The gradient of label distributions, which has an option of its own. */
  labelGradient: { type: "float", extent: "tensor" },
  /** The number of classes before the label's class in the order of p; −1 where p is NaN or the row is ignored. */
  ranks: { type: "int32", extent: "rows" },
} as const satisfies Record<string, ArraySpec>;

type ArrayName = { [Name in Output]: (typeof OUTPUTS)[Name] extends ArraySpec ? Name : never }[Output];

/** The name of an array that the kernel writes. */
export type KernelOutput = ArrayName | keyof typeof HIDDEN;

export function kernelOutput(name: KernelOutput): ArraySpec {
  return Object.hasOwn(HIDDEN, name) ? HIDDEN[name as keyof typeof HIDDEN] : OUTPUTS[name as ArrayName];
}

/** The element type of an output, in a batch of an element type. */
export function typeOfOutput({ type }: ArraySpec, dtype: Dtype): ElementType {
  return type === "float" ? dtype : type;
}

/** The element type of an output as the kernel writes it: results by row are not rounded before the mean is taken of them. */
export function typeInMemory({ type, extent }: ArraySpec, dtype: Dtype): ElementType {
  return typeOfOutput({ type, extent }, extent === "rows" ? "float64" : dtype);
}

export function isKernelOutput(name: string): name is KernelOutput {
  return Object.hasOwn(HIDDEN, name) || (Object.hasOwn(OUTPUTS, name) && OUTPUTS[name as Output].type !== "number");
}

const ONLY_LOSSES: readonly KernelOutput[] = ["losses"];

/** The arrays that the kernel must write for these outputs, the losses among them. */
export function kernelOutputsOf(outputs: readonly Output[], labelGradient: boolean): readonly KernelOutput[] {
  if (outputs.length === 0 && !labelGradient) return ONLY_LOSSES;
  const names = new Set<KernelOutput>(labelGradient ? ["losses", "labelGradient"] : ["losses"]);
  for (const name of outputs) {
    const spec: ArraySpec | NumberSpec = OUTPUTS[name];
    if (spec.type !== "number") names.add(name as ArrayName);
    else if (spec.from) names.add(spec.from);
  }
  return [...names];
}

/** The names of all outputs. */
export const OUTPUT_NAMES = /* @__PURE__ */ Object.keys(OUTPUTS) as readonly Output[];

const NONE: readonly Output[] = [];

export function checkOutputs(outputs: unknown = NONE): readonly Output[] {
  if (outputs === NONE) return NONE;
  if (!isArray(outputs)) throw typeError("outputs", "an array of names", outputs);
  return Array.from(outputs, (name, i) => checkOneOf(`outputs[${i}]`, name, OUTPUT_NAMES));
}
