// Softmax cross-entropy as a layer.

import { checkBoolean, checkOneOf, checkOptions, counted, rangeError, typeError } from "../errors.js";
import { type LossOutputs, LossTotal } from "../functions/loss-total.js";
import { isKernelOutput, type KernelOutput } from "../loss/kernel-outputs.js";
import { type CheckedLabels, checkIndices, checkNoIgnored, type LabelKind, type Labels, readLabels } from "../loss/labels.js";
import { checkGroups, type LossOptions } from "../loss/options.js";
import {
  checkHasGroups,
  checkOutputClasses,
  checkOutputs,
  kernelOutputsOf,
  type Loss,
  OUTPUT_NAMES,
  OUTPUTS,
  type Output,
} from "../loss/outputs.js";
import { addLosses, buffersOf, type Derivative, LossPlan } from "../loss/plan.js";
import { type ExactWeight, exactWeight, haveWeights, type Weighing, weighRows } from "../loss/rows.js";
import type { GroupLosses, ResultsByRow } from "../loss/summaries.js";
import { type ClassTargets, classTargets, needTargets, targetClassesOf } from "../loss/targets.js";
import {
  checkClasses,
  checkWeights,
  type Known,
  type LossTerms,
  type Reduction,
  readNumbers,
  readTerms,
  TERMS,
  type Terms,
  withTerm,
} from "../loss/terms.js";
import type { Totals } from "../loss/totals.js";
import type { BufferSpec } from "../memory/buffers.js";
import { ChunkBuffer, checkLength, lengthOf, put } from "../memory/chunks.js";
import { type Elements, readTensor, type SameAxes, type Tensor, toForm } from "../tensor/containers.js";
import type { Dtype, FloatArray, FloatArrayOf } from "../tensor/element.js";
import { Float16Bits } from "../tensor/float16.js";
import { type Layout, layoutOf, rowShape, sameShape } from "../tensor/shape.js";
import { LOSS_PLANES } from "../wasm/abi.js";
import { LAYER_OPTIONS, Layer, type LayerOptions } from "./layer.js";
import { LayerMask, type MaskOption } from "./mask.js";

/** The options of a {@link SoftmaxCrossEntropy} layer: the terms of its loss, and its views. */
export interface SoftmaxCrossEntropyOptions<
  R extends string = Reduction,
  K extends string = LabelKind,
  O extends string = Output,
  D extends string = Dtype,
> extends LossTerms<R>,
    LayerOptions<D> {
  /** The resident labels: class indices, an Int32Array (default), or distributions, an array of the layer's dtype. */
  labels?: K;
  /** True for a weight for each row: the view {@link SoftmaxCrossEntropy.sampleWeights}. */
  sampleWeights?: boolean;
  /** The classes that take part in every row, C entries of 0 and 1; or true for the view {@link SoftmaxCrossEntropy.mask}. */
  mask?: MaskOption;
  /** True if backward adds to the gradient, element by element, instead of overwriting it: for several losses of the same logits. */
  accumulate?: boolean;
  /** True for the gradient with respect to label distributions: {@link SoftmaxCrossEntropy.labelGradient}. */
  labelGradient?: boolean;
  /** The group of each row of the batches, an integer of at least 0, for the output {@link SoftmaxCrossEntropy.groups}. */
  groups?: LossOptions["groups"];
  /** The outputs of a forward, which are properties of these names. */
  outputs?: readonly O[];
}

/** The array of resident labels of the kind `K`. */
export type ResidentLabels<K extends string, D extends string = "float64"> = K extends "indices"
  ? Int32Array
  : K extends "distribution"
    ? FloatArrayOf<D>
    : Int32Array | FloatArrayOf<D>;

const LOSS_LAYER_OPTIONS = /* @__PURE__ */ (() =>
  [...LAYER_OPTIONS, ...TERMS, "labels", "sampleWeights", "mask", "accumulate", "labelGradient", "groups", "outputs"] as const)();

/**
 * Defines getters that a prototype does not have yet. A static block of the class would do it, too, but keep the class in bundles that do not
 * use it.
 */
