// Softmax cross-entropy without state: check, then stream the batch block by block through the staging area.

import { checkBoolean, checkInteger, checkOptions, rangeError } from "../errors.js";
import { type CheckedLabels, type Labels, readLabels } from "../loss/labels.js";
import {
  answersOf,
  arePlain,
  type Counts,
  checkClasses,
  checkOutputs,
  divisorOf,
  isEmptyMean,
  LOSS_OPTIONS,
  type LossOptions,
  type Mask,
  type Output,
  prepare,
  type Reduction,
  readMask,
  readSampleWeights,
  readTerms,
  type Terms,
  tally,
} from "../loss/options.js";
import { beginVisits, buffersOf, type PlanOutput, planOutputsOf, type Visit, visitWithOptions } from "../loss/plan.js";
import { type Block, blocksOf, copyIn, copyOut, resultArray, stagingArea } from "../memory/chunks.js";
import { type Buffer, Buffers } from "../memory/instance.js";
import {
  allocate,
  type ByRow,
  type Elements,
  type IndexByRow,
  type Layout,
  layoutOf,
  readTensor,
  rowShape,
  type SameAxes,
  sameShape,
  type Tensor,
  toForm,
} from "../tensor/shape.js";
import { type Derivative, PLAN_PLANES, SUM_ELEMENTS } from "../wasm/abi.js";

/** A batch as it was read and checked. */
interface Batch {
  readonly logits: Elements;
  readonly labels: CheckedLabels;
  readonly layout: Layout;
  readonly rowShape: readonly number[];
  readonly terms: Terms;
  readonly sampleWeights: Float64Array | undefined;
  readonly mask: Mask | undefined;
  readonly outputs: readonly Output[];
  readonly topK: number;
}

function readBatch(x: unknown, y: unknown, options: LossOptions<Reduction, Output>): Batch {
  const { shape, axis = -1, sampleWeights, mask, outputs, topK = 5 } = options;
  const terms = readTerms(options);
  const logits = readTensor("logits", x, shape);
  const layout = layoutOf(logits.shape, axis);
  checkClasses(terms, layout);
  return {
    logits,
    layout,
    rowShape: rowShape(logits.shape, axis),
    terms,
    sampleWeights: sampleWeights === undefined ? undefined : readSampleWeights(sampleWeights, logits.shape, axis, layout),
    mask: mask === undefined ? undefined : readMask(mask, logits.shape, layout),
    outputs: checkOutputs(outputs),
    topK: checkInteger("topK", topK, 1, Number.MAX_SAFE_INTEGER),
    labels: readLabels(y, logits.shape, axis, layout, terms.ignoreIndex),
  };
}

/** What a visit is to do. */
interface Task {
  readonly derivative: Derivative;
  /** Receives the derivative; with `accumulate` it is added. */
  readonly result?: Float64Array;
  readonly accumulate?: boolean;
  readonly labelGradient?: boolean;
  /** What the Hessian is multiplied by. */
  readonly vector?: Float64Array;
}

/** Whether the kernels without options give all that is asked for. */
function isPlain({ terms, sampleWeights, mask, outputs }: Batch, { derivative, accumulate, labelGradient }: Task): boolean {
  if (outputs.length > 0 || sampleWeights || mask || accumulate || labelGradient || !arePlain(terms)) return false;
  return derivative === "none" || derivative === "gradient";
}

/** The sum of the losses, at the head of every plan of the stage: it stays where it is from block to block. */
const SUM: Buffer = ["sum", "float64", SUM_ELEMENTS];

function clearSum(): void {
  const stage = stagingArea();
  stage.float64(stage.plan("shape", [SUM_ELEMENTS * 8])[0], SUM_ELEMENTS).fill(0);
}

/** The sum of the losses divided. */
function dividedSum(divisor: number): number {
  const stage = stagingArea();
  return stage.kernels.mean(stage.plan("shape", [SUM_ELEMENTS * 8])[0], divisor);
}

/** The part of a result by row that belongs to a block, in a buffer that may have room for more rows. */
function rowsOf<A extends Float64Array | Int32Array>(values: A, block: Block): A {
  return values.subarray(block.firstRow, block.firstRow + block.rows) as A;
}

