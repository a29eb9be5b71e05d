// softmax() and its like: functions without state. Each checks its arguments and streams the batch through a kernel.

import { checkBoolean, checkOptions } from "../errors.js";
import type { KernelOutput } from "../loss/kernel-outputs.js";
import { type ByClass, fillClosed, type LogitsOptions, type Mask, readByClass, readMask } from "../loss/options.js";
import { type PartOptions, readPart } from "../loss/part.js";
import { buffersOf, outputsCall, planOf } from "../loss/plan.js";
import { weighRows } from "../loss/rows.js";
import { checkWeights, readTerms, type Terms } from "../loss/terms.js";
import { ChunkBuffer, checkLength, forEachChunk, put } from "../memory/chunks.js";
import {
  allocate,
  type ByRow,
  checkSameShape,
  checkSameType,
  type Elements,
  type ExtraAxis,
  readTensor,
  resultArray,
  type SameAxes,
  type Tensor,
  toForm,
  type Values,
} from "../tensor/containers.js";
import { bytesOf, type FloatArray } from "../tensor/element.js";
import { type Extent, type Layout, layoutOf, readAxis, rowShape, type ShapeOptions, withOneClass } from "../tensor/shape.js";
import type { NumberArray } from "../tensor/typed-array.js";
import { LOSS_PLANES, PLANES } from "../wasm/abi.js";

/** The shape and class axis of a tensor, and the array for its result. */
export interface OutOptions extends ShapeOptions {
  /** Receives the result, of the same length, and is returned; may be the input itself. For typed arrays, of their element type. */
  out?: Float64Array | Float32Array;
}

/** The options of a function of logits. */
export interface SoftmaxFunctionOptions extends OutOptions, LogitsOptions, PartOptions {}

/** The options of a product with the Jacobian of such a function; `softcapBackward` comes after it where the logits had a cap. */
export interface BackwardOptions extends OutOptions, Omit<LogitsOptions, "softcap"> {}

const BACKWARD_OPTIONS = ["shape", "axis", "out", "scale", "mask"] as const;
const FORWARD_OPTIONS = [...BACKWARD_OPTIONS, "softcap", "part", "classOffset"] as const;

/** The kernels of functions of logits, and the output that the kernel `loss` has of the same values. */
export const OUTPUT_OF = { softmax: "probs", logSoftmax: "logProbs", logSumExp: "lse" } as const satisfies Record<string, KernelOutput>;

/** What is done to logits before anything else: the terms softcap and scale, and the mask. */
export interface Changes {
  readonly terms: Terms;
  readonly mask: Mask | undefined;
}

/** The state of rows whose other classes lie elsewhere, and which of them are ignored. */
export interface GivenState {
  readonly buffers: readonly ChunkBuffer[];
  readonly rowWeights: Float64Array;
}

/** Reads the changes among options, which checkOptions has read. */
function readChanges(options: LogitsOptions, shape: readonly number[], layout: Layout): Changes {
  const { mask } = options;
  return { terms: readTerms(options), mask: mask === undefined ? undefined : readMask(mask, shape, layout) };
}

