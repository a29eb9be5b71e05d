// Bad input: the class of the error, its message, and arguments that stay unchanged.

import { describe, expect, it } from "vitest";
import {
  crossEntropy,
  crossEntropyHessianDiagonal,
  crossEntropyHvp,
  crossEntropyWithGradient,
  logSoftmaxBackward,
  logSumExp,
  Softmax,
  SoftmaxCrossEntropy,
  softmax,
  softmaxBackward,
  softmaxJacobian,
} from "../src/index.js";

// The tests pass arguments that the types forbid.
// biome-ignore lint/suspicious/noExplicitAny: wrong kinds on purpose
type Wrong = any;

type Case = readonly [title: string, run: () => unknown, type: ErrorConstructor, message: string];

/** Arguments that calls could write to. */
const x = Float64Array.of(1, 2, 3, 4, 5, 6);
const g = Float64Array.of(6, 5, 4, 3, 2, 1);
const out = new Float64Array(6).fill(77);
const labels = Int32Array.of(0, 2);
const shape = [2, 3];
const shared = new Float64Array(8).fill(5);
const zeros = new Float64Array(6);

/** A Proxy that throws a TypeError of the engine, whatever is done with it. */
function revoked(): Wrong {
  const { proxy, revoke } = Proxy.revocable([1, 2, 3], {});
  revoke();
  return proxy;
}

function check(cases: readonly Case[]): void {
  it.each(cases)("%s", (_, run, type, message) => {
    const watched = [x, g, out, labels, shared, zeros];
    const before = watched.map((array) => array.slice());
    let thrown: unknown;
    try {
      run();
    } catch (error) {
      thrown = error;
    }
    expect((thrown as Error | undefined)?.constructor).toBe(type);
    expect((thrown as Error).message).toBe(message);
    expect(watched).toEqual(before);
    // The library still works.
    expect(softmax([0, 0])).toEqual([0.5, 0.5]);
    expect(crossEntropy([0, 0], 1)).toBe(Math.log(2));
  });
}