/** The loss of a batch without options, and in `gradient` (size), which may be the logits themselves, its gradient. */
function plainLoss({ logits, labels, layout, rowShape, terms }: Batch, gradient?: Float64Array): unknown {
  const { classes, rows } = layout;
  const losses = terms.reduction === "none" ? allocate("shape", rows) : undefined;
  const divisor = divisorOf(terms, rows);
  const stage = stagingArea();
  const { kernels } = stage;
  clearSum();
  for (const block of blocksOf(layout)) {
    const size = block.outer * classes * block.inner;
    const stagedRows = block.outer * block.inner;
    const labelBytes = labels.kind === "indices" ? stagedRows * 4 : size * 8;
    const scratch = stage.scratchBytes({ classes, inner: block.inner, size });
    const bytes = [SUM_ELEMENTS * 8, scratch, stagedRows * 8, size * 8, labelBytes];
    const [sumPtr, scratchPtr, lossesPtr, xPtr, labelsPtr] = stage.plan("shape", bytes);
    copyIn(logits.data, stage.float64(xPtr, size), block, classes);
    if (labels.kind === "indices") {
      const staged = stage.int32(labelsPtr, stagedRows);
      staged.set(block.rows === rows ? labels.values : rowsOf(labels.values, block));
      staged.fill(0, block.rows);
    } else {
      copyIn(labels.values, stage.float64(labelsPtr, size), block, classes);
    }
    if (gradient) {
      const kernel = labels.kind === "indices" ? kernels.gradientOfIndices : kernels.gradientOfDistributions;
      kernel(xPtr, labelsPtr, lossesPtr, xPtr, classes, block.inner, 0, 1, divisor, 0, stagedRows, scratchPtr);
      copyOut(stage.float64(xPtr, size), gradient, block, classes);
    } else {
      const kernel = labels.kind === "indices" ? kernels.lossOfIndices : kernels.lossOfDistributions;
      kernel(xPtr, labelsPtr, lossesPtr, classes, block.inner, 0, stagedRows, scratchPtr);
    }
    losses?.set(stage.float64(lossesPtr, block.rows), block.firstRow);
    kernels.accumulate(lossesPtr, block.rows, sumPtr);
  }
  if (losses) return toForm(logits.form, losses, rowShape);
  return isEmptyMean(terms, rows) ? terms.emptyMean : dividedSum(divisor);
}

/** The loss of a batch with its options, and all that is asked for besides. */
function lossWithOptions(batch: Batch, task: Task): Record<string, unknown> {
  const { logits, labels, layout, terms, sampleWeights, mask, outputs, topK } = batch;
  const { classes, rows } = layout;
  const { derivative, vector } = task;
  const { kind } = labels;
  const wants = (name: Output): boolean => outputs.includes(name);
  const planOutputs = planOutputsOf(outputs, task.labelGradient);
  let answers: Int32Array | undefined;
  if (planOutputs.includes("ranks")) answers = kind === "indices" ? labels.values : answersOf(labels.values, layout);

  const rowWeights = allocate("shape", rows);
  const prepared = prepare(terms, labels, layout, sampleWeights, mask, rowWeights);
  const counts: Counts = { correct: 0, topK: 0, validCount: prepared.validCount, totalWeight: prepared.totalWeight, firstBadRow: -1 };
  const tensor = (name: PlanOutput) => (planOutputs.includes(name) ? allocate("shape", layout.size) : undefined);
  const byRow = (isWanted: boolean) => (isWanted ? allocate("shape", rows) : undefined);
  const tensors = { exps: task.result, probs: tensor("probs"), logProbs: tensor("logProbs"), labelGradient: tensor("labelGradient") };
  const vectors = {
    losses: byRow(wants("losses") || terms.reduction === "none"),
    lse: byRow(wants("lse")),
    entropy: byRow(wants("entropy")),
  };
  const argmax = wants("argmax") ? new Int32Array(rows) : undefined;

  const stage = stagingArea();
  const { kernels } = stage;
  clearSum();
  const buffersFor = (part: Visit): Buffers => {
    const stagedRows = part.outer * part.inner;
    const size = stagedRows * classes;
    return new Buffers(stage, "shape", [
      SUM,
      ["scratch", "float64", stage.scratchBytes({ classes, inner: part.inner, size }, PLAN_PLANES) / 8],
      ["losses", "float64", stagedRows],
      ["logits", "float64", size],
      ["labels", kind === "indices" ? "int32" : "float64", kind === "indices" ? stagedRows : size],
      ["exps", "float64", size],
      ...buffersOf(terms, [kind], mask, planOutputs, part),
      ...(vector ? [["vector", "float64", size] as const] : []),
    ]);
  };
  // Blocks are alike, but for the last ones.
  let visit: Visit | undefined;
  let buffers!: Buffers;
  for (const block of blocksOf(layout)) {
    const { outer, inner } = block;
    if (visit?.outer !== outer || visit.inner !== inner) {
      const names = { labels: "labels", exps: "exps" };
      visit = { outer, classes, inner, ...names, terms, prepared, kind, mask, outputs: planOutputs, derivative, upstream: 1 };
      buffers = buffersFor(visit);
      beginVisits(buffers, visit);
    }
    copyIn(logits.data, buffers.float64("logits"), block, classes);
    // Rows that a block has beyond those of the batch are ignored.
    buffers.float64("rowWeights").fill(-1).set(rowsOf(rowWeights, block));
    if (kind === "indices") buffers.int32("labels").set(rowsOf(labels.values, block));
    else copyIn(labels.values, buffers.float64("labels"), block, classes);
    if (answers) buffers.int32("answers").set(rowsOf(answers, block));
    if (mask && !mask.isShared) copyIn(mask.values, buffers.uint8("mask"), block, classes);
    if (vector) copyIn(vector, buffers.float64("vector"), block, classes);
    visitWithOptions(kernels, buffers, visit);

    if (task.result && task.accumulate) {
      copyIn(task.result, buffers.float64("logits"), block, classes);
      kernels.add(buffers.ptr("logits"), buffers.ptr("exps"), 0, outer * classes * inner, buffers.ptr("scratch"));
    }
    for (const [name, result] of Object.entries(tensors)) if (result) copyOut(buffers.float64(name), result, block, classes);
    for (const [name, result] of Object.entries(vectors)) result?.set(buffers.float64(name).subarray(0, block.rows), block.firstRow);
    argmax?.set(buffers.int32("argmax").subarray(0, block.rows), block.firstRow);
    const losses = wants("firstBadRow") ? buffers.float64("losses").subarray(0, block.rows) : undefined;
    tally(counts, block.firstRow, losses, answers && buffers.int32("ranks").subarray(0, block.rows), topK);
    kernels.accumulate(buffers.ptr("losses"), block.rows, buffers.ptr("sum"));
  }

  const { form, shape } = logits;
  const inForm = (values: Float64Array | Int32Array | undefined, as: readonly number[]) => values && toForm(form, values, as);
  const losses = inForm(vectors.losses, batch.rowShape);
  const all: Record<string, unknown> = {
    ...counts,
    losses,
    probs: inForm(tensors.probs, shape),
    logProbs: inForm(tensors.logProbs, shape),
    lse: inForm(vectors.lse, batch.rowShape),
    entropy: inForm(vectors.entropy, batch.rowShape),
    argmax: inForm(argmax, batch.rowShape),
  };
  let loss: unknown = losses;
  if (terms.reduction !== "none") loss = prepared.isEmpty ? terms.emptyMean : dividedSum(prepared.divisor);
  return {
    loss,
    ...(tensors.labelGradient && { labelGradient: inForm(tensors.labelGradient, shape) }),
    ...Object.fromEntries(outputs.map((name) => [name, all[name]])),
  };
}

