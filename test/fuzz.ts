// Calls of everything public with random arguments: good ones in any container, wrong ones, and ones that run code while they are read. Each call
// gives the oracle's results for the values that it got, or an error of the library's own form; no array changes but those for results.

import { createContext, runInContext } from "node:vm";
import { expect } from "vitest";
import { type Random, ROWS, seeded } from "../reference/data.js";
import { positionIn } from "../reference/layout.js";
import { LIMITS } from "../reference/limits.js";
import { exact, exactBackward, exactLogBackward, exactRow } from "../reference/oracle.js";
import * as library from "../src/index.js";
import { type LossCase, lossCase, rowOf } from "./loss-cases.js";
import { type ArrayType, type Floats, type LossResults, near, precisionOf, verifyLoss, within } from "./verify.js";

type Elements = Floats | Int32Array;
type Options = Record<string, unknown>;

/** The functions, which take any arguments. */
const FUNCTIONS = library as unknown as Readonly<Record<string, (...args: readonly unknown[]) => unknown>>;

const realm = createContext();

/** Classes of an element type: its own, that of another realm, and a subclass. */
function classesOf(name: "Float64Array" | "Float32Array" | "Int32Array"): readonly ArrayType<Floats>[] {
  class Matrix extends globalThis[name] {
    static get [Symbol.species](): never {
      throw new Error("species ran");
    }
  }
  return [globalThis[name], globalThis[name], Matrix, runInContext(name, realm)] as unknown as ArrayType<Floats>[];
}

const CLASSES = {
  Float64Array: classesOf("Float64Array"),
  Float32Array: classesOf("Float32Array"),
  Int32Array: classesOf("Int32Array"),
};

/** Options, and names that are none. */
const OPTION_NAMES = [
  ...["shape", "axis", "out", "reduction", "divisor", "emptyMean", "weights", "ignoreIndex", "labelSmoothing", "zLoss", "scale", "topK"],
  ...["sampleWeights", "mask", "outputs", "accumulate", "labelGradient", "dtype", "typo", "dim"],
  ...["softcap", "entropyWeight", "bins", "ignoredLogProbs", "groups", "b", "returnSign", "keepDims", "fromProbs", "part", "classOffset"],
];

const WRONG_NUMBERS: Readonly<Record<string, readonly number[]>> = {
  axis: [32, -33, 0.5, Number.NaN],
  divisor: [0, -1, Infinity],
  emptyMean: [1],
  ignoreIndex: [0.5, 2 ** 31],
  labelSmoothing: [-0.1, 1.1, Number.NaN],
  zLoss: [-1, Infinity],
  scale: [0, -1, Number.NaN],
  topK: [0, 1.5, Infinity],
  softcap: [0, -1, Infinity],
  entropyWeight: [Infinity, Number.NaN],
  bins: [0, 1.5, 2 ** 17],
  sampleWeights: [Infinity, Number.NaN],
};

/** What a hostile getter throws. */
const HOSTILE = new Error("thrown by a getter");

const MARGIN_BYTES = 64;
const CANARY = 0xa5;

/** Memory that a call gets, and its bytes before the call. */
interface Watched {
  readonly buffer: ArrayBufferLike;
  readonly before: Uint8Array;
  /** The bytes that a result may be written to. */
  readonly out?: readonly [first: number, end: number];
  /** True for a row of nested arrays, whose length counts when it is read. */
  isRow?: boolean;
}

interface ResizableBuffer extends ArrayBuffer {
  resize(bytes: number): void;
}

function bufferOf(kind: "plain" | "shared" | "resizable", bytes: number): ArrayBufferLike {
  if (kind === "shared") return new SharedArrayBuffer(bytes);
  const options = kind === "resizable" ? { maxByteLength: 2 * bytes } : undefined;
  return new (ArrayBuffer as new (bytes: number, options?: object) => ArrayBuffer)(bytes, options);
}

