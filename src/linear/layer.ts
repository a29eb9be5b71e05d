// A linear layer and its loss as a layer: operands and gradients lie in a memory of their own.

/// <reference lib="esnext.disposable" preserve="true" />

import { checkBoolean, checkInteger, checkOneOf, checkOptions, counted, rangeError, typeError, Verbatim } from "../errors.js";
import { type Batch, evaluate, layOut, readOutputs, surroundingsOf, type Wanted } from "../functions/batch.js";
import { withTotal } from "../functions/loss-total.js";
import { softmax } from "../functions/softmax.js";
import type {
  Dtype,
  FloatArrayOf,
  Known,
  LabelKind,
  Labels,
  LossTerms,
  NumberArray,
  Output,
  Outputs,
  ResidentLabels,
  SameAxes,
  Tensor,
  ThreadOptions,
} from "../index.js";
import { instanceFor } from "../layers/instance.js";
import { checkIndices, checkNoIgnored, readLabels } from "../loss/labels.js";
import { readClassMask } from "../loss/options.js";
import { checkOutputClasses } from "../loss/outputs.js";
import { checkClasses, checkWeights, readTerms, TERMS, type Terms } from "../loss/terms.js";
import { type BufferSpec, Buffers } from "../memory/buffers.js";
import { checkLength, Stream } from "../memory/chunks.js";
import { allocate, isFlat, numbersOf, readTensor, toForm } from "../tensor/containers.js";
import { bytesOf, DTYPES, type ElementType, type FloatArray, zeros } from "../tensor/element.js";
import { checkShape, type Layout, layoutOf, rowShape, showShape } from "../tensor/shape.js";
import { typedArrayLength } from "../tensor/typed-array.js";
import { mostThreadsOf } from "../threads/grain.js";
import { readThreads, type Threads } from "../threads/options.js";
import { warnOf } from "../threads/start-worker.js";
import { LEAST_ROWS, rowsOfChunk, sizeOfProducts } from "./blocks.js";
import { type Matrix, type Operands, Products } from "./products.js";

/** The options of a {@link LinearCrossEntropy} layer: its shape, its views, and the terms of its loss. */
export interface LinearCrossEntropyOptions<K extends string = LabelKind, O extends string = Output, D extends string = Dtype>
  extends Omit<LossTerms<"mean" | "sum">, "reduction">,
    ThreadOptions {
  /** The shape of the input, [N, D]: rows and features. */
  shape: readonly number[];
  /** The number of classes, C. */
  classes: number;
  /** True for a bias: the views {@link LinearCrossEntropy.bias} and {@link LinearCrossEntropy.biasGradient}. */
  bias?: boolean;
  /** The element type of the views: "float64" (default) or "float32". */
  dtype?: D;
  /** The resident labels: class indices, an Int32Array (default), or distributions, an array of the layer's dtype. */
  labels?: K;
  /** The result: the mean of the rows' losses (default), or their sum. */
  reduction?: "mean" | "sum" | (string & {});
  /** True for a weight for each row: the view {@link LinearCrossEntropy.sampleWeights}. */
  sampleWeights?: boolean;
  /** The classes that take part in every row, C entries of 0 and 1. */
  mask?: NumberArray | readonly number[] | readonly boolean[];
  /** False to leave the gradient of the input out, a third of the work: where the input is data. True by default. */
  inputGradient?: boolean;
  /**
   * True if backward adds to the gradients of weights and bias instead of overwriting them: for a batch in several. Then forward computes the loss
   * alone, and backward visits the rows once more.
   */
  accumulate?: boolean;
  /** The names of the entries of {@link LinearCrossEntropy.outputs}; not `probs`, `logProbs` and `groups`. */
  outputs?: readonly O[];
}

const LAYER_OPTIONS = /* @__PURE__ */ (() =>
  [
    ...["shape", "classes", "bias", "dtype", "labels", ...TERMS, "sampleWeights", "mask", "inputGradient", "accumulate", "outputs"],
    ...["threads", "createWorker"],
  ] as (keyof LinearCrossEntropyOptions)[])();

