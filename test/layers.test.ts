// The layers: resident views, memory that follows the shape, terms that are set, upstream gradients, disposal.

import { describe, expect, it } from "vitest";
import { ROWS, seeded } from "../reference/data.js";
import { crossEntropy, crossEntropyWithGradient, Softmax, SoftmaxCrossEntropy, softmax, softmaxBackward } from "../src/index.js";
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

describe("old views", () => {
  /** All views of a layer. */
  const viewsOf = (layer: SoftmaxCrossEntropy | Softmax): Float64Array[] =>
    layer instanceof Softmax ? [layer.logits, layer.probs, layer.upstream, layer.gradient] : [layer.logits, layer.gradient, layer.losses];

  const layers: [string, () => SoftmaxCrossEntropy | Softmax][] = [
    ["Softmax", () => new Softmax({ shape: [64, 100] })],
    ["SoftmaxCrossEntropy", () => new SoftmaxCrossEntropy({ shape: [64, 100] })],
    ["SoftmaxCrossEntropy with threads", () => new SoftmaxCrossEntropy({ shape: [64, 100], threads: 2 })],
    ["Softmax with threads", () => new Softmax({ shape: [64, 100], threads: 2 })],
  ];

  it.each(layers)("stay where they are for fewer rows, and for as many as before: %s", (_, make) => {
    const layer = make();
    const old = viewsOf(layer);
    for (const [i, view] of old.entries()) view.fill(i + 1);
    layer.resize([10, 100]);
    for (const [i, view] of viewsOf(layer).entries()) {
      expect(view.byteOffset).toBe(old[i].byteOffset);
      expect(view.buffer).toBe(old[i].buffer);
      expect(view.every((value) => value === i + 1)).toBe(true);
    }
    // An old view is longer than the buffer is now, and still reaches no other.
    old[0].fill(-5);
    expect(viewsOf(layer)[1].every((value) => value === 2)).toBe(true);
    layer.resize([64, 100]);
    expect(viewsOf(layer)[0].byteOffset).toBe(old[0].byteOffset);
    expect(viewsOf(layer).map((view) => view.length)).toEqual(old.map((view) => view.length));
  });

  it.each(layers)("never write into another buffer when buffers move: %s", (_, make) => {
    const layer = make();
    const old = viewsOf(layer);
    const isShared = old[0].buffer instanceof SharedArrayBuffer;
    for (const shape of [
      [65, 100],
      [1, 20000],
      [3000, 7],
    ]) {
      layer.resize(shape);
      const views = viewsOf(layer);
      for (const view of views) view.fill(7);
      for (const view of old) {
        if (isShared) view.fill(-1);
        else expect(view.length).toBe(0);
      }
      for (const view of views) expect(view.every((value) => value === 7)).toBe(true);
      old.splice(0, old.length, ...views);
    }
  });

  it("have no elements any more when the memory of one batch takes the place of another", () => {
    const layer = new SoftmaxCrossEntropy({ shape: [4, 3] });
    const { logits, labels } = layer;
    layer.forward({ data: flat(800), shape: [8, 100] }, new Int32Array(8));
    expect([logits.length, labels.length]).toEqual([0, 0]);
    labels[0] = 99;
    expect(() => labels.fill(99)).toThrow(/detached/);
    expect(layer.labels).toEqual(new Int32Array(8));
  });

  it("keep the labels of the other kind apart", () => {
    const layer = new SoftmaxCrossEntropy({ shape: [2, 2] });
    const { labels } = layer;
    layer.forward(Float64Array.of(1, 2, 3, 4), Float64Array.of(1, 0, 0, 1));
    labels[0] = 77;
    expect(() => layer.backward(2)).not.toThrow();
    expect(layer.logits).toEqual(Float64Array.of(1, 2, 3, 4));
  });
});

