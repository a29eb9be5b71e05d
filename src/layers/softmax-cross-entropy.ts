// Layers: state between forward and backward, in a memory of their own.

/// <reference lib="esnext.disposable" preserve="true" />

import { checkBoolean, checkInteger, checkOneOf, checkOptions, rangeError, typeError } from "../errors.js";
import { type CheckedLabels, checkIndices, checkNoIgnored, type Labels, readLabels } from "../loss/labels.js";
import {
  answersOf,
  arePlain,
  type ClassTargets,
  checkClasses,
  checkMask,
  checkOutputs,
  checkWeights,
  divisorOf,
  isEmptyMean,
  type LossTerms,
  type Mask,
  type Output,
  prepare,
  type Reduction,
  readClassMask,
  readTerms,
  type ShapeOptions,
  TERMS,
  type Terms,
  tally,
} from "../loss/options.js";
import { beginVisits, buffersOf, type PlanOutput, planOutputsOf, visitWithOptions } from "../loss/plan.js";
import { Arena, type Buffer, Buffers } from "../memory/instance.js";
import {
  type ByRow,
  checkShape,
  type Elements,
  type Layout,
  layoutOf,
  MAX_AXES,
  readTensor,
  rowShape,
  type SameAxes,
  sameShape,
  type Tensor,
  toForm,
} from "../tensor/shape.js";
import { readThreads, type ThreadOptions } from "../threads/options.js";
import { shareMemory } from "../threads/team.js";
import { type Derivative, type Kernels, PLAN_PLANES, PLANES, SUM_ELEMENTS } from "../wasm/abi.js";

type LabelKind = "indices" | "distribution";

/** What both layers are: a memory laid out for a shape, and views of its buffers. */
abstract class Layer {
  #arena: Arena | undefined;
  #kernels: Kernels | undefined;
  #shape: readonly number[] | undefined;
  #layout: Layout | undefined;
  #buffers: Buffers | undefined;
  #hasRun = false;
  protected readonly axis: number;

  constructor({ axis = -1, ...options }: Pick<SoftmaxOptions, "axis" | "threads" | "createWorker">) {
    // Engines without explicit resource management have no such symbol. A static block would keep the class in bundles that do not use it.
    if (Symbol.dispose) Layer.prototype[Symbol.dispose] ??= Layer.prototype.dispose;
    this.axis = checkInteger("axis", axis, -MAX_AXES, MAX_AXES - 1);
    this.#arena = new Arena(shareMemory(readThreads(options)));
  }

  /** The planes of scratch memory that the kernels need. */
  protected get planes(): number {
    return PLANES;
  }

  /** The buffers for a batch, in their order in memory. */
  protected abstract buffersFor(layout: Layout, givenLabels?: LabelKind): readonly Buffer[];