/** What a loss returns for logits of the kind `T`: a number, or one for each row. */
export type Loss<T extends Tensor, R extends Reduction | undefined> = R extends "none" ? ByRow<T> : number;

/** A loss with its outputs. */
export interface LossResult<T extends Tensor, R extends Reduction | undefined> {
  /** The loss. */
  loss: Loss<T, R>;
}

/** A loss with its gradient. */
export interface GradientResult<T extends Tensor, R extends Reduction | undefined> extends LossResult<T, R> {
  /** The gradient with respect to the logits. */
  gradient: SameAxes<T>;
}

/** What `labelGradient` adds. */
export interface LabelGradientResult<T extends Tensor> {
  /** The gradient with respect to the labels. */
  labelGradient: SameAxes<T>;
}

/** What a loss can return besides. */
export interface LossOutputs<T extends Tensor> {
  /** The loss of each row, times its weight. */
  losses: ByRow<T>;
  /** p; 0 for excluded classes and ignored rows. */
  probs: SameAxes<T>;
  /** log p; −∞ for excluded classes and ignored rows. */
  logProbs: SameAxes<T>;
  /** log Σ exp(x) of each row. */
  lse: ByRow<T>;
  /** The entropy −Σ p log p of each row, in nats. */
  entropy: ByRow<T>;
  /** The class of each row's maximum, the first of equals; −1 where p is NaN or the row is ignored. */
  argmax: IndexByRow<T>;
  /** How many rows have their label at the maximum; of a distribution the first of its largest entries. */
  correct: number;
  /** How many rows have their label among the k largest logits, k the option `topK`; of a distribution the first of its largest entries. */
  topK: number;
  /** How many rows are not ignored. */
  validCount: number;
  /** Σ of what the rows weigh, the divisor of the mean. */
  totalWeight: number;
  /** The first row whose loss is NaN or +∞, or −1. */
  firstBadRow: number;
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
export function crossEntropy<T extends Tensor, const R extends Reduction = "mean">(
  logits: T,
  labels: Labels,
  options?: LossOptions<R>,
): Loss<T, R>;
export function crossEntropy<T extends Tensor, const O extends Output, const R extends Reduction = "mean">(
  logits: T,
  labels: Labels,
  options: LossOptions<R, O>,
): LossResult<T, R> & Pick<LossOutputs<T>, O>;
export function crossEntropy(logits: Tensor, labels: Labels, options?: LossOptions<Reduction, Output>): unknown {
  const batch = readBatch(logits, labels, checkOptions(options, LOSS_OPTIONS));
  const task = { derivative: "none" } as const;
  if (isPlain(batch, task)) return plainLoss(batch);
  const result = lossWithOptions(batch, task);
  return batch.outputs.length > 0 ? result : result.loss;
}

/** The options of a loss with its gradient. */
export interface LossWithGradientOptions<R extends Reduction = Reduction, O extends Output = never, L extends boolean = boolean>
  extends LossOptions<R, O> {
  /** Receives the gradient; may be the logits themselves. For Float64Array input. */
  out?: Float64Array;
  /** Whether the gradient is added to what `out` holds. */
  accumulate?: boolean;
  /** Whether to return the gradient with respect to distributions q as well. */
  labelGradient?: L;
}

/**
 * The loss of {@link crossEntropy} and its gradient with respect to the logits, (p − [j = y]) / N for the mean, in one visit to the
 * data. With `reduction: "none"` the gradient is each row's own.
 *
 * @param logits Logits x, as for {@link crossEntropy}.
 * @param labels Labels, as for {@link crossEntropy}.
 * @param options Those of {@link crossEntropy}; `out`, which receives the gradient, or with `accumulate` has it added; `labelGradient`,
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
  const R extends Reduction = "mean",
  const O extends Output = never,
  const L extends boolean = false,
>(
  logits: T,
  labels: Labels,
  options?: LossWithGradientOptions<R, O, L>,
): GradientResult<T, R> & Pick<LossOutputs<T>, O> & (L extends true ? LabelGradientResult<T> : unknown);
export function crossEntropyWithGradient(logits: Tensor, labels: Labels, options?: LossWithGradientOptions<Reduction, Output>): unknown {
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
  const task = { derivative: "gradient", result, accumulate, labelGradient } as const;
  if (isPlain(batch, task)) return { loss: plainLoss(batch, result), gradient: toForm(form, result, shape) };
  const rest = lossWithOptions(batch, task);
  return { ...rest, gradient: toForm(form, result, shape) };
}

const GRADIENT_OPTIONS = /* @__PURE__ */ (() => [...LOSS_OPTIONS, "out", "accumulate", "labelGradient"] as const)();

/** The array for a derivative: `out` if it is given. */
function derivativeArray({ logits, labels, layout }: Batch, out: unknown, vector?: Elements): Float64Array {
  const inputs = vector ? [logits, vector] : [logits];
  return resultArray(out, layout.size, inputs, labels.kind === "distribution" ? labels.values : undefined);
}

/** The options of a second derivative. */
export interface HessianOptions<R extends Reduction = Reduction> extends Omit<LossOptions<R>, "outputs" | "topK"> {
  /** Receives the result, and is returned; may be the logits themselves. For Float64Array input. */
  out?: Float64Array;
}

const HESSIAN_OPTIONS = /* @__PURE__ */ (() => [...LOSS_OPTIONS.filter((name) => name !== "outputs" && name !== "topK"), "out"] as const)();

function secondOrder(derivative: Derivative, x: unknown, y: unknown, v: unknown, options: HessianOptions | undefined): unknown {
  const checked = checkOptions(options, HESSIAN_OPTIONS);
  const batch = readBatch(x, y, checked);
  const { form, shape } = batch.logits;
  const vector = derivative === "hessianProduct" ? readTensor("vector", v, v instanceof Float64Array ? shape : undefined) : undefined;
  if (vector && !sameShape(vector.shape, shape)) {
    throw rangeError("vector", `the shape of "logits", [${shape.join(", ")}]`, vector.shape);
  }
  const result = derivativeArray(batch, checked.out, vector);
  lossWithOptions(batch, { derivative, result, vector: vector?.data });
  return toForm(form, result, shape);
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
export function crossEntropyHvp<T extends Tensor>(logits: T, labels: Labels, vector: Tensor, options?: HessianOptions): SameAxes<T> {
  return secondOrder("hessianProduct", logits, labels, vector, options) as SameAxes<T>;
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
export function crossEntropyHessianDiagonal<T extends Tensor>(logits: T, labels: Labels, options?: HessianOptions): SameAxes<T> {
  return secondOrder("hessianDiagonal", logits, labels, undefined, options) as SameAxes<T>;
}
