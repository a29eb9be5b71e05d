// The functions without state: check, then stream the batch block by block through one staging area.

import { checkOneOf, checkOptions, rangeError, typeError, Verbatim } from "./check.js";
import { type Kernels, SUM_ELEMENTS } from "./kernels.js";
import { type CheckedLabels, type Distribution, type Labels, readLabels } from "./labels.js";
import { Arena } from "./memory.js";
import {
  allocate,
  type ByRow,
  type Elements,
  type ExtraAxis,
  type Layout,
  layoutOf,
  readTensor,
  rowShape,
  type SameAxes,
  sameShape,
  type Tensor,
  toForm,
} from "./shape.js";

export type Reduction = "mean" | "sum" | "none";

export interface ShapeOptions {
  /** Axis lengths of a Float64Array, row-major; by default it is one vector. */
  shape?: readonly number[];
  /** The class axis; negative counts from the end. Default −1. */
  axis?: number;
}

export interface OutOptions extends ShapeOptions {
  /** Receives the result, of the same length, and is returned; may be the input itself. For Float64Array input. */
  out?: Float64Array;
}

export interface LossOptions extends ShapeOptions {
  /** What becomes of the losses of the rows: their mean (default), their sum, or one each. */
  reduction?: Reduction;
  /** Replaces the number of rows as the divisor of the mean. */
  divisor?: number;
}

export interface LossWithGradientOptions extends LossOptions {
  /** Receives the gradient; may be the logits themselves. For Float64Array input. */
  out?: Float64Array;
}

const LOSS_OPTIONS = ["shape", "axis", "reduction", "divisor"] as const;

/** Elements of a staged tensor: 256 KiB, so that two of them stay in a second-level cache. */
const STAGE_ELEMENTS = 32768;

let arena: Arena | undefined;

/** The staging area, made on first use. */
function stagingArea(): Arena {
  arena ??= new Arena();
  return arena;
}

/** Part of a batch: whole (classes, inner) slices, or the columns [first, first + inner) of one slice. */
interface Block {
  /** As the kernels see it; a lone column of a strided axis is staged two wide, so that it is visited as any other. */
  readonly outer: number;
  readonly inner: number;
  readonly columns: number;
  /** Where the elements begin in the batch, and how far apart the classes are there. */
  readonly start: number;
  readonly stride: number;
  /** The rows it holds, consecutive in the batch. */
  readonly firstRow: number;
  readonly rows: number;
}

/** Cuts a batch into blocks that fit the stage. Only a single row, or pair of columns, may be larger. */
function* blocksOf({ outer, classes, inner, rows }: Layout): Generator<Block> {
  if (rows === 0) return;
  const slice = classes * inner;
  if (slice <= STAGE_ELEMENTS || inner === 1) {
    const slices = Math.max(1, Math.floor(STAGE_ELEMENTS / slice));
    for (let o = 0; o < outer; o += slices) {
      const count = Math.min(slices, outer - o);
      yield { outer: count, inner, columns: inner, start: o * slice, stride: inner, firstRow: o * inner, rows: count * inner };
    }
    return;
  }
  const width = Math.max(2, Math.floor(STAGE_ELEMENTS / classes));
  for (let o = 0; o < outer; o++) {
    for (let first = 0; first < inner; first += width) {
      const columns = Math.min(width, inner - first);
      const firstRow = o * inner + first;
      yield { outer: 1, inner: Math.max(2, columns), columns, start: o * slice + first, stride: inner, firstRow, rows: columns };
    }
  }
}

function isWhole(block: Block): boolean {
  return block.columns === block.stride;
}

/** Copies a block of a tensor into the stage. */
function copyIn(from: Distribution, to: Float64Array, block: Block, classes: number): void {
  if (isWhole(block)) {
    to.set(from.length === to.length ? from : from.subarray(block.start, block.start + to.length));
    return;
  }
  if (block.columns < block.inner) to.fill(0);
  for (let j = 0; j < classes; j++) {
    const at = block.start + j * block.stride;
    to.set(from.subarray(at, at + block.columns), j * block.inner);
  }
}

/** Copies a block of the stage out into a tensor. */
function copyOut(from: Float64Array, to: Float64Array, block: Block, classes: number): void {
  if (isWhole(block)) {
    to.set(from, block.start);
    return;
  }
  for (let j = 0; j < classes; j++) {
    to.set(from.subarray(j * block.inner, j * block.inner + block.columns), block.start + j * block.stride);
  }
}

function overlaps(a: ArrayBufferView, b: ArrayBufferView): boolean {
  return a.buffer === b.buffer && a.byteOffset < b.byteOffset + b.byteLength && b.byteOffset < a.byteOffset + a.byteLength;
}

