// The base of both layers: a memory of their own, laid out for a shape, and views of its buffers.

/// <reference lib="esnext.disposable" preserve="true" />

import { checkOneOf, rangeError, typeError, Verbatim } from "../errors.js";
import { type BufferSpec, Buffers, endOf } from "../memory/buffers.js";
import type { Instance } from "../memory/instance.js";
import { type Elements, isFlat, readTensor } from "../tensor/containers.js";
import { bytesOf, DTYPES, type Dtype, elementsOf, type FloatArrayOf } from "../tensor/element.js";
import { Float16Bits } from "../tensor/float16.js";
import {
  type Axis,
  checkAxes,
  checkShape,
  type Layout,
  layoutOf,
  readAxis,
  type ShapeOptions,
  showShape,
  sizeOf,
} from "../tensor/shape.js";
import { typedArrayLength } from "../tensor/typed-array.js";
import { mostThreadsOf } from "../threads/grain.js";
import { readThreads, type ThreadOptions, type Threads } from "../threads/options.js";
import { warnOf } from "../threads/start-worker.js";
import type { Kernels } from "../wasm/abi.js";
import { instanceFor } from "./instance.js";

/** The shape and the element type that a layer's memory is laid out for, and its threads. */
export interface LayerOptions<D extends string = Dtype> extends ShapeOptions, ThreadOptions {
  /** The element type of the layer's views, and of the tensors that it takes: "float64" (default) or "float32". */
  dtype?: D;
  /** Axis lengths of the batches; lays the memory out at once. */
  shape?: readonly number[];
}

export const LAYER_OPTIONS = ["shape", "axis", "dtype", "threads", "createWorker"] as const;

export abstract class Layer<D extends string = "float64"> {
  readonly #threads: Threads;
  #instance: Instance | undefined;
  /** The reason why the memory is not shared, if threads were asked for. */
  #obstacle: string | undefined;
  #kernels: Kernels | undefined;
  #shape: readonly number[] | undefined;
  #layout: Layout | undefined;
  #buffers: Buffers | undefined;
  #hasRun = false;
  /** @internal */
  protected readonly axis: Axis;
  readonly #dtype: Dtype;

  constructor(options: LayerOptions<string>) {
    const { axis, dtype = "float64", shape } = options;
    this.#dtype = checkOneOf("dtype", dtype, DTYPES);
    this.axis = checkAxes(readAxis(axis));
    this.#threads = readThreads(options);
    this.#instance = this.#newInstance(shape === undefined ? 0 : bytesOf(this.#dtype, 2 * sizeOf(checkShape("shape", shape))));
    // Engines without explicit resource management have no such symbol. A static block would keep the class in bundles that do not use it.
    if (Symbol.dispose) Layer.prototype[Symbol.dispose] ??= Layer.prototype.dispose;
  }

  /**
   * Makes an assignment to a misspelt property an error. A class that is derived from a layer may have properties of its own.
   *
   * @internal
   */
  protected freeze(target: object): void {
    if (Object.getPrototypeOf(target) === Layer) Object.freeze(this);
  }

  /**
   * The planes of scratch memory that the layer's kernels take.
   *
   * @internal
   */
  protected abstract readonly planes: number;

  /**
   * The buffers for a batch, in their order in memory.
   *
   * @internal
   */
  protected abstract buffersFor(layout: Layout): readonly BufferSpec[];