function defineGetters<L extends object, N extends string>(prototype: L, names: readonly N[], read: (layer: L, name: N) => unknown): void {
  for (const name of names) {
    if (name in prototype) continue;
    const get = function (this: L): unknown {
      return read(this, name);
    };
    Object.defineProperty(prototype, name, { get, configurable: true });
  }
}

/** The name of the buffer of an output by row in the layer's dtype, where that is less than a double. */
const roundedOf = (name: string): string => `${name}Rounded`;

/** The outputs as properties of a layer: views of its memory, or numbers. They are those of the last forward. */
// biome-ignore format: the comment that follows counts for one line.
// biome-ignore lint/correctness/noUnusedVariables: a merged interface has the type parameters of its class.
export interface SoftmaxCrossEntropy<R extends string = "mean", K extends string = "indices", O extends string = Output, D extends string = "float64">
  extends Readonly<Omit<LossOutputs<FloatArrayOf<D>>, "losses" | "probs" | "topK" | "groups">> {}

/**
 * Softmax cross-entropy as a layer: the loss forward, its gradient with respect to the logits backward. Forward visits the data once
 * for both.
 *
 * With `shape` the views {@link logits} and {@link labels} can be written, and {@link gradient}, {@link losses} and {@link probs} read,
 * in the layer's own memory, without a copy. Every property gives the memory as it is now; after {@link resize} or a forward of
 * another shape, ask for it again. {@link resize} to another shape sets {@link sampleWeights} and {@link mask} to 1 and an accumulated
 * gradient to 0.
 *
 * @throws TypeError for an unknown option, RangeError for options that do not fit or contradict each other, or a shape that does not
 *   fit in memory.
 * @example
 * const loss = new SoftmaxCrossEntropy({ shape: [2, 2] });
 * loss.logits.set([2, 1, 0, 3]);
 * loss.labels.set([0, 1]);
 * loss.forward(); // → 0.180925
 * loss.backward(); // → Float64Array.of(-0.134471, 0.134471, 0.023713, -0.023713)
 */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: the constructor sees to a getter for each output.
export class SoftmaxCrossEntropy<
  const R extends string = "mean",
  const K extends string = "indices",
  const O extends string = Output,
  const D extends string = "float64",
