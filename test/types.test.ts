// The types of the public functions: what the compiler takes, what it refuses, and what it says of a result. `npm run check` compiles them; the
// calls run as well.

/// <reference types="@stdlib/types" />

import type { float64ndarray, typedndarray } from "@stdlib/types/ndarray";
import { describe, expect, expectTypeOf, it } from "vitest";
import {
  crossEntropy,
  crossEntropyHvp,
  crossEntropyWithGradient,
  LossTotal,
  logSumExp,
  type NdArray,
  type ResidentLabels,
  Softmax,
  SoftmaxCrossEntropy,
  softmax,
  softmaxJacobian,
} from "../src/index.js";
import { LinearCrossEntropy, linear, linearBackward, linearCrossEntropy, linearCrossEntropyWithGradient } from "../src/linear.js";

const x = [
  [1, 2],
  [3, 4],
];
const labels = [0, 1];
const flat = Float64Array.of(1, 2, 3, 4);
const shape = [2, 2];

describe("options", () => {
  it("may be kept in a const without `as const`", () => {
    const options = { shape, reduction: "none", outputs: ["probs", "correct"] };
    const result = crossEntropy(flat, labels, options);
    // The names are only known to be strings: a loss of either kind, and perhaps any of the outputs.
    expectTypeOf(result.loss).toEqualTypeOf<number | Float64Array>();
    expectTypeOf(result.probs).toEqualTypeOf<Float64Array | undefined>();
    expect(result.correct).toBe(1);
    expectTypeOf(crossEntropyWithGradient(x, labels, { reduction: options.reduction }).gradient).toEqualTypeOf<number[][]>();
    expectTypeOf(crossEntropyHvp(flat, labels, flat, { shape, reduction: options.reduction })).toEqualTypeOf<Float64Array>();

    const layerOptions = { shape, reduction: "sum", labels: "distribution", threads: "auto", outputs: ["lse"] };
    const layer = new SoftmaxCrossEntropy(layerOptions);
    expectTypeOf(layer.labels).toEqualTypeOf<Int32Array | Float64Array>();
    expect(layer.forward()).toBe(0);
  });

  it("that are written in the call give exact types", () => {
    expectTypeOf(crossEntropy(x, labels)).toEqualTypeOf<number>();
    expectTypeOf(crossEntropy(x, labels, { reduction: "sum" })).toEqualTypeOf<number>();
    expectTypeOf(crossEntropy(x, labels, { reduction: "none" })).toEqualTypeOf<number[]>();
    const { loss, lse, argmax, correct } = crossEntropy(flat, labels, { shape, outputs: ["lse", "argmax", "correct"] });
    expectTypeOf(loss).toEqualTypeOf<number>();
    expectTypeOf(lse).toEqualTypeOf<Float64Array>();
    expectTypeOf(argmax).toEqualTypeOf<Int32Array>();
    expectTypeOf(correct).toEqualTypeOf<number>();
    expectTypeOf(crossEntropyWithGradient(x, labels, { outputs: ["total"] }).total).toEqualTypeOf<LossTotal>();
    expectTypeOf<SoftmaxCrossEntropy["total"]>().toEqualTypeOf<LossTotal>();
    expectTypeOf(crossEntropyWithGradient(x, x, { labelGradient: true }).labelGradient).toEqualTypeOf<number[][]>();
  });

  it("are refused where a name is misspelt", () => {
    // @ts-expect-error: no such reduction
    expect(() => crossEntropy(x, labels, { reduction: "men" })).toThrow(/"reduction" expected/);
    // @ts-expect-error: no such output
    expect(() => crossEntropy(x, labels, { outputs: ["prob"] })).toThrow(/"outputs\[0\]" expected/);
    // @ts-expect-error: no such output
    expect(() => new LossTotal().add(x, labels, { outputs: ["prob"] })).toThrow(/"outputs\[0\]" expected/);
    // @ts-expect-error: a result without a total
    expect(() => new LossTotal().add(crossEntropy(x, labels, { outputs: ["lse"] }))).toThrow(/"result" expected/);
    // @ts-expect-error: no such option
    expect(() => crossEntropy(x, labels, { labelSmothing: 0.1 })).toThrow(/"options" expected/);
    // @ts-expect-error: no such kind of labels
    expect(() => new SoftmaxCrossEntropy({ labels: "distributions" })).toThrow(/"labels" expected/);
    // @ts-expect-error: no such output
    expect(() => new SoftmaxCrossEntropy({ outputs: ["prob"] })).toThrow(/"outputs\[0\]" expected/);
    // @ts-expect-error: no such reduction
    expect(() => new SoftmaxCrossEntropy({ reduction: "men" })).toThrow(/"reduction" expected/);
    const { probs, ...rest } = crossEntropy(x, labels, { outputs: ["probs"] });
    // @ts-expect-error: an output that was not asked for
    expect([probs.length, rest.lse]).toEqual([2, undefined]);
  });
});

