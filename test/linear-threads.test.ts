// A linear layer with threads has the same bits as with one, in every part of its work. Threads share every product, however small.

import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { seeded } from "../reference/data.js";
import type { Softmax } from "../src/index.js";
import { LinearCrossEntropy, type LinearCrossEntropyOptions } from "../src/linear.js";
import { startWorkers, untilHelped } from "./start-workers.js";
import { expectSameBits } from "./verify.js";

vi.mock("../src/threads/grain.js", () => import("./small-grain.js"));

type Dtype = "float64" | "float32";
type Floats = Float64Array | Float32Array;
type Options = LinearCrossEntropyOptions<"indices" | "distribution", "losses" | "entropy" | "argmax", Dtype>;
type Layer = LinearCrossEntropy<"indices" | "distribution", "losses" | "entropy" | "argmax", Dtype>;

const random = seeded(31);
const numbers = (length: number) => Float64Array.from({ length }, () => 2 * random() - 1);

let workers: Softmax;
beforeAll(async () => {
  workers = await startWorkers(3);
});
afterAll(() => workers.dispose());

/** Rows, features and classes: weights are packed instead of the input, several chunks, and several blocks of classes. */
const SHAPES = [
  [70, 33, 5],
  [600, 17, 29],
  [37, 300, 301],
] as const;

const CASES: Record<string, Partial<Options>> = {
  "by default": {},
  "without bias and gradient of the input": { bias: false, inputGradient: false },
  "with options and outputs": { labelSmoothing: 0.1, zLoss: 1e-3, softcap: 5, outputs: ["losses", "entropy"] },
  "with ignored rows, weights of rows and a mask": { ignoreIndex: 1, sampleWeights: true, reduction: "sum", mask: [] },
  "of distributions": { labels: "distribution", labelSmoothing: 0.2, outputs: ["argmax"] },
  "with gradients that accumulate": { accumulate: true, divisor: 50 },
};

/** What a layer computes in two steps, and for other input. */
function* resultsOf(layer: Layer): Generator<[name: string, values: Floats]> {
  for (const upstream of [1, 3]) {
    yield ["loss", Float64Array.of(layer.forward())];
    for (const [name, values] of Object.entries(layer.backward(upstream))) yield [`gradient of ${name}`, values.slice()];
    for (const [name, values] of Object.entries(layer.outputs)) yield [name, Float64Array.from(values as Floats)];
  }
  yield ["logits", layer.logits(layer.input.slice())];
  yield ["probs", layer.probs(layer.input.slice())];
}

describe.each(["float64", "float32"] as const)("threads of a linear layer of %s", (dtype) => {
  it.each(Object.keys(CASES))("change no bit, %s", async (name) => {
    for (const [rows, depth, classes] of SHAPES) {
      const options = { shape: [rows, depth], classes, dtype, bias: true, ...CASES[name] };
      const [input, weights, bias, sampleWeights] = [rows * depth, classes * depth, classes, rows].map(numbers);
      // A class that does not take part may have any weights.
      if (options.mask) {
        options.mask = Array.from({ length: classes }, (_, j) => j !== 2);
        weights.fill(Number.NaN, 2 * depth, 3 * depth);
      }
      const labels = options.labels
        ? numbers(rows * classes).map((x) => (1 + x) / classes)
        : Int32Array.from({ length: rows }, (_, r) => (r % 4) % 2);
      const layerOf = (threads: number): Layer => {
        const layer: Layer = new LinearCrossEntropy<"indices" | "distribution", "losses" | "entropy" | "argmax", Dtype>({
          ...options,
          threads,
        });
        layer.input.set(input);
        layer.weights.set(weights);
        if (options.bias) layer.bias.set(bias);
        layer.labels.set(labels);
        if (options.sampleWeights) layer.sampleWeights.set(sampleWeights.map(Math.abs));
        return layer;
      };
      const want = [...resultsOf(layerOf(1))];
      for (const threads of [2, 3]) {
        const layer = layerOf(threads);
        await untilHelped(layer);
        if (options.accumulate) for (const gradient of [layer.weightsGradient, layer.biasGradient]) gradient.fill(0);
        const got = [...resultsOf(layer)];
        expect(got.map(([result]) => result)).toEqual(want.map(([result]) => result));
        got.forEach(([, values], i) => {
          expectSameBits(values, want[i][1]);
        });
        layer.dispose();
      }
    }
  });
});
