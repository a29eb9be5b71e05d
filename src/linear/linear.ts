// The linear layer by itself, such as a hidden one: X Wᵀ + b, and its gradients.

import { checkBoolean, checkOptions, rangeError, Verbatim } from "../errors.js";
import type { ByRow, SameAxes, Tensor } from "../index.js";
import { checkLength, sharedStream } from "../memory/chunks.js";
import { allocate, checkSameType, isFlat, numbersOf, readTensor, toForm } from "../tensor/containers.js";
import { type Layout, layoutOf, showShape } from "../tensor/shape.js";
import type { InputGradientResult, LinearBias } from "./linear-cross-entropy.js";
import { type ReadOperands, readOperands } from "./operands.js";
import { type Operands, Products } from "./products.js";

/** The options of {@link linear}. */
export interface LinearLayerOptions {
  /** The shape of the input, if it is a typed array; its last axis is that of features. */
  shape?: readonly number[];
  /** The bias b, a number for each line of the weights; none by default. */
  bias?: LinearBias;
}

/** The options of {@link linearBackward}. */
export interface LinearBackwardOptions<I extends boolean = boolean> extends Pick<LinearLayerOptions, "shape"> {
  /** False to leave the gradient of the input out, half of the work: where the input is data. True by default. */
  inputGradient?: I;
}

/** The gradients of a linear layer, in the kinds of containers that its operands are. */
export interface LinearBackwardResult<W extends Tensor> {
  /** Gᵀ X, the gradient with respect to the weights. */
  weightsGradient: SameAxes<W>;
  /** The gradient with respect to a bias, the sum of G over the rows. */
  biasGradient: ByRow<W>;
}

/** The operands of products, and the layout of what they make. */
function operandsOf(read: ReadOperands): { operands: Operands; layout: Layout } {
  const { dtype, rows, depth, classes, bias, shape } = read;
  const operands = { dtype, rows, depth, classes, input: numbersOf(read.input), weights: numbersOf(read.weights), bias };
  checkLength("input", operands.input, rows * depth);
  checkLength("weights", operands.weights, classes * depth);
  return { operands, layout: layoutOf(shape) };
}

/**
 * A linear layer, X Wᵀ + b.
 *
 * @param input The input X, of any shape whose last axis is that of features, (N, D) say.
 * @param weights The weights W (C, D), of the same element type.
 * @param options `shape`, that of the input, and `bias`.
 * @returns X Wᵀ + b (N, C), in the kind of container that the input is. The errors are those of the logits of `linearCrossEntropy`.
 * @throws TypeError for the wrong kind of argument or an unknown option; RangeError for operands whose shapes do not fit, or that have no room in
 *   memory.
 * @example
 * linear([[1, 2]], [[1, 0], [0, 1], [1, 1]], { bias: [0, 0, 0.5] }); // → [[1, 2, 3.5]]
 */
export function linear<T extends Tensor>(input: T, weights: Tensor, options?: LinearLayerOptions): SameAxes<T> {
  const checked = checkOptions(options, ["shape", "bias"] as const);
  const read = readOperands(input, weights, checked.bias, checked.shape);
  const { operands, layout } = operandsOf(read);
  const result = allocate("input", operands.dtype, layout.size);
  new Products(sharedStream(), operands).forward(layout, result);
  return toForm(read.input.form, result, read.shape) as SameAxes<T>;
}

/**
 * The gradients of a linear layer, from that of its results.
 *
 * @param upstream The gradient G with respect to the results of {@link linear}, of their shape and element type.
 * @param input The input X, as for {@link linear}.
 * @param weights The weights W, as for {@link linear}.
 * @param options `shape`, that of the input; `inputGradient: false` leaves the gradient of the input out.
 * @returns `weightsGradient`, Gᵀ X; `biasGradient`, Σ G; and `inputGradient`, G W.
 * @throws As {@link linear}.
 * @example
 * const { weightsGradient, inputGradient } = linearBackward([[1, -1]], [[2, 3]], [[1, 0], [0, 1]]);
 * weightsGradient; // → [[2, 3], [-2, -3]]
 * inputGradient; // → [[1, -1]]
 */
export function linearBackward<T extends Tensor, W extends Tensor, const I extends boolean = true>(
  upstream: Tensor,
  input: T,
  weights: W,
  options?: LinearBackwardOptions<I>,
): LinearBackwardResult<W> & (I extends false ? unknown : InputGradientResult<T>);
export function linearBackward(upstream: Tensor, input: Tensor, weights: Tensor, options?: LinearBackwardOptions): unknown {
  const checked = checkOptions(options, ["shape", "inputGradient"] as const);
  const wantsInput = checkBoolean("inputGradient", checked.inputGradient, true);
  const read = readOperands(input, weights, undefined, checked.shape);
  const { operands, layout } = operandsOf(read);
  const { dtype, rows, depth, classes } = operands;
  const given = readTensor("upstream", upstream);
  checkSameType("upstream", given, "input", dtype);
  const isRight = isFlat(upstream) ? given.data.length === layout.size : given.shape.join() === read.shape.join();
  if (!isRight)
    throw rangeError("upstream", `the shape ${showShape(read.shape)}, that of the results`, new Verbatim(showShape(given.shape)));
  const gradients = {
    input: wantsInput ? allocate("input", dtype, rows * depth) : undefined,
    weights: allocate("weights", dtype, classes * depth),
    bias: allocate("bias", "float64", classes),
    accumulates: false,
  };
  new Products(sharedStream(), operands, gradients).backward(layout, numbersOf(given));
  const bias = dtype === "float32" ? Float32Array.from(gradients.bias) : gradients.bias;
  return {
    weightsGradient: toForm(read.weights.form, gradients.weights, read.weights.shape),
    biasGradient: toForm(read.weights.form, bias, [classes]),
    ...(gradients.input && { inputGradient: toForm(read.input.form, gradients.input, read.input.shape) }),
  };
}