/** One call: the arguments that were drawn for it, and what may come of them. */
class Call {
  readonly watched: Watched[] = [];
  /** True if an argument is wrong, so that the call must fail. */
  isBad = false;
  /** True if a getter may run code that makes the call fail. */
  isHostile = false;
  /** Called by hostile getters. */
  readonly attacks: (() => void)[] = [
    () => {
      throw HOSTILE;
    },
    () => library.softmax(new Float64Array(300).fill(-5), { shape: [3, 100] }),
    () => library.crossEntropyWithGradient(new Float64Array(24).fill(3), new Int32Array(8), { shape: [8, 3], reduction: "sum" }),
  ];

  constructor(readonly random: Random) {}

  below(limit: number): number {
    return Math.floor(this.random() * limit);
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)];
  }

  chance(probability: number): boolean {
    return this.random() < probability;
  }

  /** A getter's value, with an attack before it. */
  hostile<T>(value: T): T {
    const attack = this.pick(this.attacks);
    this.isHostile = true;
    attack();
    return value;
  }

  /** A typed array of the values, in watched memory. */
  typed(values: Elements, isOut = false): Elements {
    const kind = this.pick(["plain", "plain", "shared", "resizable"] as const);
    const end = MARGIN_BYTES + values.byteLength;
    const tracksLength = kind === "resizable" && this.chance(0.5);
    const buffer = bufferOf(kind, tracksLength ? end : end + MARGIN_BYTES);
    const bytes = new Uint8Array(buffer);
    bytes.fill(CANARY);
    bytes.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), MARGIN_BYTES);
    this.watched.push({ buffer, before: bytes.slice(), out: isOut ? [MARGIN_BYTES, end] : undefined });
    if (kind === "resizable") this.attacks.push(() => (buffer as ResizableBuffer).resize(this.below(buffer.byteLength + 1)));
    if (kind === "plain") {
      this.attacks.push(() => {
        // What has been transferred can't be once more.
        if (buffer.byteLength > 0) structuredClone(buffer, { transfer: [buffer as ArrayBuffer] });
      });
    }
    const name = values.constructor.name as keyof typeof CLASSES;
    const array = new (this.pick(CLASSES[name]) as unknown as Float64ArrayConstructor)(
      buffer as ArrayBuffer,
      MARGIN_BYTES,
      tracksLength ? undefined : values.length,
    );
    if (this.chance(0.1)) Object.defineProperty(array, "length", { value: this.below(5) });
    if (this.chance(0.1)) Object.defineProperty(array, this.pick(["set", "subarray", "slice", "buffer", "constructor"]), { value: 1 });
    return array;
  }

  /** Nested arrays, of numbers or of typed rows. */
  nested(values: Elements, shape: readonly number[], hasRows: boolean): unknown {
    const [length, ...rest] = shape;
    if (length === undefined) return values[0];
    if (hasRows && rest.length === 0) {
      const row = this.typed(values);
      this.watched[this.watched.length - 1].isRow = true;
      return row;
    }
    const size = values.length / length;
    const level = Array.from({ length }, (_, i) => this.nested(values.subarray(i * size, (i + 1) * size) as Elements, rest, hasRows));
    if (this.chance(0.03)) return new Proxy(level, {});
    if (length > 0 && this.chance(0.02)) {
      const i = this.below(length);
      const entry = level[i];
      Object.defineProperty(level, i, { get: () => this.hostile(entry) });
    }
    return level;
  }

  /** An ndarray whose axes lie in any order and direction, with gaps. */
  strided(values: Elements, shape: readonly number[]): Options {
    const order = shape.map((_, axis) => axis).sort(() => this.random() - 0.5);
    const strides: number[] = [];
    let step = 1 + this.below(2);
    let offset = this.below(3);
    for (const axis of order) {
      const isReversed = this.chance(0.3);
      strides[axis] = isReversed ? -step : step;
      if (isReversed) offset += step * (shape[axis] - 1);
      step *= shape[axis] + this.below(2);
    }
    const Elements = values.constructor as new (length: number) => Elements;
    const far = new Elements(step * 2 + 8).fill(7);
    values.forEach((value, i) => {
      let at = offset;
      for (let axis = shape.length - 1, rest = i; axis >= 0; axis--) {
        at += strides[axis] * (rest % shape[axis]);
        rest = Math.floor(rest / shape[axis]);
      }
      far[at] = value;
    });
    return { data: this.typed(far), shape, [this.pick(["stride", "strides"])]: strides, offset };
  }

  /** An object with some of its properties as getters, which may attack. */
  withGetters(object: Options): Options {
    for (const [name, value] of Object.entries(object)) {
      if (!this.chance(0.1)) continue;
      const isHostile = this.chance(0.5);
      Object.defineProperty(object, name, { enumerable: true, get: () => (isHostile ? this.hostile(value) : value) });
    }
    return this.chance(0.05) ? new Proxy(object, {}) : object;
  }

  /** A container of a tensor. A typed array needs the option `shape`, unless it is a vector; nested numbers are float64. */
  container(values: Elements, shape: readonly number[]): unknown {
    const kinds = ["typed", "ndarray", "dims"];
    if (values.length > 0) kinds.push("rows", "strided");
    if (values.length > 0 && !(values instanceof Float32Array)) kinds.push("nested");
    switch (this.pick(kinds)) {
      case "typed":
        return this.typed(values);
      case "ndarray": {
        const lengths = this.chance(0.2) ? Int32Array.from(shape) : shape;
        return this.withGetters({ data: this.typed(values), shape: lengths });
      }
      case "dims":
        return this.withGetters({ data: this.typed(values), dims: this.chance(0.2) ? shape.map(BigInt) : shape });
      case "strided":
        return this.withGetters(this.strided(values, shape));
      case "rows":
        return this.nested(values, shape, true);
      default:
        return this.nested(values, shape, false);
    }
  }

  /** A value that is no tensor, no labels and no option. */
  junk(): unknown {
    const revoked = Proxy.revocable([1, 2], {});
    revoked.revoke();
    const holes: number[] = [1, 2, 3];
    delete holes[1];
    return this.pick<() => unknown>([
      () => null,
      () => "0",
      () => Symbol("s"),
      () => -7n,
      () => () => 1,
      () => ({}),
      () => Object.create(null),
      () => new Map(),
      () => new Date(0),
      () => new DataView(new ArrayBuffer(8)),
      () => new ArrayBuffer(16),
      () => new Uint16Array(1000),
      () => new BigInt64Array(1000),
      () => new Proxy(new Float64Array(4), {}),
      () => revoked.proxy,
      () => new Proxy({}, { get: () => this.hostile(undefined), ownKeys: () => [] }),
      () => holes,
      () => [[1, 2], [3]],
      () => [[1, 2], 3],
      () => [Symbol("s"), 1],
      () => [1, "2"],
      () => [{ valueOf: () => 1 }],
      () => ({ data: [1, 2], shape: [2] }),
      () => ({ data: new Float64Array(2), shape: [3] }),
      () => ({ data: new Float32Array(2), dims: [3n] }),
      () => ({ data: new Float64Array(2), shape: [2], stride: [2 ** 40] }),
      () => ({ data: new Float64Array(2), shape: [2], offset: -1 }),
      () => ({ data: new Float64Array(0), shape: [2 ** 53 - 1, 2 ** 53 - 1] }),
      () => ({ data: Symbol("s"), shape: Symbol("s") }),
      () => Object.defineProperty({}, "constructor", { get: () => this.hostile(undefined) }),
      () => new Array(2 ** 32 - 1),
    ])();
  }

  /** A shape that no batch of the suite has. */
  badShape(): unknown {
    return this.pick<() => unknown>([
      () => this.junk(),
      () => [2 ** 53 - 1, 2 ** 53 - 1],
      () => [2 ** 53 - 1],
      () => [2 ** 40, 2 ** 10],
      () => [-1, -24],
      () => [1.5],
      () => [Number.NaN],
      () => [Number.POSITIVE_INFINITY, 0],
      () => ["3"],
      () => new Array(33).fill(1),
      () => ({ length: 2, 0: 1, 1: 2 }),
      () => new Array(2),
    ])();
  }

  /** Makes one argument wrong, one time in four. */
  spoil(args: unknown[]): void {
    if (!this.chance(0.25)) return;
    this.isBad = true;
    const at = this.below(args.length);
    const options = args.at(-1) as Options;
    if (at < args.length - 1) {
      args[at] = this.chance(0.1) ? undefined : this.junk();
    } else if (this.chance(0.2)) {
      args[at] = this.pick([null, 3, "sum", [], new Float64Array(2), () => 1, Symbol("s")]);
    } else {
      const name = this.pick(OPTION_NAMES);
      const wrong = WRONG_NUMBERS[name];
      const value = name === "shape" ? this.badShape() : wrong && this.chance(0.5) ? this.pick(wrong) : this.junk();
      Object.defineProperty(options, name, { value, enumerable: true });
    }
  }

  /** Fails if memory has changed where nothing may be written. */
  verifyMemory(hasResult: boolean): void {
    for (const { buffer, before, out } of this.watched) {
      // Memory that an attack took away.
      if (buffer.byteLength < before.length) continue;
      const after = new Uint8Array(buffer).slice();
      if (out && hasResult) after.set(before.subarray(...out), out[0]);
      expect(Buffer.compare(after, before), "memory of the arguments").toBe(0);
    }
  }

  /** Runs the call. An error must be the library's own, or that of a getter; undefined stands for it, and for a result that has another shape. */
  run<T>(what: string, call: () => T): T | undefined {
    let result: T;
    try {
      result = call();
    } catch (error) {
      this.verifyMemory(false);
      if (error === HOSTILE) return undefined;
      const { name, message } = error as Error;
      const isOwn = /^"[^"]+" expected .+, got .+$/s.test(message) && (name === "TypeError" || name === "RangeError");
      const isOfLayer = /^Softmax(CrossEntropy)?(:.*)? expected .+$/.test(message) && name === "Error";
      if (!isOwn && !isOfLayer) throw new Error(`${what} threw an error of another form`, { cause: error });
      if (!this.isBad && !this.isHostile) throw new Error(`${what} refused good arguments`, { cause: error });
      return undefined;
    }
    this.verifyMemory(true);
    if (this.isBad) expect.fail(`${what} took a wrong argument`);
    // A row that an attack made shorter before it was read makes another tensor.
    return this.watched.some(({ buffer, before, isRow }) => isRow && buffer.byteLength < before.length) ? undefined : result;
  }
}

