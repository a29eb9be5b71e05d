// Layers: state between forward and backward, in a memory of their own.

/// <reference lib="esnext.disposable" preserve="true" />

import { checkInteger, checkOneOf, checkOptions, rangeError, typeError } from "./check.js";
import { checkDivisor, checkReduction, type Reduction } from "./functions.js";
import { SUM_ELEMENTS } from "./kernels.js";
import { checkIndices, type Labels, readLabels } from "./labels.js";
import { Arena } from "./memory.js";
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
} from "./shape.js";

/** A buffer of a layer: its name, what it holds, and how many. */
type Buffer = readonly [name: string, type: "float64" | "int32", length: number];

/** Where a buffer lies, and the view of it that was last asked for. */
interface Place {
  readonly type: "float64" | "int32";
  readonly offset: number;
  readonly length: number;
  view?: Float64Array | Int32Array;
}

type LabelKind = "indices" | "distribution";

/** What both layers are: a memory laid out for a shape, and views of its buffers. */
abstract class Layer {
  #arena: Arena | undefined = new Arena();
  #shape: readonly number[] | undefined;
  #layout: Layout | undefined;
  #places = new Map<string, Place>();
  #hasRun = false;
  protected readonly axis: number;

  constructor(axis: unknown = -1) {
    this.axis = checkInteger("axis", axis, -MAX_AXES, MAX_AXES - 1);
  }

  /** The buffers for a batch, in their order in memory. */
  protected abstract buffersFor(layout: Layout, givenLabels?: LabelKind): readonly Buffer[];

  protected get arena(): Arena {
    if (!this.#arena) throw new Error(`${this.constructor.name} expected no use after dispose()`);
    return this.#arena;
  }

  /** The axis lengths of the batch that the memory is laid out for; undefined before there is one. */
  get shape(): readonly number[] | undefined {
    return this.#shape;
  }

  protected get layout(): Layout {
    if (this.arena && this.#layout) return this.#layout;
    throw new Error(`${this.constructor.name} expected a shape first: give options.shape, or arrays to forward()`);
  }

  /** Lays the memory out for batches of another shape. What the buffers held is lost. */
  resize(shape: readonly number[]): void {
    this.layOut(checkShape("shape", shape));
  }

  protected layOut(shape: readonly number[], givenLabels?: LabelKind): void {
    const layout = layoutOf(shape, this.axis);
    this.#places = this.#place([["scratch", "float64", this.arena.scratchBytes(layout) / 8], ...this.buffersFor(layout, givenLabels)]);
    this.#shape = Object.freeze([...shape]);
    this.#layout = layout;
    this.#hasRun = false;
  }

  #place(buffers: readonly Buffer[]): Map<string, Place> {
    const bytes = buffers.map(([, type, length]) => length * (type === "float64" ? 8 : 4));
    const offsets = this.arena.plan("shape", bytes);
    return new Map(buffers.map(([name, type, length], i) => [name, { type, offset: offsets[i], length }]));
  }

  protected has(name: string): boolean {
    return this.#places.has(name);
  }

  #placeOf(name: string): Place {
    const place = this.layout && this.#places.get(name);
    if (!place) throw new Error(`${this.constructor.name} has no buffer ${name}`);
    return place;
  }

  /** Where a buffer lies. */
  protected ptr(name: string): number {
    return this.#placeOf(name).offset;
  }

  /** A buffer as it lies in memory now: the same view until the memory grows or is laid out anew. */
  protected view(name: string): Float64Array | Int32Array {
    const place = this.#placeOf(name);
    if (!place.view || !this.arena.holds(place.view)) place.view = this.arena[place.type](place.offset, place.length);
    return place.view;
  }

  protected float64(name: string): Float64Array {
    return this.view(name) as Float64Array;
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
    return this.arena.holds(array) ? (array.slice() as A) : array;
  }

  protected markRun(): void {
    this.#hasRun = true;
  }

