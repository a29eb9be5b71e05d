// linearCrossEntropy() and its like: the loss of logits X Wᵀ + b that are never whole in memory.

import { checkBoolean, checkOptions } from "../errors.js";
import { type Batch, batchOf, evaluate, readOutputs } from "../functions/batch.js";
import { withTotal } from "../functions/loss-total.js";
import type {
  ByRow,
  KnownNames,
  Labels,
  Loss,
  LossOptions,
  LossResult,
  NumberArray,
  Outputs,
  Reduction,
  SameAxes,
  Tensor,
  Values,
} from "../index.js";
import { LOSS_OPTIONS } from "../loss/options.js";
import { readTerms } from "../loss/terms.js";
import { checkLength, sharedStream } from "../memory/chunks.js";
import { allocate, numbersOf, toForm } from "../tensor/containers.js";
import { zeros } from "../tensor/element.js";
import { type ReadOperands, readOperands } from "./operands.js";
import { type Operands, Products } from "./products.js";

/** The options of a linear layer with its loss: those of {@link LossOptions} but for `axis`. Classes are the last axis. */
export interface LinearOptions<R extends string = Reduction, O extends string = never, B extends LinearBias | undefined = LinearBias>
  extends Omit<LossOptions<R, O>, "axis"> {
  /** The bias b, a number for each class, which is added to the logits; none by default. */
  bias?: B;
}

/** A bias: a number for each class. */
export type LinearBias = Values<NumberArray>;

/** The options of a linear layer with its gradients. */
export interface LinearGradientOptions<
  R extends string = Reduction,
  O extends string = never,
  B extends LinearBias | undefined = LinearBias,
  I extends boolean = boolean,
> extends LinearOptions<R, O, B> {
  /** False to leave the gradient of the input out, a third of the work: where the input is data. True by default. */
  inputGradient?: I;
}

/** The gradients of a linear layer. */
export interface LinearGradientResult<W extends Tensor, R extends string | undefined, T extends Tensor> extends LossResult<T, R> {
  /** The gradient with respect to the weights, Gᵀ X with the gradient G of the logits. */
  weightsGradient: SameAxes<W>;
}

/** The gradient with respect to the input, unless `inputGradient` is false. */
export interface InputGradientResult<T extends Tensor> {
  /** The gradient with respect to the input, G W. */
  inputGradient: SameAxes<T>;
}

/** The gradient with respect to the bias, where there is one. */
export interface BiasGradientResult<W extends Tensor> {
  /** The gradient with respect to the bias, the sum of G over the rows, in the kind of container that a line of the weights has. */
  biasGradient: ByRow<W>;
}

const LINEAR_OPTIONS = /* @__PURE__ */ (() => [...LOSS_OPTIONS.filter((name) => name !== "axis"), "bias"] as const)();

const LINEAR_GRADIENT_OPTIONS = /* @__PURE__ */ (() => [...LINEAR_OPTIONS, "inputGradient"] as const)();

/** Operands, and the batch of the logits that they make. */
interface LinearBatch {
  readonly read: ReadOperands;
  readonly operands: Operands;
  readonly batch: Batch;
}

function readBatch(input: unknown, weights: unknown, labels: unknown, options: Partial<LinearOptions<string, string>>): LinearBatch {
  const terms = readTerms(options);
  const outputs = readOutputs(options);
  const read = readOperands(input, weights, options.bias, options.shape);
  const { dtype, rows, depth, classes, bias } = read;
  const logits = { data: zeros(dtype, 0), dtype, shape: read.shape, form: read.input.form };
  const batch = batchOf(logits, -1, labels, options, outputs, terms);
  const open = batch.mask?.isShared ? batch.mask.values : undefined;
  const operands = { dtype, rows, depth, classes, input: numbersOf(read.input), weights: numbersOf(read.weights), bias, open };
  checkLength("input", operands.input, rows * depth);
  checkLength("weights", operands.weights, classes * depth);
  return { read, operands, batch };
}

