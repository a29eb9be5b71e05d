// Input that runs code or changes while it is read: subclasses, other realms, getters, buffers that shrink, a polluted Object.prototype. A call
// gives the result of the values that it read, or an error; never values of another call.

import { isDeepStrictEqual } from "node:util";
import { createContext, runInContext } from "node:vm";
import { beforeEach, describe, expect, it } from "vitest";
import {
  crossEntropy,
  crossEntropyHessianDiagonal,
  crossEntropyHvp,
  crossEntropyWithGradient,
  logSoftmax,
  logSoftmaxBackward,
  logSumExp,
  Softmax,
  SoftmaxCrossEntropy,
  softmax,
  softmaxBackward,
  softmaxJacobian,
} from "../src/index.js";

const ROWS = 400;
const CLASSES = 100;
const shape = [ROWS, CLASSES];
const size = ROWS * CLASSES;

const realm = createContext();

/** log Σ exp of 100 sevens. */
const LSE = 11.605170185988092;

type Wrap = (values: Float64Array) => Float64Array;

const logits = Float64Array.from({ length: size }, (_, i) => Math.sin(i) * 9);
const g = logits.map((value) => 1 / (10 + value));
const probs = softmax(logits, { shape });
const logProbs = logSoftmax(logits, { shape });
const smallProbs = new Float64Array(300).fill(0.01);
const q = probs.map((_, i) => Number(i % CLASSES === i % 7));
const sampleWeights = Float64Array.from({ length: ROWS }, (_, i) => i % 3);
const weights = Float64Array.from({ length: CLASSES }, (_, i) => 1 + (i % 4));
const mask = Float64Array.from({ length: CLASSES }, (_, i) => Number(i % 11 > 0 || i < 14));
const indices = Int32Array.from({ length: ROWS }, (_, i) => i % 7);
const rowsOf = (values: Float64Array): Float64Array[] => [values.slice(0, CLASSES), values.slice(CLASSES, 2 * CLASSES)];

/** The library is compiled without the types of resizable buffers. */
interface ResizableBuffer extends ArrayBuffer {
  resize(bytes: number): void;
}

function resizableBuffer(bytes: number, maxByteLength: number): ResizableBuffer {
  const Resizable = ArrayBuffer as unknown as new (bytes: number, options: { maxByteLength: number }) => ResizableBuffer;
  return new Resizable(bytes, { maxByteLength });
}

/** The results of every function and layer for inputs that `wrap` makes of plain arrays. */
function everything(wrap: Wrap): Record<string, unknown> {
  const layer = new Softmax({ shape });
  const loss = new SoftmaxCrossEntropy({ shape, labels: "distribution", weights: wrap(weights) });
  const out = wrap(new Float64Array(size));
  const accumulated = crossEntropyWithGradient(wrap(logits), indices, { shape, out, accumulate: true }).gradient;
  const ofLabels = [indices, wrap(q)].map((labels) => [
    crossEntropy(wrap(logits), labels, {
      shape,
      weights: wrap(weights),
      sampleWeights: wrap(sampleWeights),
      mask: wrap(mask),
      reduction: "none",
    }),
    crossEntropyWithGradient(wrap(logits), labels, { shape, sampleWeights: wrap(sampleWeights), outputs: ["probs", "correct"] }),
  ]);
  return {
    softmax: softmax(wrap(logits), { shape }),
    logSoftmax: logSoftmax(wrap(logits), { shape, axis: 0 }),
    logSumExp: logSumExp(wrap(logits), { shape }),
    softmaxBackward: softmaxBackward(wrap(g), wrap(probs), { shape }),
    logSoftmaxBackward: logSoftmaxBackward(wrap(g), wrap(logProbs), { shape }),
    softmaxJacobian: softmaxJacobian(wrap(smallProbs), { shape: [3, CLASSES] }),
    ofLabels,
    accumulated: [...accumulated],
    returnsOut: accumulated === out,
    hvp: crossEntropyHvp(wrap(logits), wrap(q), wrap(g), { shape }),
    diagonal: crossEntropyHessianDiagonal(wrap(logits), wrap(q), { shape }),
    ndarray: softmax({ data: wrap(logits), shape }),
    strided: softmax({ data: wrap(logits), shape: [CLASSES, ROWS], strides: [1, CLASSES] }),
    rows: crossEntropyWithGradient(rowsOf(logits).map(wrap), rowsOf(q).map(wrap)),
    layer: [layer.forward(wrap(logits)), layer.backward(wrap(g))],
    loss: [loss.forward(wrap(logits), wrap(q)), loss.backward(), loss.forward(wrap(logits), indices)],
  };
}

const expected = everything((values) => values);

/** Fills the memory that batches stream through with the values of another call. */
beforeEach(() => {
  logSumExp(new Float64Array(size).fill(-123), { shape });
});

