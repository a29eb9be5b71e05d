// crossEntropy() and its like: functions without state. Each checks its arguments and streams the batch through the kernel `loss`.

import { checkBoolean, checkOptions, rangeError } from "../errors.js";
import { KERNEL_OUTPUTS, type KernelOutput, typeInMemory } from "../loss/kernel-outputs.js";
import { type CheckedLabels, distributionType, type Labels, readLabels } from "../loss/labels.js";
import { LOSS_OPTIONS, type LossOptions, type Mask, readGroups, readMask, readSampleWeights } from "../loss/options.js";
import {
  checkHasGroups,
  checkOutputClasses,
  checkOutputs,
  isFrom,
  kernelOutputsOf,
  type Loss,
  OUTPUTS,
  type Output,
  type Outputs,
} from "../loss/outputs.js";
import { addLosses, type ByName, buffersOf, type Derivative, planOf } from "../loss/plan.js";
import { haveWeights, weighRows } from "../loss/rows.js";
import type { Computed, ResultsByRow } from "../loss/summaries.js";
import { classTargets, needTargets, targetClassesOf } from "../loss/targets.js";
import { checkClasses, type Known, type Reduction, readTerms, type Terms } from "../loss/terms.js";
import { exp, forEachChunk, lengthOf } from "../memory/chunks.js";
import {
  allocate,
  checkSameShape,
  checkSameType,
  type Elements,
  isFlat,
  readTensor,
  resultArray,
  type SameAxes,
  type Tensor,
  type TensorData,
  toForm,
} from "../tensor/containers.js";
import { bytesOf, type ElementArray, type FloatArray, zeros } from "../tensor/element.js";
import { type Layout, layoutOf, readAxis, rowShape } from "../tensor/shape.js";
import { LOSS_PLANES, SUM_LENGTH } from "../wasm/abi.js";

/** A batch as it was read and checked. */
interface Batch {
  readonly logits: Elements;
  readonly labels: CheckedLabels;
  readonly layout: Layout;
  readonly rowShape: readonly number[];
  readonly terms: Terms;
  readonly sampleWeights: Float64Array | undefined;
  readonly mask: Mask | undefined;
  readonly groups: Int32Array | undefined;
  readonly outputs: readonly Output[];
}

function readBatch(x: unknown, y: unknown, options: Partial<LossOptions<string, string>>): Batch {
  const { shape, sampleWeights, mask, groups } = options;
  const axis = readAxis(options.axis);
  const outputs = checkOutputs(options.outputs);
  checkHasGroups(outputs, groups);
  const terms = readTerms(options);
  const logits = readTensor("logits", x, shape);
  const layout = layoutOf(logits.shape, axis);
  checkClasses(terms, layout, logits.shape);
  checkOutputClasses(outputs, layout, logits.shape);
  return {
    logits,
    layout,
    rowShape: rowShape(logits.shape, axis),
    terms,
    sampleWeights: sampleWeights === undefined ? undefined : readSampleWeights(sampleWeights, logits.shape, axis, layout),
    mask: mask === undefined ? undefined : readMask(mask, logits.shape, layout),
    groups: groups === undefined ? undefined : readGroups(groups, logits.shape, axis, layout),
    outputs,
    labels: readLabels(y, logits, axis, layout, terms.ignoreIndex),
  };
}

/** A derivative that is wanted besides the loss. */
interface Wanted {
  readonly derivative: Derivative;
  /** Receives the derivative; with `accumulate` it is added. */
  readonly result: FloatArray;
  readonly accumulate?: boolean;
  readonly labelGradient?: boolean;
  /** The vector that the Hessian is multiplied by. */
  readonly vector?: TensorData;
}

/** The sum of the losses of the batch that is streamed, between two chunks. */
let sum: Float64Array | undefined;