  /** @internal */
  protected get instance(): Instance {
    if (!this.#instance) throw new Error(`${this.constructor.name} expected no use after dispose()`);
    this.#instance.check();
    return this.#instance;
  }

  /**
   * The kernels for batches of the layer's shape.
   *
   * @internal
   */
  protected get kernels(): Kernels {
    return this.layout && (this.#kernels as Kernels);
  }

  /** An instance for the layer's threads with so many bytes, or one for the calling thread alone if there is an obstacle. */
  #newInstance(leastBytes: number): Instance {
    const { instance, obstacle } = instanceFor(this.#threads, leastBytes);
    this.#obstacle = obstacle;
    return instance;
  }

  /** The number of threads that shared the rows of the last call: 1 before a call, for small batches, and until workers have started. */
  get threads(): number {
    return this.instance.threads;
  }

  /**
   * The reason why the layer has one thread although more were asked for; undefined where they can be had. A small batch has one thread
   * without a reason.
   */
  get threadsReason(): string | undefined {
    return this.#obstacle ?? this.instance.threadsReason;
  }

  /** The element type of the layer's views. */
  get dtype(): Dtype {
    return this.#dtype;
  }

  /**
   * The bytes of an element.
   *
   * @internal
   */
  protected get elementBytes(): number {
    return bytesOf(this.#dtype, 1);
  }

  /** The size of the layer's memory. */
  get byteLength(): number {
    return this.instance.byteLength;
  }

  /** The axis lengths of the batch that the memory is laid out for; undefined before there is one. */
  get shape(): readonly number[] | undefined {
    return this.#shape;
  }

  /** @internal */
  protected get layout(): Layout {
    if (this.instance && this.#layout) return this.#layout;
    throw new Error(`${this.constructor.name} expected a shape first: give options.shape, or arrays to forward()`);
  }

  /**
   * Lays the memory out for batches of another shape. The values of the buffers are lost; with the shape that the layer has, weights and
   * mask of rows and an accumulated gradient stay. Ask for the views again: an old one never writes to another buffer. Where a batch needs
   * more memory than before, old views have no elements any more, or with threads memory of their own.
   *
   * @param shape Axis lengths, the class axis among them.
   * @throws TypeError, RangeError for a shape that does not fit the axis, the options or memory; Error after {@link dispose}.
   */
  resize(shape: readonly number[]): void {
    this.layOut(checkShape("shape", shape));
  }

  /** @internal */
  protected layOut(shape: readonly number[]): void {
    const layout = layoutOf(shape, this.axis);
    const scratchBytes = this.instance.scratchBytes(layout, this.planes, this.#dtype);
    const specs: BufferSpec[] = [["scratch", "float64", elementsOf("float64", scratchBytes)], ...this.buffersFor(layout)];
    if (!this.#buffers?.layOut(specs)) this.#move(specs);
    this.#kernels = this.instance.kernelsFor(layout, scratchBytes);
    if (this.#obstacle && mostThreadsOf(layout.size) > 1) warnOf(this.#obstacle);
    this.#shape = Object.freeze([...shape]);
    this.#layout = layout;
    this.#hasRun = false;
  }

  /** Lays buffers out at new places, where no old view can write. */
  #move(specs: readonly BufferSpec[]): void {
    const { instance } = this;
    if (!instance.isShared) {
      this.#buffers = new Buffers(instance, specs);
      instance.detachViews();
      return;
    }
    const end = endOf(instance, specs);
    const isFirst = this.#buffers === undefined;
    const obstacle = this.#obstacle;
    const next = isFirst && instance.reserve(end) ? instance : this.#newInstance(end);
    try {
      this.#buffers = new Buffers(next, specs);
      this.#instance = next;
    } finally {
      if (this.#instance !== next) {
        next.dispose(true);
        this.#obstacle = obstacle;
      } else if (next !== instance) {
        // Old views of shared memory stay valid.
        instance.dispose(isFirst);
      }
    }
  }

  /**
   * The buffers of the memory as it is laid out.
   *
   * @internal
   */
  protected get buffers(): Buffers {
    return this.layout && (this.#buffers as Buffers);
  }

  /**
   * The elements of a tensor.
   *
   * @internal
   */
  protected float(name: string): FloatArrayOf<D> {
    return this.buffers.float(name) as FloatArrayOf<D>;
  }

  /** @internal */
  protected float64(name: string): Float64Array {
    return this.buffers.float64(name);
  }

  /** @internal */
  protected ptr(name: string): number {
    return this.buffers.ptr(name);
  }

  /**
   * Reads a tensor of the layer's element type that a user gives. A typed array has the layer's shape, or is one vector while there is none.
   *
   * @internal
   */
  protected read(argument: string, value: unknown): Elements {
    const shape = isFlat(value) ? this.#shape : undefined;
    if (shape && typedArrayLength(value as object) !== this.layout.size) {
      throw rangeError(argument, `${this.layout.size} elements, the layer having the shape ${showShape(shape)}`, value);
    }
    const elements = readTensor(argument, value, shape);
    if (elements.dtype !== this.#dtype) {
      const hint = `a layer with dtype: ${JSON.stringify(elements.dtype)} takes them`;
      throw typeError(argument, `${this.#dtype}, the dtype of the layer`, new Verbatim(elements.dtype), hint);
    }
    return { ...elements, data: this.own(elements.data) };
  }

  /**
   * The array itself, or a copy if it lies in the layer's memory, which may be laid out anew before the array is used.
   *
   * @internal
   */
  protected own<A extends Float16Bits | (ArrayBufferView & { slice(): unknown })>(array: A): A {
    const view = array instanceof Float16Bits ? array.bits : (array as ArrayBufferView);
    return this.instance.mayHold(view) ? (array.slice() as A) : array;
  }

  /**
   * Says if there are results of a forward. There are none while it runs, or when it has failed.
   *
   * @internal
   */
  protected markRun(hasRun: boolean): void {
    this.#hasRun = hasRun;
  }

  /** @internal */
  protected requireForward(use: string): void {
    if (this.instance && !this.#hasRun) throw new Error(`${this.constructor.name}: ${use} expected a call of forward() first`);
  }

  /**
   * Lets the memory go. Using the layer afterwards is an Error; disposing it again is not. With threads its views must not be used either:
   * the next layer gets the memory.
   */
  dispose(): void {
    this.#instance?.dispose(true);
    this.#instance = undefined;
    this.#kernels = undefined;
    this.#buffers = undefined;
  }

  /** {@link dispose}, for `using`. */
  declare [Symbol.dispose]: () => void;
}