/** The numbers of a result in row-major order, from any container. */
function numbersOf(result: unknown): ArrayLike<number> {
  if (typeof result === "number") return [result];
  if (ArrayBuffer.isView(result)) return Array.from(result as Float64Array);
  if (Array.isArray(result)) return result.flatMap((entry) => numbersOf(entry) as number[]);
  return numbersOf((result as library.NdArray).data);
}

/** The shape and axis of a tensor (outer, classes, inner), which may leave out axes of length 1. */
function shapeFor(call: Call, { outer, classes, inner }: LossCase<Floats>): { shape: number[]; axis: number } {
  const before = outer === 1 && call.chance(0.5) ? [] : [outer];
  const after = inner === 1 && call.chance(0.7) ? [] : [inner];
  const shape = [...before, classes, ...after];
  return { shape, axis: call.chance(0.5) ? before.length : before.length - shape.length };
}

/** Options for a tensor: the shape where its container has none, the axis where it is not the last. */
function optionsFor(call: Call, tensors: readonly unknown[], shape: readonly number[], axis: number, options: Options = {}): Options {
  const isFlat = tensors.some((tensor) => ArrayBuffer.isView(tensor));
  if (isFlat ? shape.length > 1 || call.chance(0.5) : call.chance(0.2)) options.shape = [...shape];
  if (axis !== -1 && axis !== shape.length - 1) options.axis = axis;
  return options;
}