/** The loss of a batch, the derivative if one is wanted, and the outputs. */
function evaluate(batch: Batch, wanted?: Wanted): Record<string, unknown> {
  const { logits, labels, layout, terms, sampleWeights, mask, outputs } = batch;
  const { kind } = labels;
  const { dtype } = logits;
  const isByRow = terms.reduction === "none";
  const hasRowWeights = haveWeights(terms, sampleWeights !== undefined, mask !== undefined);
  const rowWeights = hasRowWeights ? allocate("shape", "float64", layout.rows) : undefined;
  const weighing = weighRows(terms, labels, layout, sampleWeights, mask, rowWeights);
  const targets = needTargets(kind, terms) ? classTargets(terms, layout, mask) : undefined;

  const kernelOutputs = kernelOutputsOf(outputs, wanted?.labelGradient ?? false);
  const needsLosses = isByRow || outputs.some((name) => isFrom(name, "losses"));
  sum ??= zeros("float64", SUM_LENGTH);
  sum.fill(0);
  const results: ByName<ElementArray> = { sum };
  for (const name of kernelOutputs) {
    if (name === "losses" && !needsLosses) continue;
    const spec = KERNEL_OUTPUTS[name];
    results[name] = allocate("shape", typeInMemory(spec, dtype), lengthOf(spec.extent, layout));
  }
  const needsTargetClasses = kind === "distribution" && results.ranks !== undefined;
  const sources = { sum, rowWeights, targetClasses: needsTargetClasses ? targetClassesOf(labels.values, layout) : undefined };
  const buffers = buffersOf({ dtype, terms, kinds: [kind], mask, hasRowWeights, outputs: kernelOutputs }, sources, results);
  const tensor = (name: string, from?: TensorData, to?: FloatArray): void => {
    buffers.push({ name, type: dtype, extent: "tensor", from, to });
  };
  // The derivative takes the place of the logits, unless that of their cap needs them.
  const exps = wanted && terms.softcap !== undefined ? "gradient" : "logits";
  tensor("logits", logits.data, exps === "logits" ? wanted?.result : undefined);
  if (exps !== "logits") tensor(exps, undefined, wanted?.result);
  if (kind === "indices") buffers.push({ name: "labels", type: "int32", extent: "rows", from: labels.values });
  else buffers.push({ name: "labels", type: distributionType(labels.values, dtype), extent: "tensor", from: labels.values });
  if (wanted?.accumulate) tensor("before", wanted.result);
  if (wanted?.vector) tensor("vector", wanted.vector);

  let loss = 0;
  forEachChunk(layout, dtype, LOSS_PLANES, buffers, (kernels, chunkBuffers, chunk) => {
    const plan = planOf(chunkBuffers, {
      dtype,
      classes: chunk.classes,
      inner: chunk.inner,
      terms,
      kind,
      mask,
      targets,
      outputs: kernelOutputs,
      derivative: wanted?.derivative,
      labels: "labels",
      exps,
    });
    plan.run(kernels, chunk, weighing);
    if (wanted?.accumulate) {
      const size = lengthOf("tensor", chunk);
      kernels.add(chunkBuffers.ptr("before"), chunkBuffers.ptr(exps), bytesOf(dtype, 1), 0, size, chunkBuffers.ptr("scratch"));
    }
    loss = addLosses(kernels, chunkBuffers, chunk.rows, weighing);
  });

  const { form, shape } = logits;
  const inForm = (name: KernelOutput): unknown => {
    const values = results[name] as FloatArray | Int32Array;
    const spec = KERNEL_OUTPUTS[name];
    if (spec.extent === "tensor") return toForm(form, values, shape);
    const isRounded = spec.type === "float" && dtype === "float32";
    return toForm(form, isRounded ? Float32Array.from(values) : values, batch.rowShape);
  };
  const computed = (): Computed => ({
    ...(results as unknown as ResultsByRow),
    dtype,
    terms,
    weighing,
    classes: layout.classes,
    get targetClasses() {
      return kind === "indices" ? labels.values : targetClassesOf(labels.values, layout);
    },
    rowWeights,
    groups: batch.groups,
    exp,
  });
  const result: Record<string, unknown> = { loss: isByRow ? inForm("losses") : weighing.isEmpty ? terms.emptyMean : loss };
  if (wanted?.labelGradient) result.labelGradient = inForm("labelGradient");
  for (const name of outputs) {
    const output = OUTPUTS[name];
    result[name] = output.type === "value" ? output.compute(computed()) : inForm(name as KernelOutput);
  }
  return result;
}

/** The names in options that must be known, where their types tell them. */
export interface KnownNames<R extends string, O extends string> {
  /** As in {@link LossTerms}. */
  reduction?: Known<R, Reduction>;
  /** As in {@link LossOptions}. */
  outputs?: readonly Known<O, Output>[];
}

/** A loss with its outputs. */
export interface LossResult<T extends Tensor, R extends string | undefined> {
  /** The loss. */
  loss: Loss<T, R>;
}

/** A loss with its gradient. */
export interface GradientResult<T extends Tensor, R extends string | undefined> extends LossResult<T, R> {
  /** The gradient with respect to the logits. */
  gradient: SameAxes<T>;
}

/** The result of the option `labelGradient`. */
export interface LabelGradientResult<T extends Tensor> {
  /** The gradient with respect to the labels. */
  labelGradient: SameAxes<T>;
}