describe("typed arrays are read by their memory alone", () => {
  class Matrix extends Float64Array {
    constructor(rows: number, columns: number) {
      super(rows * columns);
    }
  }

  it("gives the right log Σ exp of a subclass with a constructor of its own", () => {
    expect(logSumExp(new Matrix(ROWS, CLASSES).fill(7), { shape })).toEqual(new Float64Array(ROWS).fill(LSE));
  });

  it.each<[string, Wrap]>([
    [
      "a constructor of their own",
      (values) => {
        const matrix = new Matrix(1, values.length);
        matrix.set(values);
        return matrix;
      },
    ],
    [
      "a species that throws",
      (values) => {
        class Strict extends Float64Array {
          static get [Symbol.species](): never {
            throw new Error("species ran");
          }
        }
        return new Strict(values);
      },
    ],
    ["another length", (values) => Object.defineProperty(values.slice(), "length", { value: 3 })],
    [
      "methods that throw",
      (values) => {
        const get = (): never => {
          throw new Error("a method ran");
        };
        const array = values.slice();
        for (const name of ["subarray", "slice", "set", "fill", "constructor", "buffer"]) Object.defineProperty(array, name, { get });
        return array;
      },
    ],
    ["another realm", (values) => runInContext("(buffer) => new Float64Array(buffer)", realm)(values.slice().buffer)],
    [
      "shared memory",
      (values) => {
        const shared = new Float64Array(new SharedArrayBuffer(values.byteLength));
        shared.set(values);
        return shared;
      },
    ],
    [
      "memory that can grow",
      (values) => {
        const tracking = new Float64Array(resizableBuffer(values.byteLength, 2 * values.byteLength));
        tracking.set(values);
        return tracking;
      },
    ],
  ])("and give the usual results if they have %s", (_, wrap) => {
    const results = everything(wrap);
    for (const [name, result] of Object.entries(expected)) expect(isDeepStrictEqual(results[name], result), name).toBe(true);
  });

  it.each([Int8Array, Uint8Array, Int16Array, Uint32Array, Float32Array, BigInt64Array, BigUint64Array])(
    "and labels may be a %o of another realm",
    ({ name }) => {
      const labels = runInContext(`${name}.of(${name.startsWith("Big") ? "2n, 0n" : "2, 0"})`, realm);
      const x = [
        [1, 2, 4],
        [0, 3, 1],
      ];
      expect(crossEntropy(x, labels)).toBe(crossEntropy(x, [2, 0]));
      const oneHot = runInContext(`${name}.from([0, 0, 1, 1, 0, 0]${name.startsWith("Big") ? ", BigInt" : ""})`, realm);
      expect(crossEntropy(x, oneHot)).toBe(crossEntropy(x, [2, 0]));
    },
  );
});

/** Typed arrays on a buffer that shrinks when `shrink` is called. */
function shrinking(values: Float64Array): { array: Float64Array; shrink: () => void } {
  const buffer = resizableBuffer(values.byteLength, values.byteLength);
  const array = new Float64Array(buffer);
  array.set(values);
  return { array, shrink: () => buffer.resize(80) };
}

