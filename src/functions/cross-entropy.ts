// crossEntropy() and its like: functions without state. Each checks its arguments and streams the batch through the kernel `loss`.

import { checkBoolean, checkOptions, rangeError } from "../errors.js";
import type { Labels } from "../loss/labels.js";
import { LOSS_OPTIONS, type LossOptions } from "../loss/options.js";
import type { Loss } from "../loss/outputs.js";
import { type PartOptions, readPart } from "../loss/part.js";
import type { Derivative } from "../loss/plan.js";
import type { Reduction } from "../loss/terms.js";
import {
  checkSameShape,
  checkSameType,
  type Elements,
  isFlat,
  readTensor,
  resultArray,
  type SameAxes,
  type Tensor,
  toForm,
} from "../tensor/containers.js";
import type { FloatArray } from "../tensor/element.js";
import { type Batch, evaluate, type KnownNames, readBatch, type Wanted } from "./batch.js";
import { type Outputs, withTotal } from "./loss-total.js";

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
  const result = withTotal(evaluate(batch));
  return batch.outputs.length > 0 ? result : result.loss;
}

/** The options of a loss with its gradient. */
export interface LossWithGradientOptions<R extends string = Reduction, O extends string = never, L extends boolean = boolean>
  extends LossOptions<R, O>,
    PartOptions {
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
 *   for distributions q: their gradient, −w (1 − ε) log p times the row's weight, over the divisor; `part` and `classOffset`, where the logits have
 *   some of the classes only.
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
  const ofPart = readPart(checked);
  if (ofPart) return ofPart.gradient(logits, labels, checked);
  return withGradient(readBatch(logits, labels, checked), checked, evaluate);
}

/** The loss of a batch and its gradient, as `evaluateWith` makes them. */
export function withGradient(
  batch: Batch,
  options: Partial<LossWithGradientOptions<string, string>>,
  evaluateWith: (batch: Batch, wanted: Wanted) => Record<string, unknown>,
): Record<string, unknown> {
  const accumulate = checkBoolean("accumulate", options.accumulate);
  const labelGradient = checkBoolean("labelGradient", options.labelGradient);
  if (accumulate && options.out === undefined) throw rangeError("accumulate", '"out", which the gradient is added to', options.out);
  if (labelGradient && batch.labels.kind === "indices") {
    throw rangeError("labelGradient", "distributions: class indices have no gradient", labelGradient);
  }
  const { form, shape } = batch.logits;
  const result = derivativeArray(batch, options.out);
  const evaluated = evaluateWith(batch, { derivative: "GRADIENT", result, accumulate, labelGradient });
  evaluated.gradient = options.out ?? toForm(form, result, shape);
  return withTotal(evaluated);
}

const GRADIENT_OPTIONS = /* @__PURE__ */ (() => [...LOSS_OPTIONS, "out", "accumulate", "labelGradient", "part", "classOffset"] as const)();

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
  evaluate(batch, { derivative, result, vector: vector?.data, accumulate: false, labelGradient: false });
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