/** The gradients of a {@link LinearCrossEntropy} layer, which are views of its memory. */
export interface LinearGradients<D extends string> {
  /** That of the input (N, D), unless `inputGradient` is false. */
  input?: FloatArrayOf<D>;
  /** That of the weights (C, D). */
  weights: FloatArrayOf<D>;
  /** That of the bias (C), where there is one. */
  bias?: FloatArrayOf<D>;
}

const GRADIENT = { derivative: "GRADIENT", accumulate: false, labelGradient: false } as const;

/** Outputs as large as the logits, and those of an option that the layer does not have. */
const OTHER_OUTPUTS: readonly string[] = ["probs", "logProbs", "groups"];

/** The elements of a typed array that is a tensor; 0 for any other value. */
const typedArrayLengthOf = (x: unknown): number => (isFlat(x) ? typedArrayLength(x as object) : 0);

/** The memory of a layer: buffers that last, and a stream of the chunks behind them. */
interface Memory {
  readonly stream: Stream;
  readonly buffers: Buffers;
  /** The products for the loss alone, and those for the gradients as well. */
  readonly forward: Products;
  readonly backward: Products;
  /** The batch in the views, as far as it is the same each time. */
  readonly kept: Batch["kept"];
}

/**
 * A linear layer with softmax cross-entropy as its loss: logits X Wᵀ + b, which are never whole in memory. Input, weights, bias, labels and the
 * gradients are views of the layer's own memory, which does not grow. Weights and bias are 0 at first. With `threads` workers share the work of large
 * layers.
 *
 * @throws TypeError for an unknown option, RangeError for options that do not fit or contradict each other, or a shape that has no room in memory.
 * @example
 * const head = new LinearCrossEntropy({ shape: [1, 2], classes: 2 });
 * head.input.set([1, 2]);
 * head.weights.set([1, 0, 0, 1]);
 * head.labels.set([1]);
 * head.forward(); // → 0.313262
 * head.backward().weights; // → Float64Array.of(0.268941, 0.537883, -0.268941, -0.537883)
 * head.probs([[2, 2]]); // → [[0.5, 0.5]]
 */
export class LinearCrossEntropy<const K extends string = "indices", const O extends string = never, const D extends string = "float64"> {
  readonly #dtype: Dtype;
  readonly #layout: Layout;
  readonly #depth: number;
  readonly #terms: Terms;
  readonly #outputNames: readonly Output[];
  readonly #labelKind: LabelKind;
  readonly #hasBias: boolean;
  readonly #hasSampleWeights: boolean;
  readonly #wantsInput: boolean;
  readonly #accumulates: boolean;
  readonly #mask: Uint8Array | undefined;
  readonly #threads: Threads;
  /** The reason why the memory is not shared, if threads were asked for. */
  #obstacle: string | undefined;
  #usedThreads = 1;
  #memory: Memory | undefined;
  #outputs: Record<string, unknown> | undefined;
  /** The factor of the gradients in memory; NaN if they are not those of the last forward. */
  #upstream = Number.NaN;