const finish = (call: Call, options: Options): Options => {
  const given = Object.entries(options).filter(([, value]) => value !== undefined || call.chance(0.5));
  return call.withGetters(Object.fromEntries(given.sort(() => call.random() - 0.5)));
};

/** log Σ exp of a row without a finite one. */
const limitOf = (row: readonly number[]): number => (row.some(Number.isNaN) ? Number.NaN : Math.max(...row));

/** The size of the terms of a backward, times which its error is bounded. */
function backwardSize(name: string, p: readonly number[], g: readonly number[], j: number): number {
  if (name === "logSoftmaxBackward") return Math.abs(g[j]) + Math.exp(p[j]) * Math.abs(g.reduce((sum, value) => sum + value, 0));
  return p[j] * (Math.abs(g[j]) + g.reduce((sum, value, k) => sum + Math.abs(value * p[k]), 0));
}

/** A mask in one of its containers. */
const maskFor = (call: Call, mask?: readonly number[]) => mask && (call.chance(0.5) ? mask.map(Boolean) : Uint8Array.from(mask));

function fuzzSoftmax(call: Call, drawn: LossCase<Floats>): void {
  const { classes, inner, vector } = drawn;
  const precision = precisionOf(vector);
  const zeros = () => vector.map(() => 0);
  const rows = drawn.exact.length;
  const { shape, axis } = shapeFor(call, drawn);
  const at = positionIn(classes, inner);
  const x = zeros();
  for (let r = 0; r < rows; r++) {
    const row = ROWS.uniform(call.random, classes);
    for (let j = 0; j < classes; j++) x[at(r, j)] = call.chance(0.03) ? call.pick([-Infinity, Infinity, Number.NaN]) : row[j];
  }
  const name = call.pick(["softmax", "logSoftmax", "logSumExp", "softmaxBackward", "softmaxJvp", "logSoftmaxBackward"] as const);
  const isBackward = name.endsWith("Backward") || name === "softmaxJvp";
  const probs = x.map((value) => 1 / (2 + Math.abs(value || 0)));
  const second = name === "logSoftmaxBackward" ? probs.map((p) => Math.log(p)) : probs;
  const inputs = (isBackward ? [vector, second] : [x]).map((values) => call.container(values, shape));
  const { scale, mask } = drawn.options;
  const isOpen = (r: number, j: number) => mask === undefined || mask[mask.length === classes ? j : at(r, j)] === 1;
  const options = optionsFor(call, inputs, shape, axis, { scale, mask: maskFor(call, mask) });
  let out: Elements | undefined;
  if (name !== "logSumExp" && inputs.every((input) => ArrayBuffer.isView(input)) && call.chance(0.4)) {
    out = call.typed(zeros().fill(-9), true);
    options.out = out;
  }
  const args = [...inputs, finish(call, options)];
  call.spoil(args);
  const result = call.run(name, () => FUNCTIONS[name](...args));
  if (result === undefined) return;
  if (out) expect(result).toBe(out);
  const got = numbersOf(result);
  expect(got.length).toBe(name === "logSumExp" ? rows : rows * classes);
  for (let r = 0; r < rows; r++) {
    const inRow = (values: Floats, closed: number) => rowOf(values, drawn, r).map((value, j) => (isOpen(r, j) ? value : closed));
    const row = inRow(x, -Infinity).map((value) => value * (scale ?? 1));
    const where = (j: number) => `${name}, row ${r}, class ${j} of [${shape}], scale ${scale}, mask ${mask}`;
    if (isBackward) {
      const g = inRow(vector, 0);
      const p = inRow(second, name === "logSoftmaxBackward" ? -Infinity : 0);
      const want = name === "logSoftmaxBackward" ? exactLogBackward(p, g) : exactBackward(p, g);
      const k = exact(scale ?? 1);
      want.forEach((value, j) => {
        const size = exact(backwardSize(name, p, g, j)).times(k);
        near(LIMITS.backward, where(j), got[at(r, j)], { value: value.times(k), size }, precision);
      });
    } else if (!row.some((_, j) => isOpen(r, j))) {
      const want = name === "softmax" ? 0 : -Infinity;
      if (name === "logSumExp") expect(got[r], where(0)).toBe(want);
      else for (let j = 0; j < classes; j++) expect(got[at(r, j)], where(j)).toBe(want);
    } else if (row.every((value) => value < Infinity) && Math.max(...row) > -Infinity) {
      const want = exactRow(row);
      if (name === "logSumExp") within(LIMITS.lse, where(0), got[r], want.lse, want.max, precision);
      else
        row.forEach((_, j) => {
          const value = name === "softmax" ? want.probs[j] : want.logProbs[j];
          const limit = LIMITS[name === "softmax" ? "probs" : "logProbs"];
          if (value) within(limit, where(j), got[at(r, j)], value, undefined, precision);
          else expect(got[at(r, j)], where(j)).toBe(-Infinity);
        });
    } else if (name === "logSumExp") {
      expect(got[r], where(0)).toBe(limitOf(row));
    } else {
      row.forEach((_, j) => {
        expect(got[at(r, j)], where(j)).toBe(isOpen(r, j) ? Number.NaN : name === "softmax" ? 0 : -Infinity);
      });
    }
  }
}

