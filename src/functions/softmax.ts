// The functions without state: check, then stream the batch block by block through one staging area.

import { checkOptions, rangeError } from "../errors.js";
import type { ShapeOptions } from "../loss/options.js";
import { type Block, blocksOf, copyIn, copyOut, resultArray, stagingArea } from "../memory/chunks.js";
import { STAGE_ELEMENTS } from "../memory/instance.js";
import {
  allocate,
  type ByRow,
  type Elements,
  type ExtraAxis,
  layoutOf,
  readTensor,
  rowShape,
  type SameAxes,
  sameShape,
  type Tensor,
  toForm,
} from "../tensor/shape.js";
import type { Kernels } from "../wasm/abi.js";

/** How a tensor lies, and where its result goes. */
export interface OutOptions extends ShapeOptions {
  /** Receives the result, of the same length, and is returned; may be the input itself. For Float64Array input. */
  out?: Float64Array;
}

/** A result laid out like the inputs, one or two tensors of one shape. */
function mapTensor(
  inputs: readonly Elements[],
  { axis, out }: OutOptions,
  visit: (kernels: Kernels, ptrs: number[], block: Block, classes: number, scratchPtr: number) => void,
): unknown {
  const { shape, form } = inputs[0];
  const layout = layoutOf(shape, axis);
  const result = resultArray(out, layout.size, inputs);
  const stage = stagingArea();
  for (const block of blocksOf(layout)) {
    const size = block.outer * layout.classes * block.inner;
    const scratch = stage.scratchBytes({ classes: layout.classes, inner: block.inner, size });
    const [scratchPtr, ...ptrs] = stage.plan("shape", [scratch, ...inputs.map(() => size * 8)]);
    inputs.forEach(({ data }, i) => {
      copyIn(data, stage.float64(ptrs[i], size), block, layout.classes);
    });
    visit(stage.kernels, ptrs, block, layout.classes, scratchPtr);
    copyOut(stage.float64(ptrs[0], size), result, block, layout.classes);
  }
  return toForm(form, result, shape);
}

function forward(name: "softmax" | "logSoftmax", x: unknown, options: OutOptions | undefined): unknown {
  const checked = checkOptions(options, ["shape", "axis", "out"]);
  return mapTensor([readTensor("x", x, checked.shape)], checked, (kernels, [ptr], block, classes, scratchPtr) => {
    kernels[name](ptr, ptr, classes, block.inner, 0, block.outer * block.inner, scratchPtr);
  });
}

/** The product with a Jacobian of `given` and the result that it is taken at, each by the name of its argument. */
function backward(
  name: "softmaxBackward" | "logSoftmaxBackward",
  given: Readonly<Record<string, unknown>>,
  options: OutOptions | undefined,
): unknown {
  const checked = checkOptions(options, ["shape", "axis", "out"]);
  const inputs = Object.entries(given).map(([argument, value]) => readTensor(argument, value, checked.shape));
  if (!sameShape(inputs[0].shape, inputs[1].shape)) {
    const [first, second] = Object.keys(given);
    throw rangeError(second, `the shape of "${first}", [${inputs[0].shape.join(", ")}]`, inputs[1].shape);
  }
  return mapTensor(inputs, checked, (kernels, [upstreamPtr, resultPtr], block, classes, scratchPtr) => {
    kernels[name](upstreamPtr, resultPtr, upstreamPtr, classes, block.inner, 0, block.outer * block.inner, scratchPtr);
  });
}

/**
 * Probabilities p = exp(x) / Σ exp(x) along the class axis. On shifts, and what they cost: Blanchard, Higham and Higham, "Accurately
 * computing the log-sum-exp and softmax functions", IMA J. Numer. Anal. 41 (2021).
 *
 * @param x Logits of any shape with at least one axis. −∞ excludes a class; a row that holds NaN or +∞, or only −∞, gives NaN.
 * @returns p, in the kind of container that x is; each within 4 ulp.
 * @throws TypeError for the wrong kind of argument or an unknown option, RangeError for shapes, axes and `out` that do not fit.
 * @example
 * softmax([1, 2, 3]); // → [0.09003, 0.24473, 0.66524]
 */
export function softmax<T extends Tensor>(x: T, options?: OutOptions): SameAxes<T> {
  return forward("softmax", x, options) as SameAxes<T>;
}

/**
 * Log-probabilities x − log Σ exp(x) along the class axis, without cancellation.
 *
 * @param x Logits, as for {@link softmax}.
 * @returns log p, in the kind of container that x is; each within 4 ulp.
 * @throws As {@link softmax}.
 * @example
 * logSoftmax([1, 2, 3]); // → [-2.40761, -1.40761, -0.40761]
 */
export function logSoftmax<T extends Tensor>(x: T, options?: OutOptions): SameAxes<T> {
  return forward("logSoftmax", x, options) as SameAxes<T>;
}

/**
 * log Σ exp(x) along the class axis, one number a row.
 *
 * @param x Logits, as for {@link softmax}.
 * @returns lse, without the class axis: a Float64Array, nested arrays one level shallower (a number for one row), or { data, shape }.
 * @throws As {@link softmax}.
 * @example
 * logSumExp([[0, 0], [1000, 1000]]); // → [0.69315, 1000.69315]
 */