describe("tensors", () => {
  const expected = '"x" expected a Float64Array or Float32Array, nested arrays of numbers, or { data, shape }';
  check([
    ["undefined", () => softmax(undefined as Wrong), TypeError, `${expected}, got undefined`],
    ["null", () => softmax(null as Wrong), TypeError, `${expected}, got null`],
    ["a string", () => softmax("logits" as Wrong), TypeError, `${expected}, got "logits"`],
    [
      "another typed array",
      () => softmax(new Int32Array(3) as Wrong),
      TypeError,
      `${expected}, got an Int32Array of length 3; Float64Array.from(x) converts it`,
    ],
    [
      "64-bit integers",
      () => softmax(new BigInt64Array(3) as Wrong),
      TypeError,
      `${expected}, got a BigInt64Array of length 3; Float64Array.from(x, Number) converts it`,
    ],
    [
      "rows of another typed array",
      () => softmax([new Float64Array(3), new Float32Array(3)] as Wrong),
      TypeError,
      '"x[1]" expected a Float64Array of length 3, as x[0], got a Float32Array of length 3; Float64Array.from(x[1]) converts it',
    ],
    [
      "rows of integers",
      () => softmax([new Int32Array(3)] as Wrong),
      TypeError,
      '"x[0]" expected a Float64Array of length 3, got an Int32Array of length 3; Float64Array.from(x[0]) converts it',
    ],
    [
      "a typed row among arrays",
      () => softmax([[1, 2], Float64Array.of(1, 2)] as Wrong),
      RangeError,
      '"x[1]" expected an array of length 2, as x[0], got a Float64Array of length 2',
    ],
    [
      "an array among typed rows",
      () => softmax([Float64Array.of(1, 2), [1, 2]] as Wrong),
      RangeError,
      '"x[1]" expected a Float64Array of length 2, as x[0], got an array of length 2',
    ],
    [
      "a short typed row",
      () => softmax([Float64Array.of(1, 2), Float64Array.of(1)]),
      RangeError,
      '"x[1]" expected a Float64Array of length 2, as x[0], got a Float64Array of length 1',
    ],
    [
      "a Proxy of a typed array",
      () => softmax(new Proxy(x, {})),
      TypeError,
      `${expected}, got an object in the place of a Float64Array, perhaps a Proxy`,
    ],
    ["a revoked Proxy", () => softmax(revoked()), TypeError, `${expected}, got an object`],
    [
      "a row that is a revoked Proxy",
      () => softmax([[1, 2, 3], revoked()]),
      TypeError,
      '"x[1]" expected an array of length 3, as x[0], got an object',
    ],
    ["a symbol", () => softmax(Symbol("logits") as Wrong), TypeError, `${expected}, got Symbol(logits)`],
    ["a symbol in an array", () => softmax([Symbol("logit")] as Wrong), TypeError, '"x[0]" expected a number, got Symbol(logit)'],
    [
      "an object whose constructor has no name",
      () => softmax({ constructor: { name: Symbol("name") } } as Wrong),
      TypeError,
      `${expected}, got an object`,
    ],
    [
      "an object that can't be looked at",
      () => softmax(new Proxy({ data: x, shape: {} }, { getPrototypeOf: () => Array.prototype }) as Wrong),
      TypeError,
      '"x.shape" expected an array of axis lengths, got an object (Object)',
    ],
    ["an object", () => softmax({} as Wrong), TypeError, `${expected}, got an object (Object)`],
    ["a function", () => softmax((() => 1) as Wrong), TypeError, `${expected}, got a function`],
    ["a string in an array", () => softmax([1, "2"] as Wrong), TypeError, '"x[1]" expected a number, got "2"'],
    [
      "a hole in an array",
      () =>
        softmax([
          [1, 2],
          [1, undefined],
        ] as Wrong),
      TypeError,
      '"x[1][1]" expected a number, got undefined',
    ],
    ["a bigint in an array", () => softmax([1n] as Wrong), TypeError, '"x[0]" expected a number, got 1n'],
    ["a short row", () => softmax([[1, 2], [3]]), RangeError, '"x[1]" expected an array of length 2, as x[0], got an array of length 1'],
    ["a long row", () => softmax([[1], [2, 3]]), RangeError, '"x[1]" expected an array of length 1, as x[0], got an array of length 2'],
    ["a number for a row", () => softmax([[1, 2], 3] as Wrong), RangeError, '"x[1]" expected an array of length 2, as x[0], got 3'],
    ["null for a row", () => softmax([[1, 2], null] as Wrong), TypeError, '"x[1]" expected an array of length 2, as x[0], got null'],
    ["a row for a number", () => softmax([1, [2]] as Wrong), RangeError, '"x[1]" expected a number, got an array of length 1'],
    [
      "an array of itself",
      () => {
        const cycle: Wrong = [];
        cycle.push(cycle);
        return softmax(cycle);
      },
      RangeError,
      '"x" expected at most 32 axes, got an array of length 1',
    ],
    [
      "an ndarray of floats",
      () => softmax({ data: new Int32Array(2), shape: [2] } as Wrong),
      TypeError,
      '"x.data" expected a Float64Array, Float32Array or Float16Array, got an Int32Array of length 2; Float64Array.from(x.data) converts it',
    ],
    [
      "bits of float16 without their type",
      () => softmax({ data: new Uint16Array(2), dims: [2] } as Wrong),
      TypeError,
      '"x.data" expected a Float64Array, Float32Array or Float16Array, got a Uint16Array of length 2; of float16 the tensor has type: "float16"',
    ],
    [
      "dims that do not fit",
      () => softmax({ data: new Float32Array(6), dims: [2n, 4n] }),
      RangeError,
      '"x.dims" expected a product of 6, the length of the data, got [2, 4]',
    ],
    [
      "tensors of two types",
      () => softmaxBackward(g, Float32Array.from(x), { shape }),
      TypeError,
      '"probs" expected float64, the element type of "upstream", got float32',
    ],
    [
      "a vector of another type",
      () => crossEntropyHvp(Float32Array.from(x), labels, g, { shape }),
      TypeError,
      '"vector" expected float32, the element type of "logits", got float64',
    ],
    [
      "logits of another type than a layer's",
      () => new SoftmaxCrossEntropy({ shape, dtype: "float32" }).forward(x, labels),
      TypeError,
      '"logits" expected float32, the dtype of the layer, got float64; a layer with dtype: "float64" takes them',
    ],
    [
      "an unknown dtype",
      () => new Softmax({ shape, dtype: "float16" as Wrong }),
      RangeError,
      '"dtype" expected one of "float64", "float32", got "float16"',
    ],
    [
      "an ndarray with a wrong shape",
      () => softmax({ data: x, shape: [2, 2] }),
      RangeError,
      '"x.shape" expected a product of 6, the length of the data, got [2, 2]',
    ],
    [
      "strides beyond the data",
      () => softmax({ data: x, shape: [3, 2], stride: [2, 2], offset: 0 } as Wrong),
      RangeError,
      '"x.stride" expected elements from 0 to 5 of the data, got 0 to 6',
    ],
    [
      "strides before the data",
      () => softmax({ data: x, shape: [3, 2], strides: [-2, 1], offset: 3 } as Wrong),
      RangeError,
      '"x.strides" expected elements from 0 to 5 of the data, got -1 to 4',
    ],
    [
      "a stride too few",
      () => softmax({ data: x, shape: [3, 2], strides: [2] } as Wrong),
      RangeError,
      '"x.strides" expected 2 integers, one for each axis, got [2]',
    ],
    [
      "a fractional stride",
      () => softmax({ data: x, shape: [3, 2], strides: [1, 0.5] } as Wrong),
      RangeError,
      '"x.strides" expected 2 integers, one for each axis, got [1, 0.5]',
    ],
    [
      "strides that are a string",
      () => softmax({ data: x, shape: [3, 2], strides: "21" } as Wrong),
      TypeError,
      '"x.strides" expected an array of strides, got "21"',
    ],
    [
      "an ndarray past its end",
      () => softmax({ data: x, shape: [2, 2], offset: 3 } as Wrong),
      RangeError,
      '"x.shape" expected a product of 3, the length of the data, got [2, 2]',
    ],
    [
      "an ndarray before its start",
      () => softmax({ data: x, shape: [2], offset: -1 } as Wrong),
      RangeError,
      '"x.offset" expected an integer from 0 to 6, got -1',
    ],
  ]);
});

