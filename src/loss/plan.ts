// One visit with options of what lies in a memory: a whole batch of a layer, or a block of the staging area.

import type { Buffer, Buffers } from "../memory/instance.js";
import { DERIVATIVES, type Derivative, type Kernels, PLAN_ELEMENTS, PLAN_INTEGERS, PLAN_NUMBERS, type Plan } from "../wasm/abi.js";
import type { CheckedLabels } from "./labels.js";
import {
  areShared,
  type ClassTargets,
  type Mask,
  needTargets,
  type Output,
  type Prepared,
  product,
  shareOf,
  type Terms,
} from "./options.js";

/** A batch, or a part of one. */
interface Part {
  readonly outer: number;
  readonly classes: number;
  readonly inner: number;
}

/** Outputs by the names of a plan, and what each is. */
const OUTPUT_BUFFERS = {
  probs: ["float64", "size"],
  logProbs: ["float64", "size"],
  labelGradient: ["float64", "size"],
  lse: ["float64", "rows"],
  entropy: ["float64", "rows"],
  argmax: ["int32", "rows"],
  ranks: ["int32", "rows"],
} as const;
export type PlanOutput = keyof typeof OUTPUT_BUFFERS;

/** What a plan is to give for outputs of these names. */
export function planOutputsOf(outputs: readonly Output[], labelGradient = false): readonly PlanOutput[] {
  const wanted: readonly string[] = outputs;
  return (Object.keys(OUTPUT_BUFFERS) as PlanOutput[]).filter((name) => {
    if (name === "labelGradient") return labelGradient;
    return name === "ranks" ? wanted.includes("correct") || wanted.includes("topK") : wanted.includes(name);
  });
}

/** The buffers that a visit needs besides "logits", "labels" and "losses"; for labels of any of these kinds. */
export function buffersOf(
  terms: Terms,
  kinds: readonly CheckedLabels["kind"][],
  mask: Mask | undefined,
  outputs: readonly PlanOutput[],
  { outer, classes, inner }: Part,
): Buffer[] {
  const rows = outer * inner;
  const counts = { rows, size: rows * classes };
  const targets = kinds.filter((kind) => needTargets(kind, terms));
  return [
    ["plan", "float64", PLAN_ELEMENTS],
    ["weights", "float64", classes],
    ["rowWeights", "float64", rows],
    ...(mask ? [["mask", "uint8", mask.isShared ? classes : counts.size] as const] : []),
    ...(targets.length > 0
      ? [["targets", "float64", targets.every((kind) => areShared(kind, mask)) ? classes : counts.size] as const]
      : []),
    ...(outputs.includes("ranks") ? [["answers", "int32", rows] as const] : []),
    ...outputs.map((name) => [name, OUTPUT_BUFFERS[name][0], counts[OUTPUT_BUFFERS[name][1]]] as const),
  ];
}

/** What is to be visited, and for what. */
export interface Visit extends Part {
  readonly terms: Terms;
  readonly prepared: Prepared;
  readonly kind: CheckedLabels["kind"];
  readonly mask: Mask | undefined;
  readonly outputs: readonly PlanOutput[];
  readonly derivative: Derivative;
  /** The names of some buffers: the labels; where e_j go, and then the derivative. */
  readonly labels: string;
  readonly exps: string;
  /** The upstream gradient, of each row if there is a buffer of it. */
  readonly upstream: number;
  readonly upstreams?: string;
}

/** Writes what stays the same from visit to visit of such buffers. */
export function beginVisits(buffers: Buffers, visit: Visit): void {
  const { terms, prepared, mask } = visit;
  if (mask?.isShared) buffers.uint8("mask").set(mask.values);
  if (terms.weights) buffers.float64("weights").set(terms.weights);
  else buffers.float64("weights").fill(1);
  if (prepared.targets && prepared.isShared) buffers.float64("targets").set(prepared.targets.spread);
  writePlan(buffers, visit);
}