function fuzzJacobian(call: Call, { classes, vector, exact: { length: rows } }: LossCase<Floats>): void {
  const probs = vector.map(call.random);
  const shape = [rows, classes];
  const input = call.container(probs, shape);
  const args = [input, finish(call, optionsFor(call, [input], shape, -1))];
  call.spoil(args);
  const result = call.run("softmaxJacobian", () => FUNCTIONS.softmaxJacobian(...args));
  if (result === undefined) return;
  const got = numbersOf(result);
  expect(got.length).toBe(rows * classes * classes);
  for (let r = 0, k = 0; r < rows; r++) {
    const p = Array.from(probs.subarray(r * classes, (r + 1) * classes), exact);
    for (let i = 0; i < classes; i++) {
      for (let j = 0; j < classes; j++, k++) {
        const value = p[i].times(exact(Number(i === j)).minus(p[j]));
        near(LIMITS.backward, `Jacobian [${r}, ${i}, ${j}]`, got[k], { value, size: value.abs() }, precisionOf(vector));
      }
    }
  }
}

/** A shape with an axis of length 0 among huge ones. */
function fuzzEmpty(call: Call): void {
  const shape = [0, ...Array.from({ length: call.below(3) }, () => call.pick([0, 1, 7, 2 ** 31, 2 ** 32, 2 ** 40, 2 ** 53 - 1]))];
  shape.sort(() => call.random() - 0.5);
  const axis = call.below(shape.length);
  const data = call.pick([new Float64Array(0), new Float32Array(0)]);
  const dtype = precisionOf(data);
  const x = (call.chance(0.5) ? data : { data, shape }) as Float64Array;
  call.isHostile = true;
  const options = { shape, axis };
  const terms = { ...options, labelSmoothing: call.pick([0, 0.1]) };
  const calls: Record<string, () => unknown> = {
    softmax: () => library.softmax(x, options),
    softmaxBackward: () => library.softmaxBackward(x, x, options),
    softmaxJacobian: () => library.softmaxJacobian(x, { shape }),
    crossEntropyWithGradient: () => library.crossEntropyWithGradient(x, x, terms).gradient,
    crossEntropyHvp: () => library.crossEntropyHvp(x, x, x, terms),
    "Softmax.forward": () => new library.Softmax({ shape, axis, dtype }).forward(),
    "SoftmaxCrossEntropy.backward": () => {
      const layer = new library.SoftmaxCrossEntropy({ ...terms, dtype, labels: "distribution" });
      layer.forward();
      return layer.backward();
    },
  };
  const name = call.pick(Object.keys(calls));
  const result = call.run(name, calls[name]);
  if (result !== undefined) expect(numbersOf(result).length, `${name} of shape [${shape}]`).toBe(0);
}