describe("shapes and axes", () => {
  check([
    [
      "a shape of another size",
      () => softmax(x, { shape: [2, 4], out }),
      RangeError,
      '"shape" expected a product of 6, the length of "x", got [2, 4]',
    ],
    ["a negative length", () => softmax(x, { shape: [-2, -3] }), RangeError, '"shape[0]" expected an integer of at least 0, got -2'],
    ["a fraction", () => softmax(x, { shape: [1.5, 4] }), RangeError, '"shape[0]" expected an integer of at least 0, got 1.5'],
    ["NaN", () => softmax(x, { shape: [6, Number.NaN] }), RangeError, '"shape[1]" expected an integer of at least 0, got NaN'],
    ["a length that is not a number", () => softmax(x, { shape: ["6"] as Wrong }), TypeError, '"shape[0]" expected a number, got "6"'],
    [
      "a shape that is not an array",
      () => softmax(x, { shape: 6 as Wrong }),
      TypeError,
      '"shape" expected an array of axis lengths, got 6',
    ],
    [
      "a shape that is a revoked Proxy",
      () => softmax(x, { shape: revoked() }),
      TypeError,
      '"shape" expected an array of axis lengths, got an object',
    ],
    ["no axes", () => softmax(x, { shape: [] }), RangeError, '"shape" expected a product of 6, the length of "x", got []'],
    ["no classes", () => crossEntropy([[], []], [0, 0]), RangeError, '"shape" expected at least one class on axis 1, got [2, 0]'],
    [
      "a shape that contradicts the nesting",
      () => softmax([[1, 2]], { shape: [2, 1] }),
      RangeError,
      '"shape" expected [1, 2], the shape of "x", got [2, 1]',
    ],
    ["an axis that is too large", () => softmax(x, { shape, axis: 2, out }), RangeError, '"axis" expected an integer from -2 to 1, got 2'],
    ["an axis that is too small", () => softmax(x, { shape, axis: -3 }), RangeError, '"axis" expected an integer from -2 to 1, got -3'],
    ["a fractional axis", () => softmax(x, { shape, axis: 0.5 }), RangeError, '"axis" expected an integer from -2 to 1, got 0.5'],
    ["an axis that is not a number", () => softmax(x, { shape, axis: "1" as Wrong }), TypeError, '"axis" expected a number, got "1"'],
    [
      "operands of two shapes",
      () => softmaxBackward(g, x.subarray(0, 3), { shape, out }),
      RangeError,
      '"shape" expected a product of 3, the length of "probs", got [2, 3]',
    ],
    [
      "operands of two nestings",
      () => softmaxBackward([1, 2], [[1, 2]]),
      RangeError,
      '"probs" expected the shape of "upstream", [2], got [1, 2]',
    ],
    [
      "a wrong upstream",
      () => logSoftmaxBackward("g" as Wrong, x),
      TypeError,
      '"upstream" expected a Float64Array or Float32Array, nested arrays of numbers, or { data, shape }, got "g"',
    ],
    [
      "a Jacobian that is too large for memory",
      () => softmaxJacobian(new Float64Array(100_000)),
      RangeError,
      '"shape" expected a size that fits in memory, got 10000000000 elements',
    ],
  ]);
});

const LOSS_NAMES =
  "shape, axis, reduction, divisor, emptyMean, weights, ignoreIndex, labelSmoothing, zLoss, entropyWeight, softcap, scale, topK, bins, ignoredLogProbs, " +
  "sampleWeights, mask, groups, outputs";

