// Layers with threads: their options, and the same results as with one thread. shared-call.test.ts tests the call that workers share.

import { describe, expect, it, vi } from "vitest";
import { seeded } from "../reference/data.js";
import { Softmax, SoftmaxCrossEntropy, softmax } from "../src/index.js";
import { LinearCrossEntropy } from "../src/linear.js";
import { startWorkers, untilHelped } from "./start-workers.js";
import { expectSameBits } from "./verify.js";

const random = seeded(6);
const noise = (length: number) => Float64Array.from({ length }, () => 20 * random());
const DTYPES = ["float64", "float32"] as const;
const SHAPES = [
  { outer: 1024, classes: 300, inner: 1 },
  { outer: 16, classes: 32_000, inner: 1 },
  { outer: 40_000, classes: 10, inner: 1 },
  { outer: 100_000, classes: 2, inner: 1 },
  { outer: 1, classes: 21, inner: 20_001 },
  { outer: 3, classes: 1000, inner: 100 },
];

describe("threads", () => {
  it.each([0, -1, 1.5, 129, 10_000, Number.NaN, Infinity])("can't be %d", (threads) => {
    const expected = new RangeError(`"threads" expected an integer from 1 to 128, got ${threads}`);
    expect(() => new Softmax({ threads })).toThrow(expected);
    expect(() => new SoftmaxCrossEntropy({ threads })).toThrow(expected);
    expect(() => new LinearCrossEntropy({ shape: [1, 1], classes: 1, threads })).toThrow(expected);
  });

  it.each(["2", null, true, [2]])("can't be %j", (threads) => {
    expect(() => new Softmax({ threads: threads as never })).toThrow(TypeError);
  });

  it("need a createWorker that is a function", () => {
    const expected = '"createWorker" expected a function, got 1';
    expect(() => new Softmax({ createWorker: 1 as never })).toThrow(expected);
    expect(() => new LinearCrossEntropy({ shape: [1, 1], classes: 1, createWorker: 1 as never })).toThrow(expected);
  });

  it("are one before a call, after a call with a small batch, and with the option 1", async () => {
    const two = await startWorkers(2);
    expect(two.threads).toBe(2);
    two.resize([64, 10]);
    expect(two.threads).toBe(1);
    two.forward();
    expect(two.threads).toBe(1);
    two.dispose();
    const one = new Softmax({ shape: [1024, 1000], threads: 1 });
    one.forward();
    expect(one.threads).toBe(1);
  });

  it("have no reason where they can be had, and a small batch asks for none", async () => {
    const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
    const small = new Softmax({ shape: [64, 10], threads: 2, createWorker: () => expect.fail("a worker for a small batch") });
    small.forward();
    const two = await startWorkers(2);
    expect([small.threadsReason, two.threadsReason, new Softmax().threadsReason]).toEqual([undefined, undefined, undefined]);
    expect(warn).not.toHaveBeenCalled();
    for (const layer of [small, two]) layer.dispose();
    warn.mockRestore();
  });

  it("are one where no worker can be started: one warning and the property say why", () => {
    const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
    const createWorker = () => {
      throw new Error("forbidden here");
    };
    for (let i = 0; i < 3; i++) {
      const layer = new Softmax({ shape: [1024, 300], threads: 2, createWorker });
      layer.forward();
      expect([layer.threads, layer.threadsReason]).toEqual([1, "no worker can be started: forbidden here"]);
      layer.dispose();
    }
    expect(warn.mock.calls).toEqual([["softmax-wasm: going on with one thread, as no worker can be started: forbidden here"]]);
    warn.mockRestore();
  });

  it.each(DTYPES.flatMap((dtype) => SHAPES.map((shape) => ({ dtype, ...shape }))))(
    "change no bit of $dtype at $outer×$classes×$inner",
    async ({ dtype, outer, classes, inner }) => {
      const logits = noise(outer * classes * inner);
      const factors = noise(outer * inner);
      const upstream = dtype === "float64" ? factors : Float32Array.from(factors);
      const layerOf = (threads: number) => {
        const layer = new SoftmaxCrossEntropy({ shape: [outer, classes, inner], axis: 1, threads, dtype, reduction: "none" });
        layer.logits.set(logits);
        layer.labels.forEach((_, r, labels) => {
          labels[r] = (r * 7) % classes;
        });
        return layer;
      };
      const [one, three] = [layerOf(1), layerOf(3)];
      await untilHelped(three);
      const resultsOf = (layer: typeof one) =>
        [layer.forward(), layer.backward(), layer.probs, layer.backward(upstream)].map((result) => result.slice());
      const expected = resultsOf(one);
      resultsOf(three).forEach((result, i) => {
        expectSameBits(result, expected[i]);
      });
      three.dispose();
    },
  );

  it.each(DTYPES)("give the same loss of %s as one thread, with and without options", async (dtype) => {
    const workers = await startWorkers(4);
    const shape = [2000, 100];
    const logits = noise(200_000);
    const weights = noise(100).map(Math.abs);
    for (const options of [
      {},
      { reduction: "sum" },
      { weights, labelSmoothing: 0.1, zLoss: 0.01, scale: 0.5, mask: weights.map((w) => Number(w > 1)) },
    ] as const) {
      const losses = [1, 2, 4].map((threads) => {
        const layer = new SoftmaxCrossEntropy({ shape, threads, dtype, accumulate: true, ...options });
        layer.logits.set(logits);
        const loss = layer.forward();
        layer.backward();
        const sum = Array.from(layer.backward(2)).reduce((a, b) => a + b);
        layer.dispose();
        return [loss, sum];
      });
      expect(losses[1]).toEqual(losses[0]);
      expect(losses[2]).toEqual(losses[0]);
    }
    workers.dispose();
  });

  it("share the products of a linear layer, if they are large, and end with it", async () => {
    const createWorker = () => expect.fail("a worker for a small layer");
    const small = new LinearCrossEntropy({ shape: [64, 64], classes: 100, threads: 2, createWorker });
    small.forward();
    expect([small.threads, small.threadsReason]).toEqual([1, undefined]);
    small.dispose();
    // Far too few logits for a second thread, but products.
    const layer = new LinearCrossEntropy({ shape: [100, 2000], classes: 100, dtype: "float32", threads: 2 });
    expect([layer.threads, layer.weights.buffer instanceof SharedArrayBuffer]).toEqual([1, true]);
    layer.input.set(noise(200_000));
    layer.weights.set(noise(200_000).map((x) => x / 1e4));
    const alone = new LinearCrossEntropy({ shape: [100, 2000], classes: 100, dtype: "float32" });
    expect(alone.weights.buffer).toBeInstanceOf(ArrayBuffer);
    alone.input.set(layer.input);
    alone.weights.set(layer.weights);
    await untilHelped(layer);
    expect([layer.threads, layer.threadsReason]).toEqual([2, undefined]);
    expect(layer.forward()).toBe(alone.forward());
    expectSameBits(layer.backward().weights, alone.backward().weights);
    layer.dispose();
    expect(() => layer.threads).toThrow("LinearCrossEntropy expected no use after dispose()");
    expect(() => new LinearCrossEntropy({ shape: [1, 2 ** 15], classes: 2 ** 15, threads: 2 })).toThrow(
      '"shape" expected a batch that fits',
    );
  });

  it("of a linear layer have a reason where they can't be had", () => {
    const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
    const createWorker = () => {
      throw new Error("forbidden here");
    };
    const layer = new LinearCrossEntropy({ shape: [256, 1024], classes: 100, threads: 2, createWorker });
    expect(layer.forward()).toBeCloseTo(Math.log(100), 12);
    expect([layer.threads, layer.threadsReason]).toEqual([1, "no worker can be started: forbidden here"]);
    layer.dispose();
    warn.mockRestore();
  });

  it("read input from the layer's own memory, also from a view of before it grew", () => {
    const layer = new Softmax({ shape: [2, 3], threads: 2 });
    const before = layer.logits;
    before.set([1, 2, 3, 4, 5, 6]);
    layer.resize([300, 400]);
    const x = { data: before, shape: [3, 2] };
    const expected = softmax(before.slice(), { shape: [3, 2] });
    expectSameBits(layer.forward(x).data, expected);
    layer.dispose();
  });

  it("refuse a batch that is too large for memory, as one thread does", () => {
    expect(() => new Softmax({ shape: [2 ** 15, 2 ** 15], threads: 2 })).toThrow(
      '"shape" expected a batch that fits in WebAssembly memory',
    );
  });
});