describe("buffers that shrink while arguments are read", () => {
  const hasShrunk = /expected (to keep its \d+ elements during the call|a product of 10|40000 elements, got a Float64Array of length 10)/;

  it.each<[string, (array: Float64Array, shrink: () => void) => unknown]>([
    [
      "by the shape of softmax",
      (array, shrink) =>
        softmax(array, {
          get shape() {
            shrink();
            return shape;
          },
        }),
    ],
    [
      "by the shape of log Σ exp",
      (array, shrink) =>
        logSumExp(array, {
          get shape() {
            shrink();
            return shape;
          },
        }),
    ],
    [
      "by labels",
      (array, shrink) =>
        crossEntropy(
          array,
          {
            get data() {
              shrink();
              return indices;
            },
            shape: [ROWS],
          },
          { shape },
        ),
    ],
    [
      "by a nested label",
      (array, shrink) =>
        crossEntropy(
          array,
          Object.defineProperty([...indices], 5, {
            get() {
              shrink();
              return 0;
            },
          }),
          { shape },
        ),
    ],
    [
      "by probabilities",
      (array, shrink) =>
        softmaxBackward(
          array,
          {
            get data() {
              shrink();
              return probs;
            },
            shape,
          },
          { shape },
        ),
    ],
    [
      "by a vector",
      (array, shrink) =>
        crossEntropyHvp(
          logits,
          array,
          {
            get data() {
              shrink();
              return g;
            },
            shape,
          },
          { shape },
        ),
    ],
    [
      "by labels, of out",
      (array, shrink) =>
        crossEntropyWithGradient(
          logits,
          {
            get data() {
              shrink();
              return indices;
            },
            shape: [ROWS],
          },
          { shape, out: array },
        ),
    ],
    [
      "by labels of a layer",
      (array, shrink) =>
        new SoftmaxCrossEntropy({ shape }).forward(array, {
          get data() {
            shrink();
            return indices;
          },
          shape: [ROWS],
        }),
    ],
    [
      "by the shape of an ndarray",
      (array, shrink) =>
        softmax({
          data: array,
          get shape() {
            shrink();
            return shape;
          },
        }),
    ],
    [
      "by the shape of labels",
      (array, shrink) =>
        crossEntropy(
          logits,
          {
            data: array,
            get shape() {
              shrink();
              return shape;
            },
          },
          { shape },
        ),
    ],
  ])("are an error: %s", (_, run) => {
    const { array, shrink } = shrinking(logits);
    let error: unknown;
    try {
      run(array, shrink);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(RangeError);
    expect((error as Error).message).toMatch(hasShrunk);
  });

  it("have no elements for the Jacobian", () => {
    const { array, shrink } = shrinking(smallProbs);
    expect(() =>
      softmaxJacobian(array, {
        get shape() {
          shrink();
          return [3, CLASSES];
        },
      }),
    ).toThrow(RangeError);
  });

  it("are an error where they are transferred away", () => {
    const array = logits.slice();
    const labels = {
      get data() {
        structuredClone(array.buffer, { transfer: [array.buffer] });
        return indices;
      },
      shape: [ROWS],
    };
    expect(() => crossEntropy(array, labels, { shape })).toThrow('"logits" expected to keep its 40000 elements during the call');
  });

  it("reads each option once", () => {
    let reads = 0;
    const options = {
      get zLoss() {
        return reads++;
      },
    };
    expect(crossEntropy([[1, 2]], [0], options)).toBe(crossEntropy([[1, 2]], [0]));
    expect(reads).toBe(1);
  });
});

describe("a layer that changes while an upstream is read", () => {
  const x = [
    [1, 2],
    [3, 4],
  ];

  const upstreamOf = (layer: { resize(shape: number[]): void }, shape: number[]) => ({
    get data() {
      layer.resize([3, 4]);
      return new Float64Array(shape.reduce((a, b) => a * b));
    },
    shape,
  });

  it("has no results for its new shape", () => {
    const layer = new Softmax();
    layer.forward(x);
    expect(() => layer.backward(upstreamOf(layer, [3, 4]))).toThrow("Softmax: backward() expected a call of forward() first");
    const loss = new SoftmaxCrossEntropy({ reduction: "none" });
    loss.forward(x, [0, 1]);
    expect(() => loss.backward(upstreamOf(loss, [3]))).toThrow("SoftmaxCrossEntropy: backward() expected a call of forward() first");
  });
});

describe("properties of Object.prototype", () => {
  it("are no options, and no part of a container", () => {
    const x = [
      [1, 2, 4],
      [0, 3, 1],
    ];
    const flat = Float64Array.of(1, 2, 3, 4);
    const run = () => {
      const layer = new SoftmaxCrossEntropy({ shape: [2, 3], outputs: ["probs"], mask: [1, 1, 0] });
      return [
        softmax(flat),
        softmax({ data: flat, shape: [2, 2] }),
        logSumExp(x),
        crossEntropy(x, [2, 0]),
        crossEntropyWithGradient(x, [2, 0], { scale: 2, outputs: ["lse"] }),
        crossEntropyHvp(x, [2, 0], x),
        new Softmax({ shape: [2, 3] }).forward(x),
        layer.forward(x, [1, 0]),
        layer.backward(),
        layer.probs,
        layer.threads,
      ];
    };
    const results = run();
    const names = [
      ...[
        "shape",
        "axis",
        "out",
        "threads",
        "createWorker",
        "reduction",
        "divisor",
        "emptyMean",
        "weights",
        "ignoreIndex",
        "labelSmoothing",
      ],
      ...[
        "zLoss",
        "scale",
        "topK",
        "sampleWeights",
        "mask",
        "outputs",
        "labels",
        "accumulate",
        "labelGradient",
        "stride",
        "strides",
        "offset",
      ],
      ...["probs", "logProbs", "lse", "entropy", "argmax", "correct", "firstBadRow", "losses", "total"],
    ];
    const polluted = Object.fromEntries(names.map((name) => [name, { value: 2, configurable: true, writable: true }]));
    let polluting: unknown;
    Object.defineProperties(Object.prototype, polluted);
    try {
      polluting = run();
    } finally {
      for (const name of names) delete (Object.prototype as Record<string, unknown>)[name];
    }
    expect(polluting).toEqual(results);
  });
});
