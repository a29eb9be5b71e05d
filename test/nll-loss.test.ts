// Losses of given log-probabilities and probabilities: those of crossEntropy, where the log-probabilities are its own.

import { describe, expect, it } from "vitest";
import { seeded } from "../reference/data.js";
import { LIMITS } from "../reference/limits.js";
import { exact, exactLog, ulpError } from "../reference/oracle.js";
import { crossEntropyWithGradient, logSoftmax, logSoftmaxBackward, nllLoss, nllLossWithGradient, softmax } from "../src/index.js";

/** Fails unless numbers agree to 15 digits. */
function close(got: ArrayLike<number> | number, want: ArrayLike<number> | number): void {
  const [a, b] = [got, want].map((value) => (typeof value === "number" ? [value] : Array.from(value)));
  expect(a.length).toBe(b.length);
  a.forEach((value, i) => {
    expect(Math.abs(value - b[i])).toBeLessThanOrEqual(2e-15 * Math.max(1, Math.abs(b[i])));
  });
}

describe("nllLoss", () => {
  const random = seeded(1);
  const shape = [4, 5, 3];
  const x = Float64Array.from({ length: 60 }, () => 6 * random() - 3);
  const l = logSoftmax(x, { shape, axis: 1 });
  const indices = Int32Array.from({ length: 12 }, (_, r) => (r * 7) % 5);
  const distributions = Float64Array.from({ length: 60 }, (_, k) => (k % 4 ? random() : 0));
  const weights = [1, 0.5, 2, 0, 3];
  const sampleWeights = Float64Array.from({ length: 12 }, (_, r) => (r % 5) - 1);

  it.each([
    ["plain", indices, {}],
    ["of distributions", distributions, {}],
    ["with class weights", indices, { weights }],
    ["with class weights, of distributions", distributions, { weights }],
    ["with label smoothing", indices, { labelSmoothing: 0.2, weights }],
    ["with ignored rows", indices, { ignoreIndex: 2, weights }],
    ["with sample weights and a divisor", indices, { sampleWeights, divisor: 7 }],
    ["as a sum", distributions, { reduction: "sum", labelSmoothing: 0.1 }],
    ["by row", indices, { reduction: "none", sampleWeights, ignoreIndex: 0 }],
  ] as const)("agrees with crossEntropy: %s", (_, labels, given) => {
    const options = { shape, axis: 1, ...given };
    const want = crossEntropyWithGradient(x, labels, options);
    const got = nllLossWithGradient(l, labels, options);
    close(got.loss as number, want.loss as number);
    expect(nllLoss(l, labels, options)).toEqual(got.loss);
    // Through log-softmax, the gradient is that of the logits.
    close(logSoftmaxBackward(got.gradient, l, { shape, axis: 1 }), want.gradient);

    const p = softmax(x, { shape, axis: 1 });
    const ofProbs = nllLossWithGradient(p, labels, { ...options, fromProbs: true });
    close(ofProbs.loss as number, want.loss as number);
    close(
      ofProbs.gradient.map((value, k) => value * p[k]),
      got.gradient,
    );
  });

  it("of float32 and nested arrays has their form", () => {
    const rows = [
      [-0.5, -1],
      [-3, -0.25],
    ];
    expect(nllLoss(rows, [0, 1], { reduction: "none" })).toEqual([0.5, 0.25]);
    const { loss, gradient } = nllLossWithGradient(Float32Array.of(-0.5, -1, -3, -0.25), [0, 1], { shape: [2, 2], reduction: "none" });
    expect([loss, gradient]).toEqual([Float32Array.of(0.5, 0.25), Float32Array.of(-1, 0, 0, -1)]);
    expect(nllLoss({ data: Uint16Array.of(0xb800, 0xbc00), dims: [1, 2], type: "float16" }, [1])).toBe(1);
  });

  it("leaves out classes without a target, whatever they are", () => {
    expect(nllLoss([[-Infinity, -1]], [1])).toBe(1);
    expect(nllLoss([[Number.NaN, -1]], [[0, 1]])).toBe(1);
    expect(nllLossWithGradient([[0, 1]], [0], { fromProbs: true })).toEqual({ loss: Infinity, gradient: [[-Infinity, 0]] });
    expect(nllLoss([[1, 2]], [0], { ignoreIndex: 0, emptyMean: Number.NaN })).toBeNaN();
    expect(nllLossWithGradient([[1, 2]], [0], { ignoreIndex: 0 })).toEqual({ loss: 0, gradient: [[0, 0]] });
  });

  it("has a logarithm within an ulp, of any number", () => {
    const numbers = Array.from(
      { length: 3000 },
      (_, i) => [random(), 1 + 1e-3 * (random() - 0.5), 10 ** (600 * random() - 300), 2 ** -1060 * random()][i % 4],
    );
    for (const p of [...numbers, 0.5, Math.SQRT1_2, 1 - 2 ** -53, 1 + 2 ** -52, 5e-324, Number.MAX_VALUE]) {
      expect(ulpError(-nllLoss([[p]], [0], { fromProbs: true }), exactLog(exact(p)))).toBeLessThanOrEqual(LIMITS.log);
    }
    expect(nllLoss([[1]], [0], { fromProbs: true })).toBe(0);
    expect(nllLoss([[Infinity]], [0], { fromProbs: true })).toBe(-Infinity);
    expect(nllLoss([[-1]], [0], { fromProbs: true })).toBeNaN();
  });

  it("says what is wrong", () => {
    expect(() => nllLoss([[1, 2]], [2])).toThrow('"labels" expected an integer from 0 to 1 (C = 2) at row 0, got 2');
    expect(() => nllLoss([[1, 2]], [0], { scale: 2 } as never)).toThrow('"options" expected only the names');
    expect(() => nllLoss([[1, 2]], [0], { fromProbs: 1 } as never)).toThrow('"fromProbs" expected true or false, got 1');
    expect(() => nllLoss("x" as never, [0])).toThrow('"logProbs" expected');
    expect(() => nllLoss([[1, 2]], [0], { weights: [1] })).toThrow('"weights" expected 2 numbers');
  });
});
