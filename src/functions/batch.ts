// A batch of a loss: its arguments, read and checked, and its way through the kernel `loss`, chunk by chunk.

import { KERNEL_OUTPUTS, type KernelOutput, typeInMemory } from "../loss/kernel-outputs.js";
import { type CheckedLabels, distributionType, readLabels } from "../loss/labels.js";
import { type LossOptions, type Mask, readGroups, readMask, readSampleWeights } from "../loss/options.js";
import { checkHasGroups, checkOutputClasses, checkOutputs, isFrom, kernelOutputsOf, OUTPUTS, type Output } from "../loss/outputs.js";
import { addLosses, type ByName, buffersOf, type Derivative, LossPlan, planOf } from "../loss/plan.js";
import { exactWeight, haveWeights, type Weighing, weighRows } from "../loss/rows.js";
import type { Computed, ResultsByRow } from "../loss/summaries.js";
import { type ClassTargets, classTargets, needTargets, targetClassesOf } from "../loss/targets.js";
import { checkClasses, type Known, type Reduction, readTerms, type Terms } from "../loss/terms.js";
import type { Buffers } from "../memory/buffers.js";
import { type Chunk, ChunkBuffer, exp, forEachChunk, lengthOf, type Stream } from "../memory/chunks.js";
import { allocate, type Elements, readTensor, type TensorData, toForm } from "../tensor/containers.js";
import { bytesOf, type ElementArray, type FloatArray, zeros } from "../tensor/element.js";
import { type Axis, type Layout, layoutOf, readAxis, rowShape } from "../tensor/shape.js";
import { type Kernels, LOSS_PLANES, SUM_LENGTH } from "../wasm/abi.js";

/** A batch as it was read and checked. */
export interface Batch {
  readonly logits: Elements;
  readonly labels: CheckedLabels;
  readonly layout: Layout;
  readonly rowShape: readonly number[];
  readonly terms: Terms;
  readonly sampleWeights: Float64Array | undefined;
  readonly mask: Mask | undefined;
  readonly groups: Int32Array | undefined;
  readonly outputs: readonly Output[];
  /** What is kept for a next batch of the same options and shape: room for the weights of its rows, and its targets. */
  readonly kept?: Partial<Pick<Surroundings, "rowWeights" | "targets">>;
}

/**
 * Reads a batch; `options` are those that checkOptions has read. Of rows whose other classes lie elsewhere, `allClasses` is the number of all:
 * labels and class weights are theirs.
 */
export function readBatch(
  x: unknown,
  y: unknown,
  options: Partial<LossOptions<string, string>>,
  terms = readTerms(options),
  allClasses?: number,
): Batch {
  const { shape, axis } = options;
  const checkedAxis = readAxis(axis);
  const outputs = readOutputs(options);
  return batchOf(readTensor("logits", x, shape), checkedAxis, y, options, outputs, terms, allClasses);
}

/** Reads the names of the outputs. */
export function readOutputs({ outputs, groups }: Partial<LossOptions<string, string>>): readonly Output[] {
  const checked = checkOutputs(outputs);
  checkHasGroups(checked, groups);
  return checked;
}

/** The batch of logits that have been read. */
export function batchOf(
  logits: Elements,
  axis: Axis,
  y: unknown,
  { sampleWeights, mask, groups }: Partial<LossOptions<string, string>>,
  outputs: readonly Output[],
  terms: Terms,
  allClasses?: number,
): Batch {
  const layout = layoutOf(logits.shape, axis);
  const whole = allClasses === undefined ? layout : { ...layout, classes: allClasses };
  checkClasses(terms, whole, logits.shape);
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
    labels: readLabels(y, logits, axis, whole, terms.ignoreIndex),
  };
}

/** Logits that are computed chunk by chunk, in a memory of their own, where their gradient is used as well. */
export interface LogitsSource {
  readonly stream: Stream;
  /** The rows of a chunk. */
  readonly rows: number;
  readonly buffers: readonly ChunkBuffer[];
  /** Writes the logits of a chunk to the buffer "logits". */
  before(buffers: Buffers, chunk: Chunk): void;
  /** Called with the buffer of the derivative if one is wanted. */
  after(buffers: Buffers, chunk: Chunk, derivative: string, weighing: Weighing): void;
}

