// Softmax as a layer.

import { checkOptions, rangeError } from "../errors.js";
import { buffersOf, LossPlan, outputsCall } from "../loss/plan.js";
import { weighRows } from "../loss/rows.js";
import { type Known, readTerms, type Terms, withTerm } from "../loss/terms.js";
import type { BufferSpec } from "../memory/buffers.js";
import { type ChunkBuffer, lengthOf, put } from "../memory/chunks.js";
import { type SameAxes, type Tensor, toForm } from "../tensor/containers.js";
import type { Dtype, FloatArrayOf } from "../tensor/element.js";
import { type Layout, layoutOf, sameShape, showShape } from "../tensor/shape.js";
import { LOSS_PLANES, PLANES } from "../wasm/abi.js";
import { LAYER_OPTIONS, Layer, type LayerOptions } from "./layer.js";
import { LayerMask, type MaskOption } from "./mask.js";

/** The options of a {@link Softmax} layer. */
export interface SoftmaxOptions<D extends string = Dtype> extends LayerOptions<D> {
  /** Multiplies the logits, the inverse of a temperature; 1 by default. */
  scale?: number;
  /** The classes that take part in every row, C entries of 0 and 1; or true for the view {@link Softmax.mask}. */
  mask?: MaskOption;
}

const SOFTMAX_LAYER_OPTIONS = /* @__PURE__ */ (() => [...LAYER_OPTIONS, "scale", "mask"] as const)();

/**
 * Softmax as a layer: p = softmax(scale x) forward, the product of an upstream gradient with the Jacobian backward.
 *
 * With `shape` the views {@link logits} and {@link upstream} can be written, and {@link probs} and {@link gradient} read, in the
 * layer's own memory, without a copy. Every property gives the memory as it is now; after {@link resize} or a forward of another
 * shape, ask for it again. {@link resize} to another shape sets {@link mask} to 1.
 *
 * @throws TypeError for an unknown option, RangeError for a shape or axis that does not fit, or a shape that does not fit in memory.
 * @example
 * const layer = new Softmax();
 * layer.forward([[0, 0], [0, Math.log(3)]]); // → [[0.5, 0.5], [0.25, 0.75]]
 * layer.backward([[1, 0], [1, 0]]); // → [[0.25, -0.25], [0.1875, -0.1875]]
 */
export class Softmax<const D extends string = "float64"> extends Layer<D> {
  /** @internal */
  protected readonly planes: number;
  #terms: Terms;
  readonly #mask: LayerMask;
  /** True if there is memory for scale and mask. */
  readonly #canChange: boolean;
  /** The plan in memory, where scale or mask need one. */
  #plan: LossPlan | undefined;
  /** The scale of the last forward. */
  #usedScale = 1;

  constructor(options?: SoftmaxOptions<D> & { dtype?: Known<D, Dtype> }) {
    const checked = checkOptions(options, SOFTMAX_LAYER_OPTIONS);
    super(checked);
    const { shape, scale, mask } = checked;
    this.#terms = readTerms(checked);
    this.#mask = new LayerMask(mask);
    this.#canChange = scale !== undefined || this.#mask.isGiven;
    this.planes = this.#canChange ? LOSS_PLANES : PLANES;
    if (shape !== undefined) this.resize(shape);
    this.freeze(new.target);
  }