/** Streams logits through the kernel `loss` for some of its outputs, with factors of exp(x) for the output `signs`. */
export function streamOutputs(
  { data, dtype }: Elements,
  layout: Layout,
  { terms, mask }: Changes,
  results: { readonly [name in KernelOutput]?: FloatArray },
  factors?: ByClass,
  given?: GivenState,
): void {
  const rowWeights = given ? given.rowWeights : mask && allocate("shape", "float64", layout.rows);
  const weighing = weighRows(terms, undefined, layout, undefined, given ? undefined : mask, given ? undefined : rowWeights);
  const outputs = Object.keys(results) as KernelOutput[];
  const inputs = { dtype, terms, kinds: [], mask, hasRowWeights: rowWeights !== undefined, outputs };
  const buffers: ChunkBuffer[] = [
    ...buffersOf(inputs, { rowWeights }, results),
    ...(given?.buffers ?? []),
    new ChunkBuffer("logits", dtype, "tensor", data),
  ];
  // The kernel finds factors in the place of label distributions.
  const labels = factors && "factors";
  if (labels) buffers.push(new ChunkBuffer(labels, "float64", "tensor", factors.isShared ? undefined : factors.numbers));
  forEachChunk(layout, dtype, LOSS_PLANES, buffers, (kernels, chunkBuffers, chunk) => {
    if (labels && factors.isShared) repeat(chunkBuffers.float64(labels), factors.numbers, chunk);
    const call = { ...outputsCall({ dtype, terms, mask, outputs }, chunk, "logits"), stateIsGiven: given !== undefined };
    planOf(chunkBuffers, labels ? { ...call, kind: "distribution", labels } : call).run(kernels, chunk, weighing);
  });
}

/** Repeats numbers of classes for all rows. */
function repeat(to: Float64Array, numbers: Float64Array, { outer, classes, inner }: Extent): void {
  for (let o = 0, k = 0; o < outer; o++) {
    for (let j = 0; j < classes; j++) for (let i = 0; i < inner; i++) to[k++] = numbers[j];
  }
}

/** Streams logits through a kernel, or if they are changed through `loss`, which has the same values as an output. */
export function forward(name: keyof typeof OUTPUT_OF, input: Elements, layout: Layout, changes: Changes, to: FloatArray): void {
  const { data, dtype } = input;
  checkLength("x", data, layout.size);
  const output = OUTPUT_OF[name];
  const { scale, softcap } = changes.terms;
  if (scale !== 1 || softcap !== undefined || changes.mask) {
    streamOutputs(input, layout, changes, { [output]: to });
    return;
  }
  const isByRow = output === "lse";
  const buffers = [new ChunkBuffer("logits", dtype, "tensor", data, isByRow ? undefined : to)];
  if (isByRow) buffers.push(new ChunkBuffer(output, "float64", "rows", undefined, to));
  forEachChunk(layout, dtype, PLANES, buffers, (kernels, buffers, { outer, classes, inner }) => {
    const xPtr = buffers.ptr("logits");
    const outPtr = isByRow ? buffers.ptr(output) : xPtr;
    kernels[name](xPtr, outPtr, classes, inner, bytesOf(dtype, 1), 0, outer * inner, buffers.ptr("scratch"));
  });
}

function softmaxLike(name: "softmax" | "logSoftmax", x: unknown, options: SoftmaxFunctionOptions | undefined): unknown {
  const checked = checkOptions(options, FORWARD_OPTIONS);
  const ofPart = readPart(checked);
  const { shape: given, out } = checked;
  const axis = readAxis(checked.axis);
  const input = readTensor("x", x, given);
  const layout = layoutOf(input.shape, axis);
  const changes = readChanges(checked, input.shape, layout);
  const result = resultArray(out, layout.size, [input]);
  if (ofPart) ofPart.forward(name, input, layout, changes.mask, checked, result);
  else forward(name, input, layout, changes, result);
  return out ?? toForm(input.form, result, input.shape);
}

/** What an excluded class has in the place of its p or log p. */
const VALUE_OF_NONE = { softmaxBackward: 0, logSoftmaxBackward: Number.NEGATIVE_INFINITY } as const;