describe("options", () => {
  check([
    [
      "a typo",
      () => softmax(x, { axes: 0 } as Wrong),
      TypeError,
      '"options" expected only the names shape, axis, out, scale, mask, softcap, part, classOffset, got "axes"',
    ],
    [
      "a loss option for softmax",
      () => softmax(x, { reduction: "mean" } as Wrong),
      TypeError,
      '"options" expected only the names shape, axis, out, scale, mask, softcap, part, classOffset, got "reduction"',
    ],
    [
      "an axis for the Jacobian",
      () => softmaxJacobian(x, { axis: 0 } as Wrong),
      TypeError,
      '"options" expected only the names shape, out, got "axis"',
    ],
    [
      "out for log-sum-exp",
      () => logSumExp(x, { out } as Wrong),
      TypeError,
      '"options" expected only the names shape, axis, softcap, scale, mask, b, returnSign, keepDims, got "out"',
    ],
    [
      "out for the loss",
      () => crossEntropy(x, labels, { shape, out } as Wrong),
      TypeError,
      `"options" expected only the names ${LOSS_NAMES}, got "out"`,
    ],
    [
      "a typo in a layer",
      () => new SoftmaxCrossEntropy({ shapes: [1] } as Wrong),
      TypeError,
      '"options" expected only the names shape, axis, dtype, threads, createWorker, reduction, divisor, emptyMean, weights, ignoreIndex, labelSmoothing, zLoss, ' +
        'entropyWeight, softcap, scale, topK, bins, ignoredLogProbs, labels, sampleWeights, mask, accumulate, labelGradient, groups, outputs, got "shapes"',
    ],
    ["a number", () => softmax(x, 1 as Wrong), TypeError, '"options" expected a plain object, got 1'],
    ["null", () => softmax(x, null as Wrong), TypeError, '"options" expected a plain object, got null'],
    [
      "a name of PyTorch",
      () => crossEntropy(x, labels, { shape, label_smoothing: 0.1 } as Wrong),
      TypeError,
      `"options" expected only the names ${LOSS_NAMES}, got "label_smoothing"; here it is labelSmoothing`,
    ],
    [
      "a temperature",
      () => crossEntropy(x, labels, { shape, temperature: 2 } as Wrong),
      TypeError,
      `"options" expected only the names ${LOSS_NAMES}, got "temperature"; here it is scale, the inverse`,
    ],
    [
      "a dimension",
      () => softmax(x, { dim: 0 } as Wrong),
      TypeError,
      '"options" expected only the names shape, axis, out, scale, mask, softcap, part, classOffset, got "dim"; here it is axis',
    ],
    ...["ignore_index", "ignoreindex"].map(
      (name): Case => [
        name,
        () => crossEntropy(x, labels, { shape, [name]: 0 } as Wrong),
        TypeError,
        `"options" expected only the names ${LOSS_NAMES}, got "${name}"; here it is ignoreIndex`,
      ],
    ),
    [
      "a weight",
      () => crossEntropy(x, labels, { shape, weight: [1, 2, 3] } as Wrong),
      TypeError,
      `"options" expected only the names ${LOSS_NAMES}, got "weight"; here it is weights`,
    ],
    ["a map", () => softmax(x, new Map([["axis", 0]]) as Wrong), TypeError, '"options" expected a plain object, got an object (Map)'],
    ["an array", () => softmax(x, [2, 3] as Wrong), TypeError, '"options" expected a plain object, got [2, 3]'],
    ["a revoked Proxy", () => softmax(x, revoked()), TypeError, '"options" expected a plain object, got an object'],
    [
      "outputs that are a revoked Proxy",
      () => crossEntropy(x, labels, { shape, outputs: revoked() }),
      TypeError,
      '"outputs" expected an array of names, got an object',
    ],
    [
      "an unknown reduction",
      () => crossEntropy(x, labels, { shape, reduction: "avg" as Wrong }),
      RangeError,
      '"reduction" expected one of "mean", "sum", "none", got "avg"',
    ],
    [
      "a reduction that is not a string",
      () => crossEntropy(x, labels, { shape, reduction: 1 as Wrong }),
      TypeError,
      '"reduction" expected one of "mean", "sum", "none", got 1',
    ],
    [
      "a divisor of 0",
      () => crossEntropy(x, labels, { shape, divisor: 0 }),
      RangeError,
      '"divisor" expected a finite number above 0, got 0',
    ],
    [
      "a divisor of NaN",
      () => crossEntropy(x, labels, { shape, divisor: Number.NaN }),
      RangeError,
      '"divisor" expected a finite number above 0, got NaN',
    ],
    [
      "a divisor that is not a number",
      () => crossEntropy(x, labels, { shape, divisor: "2" as Wrong }),
      TypeError,
      '"divisor" expected a number, got "2"',
    ],
    [
      "a divisor of a sum",
      () => crossEntropy(x, labels, { shape, reduction: "sum", divisor: 2 }),
      RangeError,
      '"divisor" expected to be left out with reduction "sum", got 2',
    ],
    [
      "labels of an unknown kind",
      () => new SoftmaxCrossEntropy({ labels: "soft" as Wrong }),
      RangeError,
      '"labels" expected one of "indices", "distribution", got "soft"',
    ],
  ]);
});