/** The array for a result of `size` elements: options.out if it is given and fits, else a new one. */
function resultArray(out: unknown, size: number, inputs: readonly Elements[], labels?: ArrayBufferView): Float64Array {
  if (out === undefined) return allocate("shape", size);
  if (!(out instanceof Float64Array)) throw typeError("out", "a Float64Array", out);
  if (inputs.some(({ form }) => form !== "flat")) {
    throw typeError("out", "to be used with Float64Array input only", new Verbatim("another container as input"));
  }
  if (out.length !== size) throw rangeError("out", `${size} elements`, out);
  for (const input of [...inputs.map(({ data }) => data), ...(labels ? [labels] : [])]) {
    const same = input instanceof Float64Array && input.byteOffset === out.byteOffset && input.length === out.length;
    if (overlaps(out, input) && !same) {
      throw rangeError("out", "an input itself or memory of its own", new Verbatim("an array that overlaps an input in part"));
    }
  }
  return out;
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
    kernels[name](ptr, ptr, block.outer, classes, block.inner, scratchPtr);
  });
}

function backward(
  name: "softmaxBackward" | "logSoftmaxBackward",
  upstream: unknown,
  argument: string,
  result: unknown,
  options: OutOptions | undefined,
): unknown {
  const checked = checkOptions(options, ["shape", "axis", "out"]);
  const inputs = [readTensor("upstream", upstream, checked.shape), readTensor(argument, result, checked.shape)];
  if (!sameShape(inputs[0].shape, inputs[1].shape)) {
    throw rangeError(argument, `the shape of "upstream", [${inputs[0].shape.join(", ")}]`, inputs[1].shape);
  }
  return mapTensor(inputs, checked, (kernels, [upstreamPtr, resultPtr], block, classes, scratchPtr) => {
    kernels[name](upstreamPtr, resultPtr, upstreamPtr, block.outer, classes, block.inner, scratchPtr);
  });
}

/**
 * Probabilities p = exp(x) / Σ exp(x) along the class axis.
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
    stage.kernels.logSumExp(xPtr, lsePtr, block.outer, layout.classes, block.inner, scratchPtr);
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
  return backward("softmaxBackward", upstream, "probs", probs, options) as SameAxes<T>;
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
  return backward("logSoftmaxBackward", upstream, "logProbs", logProbs, options) as SameAxes<T>;
}

/**
 * The Jacobian of softmax written out, diag(p) − p pᵀ for each row: (…, C) → (…, C, C). {@link softmaxBackward} gives its product with
 * a vector for the cost of a vector.
 *
 * @param probs p, a result of {@link softmax} along the last axis.
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

/** The divisor of the mean, or 1. */
export function checkDivisor(reduction: Reduction, divisor: unknown, rows: number): number {
  if (divisor === undefined) return reduction === "mean" ? rows : 1;
  if (typeof divisor !== "number") throw typeError("divisor", "a number", divisor);
  if (reduction !== "mean") throw rangeError("divisor", `to be left out with reduction ${JSON.stringify(reduction)}`, divisor);
  if (!(divisor > 0 && divisor < Number.POSITIVE_INFINITY)) throw rangeError("divisor", "a finite number above 0", divisor);
  return divisor;
}

export function checkReduction(reduction: unknown = "mean"): Reduction {
  return checkOneOf("reduction", reduction, ["mean", "sum", "none"]);
}

/** A batch as it was read and checked. */
interface Batch {
  readonly logits: Elements;
  readonly labels: CheckedLabels;
  readonly layout: Layout;
  readonly rowShape: readonly number[];
  readonly reduction: Reduction;
  readonly divisor: number;
}

function readBatch(x: unknown, y: unknown, { shape, axis = -1, reduction, divisor }: LossOptions): Batch {
  const logits = readTensor("logits", x, shape);
  const layout = layoutOf(logits.shape, axis);
  const checkedReduction = checkReduction(reduction);
  return {
    logits,
    layout,
    rowShape: rowShape(logits.shape, axis),
    reduction: checkedReduction,
    divisor: checkDivisor(checkedReduction, divisor, layout.rows),
    labels: readLabels(y, logits.shape, axis, layout),
  };
}