/** The labels of a case in one of their containers. */
function labelsFor(call: Call, { labels, classes, options }: LossCase<Floats>, shape: readonly number[], axis: number): unknown {
  // Numbers that are neither floating-point numbers nor nested like the logits would be indices where there is one class.
  if (!(labels instanceof Int32Array)) return shape.length === 1 ? call.typed(labels) : call.container(labels, shape);
  const rowShape = shape.filter((_, i) => i !== (axis < 0 ? axis + shape.length : axis));
  const columnShape = shape.map((length, i) => (i === (axis < 0 ? axis + shape.length : axis) ? 1 : length));
  const types = [Int8Array, Int16Array, Int32Array, Float32Array, Float64Array, ...(options.ignoreIndex === -100 ? [] : [Uint8Array])];
  const kinds: (() => unknown)[] = [
    () => call.typed(labels),
    () => call.nested(labels, rowShape, false),
    () => call.nested(labels, rowShape, true),
    () => call.withGetters(call.strided(labels, rowShape)),
    () => Array.from(labels, (label) => (call.chance(0.5) ? BigInt(label) : label)),
  ];
  // With one class, floating-point values and values of the logits' shape are distributions.
  if (classes > 1) kinds.push(() => call.nested(labels, columnShape, false));
  if (classes > 1) kinds.push(() => call.pick(types).from(labels));
  return call.pick(kinds)();
}