describe("options of the loss", () => {
  const loss = (options: Wrong) => () => crossEntropyWithGradient(x, labels, { shape, out, ...options });
  const soft = (options: Wrong) => () => crossEntropyWithGradient(x, g, { shape, out, ...options });
  const layer = (options: Wrong) => () => new SoftmaxCrossEntropy({ shape, ...options });
  const both = (title: string, options: Wrong, type: ErrorConstructor, message: string): Case[] => [
    [title, loss(options), type, message],
    [`${title}, in a layer`, layer(options), type, message],
  ];
  const finite = "expected a finite number of at least 0, got";
  const anyFinite = "expected a finite number, got";
  check([
    ...both("too few weights", { weights: [1, 2] }, RangeError, '"weights" expected 3 numbers, one for each class, got [1, 2]'),
    ...both("a weight that is NaN", { weights: [1, Number.NaN, 3] }, RangeError, `"weights[1]" ${anyFinite} NaN`),
    ...both("an infinite weight", { weights: [1, Infinity, 3] }, RangeError, `"weights[1]" ${anyFinite} Infinity`),
    ...both("weights that are not numbers", { weights: ["1", 2, 3] }, TypeError, '"weights[0]" expected a number, got "1"'),
    ...both("one number as weights", { weights: 1 }, TypeError, '"weights" expected numbers, in a typed array or nested arrays, got 1'),
    [
      "sample weights of another number",
      loss({ sampleWeights: [1] }),
      RangeError,
      '"sampleWeights" expected 2 numbers, one for each row, got [1]',
    ],
    ["a sample weight that is NaN", loss({ sampleWeights: [Number.NaN, 1] }), RangeError, `"sampleWeights[0]" ${anyFinite} NaN`],
    [
      "sample weights of another shape",
      () =>
        crossEntropy(
          [
            [[1], [2]],
            [[3], [4]],
          ],
          [0, 0],
          { axis: 1, sampleWeights: [[1, 1]] },
        ),
      RangeError,
      '"sampleWeights" expected 2 numbers, one for each row, got [1, 2]',
    ],
    ...both("more smoothing than 1", { labelSmoothing: 1.5 }, RangeError, '"labelSmoothing" expected a number from 0 to 1, got 1.5'),
    ...both("negative smoothing", { labelSmoothing: -0.1 }, RangeError, '"labelSmoothing" expected a number from 0 to 1, got -0.1'),
    ...both("smoothing of NaN", { labelSmoothing: Number.NaN }, RangeError, '"labelSmoothing" expected a number from 0 to 1, got NaN'),
    ...both("smoothing that is not a number", { labelSmoothing: "0" }, TypeError, '"labelSmoothing" expected a number, got "0"'),
    ...both("no bins", { bins: 0 }, RangeError, '"bins" expected an integer from 1 to 65536, got 0'),
    ...both("too many bins", { bins: 2 ** 17 }, RangeError, '"bins" expected an integer from 1 to 65536, got 131072'),
    ...both(
      "unknown log-probabilities of ignored rows",
      { ignoredLogProbs: "zero" },
      RangeError,
      '"ignoredLogProbs" expected one of "none", "value", got "zero"',
    ),
    ...both("an infinite weight of the entropy", { entropyWeight: Infinity }, RangeError, `"entropyWeight" ${anyFinite} Infinity`),
    ...both("a cap of 0", { softcap: 0 }, RangeError, '"softcap" expected a finite number above 0, got 0'),
    ...both("a cap that is not a number", { softcap: "30" }, TypeError, '"softcap" expected a number, got "30"'),
    ...both("a scale of 0", { scale: 0 }, RangeError, '"scale" expected a finite number above 0, got 0'),
    ...both("a negative scale", { scale: -1 }, RangeError, '"scale" expected a finite number above 0, got -1'),
    ...both("an infinite scale", { scale: Infinity }, RangeError, '"scale" expected a finite number above 0, got Infinity'),
    ...both("a negative z-loss", { zLoss: -1 }, RangeError, `"zLoss" ${finite} -1`),
    ...both("an infinite z-loss", { zLoss: Infinity }, RangeError, `"zLoss" ${finite} Infinity`),
    ...both("a divisor of 0", { divisor: 0 }, RangeError, '"divisor" expected a finite number above 0, got 0'),
    ...both("an emptyMean of 1", { emptyMean: 1 }, RangeError, '"emptyMean" expected 0 or NaN, got 1'),
    ...both(
      "an ignoreIndex between integers",
      { ignoreIndex: 0.5 },
      RangeError,
      '"ignoreIndex" expected an integer from -2147483648 to 2147483647, got 0.5',
    ),
    ...both("an ignoreIndex that is not a number", { ignoreIndex: "-1" }, TypeError, '"ignoreIndex" expected a number, got "-1"'),
    [
      "an ignoreIndex for distributions",
      soft({ ignoreIndex: -1 }),
      RangeError,
      '"ignoreIndex" expected to be left out with distributions, which have no index to ignore, got -1',
    ],
    [
      "an ignoreIndex for resident distributions",
      layer({ ignoreIndex: -1, labels: "distribution" }),
      RangeError,
      '"ignoreIndex" expected to be left out with distributions, which have no index to ignore, got -1',
    ],
    [
      "a label that is neither a class nor ignored",
      () => crossEntropyWithGradient(x, [0, -2], { shape, out, ignoreIndex: -1 }),
      RangeError,
      '"labels" expected an integer from 0 to 2, or -1 (C = 3) at row 1, got -2',
    ],
    [
      "a mask of another length",
      loss({ mask: [1, 0] }),
      RangeError,
      '"mask" expected the shape [3], or that of the logits, [2, 3], got [2]',
    ],
    [
      "a mask of another shape",
      loss({ mask: [[1], [0], [1]] }),
      RangeError,
      '"mask" expected the shape [3], or that of the logits, [2, 3], got [3, 1]',
    ],
    ["a mask of numbers", loss({ mask: [1, 0, 0.5] }), RangeError, '"mask[2]" expected 0 or 1, false or true, got 0.5'],
    ["a mask of words", loss({ mask: ["yes", 1, 1] }), TypeError, '"mask[0]" expected a number, got "yes"'],
    [
      "a layer's mask of another length",
      layer({ mask: [1, 0] }),
      RangeError,
      '"mask" expected 3 entries, one for each class, got a Uint8Array of length 2',
    ],
    ...both(
      "an unknown output",
      { outputs: ["probabilities"] },
      RangeError,
      '"outputs[0]" expected one of "losses", "probs", "logProbs", "lse", "entropy", "argmax", "correct", "topK", "accuracy", "topKAccuracy", ' +
        '"perplexity", "meanEntropy", "confidence", "calibration", "confusion", "scaleGradient", "groups", "validCount", ' +
        '"totalWeight", "firstBadRow", "total", got "probabilities"',
    ),
    ...both("outputs that are not an array", { outputs: "probs" }, TypeError, '"outputs" expected an array of names, got "probs"'),
    ...both("a topK of 0", { topK: 0 }, RangeError, '"topK" expected an integer of at least 1, got 0'),
    ...both("accumulate that is not a boolean", { accumulate: 1 }, TypeError, '"accumulate" expected true or false, got 1'),
    [
      "accumulate without out",
      () => crossEntropyWithGradient(x, labels, { shape, accumulate: true }),
      RangeError,
      '"accumulate" expected "out", which the gradient is added to, got undefined',
    ],
    [
      "labelGradient with indices",
      loss({ labelGradient: true }),
      RangeError,
      '"labelGradient" expected distributions: class indices have no gradient, got true',
    ],
    [
      "labelGradient with resident indices",
      layer({ labelGradient: true }),
      RangeError,
      '"labelGradient" expected labels: "distribution", got true',
    ],
    [
      "indices for a layer with labelGradient",
      () => new SoftmaxCrossEntropy({ shape, labels: "distribution", labelGradient: true }).forward(x, labels),
      RangeError,
      '"labels" expected distributions, as their gradient is wanted, got an Int32Array of length 2',
    ],
    [
      "a resident sample weight that is infinite",
      () => {
        const weighted = new SoftmaxCrossEntropy({ shape, sampleWeights: true });
        weighted.sampleWeights[1] = -Infinity;
        weighted.forward(x, labels);
      },
      RangeError,
      `"sampleWeights[1]" ${anyFinite} -Infinity`,
    ],
    [
      "a resident mask of 2",
      () => {
        const masked = new SoftmaxCrossEntropy({ shape, mask: true });
        masked.mask[4] = 2;
        masked.forward();
      },
      RangeError,
      '"mask[4]" expected 0 or 1, false or true, got 2',
    ],
    [
      "reading an output that is not in outputs",
      () => new SoftmaxCrossEntropy({ shape, outputs: ["lse"] }).entropy,
      Error,
      "SoftmaxCrossEntropy: entropy expected to be listed in the option outputs",
    ],
    [
      "reading an output before forward",
      () => new SoftmaxCrossEntropy({ shape, outputs: ["lse"] }).lse,
      Error,
      "SoftmaxCrossEntropy: lse expected a call of forward() first",
    ],
    [
      "reading sample weights without their option",
      () => new SoftmaxCrossEntropy({ shape }).sampleWeights,
      Error,
      "SoftmaxCrossEntropy: sampleWeights expected the option sampleWeights: true",
    ],
    [
      "reading a mask without its option",
      () => new SoftmaxCrossEntropy({ shape, mask: [1, 1, 0] }).mask,
      Error,
      "SoftmaxCrossEntropy: mask expected the option mask: true",
    ],
    [
      "reading a label gradient without its option",
      () => new SoftmaxCrossEntropy({ shape }).labelGradient,
      Error,
      "SoftmaxCrossEntropy: labelGradient expected the option labelGradient: true",
    ],
    [
      "a vector of another shape",
      () => crossEntropyHvp(x, labels, new Float64Array(5), { shape, out }),
      RangeError,
      '"shape" expected a product of 5, the length of "vector", got [2, 3]',
    ],
    [
      "a nested vector of another shape",
      () => crossEntropyHvp(x, labels, [[1, 2, 3]], { shape, out }),
      RangeError,
      '"vector" expected the shape of "logits", [2, 3], got [1, 3]',
    ],
    [
      "outputs of a second derivative",
      () => crossEntropyHessianDiagonal(x, labels, { shape, outputs: ["lse"] } as Wrong),
      TypeError,
      '"options" expected only the names shape, axis, reduction, divisor, emptyMean, weights, ignoreIndex, labelSmoothing, zLoss, scale, ' +
        'sampleWeights, mask, out, got "outputs"',
    ],
  ]);
});

