// The plan of a loss: the arguments of the kernel `loss`, as assembly/loss/plan.ts lists them, and the buffers that they point to. This is
// the only file that calls the kernel.

import type { Buffers } from "../memory/buffers.js";
import { type BufferExtent, ChunkBuffer } from "../memory/chunks.js";
import { bytesOf, type Dtype, type ElementArray, type ElementType } from "../tensor/element.js";
import type { Extent } from "../tensor/shape.js";
import type { NumberArray } from "../tensor/typed-array.js";
import { type Kernels, SUM_LENGTH } from "../wasm/abi.js";
import { isKernelOutput, KERNEL_OUTPUTS, type KernelOutput, typeInMemory } from "./kernel-outputs.js";
import type { LabelKind } from "./labels.js";
import type { Mask } from "./options.js";
import { DERIVATIVES, PLAN_INTEGERS, PLAN_NUMBERS } from "./plan.generated.js";
import { IGNORED, type Weighing } from "./rows.js";
import { areShared, type ClassTargets, fillTargets, needTargets } from "./targets.js";
import type { Terms } from "./terms.js";

/** A derivative of the loss with respect to the logits. */
export type Derivative = keyof typeof DERIVATIVES;

/** The doubles that a plan takes: two integers share one. */
const PLAN_LENGTH = /* @__PURE__ */ (() => PLAN_NUMBERS.length + Math.ceil(PLAN_INTEGERS.length / 2))();

/** A mask, or as much of it as is known before its buffer is filled. */
export type MaskKind = Pick<Mask, "isShared"> & Partial<Mask>;

/** Everything about a loss that its buffers depend on. */
export interface LossInputs {
  readonly dtype: Dtype;
  readonly terms: Terms;
  /** The kinds of labels that there may be. */
  readonly kinds: readonly LabelKind[];
  readonly mask: MaskKind | undefined;
  /** True if rows can weigh something else than 1, or be ignored. */
  readonly hasRowWeights: boolean;
  readonly outputs: readonly KernelOutput[];
}

/** Arrays by the names of buffers. */
export type ByName<A> = { [name: string]: A | undefined };

/** A property of an object's own. */
function own<A>(byName: ByName<A>, name: string): A | undefined {
  return Object.hasOwn(byName, name) ? byName[name] : undefined;
}

/**
 * The buffers of a loss besides its logits and labels, by the names of the plan's fields, with the arrays of a whole batch that they are
 * copied from and to.
 */
export function buffersOf(
  { dtype, terms, kinds, mask, hasRowWeights, outputs }: LossInputs,
  from: ByName<NumberArray> = {},
  to: ByName<ElementArray> = {},
): ChunkBuffer[] {
  const buffers: ChunkBuffer[] = [];
  const add = (name: string, type: ElementType, extent: BufferExtent, values = own(from, name), padding = 0): void => {
    buffers.push(new ChunkBuffer(name, type, extent, values, own(to, name), padding));
  };
  add("plan", "float64", PLAN_LENGTH);
  add("sum", "float64", SUM_LENGTH);
  const hasMaskByRow = mask !== undefined && !mask.isShared;
  if (terms.weights) add("weights", "float64", "classes", terms.weights);
  if (hasRowWeights) add("rowWeights", "float64", "rows", from.rowWeights, IGNORED);
  if (mask) add("mask", "uint8", hasMaskByRow ? "tensor" : "classes", mask.values);
  const kindsWithTargets = kinds.filter((kind) => needTargets(kind, terms));
  if (kindsWithTargets.length > 0) {
    add("targets", "float64", kindsWithTargets.every((kind) => areShared(kind, hasMaskByRow)) ? "classes" : "tensor");
  }
  if (outputs.includes("ranks") && kinds.includes("distribution")) add("targetClasses", "int32", "rows");
  for (const name of outputs) {
    const spec = KERNEL_OUTPUTS[name];
    add(name, typeInMemory(spec, dtype), spec.extent);
  }
  return buffers;
}

/** A call of the kernel, as far as it stays the same from batch to batch. */
export interface LossCall {
  readonly dtype: Dtype;
  readonly classes: number;
  readonly inner: number;
  readonly terms: Terms;
  /** The kind of the labels; undefined for outputs that need none. */
  readonly kind: LabelKind | undefined;
  readonly mask: MaskKind | undefined;
  /** The class targets if labels of this kind need targets. */
  readonly targets: ClassTargets | undefined;
  readonly outputs: readonly KernelOutput[];
  readonly derivative: Derivative | undefined;
  /** The name of the buffer of the labels, if there are any. */
  readonly labels: string | undefined;
  /** The name of the buffer that e_j and then the derivative are written to; it may be that of the logits. */
  readonly exps: string;
  /** True if the buffers of a state are inputs. */
  readonly stateIsGiven?: boolean;
  /** The number of parts in the buffer "parts", of which the loss is made if there are any. */
  readonly partCount?: number;
}

/** A call for outputs that need no labels. `exps` names a buffer that may be overwritten. */
export function outputsCall(
  call: Pick<LossCall, "dtype" | "terms" | "mask" | "outputs">,
  { classes, inner }: Extent,
  exps: string,
): LossCall {
  return { ...call, classes, inner, kind: undefined, targets: undefined, derivative: undefined, labels: undefined, exps };
}