/** Visits what is in the buffers. */
export function visitWithOptions(kernels: Kernels, buffers: Buffers, visit: Visit): void {
  const { outer, inner, prepared, derivative } = visit;
  if (prepared.targets && !prepared.isShared) fillTargets(buffers, visit, prepared.targets);
  kernels.lossWithOptions(buffers.ptr("plan"), 0, outer * inner, buffers.ptr("scratch"));
  if (prepared.isEmpty && derivative !== "none") buffers.float64(visit.exps).fill(0);
}

/** Targets by row: w_j ((1 − ε) q_j + ε / C), C the number of classes that take part; of indices without q. */
function fillTargets(buffers: Buffers, { outer, classes, inner, terms, kind, mask, labels }: Visit, { own, spread }: ClassTargets): void {
  const { weights, labelSmoothing } = terms;
  const to = buffers.float64("targets");
  const q = kind === "distribution" ? buffers.float64(labels) : undefined;
  const open = mask && !mask.isShared && labelSmoothing > 0 ? buffers.uint8("mask") : undefined;
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < inner; i++) {
      const first = o * classes * inner + i;
      let count = 0;
      if (open) for (let j = 0; j < classes; j++) count += open[first + j * inner];
      const share = shareOf(labelSmoothing, count);
      for (let j = 0; j < classes; j++) {
        const k = first + j * inner;
        let target = spread[j];
        if (open) target = open[k] ? product(weights ? weights[j] : 1, ...share) : 0;
        to[k] = q ? own[j] * q[k] + target : target;
      }
    }
  }
}

function writePlan(buffers: Buffers, visit: Visit): void {
  const { terms, prepared, kind, mask, labels, outputs, derivative, upstreams } = visit;
  const { labelSmoothing, zLoss, scale } = terms;
  const { isEmpty, divisor, targets, isShared } = prepared;
  const keep = 1 - labelSmoothing;
  const output = (name: PlanOutput): number => (outputs.includes(name) ? buffers.ptr(name) : 0);
  const plan: Plan = {
    keepHi: keep,
    keepLo: 1 - keep - labelSmoothing,
    zLoss,
    upstream: isEmpty ? 0 : visit.upstream,
    divisor,
    scale,
    classes: visit.classes,
    inner: visit.inner,
    derivative: isEmpty ? DERIVATIVES.none : DERIVATIVES[derivative],
    isShared: Number(isShared),
    isPositive: Number(isShared && targets?.isPositive),
    isMaskShared: Number(mask?.isShared ?? false),
    prepared: mask || scale !== 1 ? buffers.ptr(buffers.has("prepared") ? "prepared" : "logits") : 0,
    logits: buffers.ptr("logits"),
    mask: mask ? buffers.ptr("mask") : 0,
    targets: targets ? buffers.ptr("targets") : kind === "distribution" ? buffers.ptr(labels) : 0,
    vector: buffers.ptrIfAny("vector"),
    rowWeights: buffers.ptr("rowWeights"),
    indices: kind === "indices" ? buffers.ptr(labels) : 0,
    answers: kind === "indices" ? buffers.ptr(labels) : buffers.ptrIfAny("answers"),
    upstreams: upstreams === undefined || isEmpty ? 0 : buffers.ptr(upstreams),
    weights: buffers.ptr("weights"),
    exps: buffers.ptr(visit.exps),
    probs: output("probs"),
    logProbs: output("logProbs"),
    labelGradient: output("labelGradient"),
    losses: buffers.ptr("losses"),
    lse: output("lse"),
    entropy: output("entropy"),
    argmax: output("argmax"),
    ranks: output("ranks"),
  };
  const numbers = buffers.float64("plan");
  const integers = new Uint32Array(numbers.buffer, numbers.byteOffset + PLAN_NUMBERS.length * 8, PLAN_INTEGERS.length);
  PLAN_NUMBERS.forEach((name, i) => {
    numbers[i] = plan[name];
  });
  PLAN_INTEGERS.forEach((name, i) => {
    integers[i] = plan[name];
  });
}
