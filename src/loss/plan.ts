// The plan of a loss: the arguments of the kernel `loss`, as assembly/loss/plan.ts lists them, and the buffers that they point to. This is
// the only file that calls the kernel.

import type { Buffers } from "../memory/buffers.js";
import type { ChunkBuffer } from "../memory/chunks.js";
import type { Extent } from "../tensor/shape.js";
import { type Kernels, SUM_LENGTH } from "../wasm/abi.js";
import type { LabelKind } from "./labels.js";
import type { Mask } from "./options.js";
import { isKernelOutput, type KernelOutput, kernelOutput } from "./outputs.js";
import { DERIVATIVES, PLAN_INTEGERS, PLAN_NUMBERS } from "./plan.generated.js";
import { IGNORED, type Weighing } from "./rows.js";
import { areShared, type ClassTargets, fillTargets, needTargets } from "./targets.js";
import type { Terms } from "./terms.js";

/** A derivative of the loss with respect to the logits. */
export type Derivative = keyof typeof DERIVATIVES;

/** The doubles that a plan takes: two integers share one. */
const PLAN_LENGTH = /* @__PURE__ */ (() => PLAN_NUMBERS.length + Math.ceil(PLAN_INTEGERS.length / 2))();

/** A mask, or as much of it as is known before its buffer is filled. */
type MaskKind = Pick<Mask, "isShared"> & Partial<Mask>;

/** Everything about a loss that its buffers depend on. */
export interface LossInputs {
  readonly terms: Terms;
  /** The kinds of labels that there may be. */
  readonly kinds: readonly LabelKind[];
  readonly mask: MaskKind | undefined;
  /** True if rows can weigh something else than 1, or be ignored. */
  readonly hasRowWeights: boolean;
  readonly outputs: readonly KernelOutput[];
}

/** The buffers of a loss besides its logits and labels, by the names of the plan's fields. */
export function buffersOf({ terms, kinds, mask, hasRowWeights, outputs }: LossInputs): ChunkBuffer[] {
  const buffers: ChunkBuffer[] = [
    { name: "plan", type: "float64", extent: PLAN_LENGTH },
    { name: "sum", type: "float64", extent: SUM_LENGTH },
  ];
  const needing = kinds.filter((kind) => needTargets(kind, terms));
  const hasMaskByRow = mask !== undefined && !mask.isShared;
  if (terms.weights) buffers.push({ name: "weights", type: "float64", extent: "classes", from: terms.weights });
  if (hasRowWeights) buffers.push({ name: "rowWeights", type: "float64", extent: "rows", padding: IGNORED });
  if (mask) buffers.push({ name: "mask", type: "uint8", extent: hasMaskByRow ? "tensor" : "classes", from: mask.values });
  if (needing.length > 0) {
    const extent = needing.every((kind) => areShared(kind, hasMaskByRow)) ? "classes" : "tensor";
    buffers.push({ name: "targets", type: "float64", extent });
  }
  if (outputs.includes("ranks") && kinds.includes("distribution")) buffers.push({ name: "targetClasses", type: "int32", extent: "rows" });
  for (const name of outputs) buffers.push({ name, ...kernelOutput(name) });
  return buffers;
}

/** A call of the kernel, as far as it stays the same from batch to batch of one extent. */
export interface LossCall {
  readonly extent: Extent;
  readonly terms: Terms;
  readonly kind: LabelKind;
  readonly mask: MaskKind | undefined;
  /** The class targets if labels of this kind need targets. */
  readonly targets: ClassTargets | undefined;
  readonly outputs: readonly KernelOutput[];
  readonly derivative: Derivative | undefined;
  /** The name of the buffer of the labels. */
  readonly labels: string;
  /** The name of the buffer that e_j and then the derivative are written to; it may be that of the logits. */
  readonly exps: string;
}

/** A plan in the buffer "plan". It holds until the buffers are laid out anew, or until another plan is written there. */
export class LossPlan {
  readonly #buffers: Buffers;
  readonly #call: LossCall;
  readonly #numbers: Float64Array;
  readonly #integers: Uint32Array;

  constructor(buffers: Buffers, call: LossCall) {
    this.#buffers = buffers;
    this.#call = call;
    const plan = buffers.float64("plan");
    this.#numbers = plan.subarray(0, PLAN_NUMBERS.length);
    this.#integers = new Uint32Array(plan.buffer, plan.byteOffset + this.#numbers.byteLength, PLAN_INTEGERS.length);
    this.#write();
  }