  constructor(
    options: LinearCrossEntropyOptions<K, O, D> & {
      dtype?: Known<D, Dtype>;
      labels?: Known<K, LabelKind>;
      outputs?: readonly Known<O, Output>[];
    },
  ) {
    const checked = checkOptions(options, LAYER_OPTIONS as never) as Partial<LinearCrossEntropyOptions>;
    const { classes, bias, dtype = "float64", labels = "indices", sampleWeights, mask, inputGradient, accumulate, reduction } = checked;
    const shape = checkShape("shape", checked.shape);
    if (shape.length !== 2 || shape[1] === 0) throw rangeError("shape", "[N, D], rows and at least one feature", shape);
    const [rows, depth] = shape;
    const count = checkInteger("classes", classes, 1, 2 ** 31 - 1);
    this.#dtype = checkOneOf("dtype", dtype, DTYPES);
    this.#labelKind = checkOneOf("labels", labels, ["indices", "distribution"]);
    this.#hasBias = checkBoolean("bias", bias);
    this.#hasSampleWeights = checkBoolean("sampleWeights", sampleWeights);
    this.#wantsInput = checkBoolean("inputGradient", inputGradient, true);
    this.#accumulates = checkBoolean("accumulate", accumulate);
    if (reduction !== undefined) checkOneOf("reduction", reduction, ["mean", "sum"]);
    this.#terms = readTerms(checked as LossTerms<string>);
    if (labels === "distribution") checkNoIgnored(this.#terms.ignoreIndex);
    this.#outputNames = readOutputs(checked as { outputs?: readonly never[] });
    const other = this.#outputNames.find((name) => OTHER_OUTPUTS.includes(name));
    if (other) throw rangeError("outputs", `none of ${OTHER_OUTPUTS.join(", ")}`, other);
    this.#mask = mask === undefined ? undefined : readClassMask(mask);
    if (this.#mask && this.#mask.length !== count) {
      throw rangeError("mask", `${counted(count, "entry", "entries")}, one for each class`, this.#mask);
    }
    this.#layout = layoutOf([rows, count]);
    this.#depth = depth;
    checkClasses(this.#terms, this.#layout, [rows, count]);
    checkOutputClasses(this.#outputNames, this.#layout, [rows, count]);
    this.#threads = readThreads(checked);
    this.#memory = this.#newMemory();
    const chunk = Math.min(rowsOfChunk(this.#dtype, count, depth), rows);
    if (this.#obstacle && mostThreadsOf(sizeOfProducts(chunk * count * depth)) > 1) warnOf(this.#obstacle);
    // Engines without explicit resource management have no such symbol. The class is not named here, as bundlers would rename it.
    const { prototype } = new.target;
    if (Symbol.dispose) prototype[Symbol.dispose] ??= prototype.dispose;
    if (Object.getPrototypeOf(new.target) === Function.prototype) Object.freeze(this);
  }

  #newMemory(): Memory {
    const { rows, classes, size } = this.#layout;
    const depth = this.#depth;
    const specs: BufferSpec[] = [];
    const add = (isThere: boolean, name: string, type: ElementType, length: number): void => {
      if (isThere) specs.push([name, type, length]);
    };
    const dtype = this.#dtype;
    const isIndices = this.#labelKind === "indices";
    add(true, "input", dtype, rows * depth);
    add(true, "layerWeights", dtype, classes * depth);
    add(this.#hasBias, "layerBias", dtype, classes);
    add(this.#hasBias && dtype === "float32", "wideBias", "float64", classes);
    add(true, "layerLabels", isIndices ? "int32" : dtype, isIndices ? rows : size);
    add(this.#hasSampleWeights, "layerSampleWeights", "float64", rows);
    add(this.#wantsInput, "inputGradient", dtype, rows * depth);
    add(true, "weightsGradient", dtype, classes * depth);
    add(this.#hasBias, "biasGradient", dtype, classes);
    add(this.#hasBias, "layerBiasSums", "float64", classes);
    const bytes = specs.reduce((sum, [, type, length]) => sum + bytesOf(type, length), 0);
    const { instance, obstacle } = instanceFor(this.#threads, bytes);
    this.#obstacle = obstacle;
    try {
      const buffers = new Buffers(instance, specs);
      const stream = new Stream(instance, specs);
      const operands = this.#operands(buffers, buffers.ptr("input"), rows);
      const backward = new Products(stream, operands, {
        input: this.#wantsInput ? buffers.ptr("inputGradient") : undefined,
        weights: buffers.ptr("weightsGradient"),
        bias: this.#hasBias ? buffers.ptr("layerBiasSums") : undefined,
        accumulates: this.#accumulates,
      });
      if (this.#hasSampleWeights) buffers.float64("layerSampleWeights").fill(1);
      // All memory that any call needs is there, so that views stay where they are.
      const batch = this.#batchIn(buffers);
      const { rowWeights, targets } = surroundingsOf(batch);
      const kept = { rowWeights, targets };
      this.#predictions(stream, buffers, zeros(dtype, 0), Number.POSITIVE_INFINITY).layOut();
      layOut({ ...batch, kept }, GRADIENT, backward);
      return { stream, buffers, forward: new Products(stream, operands), backward, kept };
    } catch (error) {
      instance.dispose(true);
      throw error;
    }
  }

  get #open(): Memory {
    if (!this.#memory) throw new Error("LinearCrossEntropy expected no use after dispose()");
    this.#memory.stream.instance.check();
    return this.#memory;
  }

  #float(name: string): FloatArrayOf<D> {
    return this.#open.buffers.float(name) as FloatArrayOf<D>;
  }

  /** A view that an option asks for. */
  #optional(isThere: boolean, name: string, option: string): FloatArrayOf<D> {
    if (!isThere) throw new Error(`LinearCrossEntropy: ${option}`);
    return this.#float(name);
  }

  /** The element type of the views. */
  get dtype(): Dtype {
    return this.#dtype;
  }

  /** The shape of the input, [N, D]. */
  get shape(): readonly number[] {
    return [this.#layout.rows, this.#depth];
  }

  /** The number of classes. */
  get classes(): number {
    return this.#layout.classes;
  }

  /**
   * The number of threads that shared the work of the last {@link forward} or {@link backward}: 1 before a call, for small layers, and until workers have
   * started.
   */
  get threads(): number {
    return this.#open && this.#usedThreads;
  }

  /**
   * The reason why the layer has one thread although more were asked for; undefined where they can be had. A small layer has one thread without a
   * reason.
   */
  get threadsReason(): string | undefined {
    return this.#obstacle ?? this.#open.stream.instance.threadsReason;
  }

  /** The size of the layer's memory. */
  get byteLength(): number {
    return this.#open.stream.instance.byteLength;
  }

  /** Input of {@link forward}: X (N, D). */
  get input(): FloatArrayOf<D> {
    return this.#float("input");
  }

  /** Input of {@link forward}: W (C, D), a line for each class. */
  get weights(): FloatArrayOf<D> {
    return this.#float("layerWeights");
  }

  /** Input of {@link forward}: the bias (C). With `bias: true`. */
  get bias(): FloatArrayOf<D> {
    return this.#optional(this.#hasBias, "layerBias", "bias expected the option bias: true");
  }

  /** Input of {@link forward}: class indices (N), or with `labels: "distribution"` distributions (N, C). */
  get labels(): ResidentLabels<K, D> {
    return this.#open.buffers.view("layerLabels") as ResidentLabels<K, D>;
  }

  /** Input of {@link forward}: the weight of each row, 1 at first. With `sampleWeights: true`. */
  get sampleWeights(): Float64Array {
    if (!this.#hasSampleWeights) throw new Error("LinearCrossEntropy: sampleWeights expected the option sampleWeights: true");
    return this.#open.buffers.float64("layerSampleWeights");
  }

  /** Result of {@link backward}: the gradient with respect to the input (N, D); never accumulated. Not with `inputGradient: false`. */
  get inputGradient(): FloatArrayOf<D> {
    return this.#optional(this.#wantsInput, "inputGradient", "inputGradient expected no option inputGradient: false");
  }

  /** Result of {@link backward}: the gradient with respect to the weights (C, D). */
  get weightsGradient(): FloatArrayOf<D> {
    return this.#float("weightsGradient");
  }

  /** Result of {@link backward}: the gradient with respect to the bias (C). With `bias: true`. */
  get biasGradient(): FloatArrayOf<D> {
    return this.#optional(this.#hasBias, "biasGradient", "biasGradient expected the option bias: true");
  }

  /** The outputs of the last {@link forward} that the option `outputs` names. */
  get outputs(): Outputs<FloatArrayOf<D> extends Tensor ? FloatArrayOf<D> : never, O> {
    this.#requireForward("outputs");
    return this.#outputs as never;
  }

  #requireForward(use: string): void {
    if (this.#open && !this.#outputs) throw new Error(`LinearCrossEntropy: ${use} expected a call of forward() first`);
  }

  /** The resident weights and bias with an input. */
  #operands(buffers: Buffers, input: Matrix, rows: number): Operands {
    return {
      dtype: this.#dtype,
      rows,
      depth: this.#depth,
      classes: this.#layout.classes,
      input,
      weights: buffers.ptr("layerWeights"),
      bias: this.#hasBias ? buffers.ptr(this.#dtype === "float32" ? "wideBias" : "layerBias") : undefined,
      open: this.#mask,
    };
  }

  /** The products for logits of other input, as many rows at a time as the layer has, or a few. */
  #predictions(stream: Stream, buffers: Buffers, input: FloatArray, rows: number): Products {
    return new Products(stream, this.#operands(buffers, input, rows), undefined, Math.max(LEAST_ROWS, this.#layout.rows));
  }

  /** Widens the bias of a layer of float32, as products take it. */
  #widenBias(buffers: Buffers): void {
    if (buffers.has("wideBias")) buffers.float64("wideBias").set(buffers.float("layerBias"));
  }

  /** The batch in the views. */
  #batchIn(buffers: Buffers, kept?: Batch["kept"]): Batch {
    const { rows, classes } = this.#layout;
    const values = buffers.view("layerLabels");
    const dtype = this.#dtype;
    return {
      logits: { data: zeros(dtype, 0), dtype, shape: [rows, classes], form: "flat" },
      labels: values instanceof Int32Array ? { kind: "indices", values } : { kind: "distribution", values: values as FloatArray },
      layout: this.#layout,
      rowShape: [rows],
      terms: this.#terms,
      sampleWeights: this.#hasSampleWeights ? buffers.float64("layerSampleWeights") : undefined,
      mask: this.#mask && { values: this.#mask, isShared: true },
      groups: undefined,
      outputs: this.#outputNames,
      kept,
    };
  }

  /** The batch in the views, which are open to everyone, so that they are checked. */
  #batch(): Batch {
    const { buffers, kept } = this.#open;
    const batch = this.#batchIn(buffers, kept);
    const { kind, values } = batch.labels;
    if (kind === "indices") checkIndices(values, this.#layout.classes, this.#terms.ignoreIndex);
    if (batch.sampleWeights) checkWeights("sampleWeights", batch.sampleWeights);
    return batch;
  }

  /**
   * The loss of the batch in the views, or of input and labels of one's own, which are copied there.
   *
   * @param input Input of the layer's shape and element type.
   * @param labels Labels of the kind that the layer has.
   * @throws TypeError, RangeError for input or labels that do not fit; Error after {@link dispose}.
   */
  forward(input?: Tensor, labels?: Labels): number {
    if (input !== undefined || labels !== undefined) this.#copyIn(input, labels);
    const batch = this.#batch();
    this.#outputs = undefined;
    const result = this.#accumulates ? this.#evaluate(batch, undefined, this.#open.forward) : this.#visit(batch, 1);
    const { loss, ...outputs } = withTotal(result);
    this.#outputs = outputs;
    return loss as number;
  }

  /** Streams the batch through products. */
  #evaluate(batch: Batch, wanted: Wanted | undefined, products: Products): Record<string, unknown> {
    const { stream, buffers } = this.#open;
    this.#widenBias(buffers);
    products.threads = 1;
    const result = evaluate(batch, wanted, products);
    this.#usedThreads = Math.max(products.threads, stream.instance.threads);
    return result;
  }

  /** Computes loss and gradients of a batch. */
  #visit(batch: Batch, upstream: number): Record<string, unknown> {
    const { buffers, backward } = this.#open;
    this.#upstream = Number.NaN;
    if (this.#hasBias) buffers.float64("layerBiasSums").fill(0);
    const result = this.#evaluate(batch, { ...GRADIENT, upstream }, backward);
    if (this.#hasBias) {
      const sums = buffers.float64("layerBiasSums");
      const view: FloatArray = this.biasGradient;
      for (let j = 0; j < view.length; j++) view[j] = this.#accumulates ? view[j] + sums[j] : sums[j];
    }
    this.#upstream = upstream;
    return result;
  }

  /**
   * The gradients of the last forward's loss, times the upstream gradient. The first call with upstream 1 finds them done; any other visits the
   * batch again, which must be in memory as it was. With `accumulate` those of weights and bias are added to what their views hold.
   *
   * @param upstream A number; 1 by default.
   * @returns The views {@link inputGradient}, {@link weightsGradient} and {@link biasGradient}, as far as there are such.
   * @throws TypeError for anything but a number; Error before {@link forward} and after {@link dispose}.
   */
  backward(upstream = 1): LinearGradients<D> {
    if (typeof upstream !== "number") throw typeError("upstream", "a number", upstream);
    this.#requireForward("backward()");
    if (upstream !== this.#upstream) this.#visit({ ...this.#batch(), outputs: [] }, upstream);
    // Views that are handed out may be changed; gradients that are added are there once.
    this.#upstream = Number.NaN;
    return {
      ...(this.#wantsInput && { input: this.inputGradient }),
      weights: this.weightsGradient,
      ...(this.#hasBias && { bias: this.biasGradient }),
    };
  }

  /** The elements of an input, with its form. */
  #read(x: unknown) {
    const depth = this.#depth;
    const rows = typedArrayLengthOf(x) / depth;
    if (!Number.isInteger(rows)) throw rangeError("input", `rows of ${counted(depth, "feature")}`, x);
    const read = readTensor("input", x, isFlat(x) ? [rows, depth] : undefined);
    if (read.shape.at(-1) !== depth) throw rangeError("input", `${counted(depth, "feature")} on the last axis`, read.shape);
    if (read.dtype !== this.#dtype) throw typeError("input", `${this.#dtype}, the dtype of the layer`, new Verbatim(read.dtype));
    // The views of the layer may be written to, or be elsewhere, before the input is used.
    const data = numbersOf(read);
    return { ...read, data: this.#open.stream.instance.mayHold(data) ? data.slice() : data };
  }

  #copyIn(x: unknown, y: unknown): void {
    const { rows, classes } = this.#layout;
    const { data, shape } = this.#read(x);
    if (shape.length !== 2 || shape[0] !== rows) throw rangeError("input", `the shape ${showShape(this.shape)}`, shape);
    const logits = { data: zeros(this.#dtype, 0), dtype: this.#dtype, shape: [rows, classes], form: "flat" } as const;
    const { kind, values } = readLabels(y, logits, -1, this.#layout, this.#terms.ignoreIndex);
    if (kind !== this.#labelKind) throw rangeError("labels", `${this.#labelKind}, as the layer has`, new Verbatim(kind));
    const { stream, buffers } = this.#open;
    const own = stream.instance.mayHold(values) ? values.slice() : values;
    checkLength("labels", own, kind === "indices" ? rows : rows * classes);
    checkLength("input", data, rows * this.#depth);
    this.input.set(data);
    buffers.view("layerLabels").set(own);
  }

  /**
   * The logits X Wᵀ + b of any input with the layer's weights.
   *
   * @param input Input of the layer's element type, whose last axis is that of features.
   * @returns Logits in the kind of container that the input is.
   * @throws TypeError, RangeError for input that does not fit; Error after {@link dispose}.
   */
  logits<T extends Tensor>(input: T): SameAxes<T> {
    const { form, data, shape } = this.#logits(input);
    return toForm(form, data, shape) as SameAxes<T>;
  }

  /**
   * The probabilities of the classes for any input: softmax of {@link logits}, with the options `softcap`, `scale` and `mask` of the layer.
   *
   * @param input As for {@link logits}.
   * @returns Probabilities in the kind of container that the input is.
   * @throws As {@link logits}.
   */
  probs<T extends Tensor>(input: T): SameAxes<T> {
    const { form, data, shape } = this.#logits(input);
    const { softcap, scale } = this.#terms;
    softmax(data, { shape, scale, softcap, mask: this.#mask, out: data });
    return toForm(form, data, shape) as SameAxes<T>;
  }

  #logits(x: unknown) {
    const { form, data: input, shape: inputShape } = this.#read(x);
    const { stream, buffers } = this.#open;
    const shape = [...rowShape(inputShape), this.#layout.classes];
    const layout = layoutOf(shape);
    const data = allocate("input", this.#dtype, layout.size);
    this.#widenBias(buffers);
    this.#predictions(stream, buffers, input, layout.rows).forward(layout, data);
    return { form, data, shape };
  }

  /**
   * Lets the memory go. Using the layer afterwards is an Error; disposing it again is not. With threads its views must not be used either: the next
   * layer gets the memory.
   */
  dispose(): void {
    this.#memory?.stream.instance.dispose(true);
    this.#memory = undefined;
  }

  /** {@link dispose}, for `using`. */
  declare [Symbol.dispose]: () => void;
}
