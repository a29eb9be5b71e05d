// The layers: resident views, memory that follows the shape, upstream gradients, disposal.

import { describe, expect, it } from "vitest";
import { ROWS, seeded } from "../reference/data.js";
import { crossEntropyWithGradient, Softmax, SoftmaxCrossEntropy, softmax, softmaxBackward } from "../src/index.js";
import { expectSameBits } from "./verify.js";

const flat = (length: number, seed = 1) => Float64Array.from(ROWS.uniform(seeded(seed), length));

describe("Softmax", () => {
  it("gives results in the container of the input", () => {
    const layer = new Softmax();
    const nested = [
      [1, 2, 3],
      [0, 0, 0],
    ];
    expect(layer.forward(nested)).toEqual(softmax(nested));
    expect(
      layer.backward([
        [1, 0, 0],
        [0, 1, 0],
      ]),
    ).toEqual(
      softmaxBackward(
        [
          [1, 0, 0],
          [0, 1, 0],
        ],
        softmax(nested),
      ),
    );
    expect(layer.forward(Float64Array.from(nested.flat()))).toEqual(Float64Array.from(softmax(nested).flat()));
    expect(layer.forward({ data: Float64Array.of(1, 2), shape: [1, 2] }).shape).toEqual([1, 2]);
    expect(new Softmax().forward(Float64Array.of(0, 0))).toEqual(Float64Array.of(0.5, 0.5));
  });

  it("works on its resident views, without a copy", () => {
    const layer = new Softmax({ shape: [4, 6], axis: 0 });
    const x = flat(24);
    const g = flat(24, 2);
    layer.logits.set(x);
    expect(layer.forward()).toBe(layer.probs);
    layer.upstream.set(g);
    expect(layer.backward()).toBe(layer.gradient);
    expect(layer.probs).toEqual(softmax(x, { shape: [4, 6], axis: 0 }));
    expect(layer.gradient).toEqual(softmaxBackward(g, layer.probs, { shape: [4, 6], axis: 0 }));
    expect(layer.logits).toEqual(x);
  });

  it("follows the shape of its input, larger and smaller", () => {
    const layer = new Softmax();
    for (const rows of [1, 50, 20000, 3]) {
      const x = flat(rows * 8);
      expectSameBits(layer.forward({ data: x, shape: [rows, 8] }).data, softmax(x, { shape: [rows, 8] }));
      expect(layer.shape).toEqual([rows, 8]);
      expectSameBits(layer.logits, x);
    }
  });

  it("takes a view of its own memory as input, also when the memory moves", () => {
    const layer = new Softmax({ shape: [2, 6] });
    layer.logits.set(flat(12));
    const p = layer.forward();
    const want = softmax(p.slice(), { shape: [3, 4] });
    expect(layer.forward({ data: p, shape: [3, 4] }).data).toEqual(want);
    expect(layer.forward({ data: layer.probs.subarray(0, 4), shape: [1, 4] }).data).toEqual(softmax(want.slice(0, 4)));
  });
});

