// The soft cap of logits: exact by itself, and in losses the same as that of capped logits.

import { describe, expect, it } from "vitest";
import { seeded } from "../reference/data.js";
import { LIMITS, limitIn } from "../reference/limits.js";
import { exact, exactTanh, ulpError } from "../reference/oracle.js";
import { crossEntropyWithGradient, logSumExp, SoftmaxCrossEntropy, softcap, softcapBackward, softmax } from "../src/index.js";
import { expectSameBits, type Floats, precisionOf } from "./verify.js";

/** Numbers of every size, and those around the places where the kernel changes its way. */
function arguments_(count: number): Float64Array {
  const random = seeded(3);
  const near = (x: number) => x * (1 + 1e-6 * (random() - 0.5));
  const kinds = [() => 10 ** (6 * random() - 4), () => near(0.03125), () => near(19), () => 372 * random(), () => 10 ** (-300 * random())];
  return Float64Array.from({ length: count }, (_, i) => (random() < 0.5 ? -1 : 1) * kinds[i % kinds.length]());
}

describe("softcap", () => {
  it("is c tanh(x / c) within 2 ulp of tanh", () => {
    const x = arguments_(4000);
    let worst = 0;
    softcap(x, 1).forEach((value, i) => {
      worst = Math.max(worst, ulpError(value, exactTanh(x[i], 1).tanh));
    });
    expect(worst).toBeLessThanOrEqual(LIMITS.tanh);
    for (const cap of [30, 50, 0.7]) {
      softcap(x, cap).forEach((value, i) => {
        expect(ulpError(value, exactTanh(x[i], cap).tanh.times(exact(cap)))).toBeLessThanOrEqual(LIMITS.tanh + 1);
      });
    }
  });

  it("has the slope of tanh", () => {
    const x = arguments_(4000);
    softcapBackward(new Float64Array(4000).fill(1), x, 3).forEach((value, i) => {
      const condition = 1 + Math.abs(x[i] / 3);
      expect(ulpError(value, exactTanh(x[i], 3).slope)).toBeLessThanOrEqual(LIMITS.slope * condition);
    });
  });

  it("of float32 and float16 is correctly rounded", () => {
    const x = Float32Array.from(arguments_(2000));
    const limit = limitIn("float32", 1);
    softcap(x, 30).forEach((value, i) => {
      expect(ulpError(value, exactTanh(x[i], 30).tanh.times(30), undefined, "float32")).toBeLessThanOrEqual(limit);
    });
    // Halves and their bits.
    const half = { data: Uint16Array.of(0x3c00, 0xc000, 0x7c00), dims: [3], type: "float16" };
    expect(softcap(half, 2)).toEqual({ data: softcap(Float32Array.of(1, -2, Infinity), 2), shape: [3] });
  });

  it("keeps zeros, NaN and containers, and takes infinities to the cap", () => {
    expect(
      softcap(
        [
          [0, -0],
          [Infinity, -Infinity],
        ],
        5,
      ),
    ).toEqual([
      [0, -0],
      [5, -5],
    ]);
    expect(softcap(Number.NaN, 5)).toBeNaN();
    const x = Float64Array.of(1, 2, 3);
    expect(softcap(x, 2, { out: x })).toBe(x);
    const long = new Float32Array(100_001).fill(9);
    expect(new Set(softcap(long, 4)).size).toBe(1);
    expect(softcapBackward({ data: long, shape: [long.length] }, { data: long, shape: [long.length] }, 4).data.length).toBe(100_001);
  });

  it("says what is wrong", () => {
    for (const cap of [0, -1, Infinity, Number.NaN]) expect(() => softcap([1], cap)).toThrow('"cap" expected a finite number above 0, got');
    expect(() => softcap([1], "1" as never)).toThrow('"cap" expected a number, got "1"');
    expect(() => softcapBackward([1, 2], [1], 3)).toThrow('"x" expected the shape of "upstream", [2], got [1]');
    expect(() => softcapBackward(Float32Array.of(1), Float64Array.of(1), 3)).toThrow(
      '"x" expected float32, the element type of "upstream"',
    );
    expect(() => softcap([1], 3, { axis: 0 } as never)).toThrow('"options" expected only the names shape, out, got "axis"');
  });
});

describe("the option softcap", () => {
  it.each([
    [4, 3, 1],
    [3, 60, 1],
    [2, 5, 3],
    [1, 45, 4],
  ])("(%i, %i, %i): results are those of capped logits, gradients times the slope", (outer, classes, inner) => {
    const random = seeded(11);
    const cap = 5;
    const shape = [outer, classes, inner];
    const labels = Int32Array.from({ length: outer * inner }, (_, r) => r % classes);
    const outputs = ["probs", "entropy", "lse", "losses"] as const;
    for (const given of [{}, { scale: 0.7, labelSmoothing: 0.1, zLoss: 0.01, entropyWeight: 0.2 }]) {
      const x = new Float64Array(outer * classes * inner).map(() => 40 * random() - 20);
      const options = { shape, axis: 1, outputs, ...given };
      const plain = crossEntropyWithGradient(softcap(x, cap, { shape }), labels, options);
      const capped = crossEntropyWithGradient(x, labels, { ...options, softcap: cap });
      for (const name of outputs) expectSameBits(capped[name], plain[name]);
      expect(capped.loss).toBe(plain.loss);
      expectSameBits(capped.gradient, softcapBackward(plain.gradient, x, cap));
      expectSameBits(
        softmax(x, { shape, axis: 1, softcap: cap }),
        softmax(softcap(x, cap), { shape, axis: 1, scale: 1, mask: new Array(classes).fill(1) }),
      );
      expectSameBits(logSumExp(x, { shape, axis: 1, softcap: cap, ...("scale" in given ? { scale: 0.7 } : {}) }), plain.lse);

      const inPlace = x.slice();
      expectSameBits(crossEntropyWithGradient(inPlace, labels, { ...options, softcap: cap, out: inPlace }).gradient, capped.gradient);
      for (const threads of [1, 2]) {
        using layer = new SoftmaxCrossEntropy({ ...options, softcap: cap, threads });
        layer.logits.set(x);
        layer.labels.set(labels);
        expect(layer.forward()).toBe(capped.loss);
        expectSameBits(layer.backward(), capped.gradient);
      }

      // float32 rounds the doubles.
      const x32 = Float32Array.from(x);
      const rounded = crossEntropyWithGradient(x32, labels, { ...options, softcap: cap });
      const doubles = crossEntropyWithGradient(Float64Array.from(x32), labels, { ...options, softcap: cap });
      const close = (got: Floats, want: Floats) => {
        expect(precisionOf(got)).toBe("float32");
        got.forEach((value, i) => {
          expect(ulpError(value, exact(want[i]), undefined, "float32")).toBeLessThanOrEqual(0.5001);
        });
      };
      for (const name of [...outputs, "gradient"] as const) close(rounded[name], doubles[name]);
    }
  });

  it("is none of second derivatives and of products with a Jacobian", async () => {
    const { crossEntropyHvp, softmaxBackward } = await import("../src/index.js");
    expect(() => crossEntropyHvp([[1, 2]], [0], [[1, 2]], { softcap: 3 } as never)).toThrow('"options" expected only the names');
    expect(() => softmaxBackward([1], [1], { softcap: 3 } as never)).toThrow('"options" expected only the names');
  });
});