describe("labels", () => {
  const from = (y: Wrong) => () => crossEntropyWithGradient(x, y, { shape, out });
  const range = '"labels" expected an integer from 0 to 2 (C = 3) at row';
  check([
    [
      "too many",
      from([0, 1, 2]),
      RangeError,
      '"labels" expected 2 class indices or 6 elements of distributions, got [0, 1, 2]; axis: 0 makes 3 rows',
    ],
    [
      "many for a vector",
      () => crossEntropy(x, labels),
      RangeError,
      '"labels" expected 1 class index or 6 elements of distributions, got an Int32Array of length 2; shape: [2, 3] makes 2 rows',
    ],
    [
      "too few",
      from(Int32Array.of(1)),
      RangeError,
      '"labels" expected 2 class indices or 6 elements of distributions, got an Int32Array of length 1',
    ],
    ["one number for two rows", from(1), RangeError, '"labels" expected 2 class indices or 6 elements of distributions, got 1'],
    [
      "missing",
      from(undefined),
      TypeError,
      '"labels" expected class indices or distributions, in a typed array or nested arrays, got undefined',
    ],
    ["a string", from("01"), TypeError, '"labels" expected class indices or distributions, in a typed array or nested arrays, got "01"'],
    ["not numbers", from([0, "1"]), TypeError, '"labels[1]" expected a number, got "1"'],
    ["equal to C", from([0, 3]), RangeError, `${range} 1, got 3`],
    ["above C", from(Int32Array.of(2_000_000_000, 0)), RangeError, `${range} 0, got 2000000000`],
    ["negative", from([-1, 0]), RangeError, `${range} 0, got -1`],
    ["negative integers", from(Int32Array.of(0, -100)), RangeError, `${range} 1, got -100; ignoreIndex: -100 leaves such rows out`],
    ["an unsigned mark", from(Uint8Array.of(255, 0)), RangeError, `${range} 0, got 255; ignoreIndex: 255 leaves such rows out`],
    ["fractional", from([0, 1.5]), RangeError, `${range} 1, got 1.5`],
    ["NaN", from([Number.NaN, 0]), RangeError, `${range} 0, got NaN`],
    ["infinite", from([0, Infinity]), RangeError, `${range} 1, got Infinity`],
    [
      "out of range of one class",
      () => crossEntropy([3], [1]),
      RangeError,
      '"labels" expected an integer from 0 to 0 (C = 1) at row 0, got 1',
    ],
    ["too large for 32 bits", from([2 ** 32, 0]), RangeError, `${range} 0, got 4294967296`],
    ["64-bit and out of range", from(BigInt64Array.of(0n, 2n ** 40n)), RangeError, `${range} 1, got 1099511627776n`],
    [
      "transposed distributions",
      from([
        [1, 0],
        [0, 1],
        [0, 0],
      ]),
      RangeError,
      '"labels" expected the shape [2, 3], got [3, 2]',
    ],
    [
      "ragged",
      from([
        [1, 0, 0],
        [0, 1],
      ]),
      RangeError,
      '"labels[1]" expected an array of length 3, as labels[0], got an array of length 2',
    ],
    ["a row of indices", from([[0, 1]]), RangeError, '"labels" expected the shape [2], got [1, 2]'],
    ["a symbol", from([0, Symbol("label")]), TypeError, '"labels[1]" expected a number, got Symbol(label)'],
  ]);
});