describe("the labels of a layer", () => {
  it("have the type that the option labels says", () => {
    expectTypeOf(new SoftmaxCrossEntropy({ shape }).labels).toEqualTypeOf<Int32Array>();
    expectTypeOf(new SoftmaxCrossEntropy({ shape, labels: "indices" }).labels).toEqualTypeOf<Int32Array>();
    expectTypeOf(new SoftmaxCrossEntropy({ shape, labels: "distribution" }).labels).toEqualTypeOf<Float64Array>();
    expectTypeOf<ResidentLabels<"distribution">>().toEqualTypeOf<Float64Array>();
  });
});

describe("containers", () => {
  it("have results of their kind", () => {
    expectTypeOf(softmax(flat)).toEqualTypeOf<Float64Array>();
    expectTypeOf(softmax([1, 2])).toEqualTypeOf<number[]>();
    expectTypeOf(softmax(x)).toEqualTypeOf<number[][]>();
    expectTypeOf(softmax(3)).toEqualTypeOf<number>();
    expectTypeOf(softmax([flat])).toEqualTypeOf<Float64Array[]>();
    expectTypeOf(softmax({ data: flat, shape })).toEqualTypeOf<NdArray>();
    expectTypeOf(logSumExp(x)).toEqualTypeOf<number[]>();
    expectTypeOf(logSumExp([1, 2])).toEqualTypeOf<number>();
    expectTypeOf(logSumExp([flat])).toEqualTypeOf<Float64Array>();
    expectTypeOf(softmaxJacobian([flat])).toEqualTypeOf<Float64Array[][]>();
    const float32 = Float32Array.from(flat);
    expectTypeOf(softmax(float32)).toEqualTypeOf<Float32Array>();
    expectTypeOf(softmax([float32])).toEqualTypeOf<Float32Array[]>();
    expectTypeOf(logSumExp([float32])).toEqualTypeOf<Float32Array>();
    expectTypeOf(softmax({ data: float32, dims: shape })).toEqualTypeOf<NdArray<Float32Array>>();
    expectTypeOf(softmax({ data: new Uint16Array(4), dims: [2n, 2n], type: "float16" })).toEqualTypeOf<NdArray<Float32Array>>();
    expectTypeOf(new Softmax({ dtype: "float32", shape }).logits).toEqualTypeOf<Float32Array>();
    expectTypeOf(new SoftmaxCrossEntropy({ dtype: "float32", shape, outputs: ["lse"] }).gradient).toEqualTypeOf<Float32Array>();
    expectTypeOf(crossEntropy([flat, flat], labels, { reduction: "none" })).toEqualTypeOf<Float64Array>();
  });

  it("may be those of @stdlib", () => {
    const array = { data: flat, shape, strides: [2, 1], offset: 0 } as unknown as typedndarray<number>;
    expectTypeOf(softmax(array)).toEqualTypeOf<NdArray<Float64Array | Float32Array>>();
    expectTypeOf(crossEntropy(array, labels, { reduction: "none" })).toEqualTypeOf<NdArray<Float64Array | Float32Array>>();
    expectTypeOf(softmax(array as float64ndarray)).toEqualTypeOf<NdArray>();
    expect(crossEntropy(array, array)).toBeGreaterThan(0);
  });

  it("may be labels of every form", () => {
    expect(crossEntropy(x, [0n, 1n])).toBe(crossEntropy(x, labels));
    expect(crossEntropy(x, [[0], [1]])).toBe(crossEntropy(x, labels));
    expect(crossEntropy(x, BigInt64Array.of(0n, 1n))).toBe(crossEntropy(x, labels));
    expect(crossEntropy(x, [Uint8Array.of(1, 0), Uint8Array.of(0, 1)])).toBe(crossEntropy(x, labels));
    // @ts-expect-error: strings are no labels
    expect(() => crossEntropy(x, ["0", "1"])).toThrow(TypeError);
    // @ts-expect-error: strings are no logits
    expect(() => crossEntropy([["1", "2"]], [0])).toThrow(TypeError);
  });
});

