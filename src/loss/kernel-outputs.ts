// The arrays that the kernel `loss` can write, each to the field of a plan that has its name.

import type { Dtype, ElementType } from "../tensor/element.js";

export interface ArraySpec {
  /** "float" is the element type of the logits. */
  readonly type: "float" | "int32";
  readonly extent: "tensor" | "rows";
}

/** All arrays. Those that are outputs of the same name are described there. */
export const KERNEL_OUTPUTS = {
  losses: { type: "float", extent: "rows" },
  probs: { type: "float", extent: "tensor" },
  logProbs: { type: "float", extent: "tensor" },
  lse: { type: "float", extent: "rows" },
  entropy: { type: "float", extent: "rows" },
  confidence: { type: "float", extent: "rows" },
  argmax: { type: "int32", extent: "rows" },
  /** The gradient of label distributions, which has an option of its own. */
  labelGradient: { type: "float", extent: "tensor" },
  /** The number of classes before the label's class in the order of p; −1 where p is NaN or the row is ignored. */
  ranks: { type: "int32", extent: "rows" },
  /** The sign of a weighted Σ exp, of which `lse` is the logarithm. */
  signs: { type: "float", extent: "rows" },
  /** ∂loss/∂scale and ∂²loss/∂scale² of each row, times its weight. */
  scaleGradients: { type: "float", extent: "rows" },
  scaleCurvatures: { type: "float", extent: "rows" },
} as const satisfies Record<string, ArraySpec>;

/** The name of an array that the kernel writes. */
export type KernelOutput = keyof typeof KERNEL_OUTPUTS;

export function isKernelOutput(name: string): name is KernelOutput {
  return Object.hasOwn(KERNEL_OUTPUTS, name);
}

/** The element type of an array as the kernel writes it: results by row are not rounded, as values are computed from them. */
export function typeInMemory({ type, extent }: ArraySpec, dtype: Dtype): ElementType {
  if (type !== "float") return type;
  return extent === "rows" ? "float64" : dtype;
}
