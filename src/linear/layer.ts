// A linear layer and its loss as a layer: operands and gradients lie in a memory of their own.

/// <reference lib="esnext.disposable" preserve="true" />

import { checkBoolean, checkInteger, checkOneOf, checkOptions, counted, rangeError, typeError, Verbatim } from "../errors.js";
import { type Batch, evaluate, readOutputs } from "../functions/batch.js";
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
} from "../index.js";
import { checkIndices, checkNoIgnored, readLabels } from "../loss/labels.js";
import { readClassMask } from "../loss/options.js";
import { checkOutputClasses } from "../loss/outputs.js";
import { checkClasses, checkWeights, readTerms, TERMS, type Terms } from "../loss/terms.js";
import { type BufferSpec, Buffers } from "../memory/buffers.js";
import { checkLength, Stream } from "../memory/chunks.js";
import { Instance } from "../memory/instance.js";
import { allocate, isFlat, numbersOf, readTensor, toForm } from "../tensor/containers.js";
import { DTYPES, type ElementType, type FloatArray, zeros } from "../tensor/element.js";
import { checkShape, type Layout, layoutOf, rowShape, showShape } from "../tensor/shape.js";
import { typedArrayLength } from "../tensor/typed-array.js";
import { checkTrueByDefault } from "./operands.js";
import { type Operands, Products } from "./products.js";

/** The options of a {@link LinearCrossEntropy} layer: its shape, its views, and the terms of its loss. */
export interface LinearCrossEntropyOptions<K extends string = LabelKind, O extends string = Output, D extends string = Dtype>
  extends Omit<LossTerms<"mean" | "sum">, "reduction"> {
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

/** Outputs as large as the logits, and those of an option that the layer does not have. */
const OTHER_OUTPUTS: readonly string[] = ["probs", "logProbs", "groups"];

/** The elements of a typed array that is a tensor; 0 for any other value. */
const typedArrayLengthOf = (x: unknown): number => (isFlat(x) ? typedArrayLength(x as object) : 0);

/** The memory of a layer: buffers that last, and a stream of the chunks behind them. */
interface Memory {
  readonly stream: Stream;
  readonly buffers: Buffers;
}

/**
 * A linear layer with softmax cross-entropy as its loss: logits X Wᵀ + b, which are never whole in memory. Input, weights, bias, labels and the
 * gradients are views of the layer's own memory. Weights and bias are 0 at first.
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
    this.#wantsInput = checkTrueByDefault("inputGradient", inputGradient);
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
    this.#memory = this.#newMemory();
    if (this.#hasSampleWeights) this.sampleWeights.fill(1);
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
    add(true, "layerLabels", isIndices ? "int32" : dtype, isIndices ? rows : size);
    add(this.#hasSampleWeights, "layerSampleWeights", "float64", rows);
    add(this.#wantsInput, "inputGradient", dtype, rows * depth);
    add(true, "weightsGradient", dtype, classes * depth);
    add(this.#hasBias, "biasGradient", dtype, classes);
    const instance = new Instance();
    return { stream: new Stream(instance, specs), buffers: new Buffers(instance, specs) };
  }

  get #open(): Memory {
    if (!this.#memory) throw new Error("LinearCrossEntropy expected no use after dispose()");
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

  /** The operands: the resident ones, or other input with the resident weights. */
  #operands(input?: FloatArray): Operands {
    const { buffers } = this.#open;
    const { classes, rows } = this.#layout;
    const depth = this.#depth;
    return {
      dtype: this.#dtype,
      rows: input ? input.length / depth : rows,
      depth,
      classes,
      input: input ?? buffers.ptr("input"),
      weights: buffers.ptr("layerWeights"),
      bias: this.#hasBias ? Float64Array.from(this.bias) : undefined,
      open: this.#mask,
    };
  }

  /** The batch in memory. Labels and weights of rows are copies, as the memory may grow. */
  #batch(): Batch {
    const { rows, classes } = this.#layout;
    const values = this.#open.buffers.view("layerLabels").slice();
    if (values instanceof Int32Array) checkIndices(values, classes, this.#terms.ignoreIndex);
    const dtype = this.#dtype;
    return {
      logits: { data: zeros(dtype, 0), dtype, shape: [rows, classes], form: "flat" },
      labels: values instanceof Int32Array ? { kind: "indices", values } : { kind: "distribution", values },
      layout: this.#layout,
      rowShape: [rows],
      terms: this.#terms,
      sampleWeights: this.#hasSampleWeights ? checkWeights("sampleWeights", this.sampleWeights.slice()) : undefined,
      mask: this.#mask && { values: this.#mask, isShared: true },
      groups: undefined,
      outputs: this.#outputNames,
    };
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
    const result = this.#accumulates ? evaluate(batch, undefined, this.#products()) : this.#visit(batch, 1);
    const { loss, ...outputs } = withTotal(result);
    this.#outputs = outputs;
    return loss as number;
  }

  #products(): Products {
    return new Products(this.#open.stream, this.#operands());
  }

  /** Computes loss and gradients of a batch. */
  #visit(batch: Batch, upstream: number): Record<string, unknown> {
    const { stream, buffers } = this.#open;
    const bias = this.#hasBias ? zeros("float64", this.#layout.classes) : undefined;
    const gradients = {
      input: this.#wantsInput ? buffers.ptr("inputGradient") : undefined,
      weights: buffers.ptr("weightsGradient"),
      bias,
      accumulates: this.#accumulates,
    };
    this.#upstream = Number.NaN;
    const result = evaluate(batch, { derivative: "GRADIENT", upstream }, new Products(stream, this.#operands(), gradients));
    if (bias) {
      const view: FloatArray = this.biasGradient;
      bias.forEach((sum, j) => {
        view[j] = this.#accumulates ? view[j] + sum : sum;
      });
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
    return { ...read, data: numbersOf(read).slice() };
  }

  #copyIn(x: unknown, y: unknown): void {
    const { rows, classes } = this.#layout;
    const { data, shape } = this.#read(x);
    if (shape.length !== 2 || shape[0] !== rows) throw rangeError("input", `the shape ${showShape(this.shape)}`, shape);
    const logits = { data: zeros(this.#dtype, 0), dtype: this.#dtype, shape: [rows, classes], form: "flat" } as const;
    const { kind, values } = readLabels(y, logits, -1, this.#layout, this.#terms.ignoreIndex);
    if (kind !== this.#labelKind) throw rangeError("labels", `${this.#labelKind}, as the layer has`, new Verbatim(kind));
    const own = values.slice();
    checkLength("labels", own, kind === "indices" ? rows : rows * classes);
    this.input.set(data);
    this.#open.buffers.view("layerLabels").set(own);
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
    const { stream } = this.#open;
    const { form, data: input, shape: inputShape } = this.#read(x);
    const shape = [...rowShape(inputShape), this.#layout.classes];
    const layout = layoutOf(shape);
    const data = allocate("input", this.#dtype, layout.size);
    new Products(stream, this.#operands(input)).forward(layout, data);
    return { form, data, shape };
  }

  /** Lets the memory go. Using the layer afterwards is an Error; disposing it again is not. */
  dispose(): void {
    this.#memory = undefined;
  }

  /** {@link dispose}, for `using`. */
  declare [Symbol.dispose]: () => void;
}