/** A derivative that is wanted besides the loss. */
export interface Wanted {
  readonly derivative: Derivative;
  /** Receives the derivative; with `accumulate` it is added. A source of the logits uses it chunk by chunk. */
  readonly result?: FloatArray;
  /** Always there, as the next one: Object.prototype may have properties of these names. */
  readonly accumulate: boolean;
  readonly labelGradient: boolean;
  /** The vector that the Hessian is multiplied by. */
  readonly vector?: TensorData;
  /** The factor of the derivative; 1 by default. */
  readonly upstream?: number;
}

/** What a batch is computed with besides: the weights of its rows, its targets, and the state of its rows where other classes lie elsewhere. */
export interface Surroundings {
  readonly rowWeights: Float64Array | undefined;
  readonly weighing: Weighing;
  readonly targets: ClassTargets | undefined;
  /** The buffers of the state, and of what else the kernel needs for it. */
  readonly buffers?: readonly ChunkBuffer[];
  /** True if the state is given, false if it is wanted. */
  readonly stateIsGiven?: boolean;
}

/** The surroundings of a batch that has all classes. */
export function surroundingsOf({ labels, layout, terms, sampleWeights, mask, kept }: Batch): Surroundings {
  const hasRowWeights = haveWeights(terms, sampleWeights !== undefined, mask !== undefined);
  const rowWeights = hasRowWeights ? (kept?.rowWeights ?? allocate("shape", "float64", layout.rows)) : undefined;
  const weighing = weighRows(terms, labels, layout, sampleWeights, mask, rowWeights);
  const targets = needTargets(labels.kind, terms) ? (kept?.targets ?? classTargets(terms, layout, mask)) : undefined;
  return { rowWeights, weighing, targets };
}

/** The buffers of a chunk, with the arrays of the whole batch that they are copied from and to. The derivative is written to the buffer `exps`. */
function chunkBuffersOf(
  { logits, labels, layout, terms, mask }: Batch,
  { rowWeights, buffers: more = [] }: Surroundings,
  outputs: readonly KernelOutput[],
  results: ByName<ElementArray>,
  wanted: Wanted | undefined,
  source: LogitsSource | undefined,
): { buffers: ChunkBuffer[]; exps: string } {
  const { kind } = labels;
  const { dtype } = logits;
  const targetClasses = kind === "distribution" && results.ranks !== undefined ? targetClassesOf(labels.values, layout) : undefined;
  const inputs = { dtype, terms, kinds: [kind], mask, hasRowWeights: rowWeights !== undefined, outputs };
  const buffers = buffersOf(inputs, { sum: results.sum, rowWeights, targetClasses }, results);
  buffers.push(...more, ...(source?.buffers ?? []));
  const tensor = (name: string, from?: TensorData, to?: FloatArray): void => {
    buffers.push(new ChunkBuffer(name, dtype, "tensor", from, to));
  };
  // The derivative takes the place of the logits, unless that of their cap needs them.
  const exps = wanted && terms.softcap !== undefined ? "gradient" : "logits";
  tensor("logits", source ? undefined : logits.data, exps === "logits" ? wanted?.result : undefined);
  if (exps !== "logits") tensor(exps, undefined, wanted?.result);
  if (kind === "indices") buffers.push(new ChunkBuffer("labels", "int32", "rows", labels.values));
  else buffers.push(new ChunkBuffer("labels", distributionType(labels.values, dtype), "tensor", labels.values));
  if (wanted?.accumulate) tensor("before", wanted.result);
  if (wanted?.vector) tensor("vector", wanted.vector);
  return { buffers, exps };
}

/** Lays out the memory of a source for batches like this one. */
export function layOut(batch: Batch, wanted: Wanted, source: LogitsSource): void {
  const { layout, logits, outputs } = batch;
  const { buffers } = chunkBuffersOf(batch, surroundingsOf(batch), kernelOutputsOf(outputs, false), {}, wanted, source);
  source.stream.layOut(LOSS_PLANES, logits.dtype, buffers, { ...layout, outer: Math.min(source.rows, layout.rows) });
}

/** The sum of the losses of the batch that is streamed, between two chunks. */
let sum: Float64Array | undefined;