/** True if an attack shortened distributions to one number for each row: then they are class indices. */
function areIndicesNow(labels: unknown, { classes, vector, exact: { length: rows } }: LossCase<Floats>): boolean {
  return classes > 1 && ArrayBuffer.isView(labels) && labels.byteLength === vector.BYTES_PER_ELEMENT * rows;
}

/** The terms of a case, as options in their containers. */
function termsFor(call: Call, { options }: LossCase<Floats>): Options {
  const listed = (values?: number[]) => values && call.pick<() => unknown>([() => values, () => call.typed(Float64Array.from(values))])();
  return { ...options, weights: listed(options.weights), sampleWeights: listed(options.sampleWeights) };
}

const OUTPUTS = ["losses", "lse", "entropy", "confidence", "argmax", "probs", "logProbs"] as const;

function fuzzLoss(call: Call, drawn: LossCase<Floats>): void {
  const { logits, vector, labels } = drawn;
  const { shape, axis } = shapeFor(call, drawn);
  const isDistribution = !(labels instanceof Int32Array);
  const name = call.pick(["crossEntropy", "crossEntropyWithGradient", "crossEntropyHvp", "crossEntropyHessianDiagonal"] as const);
  const inputs = (name === "crossEntropyHvp" ? [logits, vector] : [logits]).map((values) => call.container(values, shape));
  const options = optionsFor(call, inputs, shape, axis, { ...termsFor(call, drawn), reduction: "none" });
  options.mask = maskFor(call, drawn.options.mask);
  if (name.startsWith("crossEntropyH")) delete options.entropyWeight;
  const hasOutputs = name === "crossEntropy" || name === "crossEntropyWithGradient";
  if (hasOutputs) options.outputs = OUTPUTS.filter((output) => output === "losses" || call.chance(0.4));
  if (name === "crossEntropyWithGradient") options.labelGradient = isDistribution && call.chance(0.5);
  const isFlat = inputs.every((input) => ArrayBuffer.isView(input));
  const out =
    isFlat && name !== "crossEntropy" && call.chance(0.4)
      ? call.typed(
          logits.map(() => -9),
          true,
        )
      : undefined;
  if (out) options.out = out;
  const args = [inputs[0], labelsFor(call, drawn, shape, axis), ...inputs.slice(1), finish(call, options)];
  call.spoil(args);
  const result = call.run(name, () => FUNCTIONS[name](...args)) as Options | undefined;
  if (result === undefined || (isDistribution && areIndicesNow(args[1], drawn))) return;
  const results: Record<string, unknown> =
    name === "crossEntropyHvp" ? { hessianProduct: result } : name === "crossEntropyHessianDiagonal" ? { hessianDiagonal: result } : result;
  if (out) expect(results.gradient ?? result).toBe(out);
  verifyLoss(drawn, resultsOf(drawn, results));
}