export function logSumExp<T extends Tensor>(x: T, options?: ShapeOptions): ByRow<T> {
  const { shape: given, axis } = checkOptions(options, ["shape", "axis"]);
  const { data, shape, form } = readTensor("x", x, given);
  const layout = layoutOf(shape, axis);
  const result = allocate("shape", layout.rows);
  const stage = stagingArea();
  for (const block of blocksOf(layout)) {
    const size = block.outer * layout.classes * block.inner;
    const scratch = stage.scratchBytes({ classes: layout.classes, inner: block.inner, size });
    const [scratchPtr, xPtr, lsePtr] = stage.plan("shape", [scratch, size * 8, block.outer * block.inner * 8]);
    copyIn(data, stage.float64(xPtr, size), block, layout.classes);
    stage.kernels.logSumExp(xPtr, lsePtr, layout.classes, block.inner, 0, block.outer * block.inner, scratchPtr);
    result.set(stage.float64(lsePtr, block.rows), block.firstRow);
  }
  return toForm(form, result, rowShape(shape, axis)) as ByRow<T>;
}

/**
 * The upstream gradient g times the Jacobian of softmax: p ⊙ (g − Σ g p) along the class axis, without writing the Jacobian out.
 *
 * @param upstream g, the gradient with respect to p.
 * @param probs p, a result of {@link softmax}, of the same shape.
 * @returns The gradient with respect to the logits, in the kind of container that `upstream` is.
 * @throws As {@link softmax}.
 * @example
 * softmaxBackward([1, 0, 0], [0.2, 0.3, 0.5]); // → [0.16, -0.06, -0.1]
 */
export function softmaxBackward<T extends Tensor>(upstream: T, probs: Tensor, options?: OutOptions): SameAxes<T> {
  return backward("softmaxBackward", { upstream, probs }, options) as SameAxes<T>;
}

/**
 * The Jacobian of softmax times a tangent t: p ⊙ (t − Σ t p) along the class axis, how p changes as the logits move along t. The Jacobian
 * is symmetric, so that this is {@link softmaxBackward}.
 *
 * @param tangent t, the direction in which the logits move.
 * @param probs p, a result of {@link softmax}, of the same shape.
 * @returns The change of p, in the kind of container that `tangent` is.
 * @throws As {@link softmax}.
 * @example
 * softmaxJvp([1, 0, 0], [0.2, 0.3, 0.5]); // → [0.16, -0.06, -0.1]
 */
export function softmaxJvp<T extends Tensor>(tangent: T, probs: Tensor, options?: OutOptions): SameAxes<T> {
  return backward("softmaxBackward", { tangent, probs }, options) as SameAxes<T>;
}

/**
 * The upstream gradient g times the Jacobian of log-softmax: g − p Σ g along the class axis.
 *
 * @param upstream g, the gradient with respect to log p.
 * @param logProbs log p, a result of {@link logSoftmax}, of the same shape; none is above 0.
 * @returns The gradient with respect to the logits, in the kind of container that `upstream` is.
 * @throws As {@link softmax}.
 * @example
 * logSoftmaxBackward([1, 0], [Math.log(0.25), Math.log(0.75)]); // → [0.75, -0.75]
 */
export function logSoftmaxBackward<T extends Tensor>(upstream: T, logProbs: Tensor, options?: OutOptions): SameAxes<T> {
  return backward("logSoftmaxBackward", { upstream, logProbs }, options) as SameAxes<T>;
}

/**
 * The Jacobian of softmax written out, diag(p) − p pᵀ for each row: (…, C) → (…, C, C). {@link softmaxBackward} gives its product with
 * a vector for the cost of a vector.
 *
 * @param probs p, a result of {@link softmax} along the last axis.
 * @param options The shape, and `out`, which receives the result: C times as long as `probs`, in memory of its own.
 * @returns The Jacobians, in the kind of container that `probs` is, one axis deeper.
 * @throws As {@link softmax}.
 * @example
 * softmaxJacobian([0.25, 0.75]); // → [[0.1875, -0.1875], [-0.1875, 0.1875]]
 */
export function softmaxJacobian<T extends Tensor>(probs: T, options?: Omit<OutOptions, "axis">): ExtraAxis<T> {
  const checked = checkOptions(options, ["shape", "out"]);
  const input = readTensor("probs", probs, checked.shape);
  const { classes, size } = layoutOf(input.shape);
  const result = resultArray(checked.out, size * classes, [input]);
  const stage = stagingArea();
  // Block by block of lines of the Jacobians; there is one for each element of p.
  const linesPerBlock = Math.max(1, Math.floor(STAGE_ELEMENTS / classes));
  for (let line = 0; line < size; line += linesPerBlock) {
    const lines = Math.min(linesPerBlock, size - line);
    const firstRow = Math.floor(line / classes);
    const p = input.data.subarray(firstRow * classes, Math.ceil((line + lines) / classes) * classes);
    const [pPtr, jacobianPtr] = stage.plan("shape", [p.byteLength, lines * classes * 8]);
    stage.float64(pPtr, p.length).set(p);
    stage.kernels.softmaxJacobian(pPtr, jacobianPtr, classes, line - firstRow * classes, lines);
    result.set(stage.float64(jacobianPtr, lines * classes), line * classes);
  }
  return toForm(input.form, result, [...input.shape, classes]) as ExtraAxis<T>;
}