  protected get arena(): Arena {
    if (!this.#arena) throw new Error(`${this.constructor.name} expected no use after dispose()`);
    this.#arena.check();
    return this.#arena;
  }

  /** The kernels for batches of the layer's layout. */
  protected get kernels(): Kernels {
    return this.layout && (this.#kernels as Kernels);
  }

  /** How many threads shared the rows of the last visit: 1 before there is one, for small batches, and while workers have not started. */
  get threads(): number {
    return this.arena.hands;
  }

  /** The axis lengths of the batch that the memory is laid out for; undefined before there is one. */
  get shape(): readonly number[] | undefined {
    return this.#shape;
  }

  protected get layout(): Layout {
    if (this.arena && this.#layout) return this.#layout;
    throw new Error(`${this.constructor.name} expected a shape first: give options.shape, or arrays to forward()`);
  }

  /**
   * Lays the memory out for batches of another shape. What the buffers held is lost; with the shape that the layer has, weights and mask of
   * rows and an accumulated gradient stay.
   *
   * @param shape Axis lengths, the class axis among them.
   * @throws TypeError, RangeError for a shape that does not fit the axis, the options or memory; Error after {@link dispose}.
   */
  resize(shape: readonly number[]): void {
    this.layOut(checkShape("shape", shape));
  }

  protected layOut(shape: readonly number[], givenLabels?: LabelKind): void {
    const layout = layoutOf(shape, this.axis);
    const scratch = this.arena.scratchBytes(layout, this.planes);
    const buffers = this.buffersFor(layout, givenLabels);
    this.#buffers = new Buffers(this.arena, "shape", [["scratch", "float64", scratch / 8], ...buffers]);
    this.#kernels = this.arena.sharedKernels(layout, scratch);
    this.#shape = Object.freeze([...shape]);
    this.#layout = layout;
    this.#hasRun = false;
  }

  protected get isLaidOut(): boolean {
    return this.#layout !== undefined;
  }

  /** The buffers of the memory as it is laid out. */
  protected get buffers(): Buffers {
    return this.layout && (this.#buffers as Buffers);
  }

  protected float64(name: string): Float64Array {
    return this.buffers.float64(name);
  }

  protected ptr(name: string): number {
    return this.buffers.ptr(name);
  }

  /** A tensor from the outside; a Float64Array has the layer's shape, or is one vector while there is none. */
  protected read(argument: string, value: unknown): Elements {
    const shape = value instanceof Float64Array ? this.#shape : undefined;
    if (shape && (value as Float64Array).length !== this.layout.size) {
      throw rangeError(argument, `${this.layout.size} elements, the layer having the shape [${shape.join(", ")}]`, value);
    }
    const elements = readTensor(argument, value, shape);
    return { ...elements, data: this.own(elements.data) };
  }

  /** The array itself, or a copy if it lies in the layer's memory, which may be laid out anew before it is used. */
  protected own<A extends ArrayBufferView & { slice(): unknown }>(array: A): A {
    return this.arena.mayHold(array) ? (array.slice() as A) : array;
  }

  /** Says whether there are results of a forward; while it runs, and when it has failed, there are none. */
  protected markRun(hasRun: boolean): void {
    this.#hasRun = hasRun;
  }

  protected requireForward(use: string): void {
    if (this.arena && !this.#hasRun) throw new Error(`${this.constructor.name}: ${use} expected a call of forward() first`);
  }

  /** Lets the memory go. Using the layer afterwards is an Error; disposing it again is not. */
  dispose(): void {
    this.#arena?.dispose();
    this.#arena = undefined;
    this.#kernels = undefined;
    this.#buffers = undefined;
  }

  /** {@link dispose}, for `using`. */
  declare [Symbol.dispose]: () => void;
}

/** What a layer is laid out for, and by how many it is worked for. */
export interface SoftmaxOptions extends ShapeOptions, ThreadOptions {
  /** Axis lengths of the batches; lays the memory out at once. */
  shape?: readonly number[];
}

const LAYER_OPTIONS = ["shape", "axis", "threads", "createWorker"] as const;

/**
 * Softmax as a layer: p = softmax(x) forward, the product of an upstream gradient with the Jacobian backward.
 *
 * With `shape` the views {@link logits} and {@link upstream} can be written, and {@link probs} and {@link gradient} read, in the
 * layer's own memory, without a copy. Every property gives the memory as it is now; after {@link resize} or a forward of another
 * shape, ask for it again.
 *
 * @throws TypeError for an unknown option, RangeError for a shape or axis that does not fit, or a shape that does not fit in memory.
 * @example
 * const layer = new Softmax();
 * layer.forward([[0, 0], [0, Math.log(3)]]); // → [[0.5, 0.5], [0.25, 0.75]]
 * layer.backward([[1, 0], [1, 0]]); // → [[0.25, -0.25], [0.1875, -0.1875]]
 */
export class Softmax extends Layer {
  constructor(options?: SoftmaxOptions) {
    const checked = checkOptions(options, LAYER_OPTIONS);
    super(checked);
    const { shape } = checked;
    if (shape !== undefined) this.resize(shape);
  }

  protected buffersFor({ size }: Layout): readonly Buffer[] {
    return ["logits", "probs", "upstream", "gradient"].map((name) => [name, "float64", size]);
  }

  /** Input of {@link forward}: the logits, in the layer's memory. */
  get logits(): Float64Array {
    return this.float64("logits");
  }

  /** Result of {@link forward}: p, in the layer's memory. */
  get probs(): Float64Array {
    return this.float64("probs");
  }

  /** Input of {@link backward}: the gradient with respect to p, in the layer's memory. */
  get upstream(): Float64Array {
    return this.float64("upstream");
  }

  /** Result of {@link backward}: the gradient with respect to the logits, in the layer's memory. */
  get gradient(): Float64Array {
    return this.float64("gradient");
  }

  /**
   * p of the logits in {@link logits}, as the view {@link probs}.
   *
   * @throws Error after {@link dispose} or without a shape.
   */
  forward(): Float64Array;
  /**
   * p of logits of one's own, copied in, as a new container of their kind.
   *
   * @param x Logits. A Float64Array has the layer's shape; other containers bring their own, to which the memory adapts.
   * @throws TypeError, RangeError as {@link softmax}; Error after {@link dispose}.
   */
  forward<T extends Tensor>(x: T): SameAxes<T>;
  forward(x?: Tensor): unknown {
    const given = x === undefined ? undefined : this.read("x", x);
    if (given) {
      if (!this.shape || !sameShape(given.shape, this.shape)) this.layOut(given.shape);
      this.logits.set(given.data);
    }
    const { classes, inner, rows } = this.layout;
    this.markRun(false);
    this.kernels.softmax(this.ptr("logits"), this.ptr("probs"), classes, inner, 0, rows, this.ptr("scratch"));
    this.markRun(true);
    return given ? toForm(given.form, this.probs.slice(), given.shape) : this.probs;
  }

  /**
   * p ⊙ (g − Σ g p) for the upstream gradient g in {@link upstream}, as the view {@link gradient}.
   *
   * @throws Error before {@link forward} and after {@link dispose}.
   */
  backward(): Float64Array;
  /**
   * The same for an upstream gradient of one's own, copied in, as a new container of its kind.
   *
   * @param upstream g, of the shape of the last forward.
   * @throws TypeError, RangeError as {@link softmax}; Error before {@link forward} and after {@link dispose}.
   */
  backward<T extends Tensor>(upstream: T): SameAxes<T>;
  backward(upstream?: Tensor): unknown {
    this.requireForward("backward()");
    const given = upstream === undefined ? undefined : this.read("upstream", upstream);
    if (given) {
      const shape = this.shape as readonly number[];
      if (!sameShape(given.shape, shape)) throw rangeError("upstream", `the shape [${shape.join(", ")}]`, given.shape);
      this.upstream.set(given.data);
    }
    const { classes, inner, rows } = this.layout;
    this.kernels.softmaxBackward(
      this.ptr("upstream"),
      this.ptr("probs"),
      this.ptr("gradient"),
      classes,
      inner,
      0,
      rows,
      this.ptr("scratch"),
    );
    return given ? toForm(given.form, this.gradient.slice(), given.shape) : this.gradient;
  }
}

/** The terms of a layer's loss, and what it has besides. */
export interface SoftmaxCrossEntropyOptions<R extends Reduction = Reduction> extends LossTerms<R>, SoftmaxOptions {
  /** What the resident labels are: class indices, an Int32Array (default), or distributions, a Float64Array. */
  labels?: "indices" | "distribution";
  /** Whether rows have weights of their own: the view {@link SoftmaxCrossEntropy.sampleWeights}. */
  sampleWeights?: boolean;
  /** Which classes take part in every row, C entries of 0 and 1; or true for the view {@link SoftmaxCrossEntropy.mask}. */
  mask?: true | ArrayLike<number> | readonly boolean[];
  /** Whether backward adds to the gradient instead of overwriting it. */
  accumulate?: boolean;
  /** Whether there is a gradient with respect to label distributions: {@link SoftmaxCrossEntropy.labelGradient}. */
  labelGradient?: boolean;
  /** What else there is to be after a forward, in the properties of these names. */
  outputs?: readonly Output[];
  /** The k of the output `topK`; 5 by default. */
  topK?: number;
}

const LOSS_LAYER_OPTIONS = /* @__PURE__ */ (() =>
  [...LAYER_OPTIONS, ...TERMS, "labels", "sampleWeights", "mask", "accumulate", "labelGradient", "outputs", "topK"] as const)();

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
export class SoftmaxCrossEntropy<const R extends Reduction = "mean"> extends Layer {
  readonly #terms: Terms;
  readonly #outputs: readonly Output[];
  /** What a plan is to give for them. */
  readonly #planOutputs: readonly PlanOutput[];
  readonly #topK: number;
  readonly #accumulates: boolean;
  readonly #hasLabelGradient: boolean;
  readonly #hasSampleWeights: boolean;
  /** Of every row; undefined for none, and for one that is resident. */
  readonly #classMask: Uint8Array | undefined;
  readonly #hasMask: boolean;
  /** Whether the kernels without options do. */
  readonly #isPlain: boolean;
  /** Of the resident labels. Given labels of the other kind have a buffer of their own, "givenLabels". */
  readonly #labelKind: LabelKind;
  #labels: "labels" | "givenLabels" = "labels";
  /** Of the layout, once they have been needed. */
  #targets: ClassTargets | undefined;
  /** Of the last forward. */
  #counts = { correct: 0, topK: 0, validCount: 0, totalWeight: 0, firstBadRow: -1 };
  /** Of the last forward's logits; undefined for resident ones. */
  #form: Elements["form"] | undefined;
  /** What the gradient in memory is multiplied by; NaN if that is no one number, or if the gradient has been handed out. */
  #upstream = 1;
  #probsAreFresh = false;

  constructor(options?: SoftmaxCrossEntropyOptions<R>) {
    const checked = checkOptions(options, LOSS_LAYER_OPTIONS);
    const { shape, labels = "indices", sampleWeights, mask, accumulate, labelGradient, outputs, topK = 5 } = checked;
    super(checked);
    this.#labelKind = checkOneOf("labels", labels, ["indices", "distribution"]);
    this.#terms = readTerms(checked);
    this.#outputs = checkOutputs(outputs);
    this.#topK = checkInteger("topK", topK, 1, Number.MAX_SAFE_INTEGER);
    this.#accumulates = checkBoolean("accumulate", accumulate);
    this.#hasLabelGradient = checkBoolean("labelGradient", labelGradient);
    this.#hasSampleWeights = checkBoolean("sampleWeights", sampleWeights);
    this.#hasMask = mask !== undefined;
    this.#classMask = mask === undefined || mask === true ? undefined : readClassMask(mask);
    if (this.#hasLabelGradient && labels === "indices") throw rangeError("labelGradient", 'labels: "distribution"', labelGradient);
    if (labels === "distribution") checkNoIgnored(this.#terms.ignoreIndex);
    const hasExtras = this.#outputs.length > 0 || this.#accumulates || this.#hasLabelGradient || this.#hasSampleWeights || this.#hasMask;
    this.#isPlain = arePlain(this.#terms) && !hasExtras;
    this.#planOutputs = planOutputsOf(this.#outputs, this.#hasLabelGradient);
    if (shape !== undefined) this.resize(shape);
  }

  protected override get planes(): number {
    return this.#isPlain ? PLANES : PLAN_PLANES;
  }

  protected override layOut(shape: readonly number[], givenLabels?: LabelKind): void {
    const layout = layoutOf(shape, this.axis);
    checkClasses(this.#terms, layout);
    if (this.#classMask && this.#classMask.length !== layout.classes) {
      throw rangeError("mask", `${layout.classes} entries, one for each class`, this.#classMask);
    }
    // What is written before a forward stays what it is where only the kind of labels changes.
    const isSame = this.shape !== undefined && sameShape(shape, this.shape);
    const lasting = ["sampleWeights", "mask", ...(this.#accumulates ? ["gradient"] : [])];
    const kept = lasting.map((name) => (isSame && this.buffers.has(name) ? this.buffers.view(name).slice() : undefined));
    super.layOut(shape, givenLabels);
    this.#targets = undefined;
    lasting.forEach((name, i) => {
      if (!this.buffers.has(name)) return;
      const view = this.buffers.view(name) as Float64Array;
      const values = kept[i] as Float64Array | undefined;
      if (values) view.set(values);
      else view.fill(name === "gradient" ? 0 : 1);
    });
  }

  protected buffersFor(layout: Layout, givenLabels = this.#labelKind): readonly Buffer[] {
    const { size, rows } = layout;
    const labels = (name: string, kind: LabelKind): Buffer => (kind === "indices" ? [name, "int32", rows] : [name, "float64", size]);
    const buffers: Buffer[] = [
      ["sum", "float64", SUM_ELEMENTS],
      ["losses", "float64", rows],
      ["upstream", "float64", this.#terms.reduction === "none" ? rows : 0],
      ["logits", "float64", size],
      labels("labels", this.#labelKind),
      ["gradient", "float64", size],
    ];
    if (givenLabels !== this.#labelKind) buffers.push(labels("givenLabels", givenLabels));
    if (this.#isPlain) return [...buffers, ["probs", "float64", size]];
    if (this.#hasSampleWeights) buffers.push(["sampleWeights", "float64", rows]);
    if (this.#hasMask || this.#terms.scale !== 1) buffers.push(["prepared", "float64", size]);
    if (this.#accumulates) buffers.push(["exps", "float64", size]);
    const outputs = [...new Set([...this.#planOutputs, "probs" as const])];
    return [...buffers, ...buffersOf(this.#terms, [this.#labelKind, givenLabels], this.#maskIfAny(), outputs, layout)];
  }

  /** The mask; before the memory is laid out, only whether it is that of every row. */
  #maskIfAny(): Mask | undefined {
    if (!this.#hasMask) return undefined;
    if (this.#classMask) return { values: this.#classMask, isShared: true };
    return { values: this.isLaidOut ? this.buffers.uint8("mask") : new Uint8Array(0), isShared: false };
  }

  /** Input of {@link forward}: the logits, in the layer's memory. */
  get logits(): Float64Array {
    return this.float64("logits");
  }

  /** Input of {@link forward}: class indices by row, or with `labels: "distribution"` a Float64Array laid out like the logits. */
  get labels(): Int32Array | Float64Array {
    return this.buffers.view("labels") as Int32Array | Float64Array;
  }

  /** Input of {@link forward}: the weight of each row, 1 at first. With `sampleWeights: true`. */
  get sampleWeights(): Float64Array {
    if (!this.#hasSampleWeights) throw new Error("SoftmaxCrossEntropy: sampleWeights expected the option sampleWeights: true");
    return this.float64("sampleWeights");
  }

  /** Input of {@link forward}: which classes take part in each row, laid out like the logits, 1 at first. With `mask: true`. */
  get mask(): Uint8Array {
    if (!this.#hasMask || this.#classMask) throw new Error("SoftmaxCrossEntropy: mask expected the option mask: true");
    return this.buffers.uint8("mask");
  }

  /** Result of {@link forward}: the loss of each row times its weight, whatever the reduction, in the layer's memory. */
  get losses(): Float64Array {
    return this.float64("losses");
  }

  /** Result of {@link backward}: the gradient with respect to the logits, in the layer's memory. */
  get gradient(): Float64Array {
    return this.float64("gradient");
  }

  /**
   * Result of {@link backward}: the gradient with respect to label distributions, times the upstream gradient, in the layer's memory; never
   * accumulated. With `labelGradient: true`.
   */
  get labelGradient(): Float64Array {
    if (!this.#hasLabelGradient) throw new Error("SoftmaxCrossEntropy: labelGradient expected the option labelGradient: true");
    this.requireForward("labelGradient");
    return this.float64("labelGradient");
  }

  /** softmax of {@link logits}, in the layer's memory; computed when it is first read after a forward. */
  get probs(): Float64Array {
    this.requireForward("probs");
    if (!this.#probsAreFresh) {
      if (this.#isPlain) {
        const { classes, inner, rows } = this.layout;
        this.kernels.softmax(this.ptr("logits"), this.ptr("probs"), classes, inner, 0, rows, this.ptr("scratch"));
      } else {
        this.#checkInputs(this.#labels);
        this.#visitWithOptions("none", 1, undefined, ["probs"]);
      }
      this.#probsAreFresh = true;
    }
    return this.float64("probs");
  }

  #output(name: Output): void {
    if (!this.#outputs.includes(name)) throw new Error(`SoftmaxCrossEntropy: ${name} expected to be listed in the option outputs`);
    this.requireForward(name);
  }

  /** log p, in the layer's memory. Here and below: of the last {@link forward}, if the option `outputs` lists it. */
  get logProbs(): Float64Array {
    this.#output("logProbs");
    return this.float64("logProbs");
  }

  /** log Σ exp(x) of each row, in the layer's memory. */
  get lse(): Float64Array {
    this.#output("lse");
    return this.float64("lse");
  }

  /** The entropy −Σ p log p of each row, in nats, in the layer's memory. */
  get entropy(): Float64Array {
    this.#output("entropy");
    return this.float64("entropy");
  }

  /** The class of each row's maximum, the first of equals, in the layer's memory; −1 where p is NaN or the row is ignored. */
  get argmax(): Int32Array {
    this.#output("argmax");
    return this.buffers.int32("argmax");
  }

  /** How many rows have their label at the maximum; of a distribution the first of its largest entries. */
  get correct(): number {
    this.#output("correct");
    return this.#counts.correct;
  }

  /** How many rows have their label among the k largest logits, k the option `topK`; of a distribution the first of its largest entries. */
  get topK(): number {
    this.#output("topK");
    return this.#counts.topK;
  }

  /** How many rows are not ignored. */
  get validCount(): number {
    this.#output("validCount");
    return this.#counts.validCount;
  }

  /** Σ of what the rows weigh, the divisor of the mean. */
  get totalWeight(): number {
    this.#output("totalWeight");
    return this.#counts.totalWeight;
  }

  /** The first row whose loss is NaN or +∞, or −1. */
  get firstBadRow(): number {
    this.#output("firstBadRow");
    return this.#counts.firstBadRow;
  }

  /**
   * The loss of the logits and labels in {@link logits} and {@link labels}.
   *
   * @returns The mean over the rows, their sum, or with `reduction: "none"` the view {@link losses}.
   * @throws RangeError for labels, {@link sampleWeights} or a {@link mask} out of range; Error after {@link dispose} or without a shape.
   */
  forward(): R extends "none" ? Float64Array : number;
  /**
   * The loss of logits and labels of one's own, copied in.
   *
   * @param logits Logits. A Float64Array has the layer's shape; other containers bring their own, to which the memory adapts.
   * @param labels Class indices by row, or distributions laid out like the logits: told apart by their number.
   * @returns The mean over the rows, their sum, or with `reduction: "none"` the loss of each row.
   * @throws TypeError, RangeError as {@link crossEntropy}; Error after {@link dispose}.
   */
  forward<T extends Tensor>(logits: T, labels: Labels): R extends "none" ? ByRow<T> : number;
  forward(logits?: Tensor, labels?: Labels): unknown {
    const { kernels } = this.arena;
    if (logits === undefined && labels === undefined) {
      this.#checkInputs("labels");
      this.#labels = "labels";
      this.#form = undefined;
    } else {
      this.#copyIn(logits, labels);
    }
    this.markRun(false);
    this.#visit(1);
    this.#probsAreFresh = this.#planOutputs.includes("probs");
    this.markRun(true);

    const { rows } = this.layout;
    if (this.#terms.reduction === "none") {
      return this.#form ? toForm(this.#form, this.losses.slice(), rowShape(this.shape as readonly number[], this.axis)) : this.losses;
    }
    const totalWeight = this.#isPlain ? rows : this.#counts.totalWeight;
    if (isEmptyMean(this.#terms, totalWeight)) return this.#terms.emptyMean;
    this.float64("sum").fill(0);
    kernels.accumulate(this.ptr("losses"), rows, this.ptr("sum"));
    return kernels.mean(this.ptr("sum"), divisorOf(this.#terms, totalWeight));
  }

  /**
   * The gradient of the last forward's loss with respect to its logits, times the upstream gradient: the view {@link gradient}, or for
   * logits that were copied in, a new container of their kind (which `T` names). The first call with upstream 1 finds it done; any other
   * visits the logits and labels again, which must be in memory as they were. With `accumulate` it is added to what {@link gradient}
   * holds: zeros at first, and whenever you set it to.
   *
   * @param upstream A number (default 1), or with `reduction: "none"` one for each row.
   * @throws TypeError or RangeError for an upstream that does not fit; Error before {@link forward} and after {@link dispose}.
   */
  backward<T extends Tensor = Float64Array>(upstream: number | Tensor = 1): SameAxes<T> {
    this.requireForward("backward()");
    if (typeof upstream !== "number") {
      const byRow = this.#readUpstream(upstream);
      this.#checkInputs(this.#labels);
      this.float64("upstream").set(byRow);
      this.#visit(0, "upstream");
    } else if (upstream !== this.#upstream) {
      this.#checkInputs(this.#labels);
      this.#visit(upstream);
    }
    // What is added stays as it is; what is handed out may be changed.
    if (this.#accumulates) this.kernels.add(this.ptr("exps"), this.ptr("gradient"), 0, this.layout.size, this.ptr("scratch"));
    else this.#upstream = Number.NaN;
    const result = this.#form ? toForm(this.#form, this.gradient.slice(), this.shape as readonly number[]) : this.gradient;
    return result as SameAxes<T>;
  }

  #copyIn(x: unknown, y: unknown): void {
    const logits = this.read("logits", x);
    const layout = layoutOf(logits.shape, this.axis);
    const labels = readLabels(y, logits.shape, this.axis, layout, this.#terms.ignoreIndex);
    if (this.#hasLabelGradient && labels.kind === "indices") throw rangeError("labels", "distributions, as their gradient is wanted", y);
    const values = this.own(labels.values);
    const name = labels.kind === this.#labelKind ? "labels" : "givenLabels";
    if (!this.shape || !sameShape(logits.shape, this.shape) || !this.buffers.has(name)) this.layOut(logits.shape, labels.kind);
    else this.#checkWeights();
    this.logits.set(logits.data);
    (this.buffers.view(name) as Float64Array).set(values);
    this.#labels = name;
    this.#form = logits.form;
  }

  /** Resident inputs are open to everyone: they are checked before each visit. */
  #checkInputs(name: "labels" | "givenLabels"): void {
    this.#checkWeights();
    const labels = this.buffers.view(name);
    if (!(labels instanceof Int32Array)) return;
    const { classes } = this.layout;
    const areGood = this.arena.kernels.firstBadIndex(this.ptr(name), labels.length, classes) === labels.length;
    if (!areGood) checkIndices(labels, classes, this.#terms.ignoreIndex);
  }

  #checkWeights(): void {
    if (this.#hasSampleWeights) checkWeights("sampleWeights", this.sampleWeights);
    if (this.#hasMask && !this.#classMask) checkMask(this.mask);
  }

  #readUpstream(upstream: unknown): Float64Array {
    const { reduction } = this.#terms;
    if (reduction !== "none") throw typeError("upstream", `a number, with reduction ${JSON.stringify(reduction)}`, upstream);
    const { data } = readTensor("upstream", upstream);
    if (data.length !== this.layout.rows) throw rangeError("upstream", `a number for each of ${this.layout.rows} rows`, upstream);
    return data;
  }

  /** Losses and gradient of what is in memory; the upstream gradient is a number, or 0 and the name of a buffer by row. */
  #visit(upstream: number, upstreams?: string): void {
    this.#upstream = Number.NaN;
    if (this.#isPlain) this.#visitPlainly(upstream, upstreams);
    else this.#visitWithOptions("gradient", upstream, upstreams, this.#planOutputs);
    if (upstreams === undefined) this.#upstream = upstream;
  }

  #visitPlainly(upstream: number, upstreams: string | undefined): void {
    const { classes, inner, rows } = this.layout;
    const { kernels } = this;
    const isIndices = this.buffers.view(this.#labels) instanceof Int32Array;
    const kernel = isIndices ? kernels.gradientOfIndices : kernels.gradientOfDistributions;
    kernel(
      this.ptr("logits"),
      this.ptr(this.#labels),
      this.ptr("losses"),
      this.ptr("gradient"),
      classes,
      inner,
      upstreams === undefined ? 0 : this.ptr(upstreams),
      upstream,
      divisorOf(this.#terms, rows),
      0,
      rows,
      this.ptr("scratch"),
    );
  }

  /** The same with options, and outputs. */
  #visitWithOptions(derivative: Derivative, upstream: number, upstreams: string | undefined, outputs: readonly PlanOutput[]): void {
    const { layout, buffers } = this;
    const terms = this.#terms;
    const values = buffers.view(this.#labels) as Int32Array | Float64Array;
    const labels: CheckedLabels = values instanceof Int32Array ? { kind: "indices", values } : { kind: "distribution", values };
    const mask = this.#maskIfAny();
    const sampleWeights = this.#hasSampleWeights ? this.sampleWeights : undefined;
    const prepared = prepare(terms, labels, layout, sampleWeights, mask, buffers.float64("rowWeights"), this.#targets);
    this.#targets ??= prepared.targets;
    const hasRanks = outputs.includes("ranks");
    if (hasRanks && labels.kind === "distribution") buffers.int32("answers").set(answersOf(labels.values, layout));
    const visit = {
      ...layout,
      terms,
      prepared,
      kind: labels.kind,
      mask,
      outputs,
      derivative,
      labels: this.#labels,
      // Where e_j go, and become the gradient: not into one that accumulates.
      exps: derivative === "none" ? "probs" : this.#accumulates ? "exps" : "gradient",
      upstream,
      upstreams,
    };
    beginVisits(buffers, visit);
    visitWithOptions(this.kernels, buffers, visit);
    if (derivative === "none") return;
    const { validCount, totalWeight } = prepared;
    const counts = { correct: 0, topK: 0, validCount, totalWeight, firstBadRow: -1 };
    const losses = this.#outputs.includes("firstBadRow") ? this.losses : undefined;
    tally(counts, 0, losses, hasRanks ? buffers.int32("ranks") : undefined, this.#topK);
    this.#counts = counts;
  }
}