describe("out", () => {
  check([
    [
      "too short",
      () => softmax(x, { shape, out: out.subarray(1) }),
      RangeError,
      '"out" expected 6 elements, got a Float64Array of length 5',
    ],
    [
      "too long",
      () => softmaxJacobian(x, { shape, out: new Float64Array(19) }),
      RangeError,
      '"out" expected 18 elements, got a Float64Array of length 19',
    ],
    [
      "a Float32Array",
      () => softmax(x, { shape, out: new Float32Array(6) as Wrong }),
      TypeError,
      '"out" expected a Float64Array, got a Float32Array of length 6',
    ],
    [
      "with nested arrays as input",
      () => softmax([1, 2, 3], { out: out.subarray(3) }),
      TypeError,
      '"out" expected to be used with typed arrays as input only, got another container as input',
    ],
    [
      "one element after an input",
      () => softmax(shared.subarray(0, 6), { shape, out: shared.subarray(1, 7) }),
      RangeError,
      '"out" expected an input itself or memory of its own, got an array that overlaps an input in part',
    ],
    [
      "overlapping half an input",
      () => softmaxBackward(x, shared.subarray(2, 8), { shape, out: shared.subarray(0, 6) }),
      RangeError,
      '"out" expected an input itself or memory of its own, got an array that overlaps an input in part',
    ],
    [
      "in the memory of the labels",
      () => crossEntropyWithGradient(x, new Float32Array(zeros.buffer, 8, 6), { shape, out: zeros }),
      RangeError,
      '"out" expected an input itself or memory of its own, got an array that overlaps an input in part',
    ],
  ]);
});