/** The loss of a batch, and in `gradient` (size), which may be the logits themselves, its gradient. */
function lossOf({ logits, labels, layout, rowShape, reduction, divisor }: Batch, gradient?: Float64Array): unknown {
  const { classes, rows } = layout;
  const losses = reduction === "none" ? allocate("shape", rows) : undefined;
  const stage = stagingArea();
  const { kernels } = stage;
  const sumBytes = SUM_ELEMENTS * 8;
  // First in every plan, the sum stays where it is from block to block.
  stage.float64(stage.plan("shape", [sumBytes])[0], SUM_ELEMENTS).fill(0);
  for (const block of blocksOf(layout)) {
    const size = block.outer * classes * block.inner;
    const stagedRows = block.outer * block.inner;
    const labelBytes = labels.kind === "indices" ? stagedRows * 4 : size * 8;
    const scratch = stage.scratchBytes({ classes, inner: block.inner, size });
    const bytes = [sumBytes, scratch, stagedRows * 8, size * 8, labelBytes];
    const [sumPtr, scratchPtr, lossesPtr, xPtr, labelsPtr] = stage.plan("shape", bytes);
    copyIn(logits.data, stage.float64(xPtr, size), block, classes);
    if (labels.kind === "indices") {
      const staged = stage.int32(labelsPtr, stagedRows);
      staged.set(block.rows === rows ? labels.values : labels.values.subarray(block.firstRow, block.firstRow + block.rows));
      staged.fill(0, block.rows);
    } else {
      copyIn(labels.values, stage.float64(labelsPtr, size), block, classes);
    }
    if (gradient) {
      const kernel = labels.kind === "indices" ? kernels.gradientOfIndices : kernels.gradientOfDistributions;
      kernel(xPtr, labelsPtr, lossesPtr, xPtr, block.outer, classes, block.inner, 0, 1, divisor, scratchPtr);
      copyOut(stage.float64(xPtr, size), gradient, block, classes);
    } else {
      const kernel = labels.kind === "indices" ? kernels.lossOfIndices : kernels.lossOfDistributions;
      kernel(xPtr, labelsPtr, lossesPtr, block.outer, classes, block.inner, scratchPtr);
    }
    losses?.set(stage.float64(lossesPtr, block.rows), block.firstRow);
    kernels.accumulate(lossesPtr, block.rows, sumPtr);
  }
  if (losses) return toForm(logits.form, losses, rowShape);
  return rows === 0 ? 0 : kernels.mean(stage.plan("shape", [sumBytes])[0], divisor);
}

/**
 * Softmax cross-entropy loss −log p_y of logits, or −Σ q log p for label distributions q, without cancellation on confident rows.
 *
 * @param logits Logits x of any shape with at least one axis, (N, C) say.
 * @param labels Class indices by row (N), or distributions laid out like the logits (N, C): told apart by their number. Entries of
 *   distributions are used as they are, whatever they sum to.
 * @returns The mean over the rows (0 if there is none), their sum, or with `reduction: "none"` the loss of each row.
 * @throws TypeError for the wrong kind of argument or an unknown option, RangeError for shapes that do not fit and for labels that are
 *   not the index of a class.
 * @example
 * crossEntropy([[2, 1], [0, 3]], [0, 1]); // → 0.180925
 */
export function crossEntropy<T extends Tensor>(logits: T, labels: Labels, options: LossOptions & { reduction: "none" }): ByRow<T>;
export function crossEntropy(logits: Tensor, labels: Labels, options?: LossOptions & { reduction?: "mean" | "sum" }): number;
export function crossEntropy<T extends Tensor>(logits: T, labels: Labels, options?: LossOptions): number | ByRow<T>;
export function crossEntropy(logits: Tensor, labels: Labels, options?: LossOptions): unknown {
  const batch = readBatch(logits, labels, checkOptions(options, LOSS_OPTIONS));
  return lossOf(batch);
}

/**
 * The loss of {@link crossEntropy} and its gradient with respect to the logits, (p − [j = y]) / N for the mean, in one visit to the
 * data. With `reduction: "none"` the gradient is each row's own.
 *
 * @param logits Logits x, as for {@link crossEntropy}.
 * @param labels Labels, as for {@link crossEntropy}.
 * @returns The loss, and the gradient in the kind of container that the logits are.
 * @throws As {@link crossEntropy}; nothing is written then.
 * @example
 * crossEntropyWithGradient([[2, 1], [0, 3]], [0, 1]).gradient; // → [[-0.134471, 0.134471], [0.023713, -0.023713]]
 */
export function crossEntropyWithGradient<T extends Tensor>(
  logits: T,
  labels: Labels,
  options: LossWithGradientOptions & { reduction: "none" },
): { loss: ByRow<T>; gradient: SameAxes<T> };
export function crossEntropyWithGradient<T extends Tensor>(
  logits: T,
  labels: Labels,
  options?: LossWithGradientOptions & { reduction?: "mean" | "sum" },
): { loss: number; gradient: SameAxes<T> };
export function crossEntropyWithGradient<T extends Tensor>(
  logits: T,
  labels: Labels,
  options?: LossWithGradientOptions,
): { loss: number | ByRow<T>; gradient: SameAxes<T> };
export function crossEntropyWithGradient(logits: Tensor, labels: Labels, options?: LossWithGradientOptions): unknown {
  const checked = checkOptions(options, [...LOSS_OPTIONS, "out"]);
  const batch = readBatch(logits, labels, checked);
  const { kind, values } = batch.labels;
  const gradient = resultArray(checked.out, batch.layout.size, [batch.logits], kind === "distribution" ? values : undefined);
  const loss = lossOf(batch, gradient);
  return { loss, gradient: toForm(batch.logits.form, gradient, batch.logits.shape) };
}