/**
 * Softmax cross-entropy loss −log p_y of logits, or −Σ q log p for label distributions q, without cancellation on confident rows
 * (Goodfellow, Bengio and Courville, Deep Learning, 2016, section 6.2.2.3).
 *
 * @param logits Logits x of any shape with at least one axis, (N, C) say.
 * @param labels Class indices by row (N), or distributions laid out like the logits (N, C): told apart by their number. Entries of
 *   distributions are used as they are, whatever they sum to.
 * @param options The terms of the loss, which combine in every way, and `outputs`, the names of what else to return.
 * @returns The sum of the rows' losses over their total weight (`emptyMean` if that is 0) or over `divisor`; with `reduction: "sum"` their
 *   sum, with `"none"` the loss of each row. With `outputs` an object of it, `loss`, and them.
 * @throws TypeError for the wrong kind of argument or an unknown option, RangeError for shapes that do not fit, for labels that are not
 *   the index of a class, and for options out of range or that contradict each other.
 * @example
 * crossEntropy([[2, 1], [0, 3]], [0, 1]); // → 0.180925
 * crossEntropy([[2, 1], [0, 3]], [0, 1], { labelSmoothing: 0.1, outputs: ["correct"] }); // → { loss: 0.280925, correct: 2 }
 */
export function crossEntropy<T extends Tensor, const R extends string = "mean">(
  logits: T,
  labels: Labels,
  options?: LossOptions<R> & KnownNames<R, never>,
): Loss<T, R>;
export function crossEntropy<T extends Tensor, const O extends string, const R extends string = "mean">(
  logits: T,
  labels: Labels,
  options: LossOptions<R, O> & KnownNames<R, O>,
): LossResult<T, R> & Outputs<T, O>;
export function crossEntropy(logits: Tensor, labels: Labels, options?: LossOptions<string, string>): unknown {
  const batch = readBatch(logits, labels, checkOptions(options, LOSS_OPTIONS));
  const result = evaluate(batch);
  return batch.outputs.length > 0 ? result : result.loss;
}

/** The options of a loss with its gradient. */
export interface LossWithGradientOptions<R extends string = Reduction, O extends string = never, L extends boolean = boolean>
  extends LossOptions<R, O> {
  /** Receives the gradient; may be the logits themselves. For typed arrays, of their element type. */
  out?: Float64Array | Float32Array;
  /** True to add the gradient to the values of `out`, element by element: for several losses of the same logits. */
  accumulate?: boolean;
  /** True to return the gradient with respect to distributions q as well. */
  labelGradient?: L;
}

/**
 * The loss of {@link crossEntropy} and its gradient with respect to the logits, (p − [j = y]) / N for the mean, in one visit to the
 * data. With `reduction: "none"` the gradient is each row's own.
 *
 * @param logits Logits x, as for {@link crossEntropy}.
 * @param labels Labels, as for {@link crossEntropy}.
 * @param options Those of {@link crossEntropy}; `out`, which receives the gradient; `accumulate`, to add it to `out`; `labelGradient`,
 *   for distributions q: their gradient, −w (1 − ε) log p times the row's weight, over the divisor.
 * @returns The loss, the gradient in the kind of container that the logits are, and what else `outputs` and `labelGradient` ask for.
 * @throws As {@link crossEntropy}; nothing is written then.
 * @example
 * crossEntropyWithGradient([[2, 1], [0, 3]], [0, 1]).gradient; // → [[-0.134471, 0.134471], [0.023713, -0.023713]]
 * const { losses, correct } = crossEntropyWithGradient([[2, 1], [0, 3]], [0, 1], { outputs: ["losses", "correct"] });
 * losses; // → [0.313262, 0.048587]
 * correct; // → 2
 */
export function crossEntropyWithGradient<
  T extends Tensor,
  const R extends string = "mean",
  const O extends string = never,
  const L extends boolean = false,
>(
  logits: T,
  labels: Labels,
  options?: LossWithGradientOptions<R, O, L> & KnownNames<R, O>,
): GradientResult<T, R> & Outputs<T, O> & (L extends true ? LabelGradientResult<T> : unknown);
export function crossEntropyWithGradient(logits: Tensor, labels: Labels, options?: LossWithGradientOptions<string, string>): unknown {
  const checked = checkOptions(options, GRADIENT_OPTIONS);
  const batch = readBatch(logits, labels, checked);
  const accumulate = checkBoolean("accumulate", checked.accumulate);
  const labelGradient = checkBoolean("labelGradient", checked.labelGradient);
  if (accumulate && checked.out === undefined) throw rangeError("accumulate", '"out", which the gradient is added to', checked.out);
  if (labelGradient && batch.labels.kind === "indices") {
    throw rangeError("labelGradient", "distributions: class indices have no gradient", labelGradient);
  }
  const { form, shape } = batch.logits;
  const result = derivativeArray(batch, checked.out);
  const evaluated = evaluate(batch, { derivative: "GRADIENT", result, accumulate, labelGradient });
  evaluated.gradient = checked.out ?? toForm(form, result, shape);
  return evaluated;
}