describe("SoftmaxCrossEntropy", () => {
  const shape = [5, 4];
  const x = flat(20);
  const labels = Int32Array.of(0, 1, 2, 3, 0);

  function resident(): SoftmaxCrossEntropy {
    const layer = new SoftmaxCrossEntropy({ shape });
    layer.logits.set(x);
    layer.labels.set(labels);
    return layer;
  }

  it("has typed arrays inside its memory", () => {
    const layer = resident();
    expect(layer.logits).toBeInstanceOf(Float64Array);
    expect(layer.labels).toBeInstanceOf(Int32Array);
    expect(layer.logits.buffer).toBe(layer.gradient.buffer);
    expect(layer.logits).toBe(layer.logits);
    expect(new SoftmaxCrossEntropy({ shape, labels: "distribution" }).labels).toEqual(new Float64Array(20));
    expect(resident().logits.buffer).not.toBe(layer.logits.buffer);
  });

  it("scales by the upstream gradient in each of several calls of backward", () => {
    const layer = resident();
    layer.forward();
    const plain = layer.backward().slice();
    for (const upstream of [4, 0, -1, 0.5, 1]) expect(layer.backward(upstream)).toEqual(plain.map((g) => g * upstream + 0));
    expect(layer.backward()).toEqual(plain);
  });

  it("takes an upstream gradient by row with reduction none", () => {
    const layer = new SoftmaxCrossEntropy({ shape, reduction: "none" });
    layer.logits.set(x);
    layer.labels.set(labels);
    expect(layer.forward()).toBe(layer.losses);
    const plain = layer.backward().slice();
    const upstream = [1, 2, -4, 0.5, 0];
    const want = plain.map((g, at) => g * upstream[Math.floor(at / 4)] + 0);
    expect(layer.backward(upstream)).toEqual(want);
    expect(layer.backward(2)).toEqual(plain.map((g) => 2 * g));
    expect(layer.backward(Float64Array.from(upstream))).toEqual(want);
    expect(layer.backward()).toEqual(plain);
  });

  it("gives results in the container of the logits", () => {
    const layer = new SoftmaxCrossEntropy({ reduction: "none" });
    const nested = [
      [1, 2],
      [3, 3],
    ];
    const want = crossEntropyWithGradient(nested, [0, 1], { reduction: "none" });
    expect(layer.forward(nested, [0, 1])).toEqual(want.loss);
    expect(layer.backward<number[][]>()).toEqual(want.gradient);
    expect(layer.probs).toEqual(Float64Array.from(softmax(nested).flat()));
  });

  it("follows shapes and kinds of labels", () => {
    const layer = new SoftmaxCrossEntropy();
    for (const rows of [3, 30000, 2]) {
      const data = flat(rows * 4);
      const y = Int32Array.from({ length: rows }, (_, r) => r % 4);
      const oneHot = Float64Array.from({ length: rows * 4 }, (_, at) => (at % 4 === Math.floor(at / 4) % 4 ? 1 : 0));
      const want = crossEntropyWithGradient(data, y, { shape: [rows, 4] });
      for (const given of [y, oneHot, y]) {
        expect(layer.forward({ data, shape: [rows, 4] }, given)).toBe(want.loss);
        expectSameBits(layer.backward<{ data: Float64Array; shape: number[] }>().data, want.gradient);
      }
    }
    layer.resize([2, 3]);
    expect(layer.shape).toEqual([2, 3]);
    expect(layer.gradient.length).toBe(6);
    expect(() => layer.backward()).toThrow(/forward\(\) first/);
  });

  it("takes a view of its own memory as input, also when the memory moves", () => {
    const layer = resident();
    const want = layer.forward();
    const oneHot = Float64Array.from({ length: 20 }, (_, at) => (at % 4 === labels[Math.floor(at / 4)] ? 1 : 0));
    expect(layer.forward(layer.logits, oneHot)).toBe(want);
    expect(layer.forward(layer.logits, layer.labels)).toBe(want);
    expect(layer.forward(layer.logits, labels)).toBe(want);
  });

  it("keeps its resident labels of the kind in its options when forward gets labels of another kind", () => {
    const layer = resident();
    const oneHot = Float64Array.from({ length: 20 }, (_, at) => (at % 4 === labels[Math.floor(at / 4)] ? 1 : 0));
    const want = layer.forward();
    expect(layer.forward(x, oneHot)).toBe(want);
    expect(layer.labels).toBeInstanceOf(Int32Array);
    layer.logits.set(x);
    layer.labels.set(labels);
    expect(layer.forward()).toBe(want);
    layer.forward({ data: new Float64Array(0), shape: [0, 4] }, new Float64Array(0));
    layer.resize([5, 4]);
    expect(layer.labels).toBeInstanceOf(Int32Array);
    expect(layer.labels.length).toBe(5);
  });

  it("keeps the labels of the last forward when a resident forward fails", () => {
    const layer = resident();
    const oneHot = Float64Array.from({ length: 20 }, (_, at) => (at % 4 === labels[Math.floor(at / 4)] ? 1 : 0));
    layer.forward(x, oneHot);
    const want = layer.backward(2).slice();
    layer.labels.fill(9);
    expect(() => layer.forward()).toThrow(RangeError);
    expect(layer.backward(2)).toEqual(want);
  });

  it("keeps its views valid when large probabilities are read", () => {
    const layer = new SoftmaxCrossEntropy({ shape: [1000, 80] });
    layer.forward();
    const { logits, gradient } = layer;
    expect(layer.probs.length).toBe(80000);
    expect([logits.length, gradient.length]).toEqual([80000, 80000]);
    expect(layer.logits).toBe(logits);
  });

  it("computes the gradient again if the caller has overwritten it", () => {
    const layer = resident();
    layer.forward();
    const want = layer.backward().slice();
    layer.gradient.fill(9);
    expect(layer.backward()).toEqual(want);
  });

  it("has a shape that the caller cannot change", () => {
    expect(() => (resident().shape as number[]).push(1)).toThrow(TypeError);
  });

  it("keeps its results when the probabilities are first read", () => {
    const layer = resident();
    layer.forward();
    const gradient = layer.backward().slice();
    expect(layer.probs).toEqual(softmax(x, { shape }));
    expect(layer.gradient).toEqual(gradient);
    expect(layer.logits).toEqual(x);
    layer.logits.fill(0);
    layer.forward();
    expect(layer.probs).toEqual(new Float64Array(20).fill(0.25));
  });

  it("ends with dispose, called once or twice, and with `using`", () => {
    const layer = resident();
    layer.dispose();
    layer.dispose();
    expect(() => layer.forward()).toThrow(/after dispose/);
    expect(() => layer.logits).toThrow(/after dispose/);
    expect(() => layer.backward()).toThrow(/after dispose/);
    expect(() => layer.resize([1, 2])).toThrow(/after dispose/);
    const other = resident();
    other[Symbol.dispose]();
    expect(() => other.forward()).toThrow(/after dispose/);
  });
});