/**
 * Streams a batch through the kernel: for the loss, the derivative if one is wanted, and these of its outputs; those in `kept` are returned as arrays.
 */
export function stream(
  batch: Batch,
  surroundings: Surroundings,
  kernelOutputs: readonly KernelOutput[],
  kept: readonly KernelOutput[],
  wanted?: Wanted,
  source?: LogitsSource,
): { loss: number; results: ByName<ElementArray> } {
  const { layout, terms, mask } = batch;
  const { kind } = batch.labels;
  const { dtype } = batch.logits;
  const { weighing, targets, stateIsGiven } = surroundings;
  sum ??= zeros("float64", SUM_LENGTH);
  sum.fill(0);
  const results: ByName<ElementArray> = { sum };
  for (const name of kept) {
    const spec = KERNEL_OUTPUTS[name];
    results[name] = allocate("shape", typeInMemory(spec, dtype), lengthOf(spec.extent, layout));
  }
  const { buffers, exps } = chunkBuffersOf(batch, surroundings, kernelOutputs, results, wanted, source);

  let loss = 0;
  const run = (kernels: Kernels, chunkBuffers: Buffers, chunk: Chunk): void => {
    source?.before(chunkBuffers, chunk);
    const call = {
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
      stateIsGiven,
    };
    // The plan that planOf keeps would keep the memory of a layer.
    const plan = source ? new LossPlan(chunkBuffers, call) : planOf(chunkBuffers, call);
    plan.run(kernels, chunk, weighing, wanted?.upstream);
    if (wanted?.accumulate) {
      const size = lengthOf("tensor", chunk);
      kernels.add(chunkBuffers.ptr("before"), chunkBuffers.ptr(exps), bytesOf(dtype, 1), 0, size, chunkBuffers.ptr("scratch"));
    }
    if (wanted) source?.after(chunkBuffers, chunk, exps, weighing);
    if (kernelOutputs.includes("losses")) loss = addLosses(kernels, chunkBuffers, chunk.rows, weighing);
  };
  forEachChunk(layout, dtype, LOSS_PLANES, buffers, run, source?.stream, source?.rows);
  return { loss, results };
}

/** The loss of a batch, the derivative if one is wanted, and those of its outputs that are asked for. */
export function evaluate(batch: Batch, wanted?: Wanted, source?: LogitsSource, asked = batch.outputs): Record<string, unknown> {
  const { logits, labels, layout, terms, outputs } = batch;
  const { kind } = labels;
  const { dtype } = logits;
  const isByRow = terms.reduction === "none";
  const kernelOutputs = kernelOutputsOf(outputs, wanted?.labelGradient ?? false);
  const needsLosses = isByRow || outputs.some((name) => isFrom(name, "losses"));
  const kept = kernelOutputs.filter((name) => name !== "losses" || needsLosses);
  const surroundings = surroundingsOf(batch);
  const { rowWeights, weighing } = surroundings;
  const { loss, results } = stream(batch, surroundings, kernelOutputs, kept, wanted, source);

  const { form, shape } = logits;
  const inForm = (name: KernelOutput): unknown => {
    const values = results[name] as FloatArray | Int32Array;
    const spec = KERNEL_OUTPUTS[name];
    if (spec.extent === "tensor") return toForm(form, values, shape);
    const isRounded = spec.type === "float" && dtype === "float32";
    return toForm(form, isRounded ? Float32Array.from(values) : values, batch.rowShape);
  };
  // Spread, the results would take half of the time of a call with few rows.
  const { losses, entropy, confidence, scaleGradients, scaleCurvatures, argmax, ranks } = results as unknown as ResultsByRow;
  const compute = (): Computed => ({
    losses,
    entropy,
    confidence,
    scaleGradients,
    scaleCurvatures,
    argmax,
    ranks,
    dtype,
    terms,
    weighing,
    get weight() {
      return exactWeight(terms, labels, layout, rowWeights);
    },
    outputs,
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
  let computed: Computed | undefined;
  for (const name of asked) {
    const output = OUTPUTS[name];
    if (output.type !== "value") {
      result[name] = inForm(name as KernelOutput);
      continue;
    }
    computed ??= compute();
    result[name] = output.compute(computed);
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