  protected requireForward(use: string): void {
    if (this.arena && !this.#hasRun) throw new Error(`${this.constructor.name}: ${use} expected a call of forward() first`);
  }

  /** Lets the memory go. Using the layer afterwards is an Error; disposing it again is not. */
  dispose(): void {
    this.#arena = undefined;
    this.#places.clear();
  }

  declare [Symbol.dispose]: () => void;

  static {
    // Engines without explicit resource management have no such symbol.
    if (Symbol.dispose) Layer.prototype[Symbol.dispose] = Layer.prototype.dispose;
  }
}

export interface SoftmaxOptions {
  /** Axis lengths of the batches; lays the memory out at once. */
  shape?: readonly number[];
  /** The class axis; negative counts from the end. Default −1. */
  axis?: number;
}

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
    const { shape, axis } = checkOptions(options, ["shape", "axis"]);
    super(axis);
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
   * p of the logits in {@link logits}, as the view {@link probs}; or of logits of one's own, copied in, as a new container of their
   * kind.
   *
   * @param x Logits. A Float64Array has the layer's shape; other containers bring their own, to which the memory adapts.
   * @throws TypeError, RangeError as {@link softmax}; Error after {@link dispose} or without a shape.
   */
  forward(): Float64Array;
  forward<T extends Tensor>(x: T): SameAxes<T>;
  forward(x?: Tensor): unknown {
    const { kernels } = this.arena;
    const given = x === undefined ? undefined : this.read("x", x);
    if (given) {
      if (!this.shape || !sameShape(given.shape, this.shape)) this.layOut(given.shape);
      this.logits.set(given.data);
    }
    const { outer, classes, inner } = this.layout;
    kernels.softmax(this.ptr("logits"), this.ptr("probs"), outer, classes, inner, this.ptr("scratch"));
    this.markRun();
    return given ? toForm(given.form, this.probs.slice(), given.shape) : this.probs;
  }

  /**
   * p ⊙ (g − Σ g p) for the upstream gradient g in {@link upstream}, as the view {@link gradient}; or for one of one's own, copied in,
   * as a new container of its kind.
   *
   * @param upstream g, of the shape of the last forward.
   * @throws TypeError, RangeError as {@link softmax}; Error before {@link forward} and after {@link dispose}.
   */
  backward(): Float64Array;
  backward<T extends Tensor>(upstream: T): SameAxes<T>;
  backward(upstream?: Tensor): unknown {
    this.requireForward("backward()");
    const given = upstream === undefined ? undefined : this.read("upstream", upstream);
    if (given) {
      const shape = this.shape as readonly number[];
      if (!sameShape(given.shape, shape)) throw rangeError("upstream", `the shape [${shape.join(", ")}]`, given.shape);
      this.upstream.set(given.data);
    }
    const { outer, classes, inner } = this.layout;
    this.arena.kernels.softmaxBackward(
      this.ptr("upstream"),
      this.ptr("probs"),
      this.ptr("gradient"),
      outer,
      classes,
      inner,
      this.ptr("scratch"),
    );
    return given ? toForm(given.form, this.gradient.slice(), given.shape) : this.gradient;
  }
}

export interface SoftmaxCrossEntropyOptions<R extends Reduction = Reduction> {
  /** Axis lengths of the batches of logits; lays the memory out at once. */
  shape?: readonly number[];
  /** The class axis; negative counts from the end. Default −1. */
  axis?: number;
  /** What the resident labels are: class indices, an Int32Array (default), or distributions, a Float64Array. */
  labels?: LabelKind;
  /** What becomes of the losses of the rows: their mean (default), their sum, or one each. */
  reduction?: R;
  /** Replaces the number of rows as the divisor of the mean. */
  divisor?: number;
}

/**
 * Softmax cross-entropy as a layer: the loss forward, its gradient with respect to the logits backward. Forward visits the data once
 * for both.
 *
 * With `shape` the views {@link logits} and {@link labels} can be written, and {@link gradient}, {@link losses} and {@link probs} read,
 * in the layer's own memory, without a copy. Every property gives the memory as it is now; after {@link resize} or a forward of
 * another shape, ask for it again.
 *
 * @throws TypeError for an unknown option, RangeError for options that do not fit, or a shape that does not fit in memory.
 * @example
 * const loss = new SoftmaxCrossEntropy({ shape: [2, 2] });
 * loss.logits.set([2, 1, 0, 3]);
 * loss.labels.set([0, 1]);
 * loss.forward(); // → 0.180925
 * loss.backward(); // → Float64Array.of(-0.134471, 0.134471, 0.023713, -0.023713)
 */