> extends Layer<D> {
  /** @internal */
  protected readonly planes = LOSS_PLANES;
  /** The terms as they are set, which the next forward takes. */
  #terms: Terms;
  /** The terms that the memory is laid out for, and that the last forward took. */
  #usedTerms: Terms;
  readonly #outputs: readonly Output[];
  /** The arrays that the kernel writes in a forward. */
  readonly #kernelOutputs: readonly KernelOutput[];
  readonly #accumulates: boolean;
  readonly #hasLabelGradient: boolean;
  readonly #hasSampleWeights: boolean;
  readonly #mask: LayerMask;
  readonly #hasRowWeights: boolean;
  /** The kind of the resident labels. Given labels of the other kind have a buffer of their own, "givenLabels". */
  readonly #labelKind: LabelKind;
  /** The kinds of labels that there is a buffer for: the resident ones, and given ones of the other kind once there were some. */
  #kinds: readonly LabelKind[];
  /** The buffer of the last forward's labels. */
  #labels: "labels" | "givenLabels" = "labels";
  /** The class targets of the memory as it is laid out, made when they are first needed. */
  #targets: ClassTargets | undefined;
  /** The plan that lies in memory, if it is that of loss and gradient. */
  #plan: LossPlan | undefined;
  #weighing: Weighing | undefined;
  /** The exact weight of the last forward's rows, for the output `total`. */
  #weight: ExactWeight | undefined;
  /** The form of the last forward's logits; undefined for resident ones. */
  #form: Elements["form"] | undefined;
  /** The factor of the gradient in memory; NaN if it differs from row to row, or if the gradient has been handed out. */
  #upstream = 1;
  #probsAreFresh = false;
  /** The groups of the rows, if they are an output. */
  #groups: Int32Array | undefined;

  constructor(
    options?: SoftmaxCrossEntropyOptions<R, K, O, D> & {
      dtype?: Known<D, Dtype>;
      reduction?: Known<R, Reduction>;
      labels?: Known<K, LabelKind>;
      outputs?: readonly Known<O, Output>[];
    },
  ) {
    const checked = checkOptions(options, LOSS_LAYER_OPTIONS);
    const { shape, labels = "indices", sampleWeights, mask, accumulate, labelGradient, groups, outputs } = checked;
    super(checked);
    const read = (layer: SoftmaxCrossEntropy<Reduction>, name: Output) => layer.#output(name);
    defineGetters(Object.getPrototypeOf(this), OUTPUT_NAMES, read);
    this.#labelKind = checkOneOf("labels", labels, ["indices", "distribution"]);
    this.#kinds = [this.#labelKind];
    this.#terms = this.#usedTerms = readTerms(checked);
    this.#outputs = checkOutputs(outputs);
    this.#accumulates = checkBoolean("accumulate", accumulate);
    this.#hasLabelGradient = checkBoolean("labelGradient", labelGradient);
    this.#hasSampleWeights = checkBoolean("sampleWeights", sampleWeights);
    this.#mask = new LayerMask(mask);
    if (this.#hasLabelGradient && labels === "indices") throw rangeError("labelGradient", 'labels: "distribution"', labelGradient);
    if (labels === "distribution") checkNoIgnored(this.#terms.ignoreIndex);
    this.#hasRowWeights = haveWeights(this.#terms, this.#hasSampleWeights, this.#mask.isGiven);
    this.#kernelOutputs = kernelOutputsOf(this.#outputs, this.#hasLabelGradient);
    checkHasGroups(this.#outputs, groups);
    if (groups !== undefined) this.groups = groups;
    if (shape !== undefined) this.resize(shape);
    this.freeze(new.target);
  }

  /** @internal */
  protected override layOut(shape: readonly number[]): void {
    const layout = layoutOf(shape, this.axis);
    checkClasses(this.#terms, layout, shape);
    checkOutputClasses(this.#outputs, layout, shape);
    this.#mask.checkClasses(layout);
    // Inputs that are written before a forward keep their values where only the kind of labels changes, and not the shape.
    const isSame = this.shape !== undefined && sameShape(shape, this.shape);
    const lasting = ["sampleWeights", ...(this.#mask.isView ? ["mask"] : []), ...(this.#accumulates ? ["gradient"] : [])];
    const kept = lasting.map((name) => (isSame && this.buffers.has(name) ? this.buffers.view(name).slice() : undefined));
    super.layOut(shape);
    this.#usedTerms = this.#terms;
    this.#targets = undefined;
    this.#plan = undefined;
    this.#weighing = undefined;
    for (const { name, from } of this.#lossBuffers()) if (from) put(this.buffers.view(name), from);
    for (const [i, name] of lasting.entries()) {
      if (!this.buffers.has(name)) continue;
      const values = kept[i];
      if (values) this.buffers.view(name).set(values);
      else this.buffers.view(name).fill(name === "gradient" ? 0 : 1);
    }
  }

  /** @internal */
  protected buffersFor(layout: Layout): readonly BufferSpec[] {
    const labelsOf = (name: string, kind: LabelKind): ChunkBuffer =>
      kind === "indices" ? new ChunkBuffer(name, "int32", "rows") : new ChunkBuffer(name, this.dtype, "tensor");
    const tensor = (name: string): ChunkBuffer => new ChunkBuffer(name, this.dtype, "tensor");
    const lossBuffers = this.#lossBuffers();
    const buffers = [tensor("logits"), labelsOf("labels", this.#labelKind), tensor("gradient"), ...lossBuffers];
    if (!lossBuffers.some(({ name }) => name === "probs")) buffers.push(tensor("probs"));
    if (this.#kinds.length > 1) buffers.push(labelsOf("givenLabels", this.#kinds[1]));
    if (this.#accumulates) buffers.push(tensor("exps"));
    if (this.#hasSampleWeights) buffers.push(new ChunkBuffer("sampleWeights", "float64", "rows"));
    if (this.#terms.reduction === "none") buffers.push(new ChunkBuffer("upstreamByRow", "float64", "rows"));
    for (const { name, type, extent } of lossBuffers) {
      const isRounded = isKernelOutput(name) && type === "float64" && this.dtype !== type;
      if (isRounded) buffers.push(new ChunkBuffer(roundedOf(name), this.dtype, extent));
    }
    return buffers.map(({ name, type, extent }) => [name, type, lengthOf(extent, layout)]);
  }

  /** An output by row. The kernel writes doubles; a view of another type gets them here. */
  #byRow(name: string): FloatArrayOf<D> {
    if (this.dtype === "float64") return this.float(name);
    const view = this.float(roundedOf(name));
    view.set(this.float64(name));
    return view;
  }

  #lossBuffers(): readonly ChunkBuffer[] {
    return buffersOf({
      dtype: this.dtype,
      terms: this.#terms,
      kinds: this.#kinds,
      mask: this.#mask.kind,
      hasRowWeights: this.#hasRowWeights,
      outputs: this.#kernelOutputs,
    });
  }

  /** The option `divisor` of the next forward, checked as in the constructor. */
  get divisor(): number | undefined {
    return this.#terms.divisor;
  }
  /** The option `divisor` of the next forward; undefined gives back its default. */
  set divisor(value: number | undefined) {
    this.#setTerm("divisor", value);
  }

  /** The option `emptyMean` of the next forward. */
  get emptyMean(): number {
    return this.#terms.emptyMean;
  }
  /** The option `emptyMean` of the next forward; undefined gives back its default. */
  set emptyMean(value: number | undefined) {
    this.#setTerm("emptyMean", value);
  }

  /** The option `labelSmoothing` of the next forward, for which the memory may grow. */
  get labelSmoothing(): number {
    return this.#terms.labelSmoothing;
  }
  /** The option `labelSmoothing` of the next forward; undefined gives back its default. */
  set labelSmoothing(value: number | undefined) {
    this.#setTerm("labelSmoothing", value);
  }

  /** The option `zLoss` of the next forward. */
  get zLoss(): number {
    return this.#terms.zLoss;
  }
  /** The option `zLoss` of the next forward; undefined gives back its default. */
  set zLoss(value: number | undefined) {
    this.#setTerm("zLoss", value);
  }

  /** The option `scale` of the next forward. */
  get scale(): number {
    return this.#terms.scale;
  }
  /** The option `scale` of the next forward; undefined gives back its default. */
  set scale(value: number | undefined) {
    this.#setTerm("scale", value);
  }

  /** The option `weights` of the next forward, for which the memory may grow; a copy, so set it to change it. */
  get weights(): Float64Array | undefined {
    return this.#terms.weights?.slice();
  }
  /** The option `weights` of the next forward; undefined gives back its default. */
  set weights(value: LossTerms["weights"]) {
    this.#setTerm("weights", value);
  }

  /** Reads the output `topK`, a number of rows; sets the option `topK` of the next forward, its k. */
  get topK(): number {
    return this.#output("topK") as number;
  }
  /** The option `topK` of the next forward; undefined gives back its default. */
  set topK(k: number | undefined) {
    this.#setTerm("topK", k);
  }

  /** Reads the output `groups`; sets the option `groups` of the next forward, an integer of at least 0 for each row. */
  get groups(): GroupLosses {
    return this.#output("groups") as GroupLosses;
  }
  /** The option `groups` of the next forward. */
  set groups(groups: LossOptions["groups"]) {
    checkHasGroups(this.#outputs, groups);
    this.#groups = checkGroups(readNumbers("groups", groups).numbers);
  }

  /** Input of {@link forward}: the logits, in the layer's memory. */
  get logits(): FloatArrayOf<D> {
    return this.float("logits");
  }

  /** Input of {@link forward}: class indices by row, or with `labels: "distribution"` an array laid out like the logits. */
  get labels(): ResidentLabels<K, D> {
    return this.buffers.view("labels") as ResidentLabels<K, D>;
  }

  /** Input of {@link forward}: the weight of each row, 1 at first. With `sampleWeights: true`. */
  get sampleWeights(): Float64Array {
    if (!this.#hasSampleWeights) throw new Error("SoftmaxCrossEntropy: sampleWeights expected the option sampleWeights: true");
    return this.float64("sampleWeights");
  }

  /** Input of {@link forward}: the classes that take part in each row, laid out like the logits, 1 at first. With `mask: true`. */
  get mask(): Uint8Array {
    return this.#mask.viewIn(this.buffers, "SoftmaxCrossEntropy");
  }

  /** Result of {@link forward}: the loss of each row times its weight, whatever the reduction, in the layer's memory. */
  get losses(): FloatArrayOf<D> {
    return this.#byRow("losses");
  }

  /** Result of {@link backward}: the gradient with respect to the logits, in the layer's memory. */
  get gradient(): FloatArrayOf<D> {
    return this.float("gradient");
  }

  /**
   * Result of {@link backward}: the gradient with respect to label distributions, times the upstream gradient, in the layer's memory; never
   * accumulated. With `labelGradient: true`.
   */
  get labelGradient(): FloatArrayOf<D> {
    if (!this.#hasLabelGradient) throw new Error("SoftmaxCrossEntropy: labelGradient expected the option labelGradient: true");
    this.requireForward("labelGradient");
    return this.float("labelGradient");
  }

  /** softmax of {@link logits}, in the layer's memory; computed when it is first read after a forward. */
  get probs(): FloatArrayOf<D> {
    this.requireForward("probs");
    if (!this.#probsAreFresh) {
      if (this.#plan?.isPlain(this.kernels)) {
        const { classes, inner, rows } = this.layout;
        this.kernels.softmax(this.ptr("logits"), this.ptr("probs"), classes, inner, this.elementBytes, 0, rows, this.ptr("scratch"));
      } else {
        this.#checkInputs(this.#labels);
        this.#planOf(undefined, "probs", ["losses", "probs"]).run(this.kernels, this.layout, this.#weigh());
        this.#plan = undefined;
      }
      this.#probsAreFresh = true;
    }
    return this.float("probs");
  }

  #output(name: Output): unknown {
    if (!this.#outputs.includes(name)) throw new Error(`SoftmaxCrossEntropy: ${name} expected to be listed in the option outputs`);
    this.requireForward(name);
    const output = OUTPUTS[name];
    if (output.type !== "value") return output.extent === "rows" && output.type === "float" ? this.#byRow(name) : this.buffers.view(name);
    const layer = this;
    const names = name === "total" ? this.#kernelOutputs : output.from;
    const resultsByRow = Object.fromEntries(names.map((from) => [from, this.buffers.view(from)])) as unknown as ResultsByRow;
    const value = output.compute({
      ...resultsByRow,
      dtype: this.dtype,
      terms: this.#usedTerms,
      weighing: this.#weighing as Weighing,
      weight: this.#weight as ExactWeight,
      outputs: this.#outputs,
      classes: this.layout.classes,
      get targetClasses() {
        const labels = layer.#givenLabels();
        return labels.kind === "indices" ? labels.values : targetClassesOf(labels.values, layer.layout);
      },
      rowWeights: this.#hasRowWeights ? this.float64("rowWeights") : undefined,
      groups: this.#groups,
      exp: (x) => this.kernels.exp(x, this.ptr("scratch")),
    });
    return name === "total" ? LossTotal.of(value as Totals) : value;
  }

  /**
   * The loss of the logits and labels in {@link logits} and {@link labels}.
   *
   * @returns The mean over the rows, their sum, or with `reduction: "none"` the view {@link losses}.
   * @throws RangeError for labels, {@link sampleWeights} or a {@link mask} out of range; Error after {@link dispose} or without a shape.
   */
  forward(): Loss<FloatArrayOf<D>, R>;
  /**
   * The loss of logits and labels of one's own, copied in.
   *
   * @param logits Logits. A typed array has the layer's shape; other containers bring their own, to which the memory adapts.
   * @param labels Class indices by row, or distributions laid out like the logits: told apart by their number.
   * @returns The mean over the rows, their sum, or with `reduction: "none"` the loss of each row.
   * @throws TypeError, RangeError as {@link crossEntropy}; Error after {@link dispose}.
   */
  forward<T extends Tensor>(logits: T, labels: Labels): Loss<T, R>;
  forward(logits?: Tensor, labels?: Labels): unknown {
    if (logits === undefined && labels === undefined) {
      this.#checkInputs("labels");
      this.#adoptTerms();
      this.#useLabels("labels");
      this.#form = undefined;
    } else {
      this.#copyIn(logits, labels);
    }
    this.markRun(false);
    this.#run(1);
    this.#probsAreFresh = this.#kernelOutputs.includes("probs");
    this.markRun(true);

    const { reduction, emptyMean } = this.#usedTerms;
    if (reduction === "none") {
      return this.#form ? toForm(this.#form, this.losses.slice(), rowShape(this.shape as readonly number[], this.axis)) : this.losses;
    }
    const weighing = this.#weighing as Weighing;
    if (weighing.isEmpty) return emptyMean;
    this.float64("sum").fill(0);
    return addLosses(this.kernels, this.buffers, this.layout.rows, weighing);
  }

  /**
   * The gradient of the last forward's loss with respect to its logits, times the upstream gradient: the view {@link gradient}, or for
   * logits that were copied in, a new container of their kind (which `T` names). The first call with upstream 1 finds it done; any other
   * visits the logits and labels again, which must be in memory as they were. With `accumulate` it is added to what {@link gradient}
   * holds, which is zeros at first; `gradient.fill(0)` before the losses of the next batch.
   *
   * @param upstream A number (default 1), or with `reduction: "none"` one for each row.
   * @throws TypeError or RangeError for an upstream that does not fit; Error before {@link forward} and after {@link dispose}.
   */
  backward<T extends Tensor = FloatArrayOf<D>>(upstream: number | Tensor = 1): SameAxes<T> {
    const byRow = typeof upstream === "number" ? undefined : this.#readUpstream(upstream);
    // A getter of the upstream may have changed the layer's shape.
    this.requireForward("backward()");
    if (byRow) {
      const { rows } = this.layout;
      if (byRow.length !== rows) throw rangeError("upstream", `a number for each of ${rows} rows`, upstream);
      this.#checkInputs(this.#labels);
      this.float64("upstreamByRow").set(byRow);
      this.#run("upstreamByRow");
    } else if (upstream !== this.#upstream) {
      this.#checkInputs(this.#labels);
      this.#run(upstream as number);
    }
    // A gradient that is handed out may be changed; one that is added stays in memory.
    if (this.#accumulates)
      this.kernels.add(this.ptr("exps"), this.ptr("gradient"), this.elementBytes, 0, this.layout.size, this.ptr("scratch"));
    else this.#upstream = Number.NaN;
    const result = this.#form ? toForm(this.#form, this.gradient.slice(), this.shape as readonly number[]) : this.gradient;
    return result as SameAxes<T>;
  }

  #copyIn(x: unknown, y: unknown): void {
    const logits = this.read("logits", x);
    const layout = layoutOf(logits.shape, this.axis);
    const labels = readLabels(y, logits, this.axis, layout, this.#terms.ignoreIndex);
    if (this.#hasLabelGradient && labels.kind === "indices") throw rangeError("labels", "distributions, as their gradient is wanted", y);
    const values = this.own(labels.values);
    this.#checkGroups(layout);
    checkLength("logits", logits.data, layout.size);
    checkLength("labels", values, labels.kind === "indices" ? layout.rows : layout.size);
    if (!this.#kinds.includes(labels.kind)) {
      this.#kinds = [this.#labelKind, labels.kind];
      this.layOut(logits.shape);
    } else if (!this.shape || !sameShape(logits.shape, this.shape)) {
      this.layOut(logits.shape);
    } else {
      this.#checkWeights();
      this.#adoptTerms();
    }
    const name = labels.kind === this.#labelKind ? "labels" : "givenLabels";
    put(this.logits, logits.data);
    this.buffers.view(name).set(values);
    this.#useLabels(name);
    this.#form = logits.form;
  }

  /** Lays the memory out for the terms that have been set since. Inputs keep their values. */
  #adoptTerms(): void {
    if (this.#usedTerms !== this.#terms) this.layOut(this.shape as readonly number[]);
  }

  #setTerm(name: keyof Terms, value: unknown): void {
    const terms = withTerm(this.#terms, name, value);
    if (this.instance && this.shape) checkClasses(terms, this.layout, this.shape);
    this.#terms = terms;
  }

  /** Resident inputs are open to everyone, so they are checked before each run. */
  #checkInputs(name: "labels" | "givenLabels"): void {
    this.#checkWeights();
    this.#checkGroups(this.layout);
    const labels = this.buffers.view(name);
    if (!(labels instanceof Int32Array)) return;
    const { classes } = this.layout;
    const areGood = this.instance.kernels.firstBadIndex(this.ptr(name), labels.length, classes) === labels.length;
    if (!areGood) checkIndices(labels, classes, this.#terms.ignoreIndex);
  }

  #checkGroups({ rows }: Layout): void {
    if (this.#groups && this.#groups.length !== rows)
      throw rangeError("groups", `${counted(rows, "integer")}, one for each row`, this.#groups);
  }

  #checkWeights(): void {
    if (this.#hasSampleWeights) checkWeights("sampleWeights", this.sampleWeights);
    this.#mask.checkView(this.buffers);
  }

  #readUpstream(upstream: unknown): FloatArray {
    const { reduction } = this.#terms;
    if (reduction !== "none") throw typeError("upstream", `a number, with reduction ${JSON.stringify(reduction)}`, upstream);
    const { data } = readTensor("upstream", upstream);
    return data instanceof Float16Bits ? data.toFloat32() : data;
  }

  /** The buffer of labels that a run reads. */
  #useLabels(name: "labels" | "givenLabels"): void {
    if (name !== this.#labels) this.#plan = undefined;
    this.#labels = name;
  }

  #givenLabels(): CheckedLabels {
    const values = this.buffers.view(this.#labels);
    return values instanceof Int32Array ? { kind: "indices", values } : { kind: "distribution", values };
  }

  /** Weighs the rows of the batch in memory. Without weights the result is the same for every batch. */
  #weigh(): Weighing {
    const isConstant = !this.#hasRowWeights && this.#usedTerms.weights === undefined;
    if (isConstant && this.#weighing) return this.#weighing;
    const sampleWeights = this.#hasSampleWeights ? this.sampleWeights : undefined;
    const rowWeights = this.#hasRowWeights ? this.buffers.float64("rowWeights") : undefined;
    const labels = this.#givenLabels();
    this.#weighing = weighRows(this.#usedTerms, labels, this.layout, sampleWeights, this.#mask.in(this.buffers), rowWeights);
    if (this.#outputs.includes("total")) this.#weight = exactWeight(this.#usedTerms, labels, this.layout, rowWeights);
    return this.#weighing;
  }

  #planOf(derivative: Derivative | undefined, exps: string, outputs: readonly KernelOutput[]): LossPlan {
    const { kind } = this.#givenLabels();
    const { layout } = this;
    const mask = this.#mask.kind;
    if (needTargets(kind, this.#usedTerms)) this.#targets ??= classTargets(this.#usedTerms, layout, mask);
    const targets = needTargets(kind, this.#usedTerms) ? this.#targets : undefined;
    return new LossPlan(this.buffers, {
      dtype: this.dtype,
      classes: layout.classes,
      inner: layout.inner,
      terms: this.#usedTerms,
      kind,
      mask,
      targets,
      outputs,
      derivative,
      labels: this.#labels,
      exps,
    });
  }

  /** Computes losses and gradient of the batch in memory, times an upstream gradient: a number, or the values in the buffer of that name. */
  #run(upstream: number | "upstreamByRow"): void {
    this.#upstream = Number.NaN;
    const weighing = this.#weigh();
    this.#plan ??= this.#planOf("GRADIENT", this.#accumulates ? "exps" : "gradient", this.#kernelOutputs);
    if (this.buffers.has("targetClasses")) {
      const labels = this.#givenLabels();
      if (labels.kind === "distribution") this.buffers.int32("targetClasses").set(targetClassesOf(labels.values, this.layout));
    }
    this.#plan.run(this.kernels, this.layout, weighing, upstream);
    if (upstream !== "upstreamByRow") this.#upstream = upstream;
  }
}