describe("terms that are set", () => {
  const shape = [5, 4];
  const x = flat(20, 3);
  const labels = Int32Array.of(0, 1, 2, 3, 0);

  const values = {
    divisor: 3,
    labelSmoothing: 0.2,
    zLoss: 0.1,
    scale: 2,
    weights: [1, 2, 0, 4],
    topK: 1,
  };

  it.each(Object.entries(values))("act from the next forward on, as in the constructor: %s", (name, value) => {
    const layer = new SoftmaxCrossEntropy({ shape, outputs: ["probs", "correct"], sampleWeights: true });
    layer.logits.set(x);
    layer.labels.set(labels);
    layer.sampleWeights.set([1, 2, 3, 4, 5]);
    const before = layer.forward();
    const gradient = layer.backward().slice();
    Object.assign(layer, { [name]: value });
    // A step is of one state: until the next forward, everything is that of the last.
    expect(layer.backward(2)).toEqual(gradient.map((g) => 2 * g));
    expect(layer.correct).toBe(crossEntropy(x, labels, { shape, outputs: ["correct"] }).correct);

    const made = new SoftmaxCrossEntropy({ shape, outputs: ["probs", "correct"], sampleWeights: true, [name]: value });
    made.logits.set(x);
    made.labels.set(labels);
    made.sampleWeights.set([1, 2, 3, 4, 5]);
    expect(layer.forward()).toBe(made.forward());
    expectSameBits(layer.backward(), made.backward());
    expectSameBits(layer.probs, made.probs);
    expect([...layer.sampleWeights, ...layer.labels]).toEqual([...made.sampleWeights, ...made.labels]);
    // Undefined gives back the default.
    Object.assign(layer, { [name]: undefined });
    expect(layer.forward()).toBe(before);
    expectSameBits(layer.backward(), gradient);
  });

  it("can be read", () => {
    const layer = new SoftmaxCrossEntropy({ ...values, outputs: ["topK"], shape });
    const { divisor, labelSmoothing, zLoss, scale, emptyMean } = layer;
    expect({ divisor, labelSmoothing, zLoss, scale, emptyMean }).toEqual({
      divisor: 3,
      labelSmoothing: 0.2,
      zLoss: 0.1,
      scale: 2,
      emptyMean: 0,
    });
    expect(layer.weights).toEqual(Float64Array.from(values.weights));
    // A copy: the weights are set as a whole, and checked.
    (layer.weights as Float64Array)[0] = Number.NaN;
    expect(layer.weights).toEqual(Float64Array.from(values.weights));
    expect(new SoftmaxCrossEntropy().weights).toBeUndefined();
  });

  it("count the rows of the output topK by the k that was set", () => {
    const layer = new SoftmaxCrossEntropy({ shape: [3, 3], outputs: ["topK"], topK: 1 });
    const rank = [3, 2, 1, 3, 2, 1, 3, 2, 1];
    layer.logits.set(rank);
    layer.labels.set([0, 1, 2]);
    layer.forward();
    expect(layer.topK).toBe(1);
    layer.topK = 2;
    expect(layer.topK).toBe(1);
    layer.forward();
    expect(layer.topK).toBe(2);
  });

  it("include the mean of nothing", () => {
    const layer = new SoftmaxCrossEntropy({ shape: [2, 2], ignoreIndex: 1 });
    layer.labels.fill(1);
    expect(layer.forward()).toBe(0);
    layer.emptyMean = Number.NaN;
    expect(layer.forward()).toBeNaN();
  });

  it("follow a batch of the caller's own, and another shape", () => {
    const layer = new SoftmaxCrossEntropy();
    layer.weights = [1, 2, 3];
    layer.labelSmoothing = 0.1;
    const options = { weights: [1, 2, 3], labelSmoothing: 0.1 };
    const rows = [
      [1, 2, 3],
      [3, 1, 0],
    ];
    expect(layer.forward(rows, [0, 2])).toBe(crossEntropy(rows, [0, 2], options));
    layer.scale = 0.5;
    expect(layer.forward(rows, [0, 2])).toBe(crossEntropy(rows, [0, 2], { ...options, scale: 0.5 }));
    expect(layer.forward([rows[0]], [1])).toBe(crossEntropy([rows[0]], [1], { ...options, scale: 0.5 }));
  });

  it("keep a gradient that is accumulated", () => {
    const layer = new SoftmaxCrossEntropy({ shape, accumulate: true });
    layer.logits.set(x);
    layer.labels.set(labels);
    layer.forward();
    const first = layer.backward().slice();
    layer.zLoss = 0.5;
    layer.weights = [1, 2, 3, 4];
    layer.forward();
    const second = crossEntropyWithGradient(x, labels, { shape, zLoss: 0.5, weights: [1, 2, 3, 4] }).gradient;
    expectSameBits(
      layer.backward(),
      first.map((g, i) => g + second[i]),
    );
  });

  it.each([
    ["divisor", 0, RangeError, '"divisor" expected a finite number above 0, got 0'],
    ["divisor", "3", TypeError, '"divisor" expected a number, got "3"'],
    ["labelSmoothing", 1.5, RangeError, '"labelSmoothing" expected a number from 0 to 1, got 1.5'],
    ["zLoss", -1, RangeError, '"zLoss" expected a finite number of at least 0, got -1'],
    ["scale", Number.NaN, RangeError, '"scale" expected a finite number above 0, got NaN'],
    ["weights", [1, 2], RangeError, '"weights" expected 4 numbers, one for each class, got [1, 2]'],
    ["weights", 1, TypeError, '"weights" expected numbers, in a typed array or nested arrays, got 1'],
    ["emptyMean", 1, RangeError, '"emptyMean" expected 0 or NaN, got 1'],
    ["topK", 0.5, RangeError, '"topK" expected an integer of at least 1, got 0.5'],
  ])("are checked: %s = %j", (name, value, type, message) => {
    const layer = new SoftmaxCrossEntropy({ shape, labelSmoothing: 0.1, outputs: ["topK"] });
    const before = layer.forward();
    expect(() => Object.assign(layer, { [name]: value })).toThrow(new type(message));
    expect(layer.forward()).toBe(before);
  });

  it("are refused where the reduction has no divisor", () => {
    const layer = new SoftmaxCrossEntropy({ shape, reduction: "sum" });
    expect(() => {
      layer.divisor = 2;
    }).toThrow(new RangeError('"divisor" expected to be left out with reduction "sum", got 2'));
  });

  it.each([
    ["SoftmaxCrossEntropy", new SoftmaxCrossEntropy({ shape })],
    ["Softmax", new Softmax({ shape })],
  ])("throw under a name that is none: %s", (_, layer) => {
    expect(() => Object.assign(layer, { labelSmothing: 0.2 })).toThrow(TypeError);
    expect(() => Object.assign(layer, { reduction: "sum" })).toThrow(TypeError);
    expect(() => Object.assign(layer, { logits: x })).toThrow(TypeError);
  });

  it("leave a class that is derived its own properties", () => {
    class Mine extends SoftmaxCrossEntropy {
      steps = 0;
    }
    const layer = new Mine({ shape, outputs: ["correct"] });
    layer.steps++;
    layer.forward();
    expect([layer.steps, layer.correct]).toEqual([1, 5]);
  });
});