/** Written out: a loop over the names of the fields would take a tenth of the time of a small call. */
function isSameCall(a: LossCall, b: LossCall): boolean {
  return (
    a.dtype === b.dtype &&
    a.classes === b.classes &&
    a.inner === b.inner &&
    a.terms === b.terms &&
    a.kind === b.kind &&
    a.mask === b.mask &&
    a.targets === b.targets &&
    a.outputs === b.outputs &&
    a.derivative === b.derivative &&
    a.labels === b.labels &&
    a.exps === b.exps &&
    a.stateIsGiven === b.stateIsGiven &&
    a.partCount === b.partCount
  );
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
    const { dtype, classes, inner, terms, kind, mask, targets, outputs, labels, exps, stateIsGiven, partCount = 0 } = this.#call;
    const buffers = this.#buffers;
    const isIndices = kind === "indices";
    const isShared = targets !== undefined && areShared(kind, mask?.isShared === false);
    const keep = 1 - terms.labelSmoothing;
    const numbers: Partial<Record<PlanNumber, number>> = {
      keepHi: keep,
      keepLo: 1 - keep - terms.labelSmoothing,
      zLoss: terms.zLoss,
      entropyWeight: terms.entropyWeight,
      softcap: terms.softcap ?? 0,
      scale: terms.scale,
    };
    const labelsPtr = labels === undefined ? 0 : buffers.ptr(labels);
    const integers: Partial<Record<PlanInteger, number>> = {
      classes,
      inner,
      elementBytes: bytesOf(dtype, 1),
      targetBytes: labels === undefined ? 0 : buffers.elementBytes(targets ? "targets" : labels),
      derivative: 0,
      upstreamByRow: 0,
      targetsAreShared: Number(isShared),
      allTargetsPositive: Number(isShared && targets.arePositive),
      maskIsShared: Number(mask?.isShared ?? false),
      stateIsGiven: Number(stateIsGiven ?? false),
      partCount,
      readsIgnored: Number(terms.ignoredLogProbs === "value" && outputs.includes("logProbs")),
      targets: targets ? buffers.ptr("targets") : isIndices ? 0 : labelsPtr,
      indices: isIndices ? labelsPtr : 0,
      targetClasses: !outputs.includes("ranks") ? 0 : isIndices ? labelsPtr : buffers.ptr("targetClasses"),
      exps: buffers.ptr(exps),
    };
    for (let i = 0; i < PLAN_NUMBERS.length; i++) this.#numbers[i] = own(numbers, PLAN_NUMBERS[i]) ?? 0;
    // Other fields are the addresses of the buffers of their names; outputs that are not wanted are 0.
    for (let i = 0; i < PLAN_INTEGERS.length; i++) {
      const name = PLAN_INTEGERS[i];
      const isWanted = !isKernelOutput(name) || outputs.includes(name);
      this.#integers[i] = own(integers, name) ?? (isWanted ? buffers.ptrIfAny(name) : 0);
    }
    if (isShared) buffers.float64("targets").set(targets.spread);
  }

  /** Says if the plan is that of another call, too. */
  serves(buffers: Buffers, call: LossCall): boolean {
    return this.#buffers === buffers && isSameCall(this.#call, call);
  }

  /** Says if the plan asks for loss and gradient only, without options. */
  isPlain(kernels: Kernels): boolean {
    return kernels.isPlain(this.#buffers.ptr("plan")) !== 0;
  }

  /**
   * Computes losses, derivative and outputs of the batch in the buffers. The derivative is multiplied by `upstream`: a number, or the values by
   * row in the buffer of that name.
   */
  run(kernels: Kernels, extent: Extent, { isEmpty, divisor, unit }: Weighing, upstream: number | "upstreamByRow" = 1): void {
    const { terms, kind, mask, targets, derivative, labels, exps } = this.#call;
    const buffers = this.#buffers;
    const isByRow = upstream === "upstreamByRow";
    this.#numbers[UPSTREAM] = isEmpty || isByRow ? 0 : upstream * unit;
    this.#numbers[DIVISOR] = divisor;
    this.#integers[UPSTREAM_BY_ROW] = isByRow && !isEmpty ? buffers.ptr(upstream) : 0;
    this.#integers[DERIVATIVE] = derivative === undefined || isEmpty ? 0 : DERIVATIVES[derivative];
    const hasMaskByRow = mask?.isShared === false;
    if (targets && !areShared(kind, hasMaskByRow)) {
      const q = kind === "distribution" ? buffers.float(labels as string) : undefined;
      fillTargets(buffers.float64("targets"), extent, terms, targets, q, hasMaskByRow ? buffers.uint8("mask") : undefined);
    }
    kernels.loss(buffers.ptr("plan"), 0, extent.outer * extent.inner, buffers.ptr("scratch"));
    if (isEmpty && derivative !== undefined) buffers.view(exps).fill(0);
  }
}

let last: LossPlan | undefined;

/** The plan of a call in these buffers; the last one if it is the same, so that small calls do not write it again. */
export function planOf(buffers: Buffers, call: LossCall): LossPlan {
  if (!last?.serves(buffers, call)) last = new LossPlan(buffers, call);
  return last;
}

type PlanNumber = (typeof PLAN_NUMBERS)[number];
type PlanInteger = (typeof PLAN_INTEGERS)[number];

const UPSTREAM = /* @__PURE__ */ PLAN_NUMBERS.indexOf("upstream");
const DIVISOR = /* @__PURE__ */ PLAN_NUMBERS.indexOf("divisor");
const DERIVATIVE = /* @__PURE__ */ PLAN_INTEGERS.indexOf("derivative");
const UPSTREAM_BY_ROW = /* @__PURE__ */ PLAN_INTEGERS.indexOf("upstreamByRow");

/** Adds the losses of `rows` rows to the sum in the buffer "sum", and gives that sum times the unit over the divisor. */
export function addLosses(kernels: Kernels, buffers: Buffers, rows: number, { divisor, unit }: Weighing): number {
  const sumPtr = buffers.ptr("sum");
  kernels.accumulate(buffers.ptr("losses"), rows, sumPtr);
  const mean = kernels.mean(sumPtr, divisor);
  return unit === 1 ? mean : mean * unit;
}