describe("linear layers", () => {
  it("have gradients in the containers of their operands", () => {
    const result = linearCrossEntropyWithGradient(Float32Array.of(1, 2), [Float32Array.of(1, 0)], 0, { shape: [1, 2], bias: [0] });
    expectTypeOf(result.inputGradient).toEqualTypeOf<Float32Array>();
    expectTypeOf(result.weightsGradient).toEqualTypeOf<Float32Array[]>();
    expectTypeOf(result.biasGradient).toEqualTypeOf<Float32Array>();
    const less = linearCrossEntropyWithGradient(x, x, labels, { inputGradient: false, outputs: ["lse"], reduction: "none" });
    expectTypeOf(less).not.toHaveProperty("inputGradient");
    expectTypeOf(less).not.toHaveProperty("biasGradient");
    expectTypeOf(less.loss).toEqualTypeOf<number[]>();
    expectTypeOf(less.lse).toEqualTypeOf<number[]>();
    expectTypeOf(linearCrossEntropy(x, x, labels)).toEqualTypeOf<number>();
    const units = linear(Float32Array.of(1, 2), [Float32Array.of(1, 0)], { shape: [1, 2], bias: [0] });
    expectTypeOf(units).toEqualTypeOf<Float32Array>();
    const back = linearBackward(units, Float32Array.of(1, 2), [Float32Array.of(1, 0)], { shape: [1, 2] });
    expectTypeOf(back).toEqualTypeOf<{ weightsGradient: Float32Array[]; biasGradient: Float32Array } & { inputGradient: Float32Array }>();
    expectTypeOf(linearBackward(x, x, x, { inputGradient: false })).not.toHaveProperty("inputGradient");
    // @ts-expect-error: classes are the last axis
    expect(() => linearCrossEntropy(x, x, labels, { axis: 0 })).toThrow("axis");
  });

  it("have views of their dtype", () => {
    const layer = new LinearCrossEntropy({ shape, classes: 3, dtype: "float32", outputs: ["argmax"], threads: "auto" });
    expectTypeOf(layer.threads).toEqualTypeOf<number>();
    expectTypeOf(layer.threadsReason).toEqualTypeOf<string | undefined>();
    // @ts-expect-error: a number or "auto"
    expect(() => new LinearCrossEntropy({ shape, classes: 3, threads: true })).toThrow("threads");
    expectTypeOf(layer.weights).toEqualTypeOf<Float32Array>();
    expectTypeOf(layer.labels).toEqualTypeOf<Int32Array>();
    layer.forward();
    expectTypeOf(layer.outputs.argmax).toEqualTypeOf<Int32Array>();
    expectTypeOf(layer.backward().weights).toEqualTypeOf<Float32Array>();
    expectTypeOf(layer.probs([Float32Array.of(1, 2)])).toEqualTypeOf<Float32Array[]>();
    // @ts-expect-error: no such dtype
    expect(() => new LinearCrossEntropy({ shape, classes: 3, dtype: "float16" })).toThrow("dtype");
  });
});