/**
 * The loss of `crossEntropy` of the logits X Wᵀ + b of a linear layer, chunk by chunk, so that the logits are never whole in memory.
 *
 * @param input The input X, of any shape whose last axis is that of features, (N, D) say.
 * @param weights The weights W (C, D), of the same element type.
 * @param labels Labels, as for `crossEntropy`: class indices by row, or distributions over the C classes.
 * @param options Those of `crossEntropy` but for `axis`, and `bias`. `shape` is that of the input. The outputs `probs` and `logProbs` are as
 *   large as the logits.
 * @returns As `crossEntropy`.
 * @throws As `crossEntropy`; RangeError for operands whose shapes do not fit, or that have no room in memory.
 * @example
 * linearCrossEntropy([[1, 2]], [[1, 0], [0, 1]], [1]); // → 0.313262
 * linearCrossEntropy([[1, 2]], [[1, 0], [0, 1]], [1], { bias: [1, 0], outputs: ["correct"] }); // → { loss: 0.693147, correct: 0 }
 */
export function linearCrossEntropy<T extends Tensor, const R extends string = "mean">(
  input: T,
  weights: Tensor,
  labels: Labels,
  options?: LinearOptions<R> & KnownNames<R, never>,
): Loss<T, R>;
export function linearCrossEntropy<T extends Tensor, const O extends string, const R extends string = "mean">(
  input: T,
  weights: Tensor,
  labels: Labels,
  options: LinearOptions<R, O> & KnownNames<R, O>,
): LossResult<T, R> & Outputs<T, O>;
export function linearCrossEntropy(input: Tensor, weights: Tensor, labels: Labels, options?: LinearOptions<string, string>): unknown {
  const { batch, operands } = readBatch(input, weights, labels, checkOptions(options, LINEAR_OPTIONS));
  const result = withTotal(evaluate(batch, undefined, new Products(sharedStream(), operands)));
  return batch.outputs.length > 0 ? result : result.loss;
}

/**
 * The loss of {@link linearCrossEntropy}, and its gradients with respect to weights, bias and input, in one visit to the rows.
 *
 * @param input The input X, as for {@link linearCrossEntropy}.
 * @param weights The weights W, as for {@link linearCrossEntropy}.
 * @param labels Labels, as for {@link linearCrossEntropy}.
 * @param options Those of {@link linearCrossEntropy}; `inputGradient: false` leaves the gradient of the input out.
 * @returns The loss; the gradients in the kinds of containers that the operands are, that of the bias if there is one; and the `outputs`.
 * @throws As {@link linearCrossEntropy}; nothing is written then.
 * @example
 * const { loss, weightsGradient } = linearCrossEntropyWithGradient([[1, 2]], [[1, 0], [0, 1]], [1]);
 * loss; // → 0.313262
 * weightsGradient; // → [[0.268941, 0.537883], [-0.268941, -0.537883]]
 */
export function linearCrossEntropyWithGradient<
  T extends Tensor,
  W extends Tensor,
  const R extends string = "mean",
  const O extends string = never,
  const B extends LinearBias | undefined = undefined,
  const I extends boolean = true,
>(
  input: T,
  weights: W,
  labels: Labels,
  options?: LinearGradientOptions<R, O, B, I> & KnownNames<R, O>,
): LinearGradientResult<W, R, T> &
  Outputs<T, O> &
  (I extends false ? unknown : InputGradientResult<T>) &
  (B extends undefined ? unknown : BiasGradientResult<W>);
export function linearCrossEntropyWithGradient(
  input: Tensor,
  weights: Tensor,
  labels: Labels,
  options?: LinearGradientOptions<string, string>,
): unknown {
  const checked = checkOptions(options, LINEAR_GRADIENT_OPTIONS);
  const wantsInput = checkBoolean("inputGradient", checked.inputGradient, true);
  const { read, batch, operands } = readBatch(input, weights, labels, checked);
  const { dtype, rows, depth, classes } = operands;
  const gradients = {
    input: wantsInput ? allocate("input", dtype, rows * depth) : undefined,
    weights: allocate("weights", dtype, classes * depth),
    bias: operands.bias && allocate("bias", "float64", classes),
    accumulates: false,
  };
  const wanted = { derivative: "GRADIENT", accumulate: false, labelGradient: false } as const;
  const result = withTotal(evaluate(batch, wanted, new Products(sharedStream(), operands, gradients)));
  if (gradients.input) result.inputGradient = toForm(read.input.form, gradients.input, read.input.shape);
  result.weightsGradient = toForm(read.weights.form, gradients.weights, read.weights.shape);
  if (gradients.bias) {
    const bias = dtype === "float32" ? Float32Array.from(gradients.bias) : gradients.bias;
    result.biasGradient = toForm(read.weights.form, bias, [classes]);
  }
  return result;
}