/** The product of `first` with a Jacobian that is taken at the result `second`; each comes with the name of its argument. */
function backward(
  name: keyof typeof VALUE_OF_NONE,
  [firstName, first]: readonly [string, unknown],
  [secondName, second]: readonly [string, unknown],
  options: BackwardOptions | undefined,
): unknown {
  const checked = checkOptions(options, BACKWARD_OPTIONS);
  const { shape: given, out } = checked;
  const axis = readAxis(checked.axis);
  const upstream: Elements = readTensor(firstName, first, given);
  const at: Elements = readTensor(secondName, second, given);
  const { dtype } = upstream;
  checkSameType(secondName, at, firstName, dtype);
  checkSameShape(secondName, at, firstName, upstream);
  const layout = layoutOf(upstream.shape, axis);
  const { terms, mask } = readChanges(checked, upstream.shape, layout);
  const result = resultArray(out, layout.size, [upstream, at]);
  const tensors: ChunkBuffer[] = [
    new ChunkBuffer(firstName, dtype, "tensor", upstream.data, result),
    new ChunkBuffer(secondName, dtype, "tensor", at.data),
  ];
  if (mask) tensors.push(new ChunkBuffer("mask", "uint8", mask.isShared ? "classes" : "tensor", mask.values));
  forEachChunk(layout, dtype, PLANES, tensors, (kernels, buffers, chunk) => {
    const { outer, classes, inner } = chunk;
    if (mask) {
      const chunkMask = { values: buffers.uint8("mask"), isShared: mask.isShared };
      fillClosed(buffers.float(firstName), chunkMask, chunk, 0);
      fillClosed(buffers.float(secondName), chunkMask, chunk, VALUE_OF_NONE[name]);
    }
    const upstreamPtr = buffers.ptr(firstName);
    kernels[name](
      upstreamPtr,
      buffers.ptr(secondName),
      upstreamPtr,
      classes,
      inner,
      bytesOf(dtype, 1),
      terms.scale,
      0,
      outer * inner,
      buffers.ptr("scratch"),
    );
  });
  return out ?? toForm(upstream.form, result, upstream.shape);
}

/**
 * Probabilities p = exp(x) / Σ exp(x) along the class axis. On shifts, and what they cost: Blanchard, Higham and Higham, "Accurately
 * computing the log-sum-exp and softmax functions", IMA J. Numer. Anal. 41 (2021).
 *
 * @param x Logits of any shape with at least one axis, in float64, float32 or float16. −∞ excludes a class; a row that holds NaN or +∞, or
 * only −∞, gives NaN.
 * @param options Shape, axis and `out`; `softcap`, `scale` and `mask`, which change the logits first. A row without any class that takes part
 * has p = 0. `part` and `classOffset`, where the logits have some of the classes only.
 * @returns p, in the kind of container that x is: float64 within 4 ulp; of other logits float32, correctly rounded.
 * @throws TypeError for the wrong kind of argument or an unknown option, RangeError for shapes, axes and `out` that do not fit.
 * @example
 * softmax([1, 2, 3]); // → [0.09003, 0.24473, 0.66524]
 */
export function softmax<T extends Tensor>(x: T, options?: SoftmaxFunctionOptions): SameAxes<T> {
  return softmaxLike("softmax", x, options) as SameAxes<T>;
}

/**
 * Log-probabilities x − log Σ exp(x) along the class axis, without cancellation.
 *
 * @param x Logits, as for {@link softmax}.
 * @param options Those of {@link softmax}; log p is −∞ for classes that do not take part.
 * @returns log p, in the kind of container that x is, as exact as {@link softmax}.
 * @throws As {@link softmax}.
 * @example
 * logSoftmax([1, 2, 3]); // → [-2.40761, -1.40761, -0.40761]
 */
export function logSoftmax<T extends Tensor>(x: T, options?: SoftmaxFunctionOptions): SameAxes<T> {
  return softmaxLike("logSoftmax", x, options) as SameAxes<T>;
}

/** The options of {@link logSumExp}. */
export interface LogSumExpOptions<S extends boolean = boolean, K extends boolean = boolean> extends ShapeOptions, LogitsOptions {
  /** A factor b of each exp(x), of either sign: (C) for all rows, or laid out like the logits. Where it is 0, the logit does not count. */
  b?: Values<NumberArray>;
  /** True for the sign of Σ b exp(x) beside the logarithm of its size; without, a negative sum gives NaN. */
  returnSign?: S;
  /** True to keep the class axis, with the length 1. */
  keepDims?: K;
}