  #write(): void {
    const { extent, terms, kind, mask, targets, outputs, labels, exps } = this.#call;
    const buffers = this.#buffers;
    const { classes, inner } = extent;
    const isIndices = kind === "indices";
    const isShared = targets !== undefined && areShared(kind, mask?.isShared === false);
    const keep = 1 - terms.labelSmoothing;
    const numbers: Partial<Record<PlanNumber, number>> = {
      keepHi: keep,
      keepLo: 1 - keep - terms.labelSmoothing,
      zLoss: terms.zLoss,
      scale: terms.scale,
    };
    const labelsPtr = buffers.ptr(labels);
    const integers: Partial<Record<PlanInteger, number>> = {
      classes,
      inner,
      derivative: 0,
      upstreamByRow: 0,
      targetsAreShared: Number(isShared),
      allTargetsPositive: Number(isShared && targets.arePositive),
      maskIsShared: Number(mask?.isShared ?? false),
      targets: targets ? buffers.ptr("targets") : isIndices ? 0 : labelsPtr,
      indices: isIndices ? labelsPtr : 0,
      targetClasses: !outputs.includes("ranks") ? 0 : isIndices ? labelsPtr : buffers.ptr("targetClasses"),
      exps: buffers.ptr(exps),
    };
    for (const [i, name] of PLAN_NUMBERS.entries()) this.#numbers[i] = numbers[name] ?? 0;
    // Other fields are the addresses of the buffers of their names; outputs that are not wanted are 0.
    for (const [i, name] of PLAN_INTEGERS.entries()) {
      const isWanted = !isKernelOutput(name) || outputs.includes(name);
      this.#integers[i] = integers[name] ?? (isWanted ? buffers.ptrIfAny(name) : 0);
    }
    if (isShared) buffers.float64("targets").set(targets.spread);
  }

  /** Says if the plan asks for loss and gradient only, without options. */
  isPlain(kernels: Kernels): boolean {
    return kernels.isPlain(this.#buffers.ptr("plan")) !== 0;
  }

  /**
   * Computes what the plan says for the batch in the buffers. The loss's gradient is multiplied by `upstream`, a number, or the values by row
   * in the buffer of that name.
   */
  run(kernels: Kernels, { isEmpty, divisor }: Weighing, upstream: number | "upstreamByRow" = 1): void {
    const { extent, terms, kind, mask, targets, derivative, labels, exps } = this.#call;
    const buffers = this.#buffers;
    const isByRow = upstream === "upstreamByRow";
    this.#numbers[UPSTREAM] = isEmpty || isByRow ? 0 : upstream;
    this.#numbers[DIVISOR] = divisor;
    this.#integers[UPSTREAM_BY_ROW] = isByRow && !isEmpty ? buffers.ptr(upstream) : 0;
    this.#integers[DERIVATIVE] = derivative === undefined || isEmpty ? 0 : DERIVATIVES[derivative];
    const hasMaskByRow = mask?.isShared === false;
    if (targets && !areShared(kind, hasMaskByRow)) {
      const q = kind === "distribution" ? buffers.float64(labels) : undefined;
      fillTargets(buffers.float64("targets"), extent, terms, targets, q, hasMaskByRow ? buffers.uint8("mask") : undefined);
    }
    kernels.loss(buffers.ptr("plan"), 0, extent.outer * extent.inner, buffers.ptr("scratch"));
    if (isEmpty && derivative !== undefined) buffers.view(exps).fill(0);
  }
}

type PlanNumber = (typeof PLAN_NUMBERS)[number];
type PlanInteger = (typeof PLAN_INTEGERS)[number];

const UPSTREAM = /* @__PURE__ */ PLAN_NUMBERS.indexOf("upstream");
const DIVISOR = /* @__PURE__ */ PLAN_NUMBERS.indexOf("divisor");
const DERIVATIVE = /* @__PURE__ */ PLAN_INTEGERS.indexOf("derivative");
const UPSTREAM_BY_ROW = /* @__PURE__ */ PLAN_INTEGERS.indexOf("upstreamByRow");

/** Adds the losses of `rows` rows to the sum in the buffer "sum", and gives that sum over the divisor. */
export function addLosses(kernels: Kernels, buffers: Buffers, rows: number, divisor: number): number {
  const sumPtr = buffers.ptr("sum");
  kernels.accumulate(buffers.ptr("losses"), rows, sumPtr);
  return kernels.mean(sumPtr, divisor);
}
