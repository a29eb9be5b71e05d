// Softmax as a layer.

import { checkOptions, rangeError } from "../errors.js";
import type { Known } from "../loss/terms.js";
import type { BufferSpec } from "../memory/buffers.js";
import { put } from "../memory/chunks.js";
import { type SameAxes, type Tensor, toForm } from "../tensor/containers.js";
import type { Dtype, FloatArrayOf } from "../tensor/element.js";
import { type Layout, sameShape, showShape } from "../tensor/shape.js";
import { PLANES } from "../wasm/abi.js";
import { LAYER_OPTIONS, Layer, type SoftmaxOptions } from "./layer.js";

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
export class Softmax<const D extends string = "float64"> extends Layer<D> {
  /** @internal */
  protected readonly planes = PLANES;

  constructor(options?: SoftmaxOptions<D> & { dtype?: Known<D, Dtype> }) {
    const checked = checkOptions(options, LAYER_OPTIONS);
    super(checked);
    const { shape } = checked;
    if (shape !== undefined) this.resize(shape);
    this.freeze(new.target);
  }

  /** @internal */
  protected buffersFor({ size }: Layout): readonly BufferSpec[] {
    return ["logits", "probs", "upstream", "gradient"].map((name) => [name, this.dtype, size]);
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
   * @throws Error after {@link dispose} or without a shape.
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
    const { classes, inner, rows, size } = this.layout;
    this.markRun(false);
    if (size > 0)
      this.kernels.softmax(this.ptr("logits"), this.ptr("probs"), classes, inner, this.elementBytes, 0, rows, this.ptr("scratch"));
    this.markRun(true);
    return given ? toForm(given.form, this.probs.slice(), given.shape) : this.probs;
  }

  /**
   * p ⊙ (g − Σ g p) for the upstream gradient g in {@link upstream}, as the view {@link gradient}.
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
    const scratch = this.ptr("scratch");
    if (size > 0) {
      this.kernels.softmaxBackward(upstreamPtr, this.ptr("probs"), gradientPtr, classes, inner, this.elementBytes, 0, rows, scratch);
    }
    return given ? toForm(given.form, this.gradient.slice(), given.shape) : this.gradient;
  }
}