describe("layers", () => {
  const loss = new SoftmaxCrossEntropy({ shape });
  const layer = new Softmax({ shape });
  const gone = new Softmax({ shape });
  gone.dispose();
  check([
    ["backward before forward", () => loss.backward(), Error, "SoftmaxCrossEntropy: backward() expected a call of forward() first"],
    ["backward of softmax before forward", () => layer.backward(g), Error, "Softmax: backward() expected a call of forward() first"],
    ["probs before forward", () => loss.probs, Error, "SoftmaxCrossEntropy: probs expected a call of forward() first"],
    [
      "no shape",
      () => new SoftmaxCrossEntropy().forward(),
      Error,
      "SoftmaxCrossEntropy expected a shape first: give options.shape, or arrays to forward()",
    ],
    [
      "views without a shape",
      () => new Softmax().logits,
      Error,
      "Softmax expected a shape first: give options.shape, or arrays to forward()",
    ],
    ["use after dispose", () => gone.forward(x), Error, "Softmax expected no use after dispose()"],
    [
      "labels without logits",
      () => loss.forward(undefined as Wrong, labels),
      TypeError,
      '"logits" expected a Float64Array or Float32Array, nested arrays of numbers, or { data, shape }, got undefined',
    ],
    [
      "logits without labels",
      () => loss.forward(x, undefined as Wrong),
      TypeError,
      '"labels" expected class indices or distributions, in a typed array or nested arrays, got undefined',
    ],
    [
      "logits of another length",
      () => loss.forward(x.subarray(3), [0]),
      RangeError,
      '"logits" expected 6 elements, the layer having the shape [2, 3], got a Float64Array of length 3',
    ],
    ["a shape without classes", () => loss.resize([2, 0]), RangeError, '"shape" expected at least one class on axis 1, got [2, 0]'],
    ["an axis outside the shape", () => new Softmax({ shape, axis: 2 }), RangeError, '"axis" expected an integer from -2 to 1, got 2'],
    [
      "a batch too large for memory",
      () => loss.resize([1e6, 1e3]),
      RangeError,
      '"shape" expected a batch that fits in WebAssembly memory, got one that needs 22900 MiB',
    ],
    [
      "no rows of more classes than addresses",
      () => new SoftmaxCrossEntropy({ shape: [0, 2 ** 53 - 1] }),
      RangeError,
      '"shape" expected at most 4294967296 classes on axis 1, got [0, 9007199254740991]',
    ],
    [
      "no rows of more smoothed classes than addresses",
      () => new SoftmaxCrossEntropy({ shape: [0, 2 ** 40], labelSmoothing: 0.1 }),
      RangeError,
      '"shape" expected at most 4294967296 classes on axis 1, got [0, 1099511627776]',
    ],
    [
      "no rows of more smoothed classes than memory",
      () => new SoftmaxCrossEntropy({ shape: [0, 2 ** 32], labelSmoothing: 0.1 }),
      RangeError,
      '"shape" expected a batch that fits in WebAssembly memory, got one that needs 32769 MiB',
    ],
    [
      "more classes than addresses",
      () => new Softmax({ shape: [2 ** 32] }),
      RangeError,
      '"shape" expected a batch that fits in WebAssembly memory, got one that needs 131073 MiB',
    ],
    [
      "a batch with more elements than a double can count",
      () => new Softmax({ shape: [2 ** 40, 2 ** 40] }),
      RangeError,
      '"shape" expected a countable number of elements, got [1099511627776, 1099511627776]',
    ],
  ]);

  it("are unchanged after an error", () => {
    const layer = new SoftmaxCrossEntropy({ shape });
    layer.logits.set(x);
    layer.labels.set(labels);
    const want = layer.forward();
    const gradient = layer.backward().slice();
    const wrong: (() => unknown)[] = [
      () => layer.forward([[1, 2]], [7]),
      () => layer.forward(x, [0, 1, 2]),
      () => layer.resize([1e9, 1e3]),
      () => layer.backward([1, 2] as Wrong),
      () => layer.backward("2" as Wrong),
    ];
    for (const run of wrong) {
      expect(run).toThrow(/expected/);
      expect(layer.shape).toEqual(shape);
      expect(layer.logits).toEqual(x);
      expect(layer.labels).toEqual(labels);
      expect(layer.backward()).toEqual(gradient);
      expect(layer.forward()).toBe(want);
    }
  });

  it("check resident labels before each forward and backward", () => {
    const layer = new SoftmaxCrossEntropy({ shape });
    layer.logits.set(x);
    layer.labels.set(labels);
    layer.forward();
    const gradient = layer.gradient.slice();
    for (const wild of [3, -1, 2 ** 31 - 1, -(2 ** 31)]) {
      layer.labels[1] = wild;
      expect(() => layer.forward()).toThrow(new RangeError(`"labels" expected an integer from 0 to 2 (C = 3) at row 1, got ${wild}`));
      expect(() => layer.backward(2)).toThrow(RangeError);
      expect(layer.gradient).toEqual(gradient);
    }
  });

  it("refuse an upstream that does not fit the reduction", () => {
    const mean = new SoftmaxCrossEntropy({ shape });
    mean.forward();
    expect(() => mean.backward([1, 1])).toThrow(new TypeError('"upstream" expected a number, with reduction "mean", got [1, 1]'));
    const none = new SoftmaxCrossEntropy({ shape, reduction: "none" });
    none.forward();
    expect(() => none.backward([1, 1, 1])).toThrow(new RangeError('"upstream" expected a number for each of 2 rows, got [1, 1, 1]'));
  });
});