/** Results as row-major arrays of the case's type. */
function resultsOf({ vector }: LossCase<Floats>, results: Record<string, unknown>): Partial<LossResults> {
  const Elements = vector.constructor as ArrayType<Floats>;
  const arrayOf = (result: unknown) => (result === undefined ? undefined : Elements.from(numbersOf(result)));
  return Object.fromEntries(Object.entries(results).map(([name, result]) => [name, arrayOf(result)]));
}

function fuzzLossLayer(call: Call, drawn: LossCase<Floats>): void {
  const { logits, labels, vector, options: terms } = drawn;
  const { shape, axis } = shapeFor(call, drawn);
  const isDistribution = !(labels instanceof Int32Array);
  const { sampleWeights, mask, ...others } = terms;
  const isShared = mask?.length === drawn.classes;
  const hasViews = sampleWeights !== undefined || (mask !== undefined && !isShared);
  const outputs = OUTPUTS.filter((output) => output !== "losses" && call.chance(0.4));
  const options: Options = {
    ...others,
    axis,
    dtype: precisionOf(vector),
    reduction: "none",
    outputs,
    labels: isDistribution || (terms.ignoreIndex === undefined && call.chance(0.3)) ? "distribution" : "indices",
    sampleWeights: sampleWeights !== undefined,
    mask: isShared ? mask : mask !== undefined,
  };
  if (hasViews || call.chance(0.5)) options.shape = [...shape];
  const args = [finish(call, options)];
  call.spoil(args);
  const Layer = library.SoftmaxCrossEntropy as unknown as new (options: Options) => library.SoftmaxCrossEntropy<"none">;
  const layer = call.run("SoftmaxCrossEntropy", () => new Layer(args[0]));
  if (layer === undefined) return;
  call.attacks.push(() => layer.dispose());
  // What is written to the views of a layer is lost when it takes another shape.
  if (!hasViews) call.attacks.push(() => layer.resize([2, 3, 4].slice(0, Math.max(shape.length, 1))));
  const writeViews = () => {
    if (sampleWeights) layer.sampleWeights.set(sampleWeights);
    if (mask && !isShared) layer.mask.set(mask);
  };
  const forward = (logits: unknown, labels: unknown): unknown => {
    writeViews();
    return layer.forward(logits as library.NdArray, labels as Int32Array);
  };
  const input = call.container(logits, shape);
  const inputs = [
    // A typed array has the layer's shape, if it has one.
    ArrayBuffer.isView(input) && !options.shape ? { data: input, shape } : input,
    labelsFor(call, drawn, shape, axis),
    undefined,
  ];
  if (call.chance(0.25)) {
    call.isBad = true;
    inputs[call.below(2)] = call.junk();
  }
  const loss = call.run("forward", () => forward(inputs[0], inputs[1]));
  if (isDistribution && areIndicesNow(inputs[1], drawn)) return;
  if (loss === undefined) {
    // The next step finds the layer in good order, unless it was disposed.
    call.isBad = false;
    if (call.run("forward again", () => forward({ data: logits, shape }, labels)) === undefined) return;
  }
  const upstream = call.chance(0.5) ? 1 : call.container(vector.slice(0, drawn.exact.length).fill(1), [drawn.exact.length]);
  const gradient = call.run("backward", () => layer.backward(upstream as Float64Array));
  if (gradient === undefined) return;
  const results: Record<string, unknown> = { gradient, losses: layer.losses };
  for (const name of outputs) results[name] = layer[name];
  verifyLoss(drawn, resultsOf(drawn, results));
}

/** One random call, or a layer with its calls. */
export function fuzz(seed: number): void {
  const call = new Call(seeded(seed));
  if (call.chance(0.03)) {
    fuzzEmpty(call);
    return;
  }
  const Elements = call.pick([Float64Array, Float32Array]) as ArrayType<Floats>;
  const drawn = lossCase(call.random, 1 + call.below(3), 1 + call.below(5), 1 + call.below(2), Elements);
  call.pick([fuzzSoftmax, fuzzSoftmax, fuzzJacobian, fuzzLoss, fuzzLoss, fuzzLossLayer])(call, drawn);
}