const LOG_SUM_EXP_OPTIONS = ["shape", "axis", "softcap", "scale", "mask", "b", "returnSign", "keepDims"] as const;

/** The container of log Σ exp. */
export type LogSumExpResult<T extends Tensor, K extends boolean> = K extends true ? SameAxes<T> : ByRow<T>;

/** log |Σ b exp(x)|, and the sign of that sum: 1, −1, or 0. */
export interface SignedLogSumExp<R> {
  /** The logarithm. */
  readonly lse: R;
  /** The sign. */
  readonly sign: R;
}

/** log |Σ b exp(x)| and the signs of the sums. */
function weightedLogSumExp(input: Elements, layout: Layout, b: unknown, { terms, mask }: Changes): SignedLogSumExp<FloatArray> {
  const { dtype, shape } = input;
  const factors = readByClass("b", b, shape, layout);
  checkWeights("b", factors.numbers);
  checkLength("x", input.data, layout.size);
  // Logits without a factor count as excluded. Where rows share factors and mask, they share this, too.
  const closed = { values: Uint8Array.from(factors.numbers, (factor) => Number(factor !== 0)), isShared: factors.isShared };
  const isShared = factors.isShared && mask?.isShared !== false;
  const extent = isShared ? { outer: 1, classes: layout.classes, inner: 1 } : layout;
  const open = allocate("shape", "uint8", isShared ? layout.classes : layout.size).fill(1);
  fillClosed(open, closed, extent, 0);
  if (mask) fillClosed(open, mask, extent, 0);
  const [lse, signs] = [0, 1].map(() => allocate("shape", dtype, layout.rows));
  // The results of no classes.
  lse.fill(Number.NEGATIVE_INFINITY);
  streamOutputs(input, layout, { terms, mask: { values: open, isShared } }, { lse, signs }, factors);
  return { lse, sign: signs };
}

/**
 * log Σ exp(x) along the class axis, one number a row; with `b`, log Σ b exp(x).
 *
 * @param x Logits, as for {@link softmax}.
 * @param options Those of {@link softmax}, without `out`; `b`, `returnSign` and `keepDims`.
 * @returns lse, without the class axis: a typed array, nested arrays one level shallower (a number for one row), or { data, shape }. With
 *   `returnSign` { lse, sign }.
 * @throws As {@link softmax}; RangeError for factors that are not finite.
 * @example
 * logSumExp([[0, 0], [1000, 1000]]); // → [0.69315, 1000.69315]
 * logSumExp([[1000, 1001]], { b: [1, -1], returnSign: true }); // → { lse: [1000.541325], sign: [-1] }
 */
export function logSumExp<T extends Tensor, const K extends boolean = false>(
  x: T,
  options?: LogSumExpOptions<false, K>,
): LogSumExpResult<T, K>;
export function logSumExp<T extends Tensor, const K extends boolean = false>(
  x: T,
  options: LogSumExpOptions<true, K>,
): SignedLogSumExp<LogSumExpResult<T, K>>;
export function logSumExp(x: Tensor, options?: LogSumExpOptions): unknown {
  const checked = checkOptions(options, LOG_SUM_EXP_OPTIONS);
  const { shape: given, b } = checked;
  const axis = readAxis(checked.axis);
  const returnSign = checkBoolean("returnSign", checked.returnSign);
  const keepDims = checkBoolean("keepDims", checked.keepDims);
  const input = readTensor("x", x, given);
  const layout = layoutOf(input.shape, axis);
  const changes = readChanges(checked, input.shape, layout);
  const shape = (keepDims ? withOneClass : rowShape)(input.shape, axis);
  const inForm = (values: FloatArray): unknown => toForm(input.form, values, shape);
  if (b !== undefined) {
    const { lse, sign } = weightedLogSumExp(input, layout, b, changes);
    if (returnSign) return { lse: inForm(lse), sign: inForm(sign) };
    return inForm(lse.map((value, row) => (sign[row] < 0 ? Number.NaN : value)));
  }
  // log Σ exp of no classes.
  const result = allocate("shape", input.dtype, layout.rows).fill(Number.NEGATIVE_INFINITY);
  forward("logSumExp", input, layout, changes, result);
  if (!returnSign) return inForm(result);
  return { lse: inForm(result), sign: inForm(result.map((value) => (value > Number.NEGATIVE_INFINITY ? 1 : value < 0 ? 0 : value))) };
}