  /** @internal */
  protected override layOut(shape: readonly number[]): void {
    const layout = layoutOf(shape, this.axis);
    this.#mask.checkClasses(layout);
    const mask = this.shape && sameShape(shape, this.shape) && this.#mask.isView ? this.mask.slice() : undefined;
    super.layOut(shape);
    this.#plan = undefined;
    for (const { name, from } of this.#planBuffers()) if (from) put(this.buffers.view(name), from);
    if (mask) this.mask.set(mask);
    else if (this.#mask.isView) this.mask.fill(1);
  }

  /** The buffers that scale and mask need besides. */
  #planBuffers(): readonly ChunkBuffer[] {
    if (!this.#canChange) return [];
    const mask = this.#mask.kind;
    return buffersOf({ dtype: this.dtype, terms: this.#terms, kinds: [], mask, hasRowWeights: mask !== undefined, outputs: [] });
  }

  /** @internal */
  protected buffersFor(layout: Layout): readonly BufferSpec[] {
    const tensors = ["logits", "probs", "upstream", "gradient"].map((name) => [name, this.dtype, layout.size] as const);
    return [...tensors, ...this.#planBuffers().map(({ name, type, extent }) => [name, type, lengthOf(extent, layout)] as const)];
  }

  /** The option `scale` of the next forward. */
  get scale(): number {
    return this.#terms.scale;
  }
  /** The option `scale` of the next forward, if the constructor was given one or a mask; undefined gives back its default. */
  set scale(value: number | undefined) {
    if (!this.#canChange) throw new Error("Softmax: scale expected the option scale");
    this.#terms = withTerm(this.#terms, "scale", value);
    this.#plan = undefined;
  }

  /** Input of {@link forward}: the classes that take part in each row, laid out like the logits, 1 at first. With `mask: true`. */
  get mask(): Uint8Array {
    return this.#mask.viewIn(this.buffers, "Softmax");
  }

  /** Input of {@link forward}: the logits, in the layer's memory. */
  get logits(): FloatArrayOf<D> {
    return this.float("logits");
  }

  /** Result of {@link forward}: p, in the layer's memory. */
  get probs(): FloatArrayOf<D> {
    return this.float("probs");
  }

  /** Input of {@link backward}: the gradient with respect to p, in the layer's memory. */
  get upstream(): FloatArrayOf<D> {
    return this.float("upstream");
  }

  /** Result of {@link backward}: the gradient with respect to the logits, in the layer's memory. */
  get gradient(): FloatArrayOf<D> {
    return this.float("gradient");
  }

  /**
   * p of the logits in {@link logits}, as the view {@link probs}.
   *
   * @throws RangeError for a {@link mask} out of range; Error after {@link dispose} or without a shape.
   */
  forward(): FloatArrayOf<D>;
  /**
   * p of logits of one's own, copied in, as a new container of their kind.
   *
   * @param x Logits. A typed array has the layer's shape; other containers bring their own, to which the memory adapts.
   * @throws TypeError, RangeError as {@link softmax}; Error after {@link dispose}.
   */
  forward<T extends Tensor>(x: T): SameAxes<T>;
  forward(x?: Tensor): unknown {
    const given = x === undefined ? undefined : this.read("x", x);
    if (given) {
      if (!this.shape || !sameShape(given.shape, this.shape)) this.layOut(given.shape);
      put(this.logits, given.data);
    }
    this.#mask.checkView(this.buffers);
    this.markRun(false);
    if (this.layout.size > 0) this.#run();
    this.markRun(true);
    return given ? toForm(given.form, this.probs.slice(), given.shape) : this.probs;
  }

  #run(): void {
    const { layout, kernels } = this;
    if (this.#terms.scale === 1 && !this.#mask.isGiven) {
      const { classes, inner, rows } = layout;
      kernels.softmax(this.ptr("logits"), this.ptr("probs"), classes, inner, this.elementBytes, 0, rows, this.ptr("scratch"));
    } else {
      const mask = this.#mask.in(this.buffers);
      const rowWeights = mask && this.float64("rowWeights");
      const weighing = weighRows(this.#terms, undefined, layout, undefined, mask, rowWeights);
      const call = { dtype: this.dtype, terms: this.#terms, mask, outputs: ["probs"] } as const;
      this.#plan ??= new LossPlan(this.buffers, outputsCall(call, layout, "probs"));
      this.#plan.run(kernels, layout, weighing);
    }
    this.#usedScale = this.#terms.scale;
  }

  /**
   * scale p ⊙ (g − Σ g p) for the upstream gradient g in {@link upstream}, as the view {@link gradient}.
   *
   * @throws Error before {@link forward} and after {@link dispose}.
   */
  backward(): FloatArrayOf<D>;
  /**
   * The same for an upstream gradient of one's own, copied in, as a new container of its kind.
   *
   * @param upstream g, of the shape of the last forward.
   * @throws TypeError, RangeError as {@link softmax}; Error before {@link forward} and after {@link dispose}.
   */
  backward<T extends Tensor>(upstream: T): SameAxes<T>;
  backward(upstream?: Tensor): unknown {
    const given = upstream === undefined ? undefined : this.read("upstream", upstream);
    // A getter of the upstream may have changed the layer's shape.
    this.requireForward("backward()");
    if (given) {
      const shape = this.shape as readonly number[];
      if (!sameShape(given.shape, shape)) throw rangeError("upstream", `the shape ${showShape(shape)}`, given.shape);
      put(this.upstream, given.data);
    }
    const { classes, inner, rows, size } = this.layout;
    const upstreamPtr = this.ptr("upstream");
    const gradientPtr = this.ptr("gradient");
    const probsPtr = this.ptr("probs");
    const scratch = this.ptr("scratch");
    const scale = this.#usedScale;
    if (size > 0) {
      this.kernels.softmaxBackward(upstreamPtr, probsPtr, gradientPtr, classes, inner, this.elementBytes, scale, 0, rows, scratch);
    }
    return given ? toForm(given.form, this.gradient.slice(), given.shape) : this.gradient;
  }
}