export class SoftmaxCrossEntropy<const R extends Reduction = "mean"> extends Layer {
  readonly #reduction: Reduction;
  readonly #divisor: number | undefined;
  /** Of the resident labels. Given labels of the other kind have a buffer of their own, "givenLabels". */
  readonly #labelKind: LabelKind;
  #labels: "labels" | "givenLabels" = "labels";
  /** Of the last forward's logits; undefined for resident ones. */
  #form: Elements["form"] | undefined;
  /** What the gradient in memory is multiplied by; NaN if that is no one number, or if the gradient has been handed out. */
  #upstream = 1;
  #probsAreFresh = false;

  constructor(options?: SoftmaxCrossEntropyOptions<R>) {
    const {
      shape,
      axis,
      labels = "indices",
      reduction,
      divisor,
    } = checkOptions(options, ["shape", "axis", "labels", "reduction", "divisor"]);
    super(axis);
    this.#labelKind = checkOneOf("labels", labels, ["indices", "distribution"]);
    this.#reduction = checkReduction(reduction);
    checkDivisor(this.#reduction, divisor, 1);
    this.#divisor = divisor;
    if (shape !== undefined) this.resize(shape);
  }

  protected buffersFor({ size, rows }: Layout, givenLabels = this.#labelKind): readonly Buffer[] {
    const labels = (name: string, kind: LabelKind): Buffer => (kind === "indices" ? [name, "int32", rows] : [name, "float64", size]);
    return [
      ["sum", "float64", SUM_ELEMENTS],
      ["losses", "float64", rows],
      ["upstream", "float64", this.#reduction === "none" ? rows : 0],
      ["logits", "float64", size],
      labels("labels", this.#labelKind),
      ["gradient", "float64", size],
      ["probs", "float64", size],
      ...(givenLabels === this.#labelKind ? [] : [labels("givenLabels", givenLabels)]),
    ];
  }

  /** Input of {@link forward}: the logits, in the layer's memory. */
  get logits(): Float64Array {
    return this.float64("logits");
  }

  /** Input of {@link forward}: class indices by row, or with `labels: "distribution"` a Float64Array laid out like the logits. */
  get labels(): Int32Array | Float64Array {
    return this.view("labels");
  }

  /** Result of {@link forward}: the loss of each row, whatever the reduction, in the layer's memory. */
  get losses(): Float64Array {
    return this.float64("losses");
  }

  /** Result of {@link backward}: the gradient with respect to the logits, in the layer's memory. */
  get gradient(): Float64Array {
    return this.float64("gradient");
  }

  /** softmax of {@link logits}, in the layer's memory; computed when it is first read after a forward. */
  get probs(): Float64Array {
    this.requireForward("probs");
    if (!this.#probsAreFresh) {
      const { outer, classes, inner } = this.layout;
      this.arena.kernels.softmax(this.ptr("logits"), this.ptr("probs"), outer, classes, inner, this.ptr("scratch"));
      this.#probsAreFresh = true;
    }
    return this.float64("probs");
  }

  /**
   * The loss of the logits and labels in {@link logits} and {@link labels}; or of one's own, copied in.
   *
   * @param logits Logits. A Float64Array has the layer's shape; other containers bring their own, to which the memory adapts.
   * @param labels Class indices by row, or distributions laid out like the logits: told apart by their number.
   * @returns The mean over the rows (0 if there is none), their sum, or with `reduction: "none"` the loss of each row.
   * @throws TypeError, RangeError as {@link crossEntropy}; Error after {@link dispose} or without a shape.
   */
  forward(): R extends "none" ? Float64Array : number;
  forward<T extends Tensor>(logits: T, labels: Labels): R extends "none" ? ByRow<T> : number;
  forward(logits?: Tensor, labels?: Labels): unknown {
    const { kernels } = this.arena;
    if (logits === undefined && labels === undefined) {
      this.#checkLabels("labels");
      this.#labels = "labels";
      this.#form = undefined;
    } else {
      this.#copyIn(logits, labels);
    }
    this.#visit(0, 1);
    this.#upstream = 1;
    this.#probsAreFresh = false;
    this.markRun();

    const { rows } = this.layout;
    if (this.#reduction === "none") {
      return this.#form ? toForm(this.#form, this.losses.slice(), rowShape(this.shape as readonly number[], this.axis)) : this.losses;
    }
    if (rows === 0) return 0;
    this.float64("sum").fill(0);
    kernels.accumulate(this.ptr("losses"), rows, this.ptr("sum"));
    return kernels.mean(this.ptr("sum"), this.#divisorOf(rows));
  }

  /**
   * The gradient of the last forward's loss with respect to its logits, times the upstream gradient: the view {@link gradient}, or for
   * logits that were copied in, a new container of their kind (which `T` names). The first call with upstream 1 finds it done; any other
   * visits the logits and labels again, which must be in memory as they were.
   *
   * @param upstream A number (default 1), or with `reduction: "none"` one for each row.
   * @throws TypeError or RangeError for an upstream that does not fit; Error before {@link forward} and after {@link dispose}.
   */
  backward<T extends Tensor = Float64Array>(upstream: number | Tensor = 1): SameAxes<T> {
    this.requireForward("backward()");
    if (typeof upstream !== "number") {
      const byRow = this.#readUpstream(upstream);
      this.#checkLabels(this.#labels);
      this.float64("upstream").set(byRow);
      this.#visit(this.ptr("upstream"), 0);
    } else if (upstream !== this.#upstream) {
      this.#checkLabels(this.#labels);
      this.#visit(0, upstream);
    }
    this.#upstream = Number.NaN;
    const result = this.#form ? toForm(this.#form, this.gradient.slice(), this.shape as readonly number[]) : this.gradient;
    return result as SameAxes<T>;
  }

  #divisorOf(rows: number): number {
    return checkDivisor(this.#reduction, this.#divisor, rows);
  }

  #copyIn(x: unknown, y: unknown): void {
    const logits = this.read("logits", x);
    const labels = readLabels(y, logits.shape, this.axis, layoutOf(logits.shape, this.axis));
    const values = this.own(labels.values);
    const name = labels.kind === this.#labelKind ? "labels" : "givenLabels";
    if (!this.shape || !sameShape(logits.shape, this.shape) || !this.has(name)) this.layOut(logits.shape, labels.kind);
    this.logits.set(logits.data);
    this.view(name).set(values);
    this.#labels = name;
    this.#form = logits.form;
  }

  /** Resident labels are open to everyone: they are checked before each visit. */
  #checkLabels(name: "labels" | "givenLabels"): void {
    const labels = this.view(name);
    if (!(labels instanceof Int32Array)) return;
    const { classes } = this.layout;
    const areGood = this.arena.kernels.firstBadIndex(this.ptr(name), labels.length, classes) === labels.length;
    if (!areGood) checkIndices(labels, classes);
  }

  #readUpstream(upstream: unknown): Float64Array {
    if (this.#reduction !== "none") {
      throw typeError("upstream", `a number, with reduction ${JSON.stringify(this.#reduction)}`, upstream);
    }
    const { data } = readTensor("upstream", upstream);
    if (data.length !== this.layout.rows) throw rangeError("upstream", `a number for each of ${this.layout.rows} rows`, upstream);
    return data;
  }

  /** Losses and gradient of what is in memory; the upstream gradient is by row, or 0 and a number. */
  #visit(upstreamPtr: number, upstream: number): void {
    const { outer, classes, inner, rows } = this.layout;
    const { kernels } = this.arena;
    const isIndices = this.view(this.#labels) instanceof Int32Array;
    const kernel = isIndices ? kernels.gradientOfIndices : kernels.gradientOfDistributions;
    kernel(
      this.ptr("logits"),
      this.ptr(this.#labels),
      this.ptr("losses"),
      this.ptr("gradient"),
      outer,
      classes,
      inner,
      upstreamPtr,
      upstream,
      this.#divisorOf(rows),
      this.ptr("scratch"),
    );
  }
}