/**
 * The upstream gradient g times the Jacobian of softmax: p ⊙ (g − Σ g p) along the class axis, without writing the Jacobian out.
 *
 * @param upstream g, the gradient with respect to p.
 * @param probs p, a result of {@link softmax}, of the same shape.
 * @param options Shape, axis and `out`; the `scale` and `mask` that p was computed with.
 * @returns The gradient with respect to the logits, in the kind of container that `upstream` is.
 * @throws As {@link softmax}.
 * @example
 * softmaxBackward([1, 0, 0], [0.2, 0.3, 0.5]); // → [0.16, -0.06, -0.1]
 */
export function softmaxBackward<T extends Tensor>(upstream: T, probs: Tensor, options?: BackwardOptions): SameAxes<T> {
  return backward("softmaxBackward", ["upstream", upstream], ["probs", probs], options) as SameAxes<T>;
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
export function softmaxJvp<T extends Tensor>(tangent: T, probs: Tensor, options?: BackwardOptions): SameAxes<T> {
  return backward("softmaxBackward", ["tangent", tangent], ["probs", probs], options) as SameAxes<T>;
}

/**
 * The upstream gradient g times the Jacobian of log-softmax: g − p Σ g along the class axis.
 *
 * @param upstream g, the gradient with respect to log p.
 * @param logProbs log p, a result of {@link logSoftmax}, of the same shape; none is above 0.
 * @param options Those of {@link softmaxBackward}.
 * @returns The gradient with respect to the logits, in the kind of container that `upstream` is.
 * @throws As {@link softmax}.
 * @example
 * logSoftmaxBackward([1, 0], [Math.log(0.25), Math.log(0.75)]); // → [0.75, -0.75]
 */
export function logSoftmaxBackward<T extends Tensor>(upstream: T, logProbs: Tensor, options?: BackwardOptions): SameAxes<T> {
  return backward("logSoftmaxBackward", ["upstream", upstream], ["logProbs", logProbs], options) as SameAxes<T>;
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
  const { shape: given, out } = checkOptions(options, ["shape", "out"]);
  const input = readTensor("probs", probs, given);
  const { classes, size } = layoutOf(input.shape);
  const shape = [...input.shape, classes];
  const result = resultArray(out, size * classes, [input]);
  const { dtype } = input;
  checkLength("probs", input.data, size);
  // A row of the result is a line of a Jacobian; there is one for each element of p.
  const lines = new ChunkBuffer("jacobian", dtype, "tensor", undefined, result);
  // The rows of p that a chunk's lines belong to are not as many as the lines.
  const p = new ChunkBuffer("probs", dtype, "tensor");
  forEachChunk(layoutOf(shape), dtype, PLANES, [p, lines], (kernels, buffers, { firstRow: line, rows: count }) => {
    const firstRow = Math.floor(line / classes);
    put(buffers.view("probs"), input.data.subarray(firstRow * classes, Math.ceil((line + count) / classes) * classes));
    kernels.softmaxJacobian(buffers.ptr("probs"), buffers.ptr("jacobian"), classes, bytesOf(dtype, 1), line - firstRow * classes, count);
  });
  return (out ?? toForm(input.form, result, shape)) as ExtraAxis<T>;
}