const GRADIENT_OPTIONS = /* @__PURE__ */ (() => [...LOSS_OPTIONS, "out", "accumulate", "labelGradient"] as const)();

/** The array for a derivative: `out` if it is given. */
function derivativeArray({ logits, labels, layout }: Batch, out: unknown, vector?: Elements): FloatArray {
  const inputs = vector ? [logits, vector] : [logits];
  return resultArray(out, layout.size, inputs, labels.kind === "distribution" ? labels.values : undefined);
}

/** The options of a second derivative. */
export interface HessianOptions<R extends string = Reduction> extends Omit<LossOptions<R>, FirstOrderOption> {
  /** Receives the result, and is returned; may be the logits themselves. For typed arrays, of their element type. */
  out?: Float64Array | Float32Array;
}

/** The options that second derivatives do not have: those of outputs, and terms that are not made for them. */
const FIRST_ORDER_OPTIONS = ["outputs", "topK", "bins", "ignoredLogProbs", "groups", "softcap", "entropyWeight"] as const;
type FirstOrderOption = (typeof FIRST_ORDER_OPTIONS)[number];

const HESSIAN_OPTIONS = /* @__PURE__ */ (() =>
  [
    ...LOSS_OPTIONS.filter(
      (name): name is Exclude<typeof name, FirstOrderOption> => !(FIRST_ORDER_OPTIONS as readonly string[]).includes(name),
    ),
    "out",
  ] as const)();

function secondDerivative(
  derivative: Derivative,
  x: unknown,
  y: unknown,
  v: unknown,
  options: HessianOptions<string> | undefined,
): unknown {
  const checked = checkOptions(options, HESSIAN_OPTIONS);
  const batch = readBatch(x, y, checked);
  const { logits } = batch;
  const vector = derivative === "HESSIAN_PRODUCT" ? readTensor("vector", v, isFlat(v) ? logits.shape : undefined) : undefined;
  if (vector) checkSameType("vector", vector, "logits", logits.dtype);
  if (vector) checkSameShape("vector", vector, "logits", logits);
  const result = derivativeArray(batch, checked.out, vector);
  evaluate(batch, { derivative, result, vector: vector?.data });
  return checked.out ?? toForm(logits.form, result, logits.shape);
}

/**
 * The Hessian of {@link crossEntropy} with respect to the logits, times a vector v: T p ⊙ (v − ⟨p, v⟩) along the class axis, T the mass of
 * the label (1 for an index), and its z term, without writing the Hessian out (Pearlmutter, 1994; here in closed form). Within 8 ulp
 * times its condition.
 *
 * @param logits Logits x, as for {@link crossEntropy}.
 * @param labels Labels, as for {@link crossEntropy}.
 * @param vector v, of the shape of the logits.
 * @param options The terms of the loss, as for {@link crossEntropy}; `out`, which receives the result.
 * @returns The product, in the kind of container that the logits are.
 * @throws As {@link crossEntropy}.
 * @example
 * crossEntropyHvp([[0, 0]], [0], [[1, 0]]); // → [[0.25, -0.25]]
 */
export function crossEntropyHvp<T extends Tensor, const R extends string = "mean">(
  logits: T,
  labels: Labels,
  vector: Tensor,
  options?: HessianOptions<R> & KnownNames<R, never>,
): SameAxes<T> {
  return secondDerivative("HESSIAN_PRODUCT", logits, labels, vector, options) as SameAxes<T>;
}

/**
 * The diagonal of the Hessian of {@link crossEntropy} with respect to the logits, T p (1 − p) and its z term: what second-order boosting
 * wants beside the gradient. Within 8 ulp.
 *
 * @param logits Logits x, as for {@link crossEntropy}.
 * @param labels Labels, as for {@link crossEntropy}.
 * @param options The terms of the loss, as for {@link crossEntropy}; `out`, which receives the result.
 * @returns The diagonal, in the kind of container that the logits are.
 * @throws As {@link crossEntropy}.
 * @example
 * crossEntropyHessianDiagonal([[0, Math.log(3)]], [0]); // → [[0.1875, 0.1875]]
 */
export function crossEntropyHessianDiagonal<T extends Tensor, const R extends string = "mean">(
  logits: T,
  labels: Labels,
  options?: HessianOptions<R> & KnownNames<R, never>,
): SameAxes<T> {
  return secondDerivative("HESSIAN_DIAGONAL", logits, labels, undefined, options) as SameAxes<T>;
}
