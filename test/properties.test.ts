// Properties for all inputs: sums, shifts, permutations, and arbitrary numbers as labels.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LIMITS } from "../reference/limits.js";
import { ulp } from "../reference/oracle.js";
import { crossEntropyWithGradient, logSoftmax, logSumExp, softmax, softmaxBackward } from "../src/index.js";

const logit = fc.double({ min: -800, max: 800, noNaN: true });
const row = fc.array(logit, { minLength: 1, maxLength: 40 });
/** Multiples of 1/8, which a shift does not round. */
const gridRow = fc.array(
  fc.integer({ min: -4000, max: 4000 }).map((n) => n / 8),
  { minLength: 1, maxLength: 40 },
);
const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

describe("softmax", () => {
  it("is from 0 to 1, and sums to 1", () => {
    fc.assert(
      fc.property(row, (x) => {
        const p = softmax(x);
        expect(p.every((value) => value >= 0 && value <= 1)).toBe(true);
        expect(Math.abs(sum(p) - 1)).toBeLessThan(x.length * 2e-16 + 1e-15);
      }),
    );
  });

  it("keeps the order of the logits", () => {
    fc.assert(
      fc.property(row, (x) => {
        const p = softmax(x);
        const order = x.map((_, j) => j).sort((a, b) => x[a] - x[b]);
        for (let k = 1; k < order.length; k++) {
          const [low, high] = [p[order[k - 1]], p[order[k]]];
          expect(low).toBeLessThanOrEqual(x[order[k - 1]] === x[order[k]] ? high : high + 4 * ulp(high));
        }
      }),
    );
  });

  it("is unchanged by a common shift of the logits", () => {
    fc.assert(
      fc.property(gridRow, fc.integer({ min: -1000, max: 1000 }), (x, shift) => {
        const p = softmax(x);
        softmax(x.map((value) => value + shift)).forEach((value, j) => {
          expect(Math.abs(value - p[j])).toBeLessThanOrEqual(4 * ulp(p[j]));
        });
      }),
    );
  });

  it("is permuted with its logits, up to the rounding of the sum", () => {
    fc.assert(
      fc.property(row, fc.integer({ min: 0, max: 39 }), (x, by) => {
        const turn = (values: number[]) => values.map((_, j) => values[(j + by) % values.length]);
        const p = turn(softmax(x));
        softmax(turn(x)).forEach((value, j) => {
          expect(Math.abs(value - p[j])).toBeLessThanOrEqual(2 * ulp(p[j]));
        });
      }),
    );
  });

  it("is exp of log-softmax, which is x − lse", () => {
    fc.assert(
      fc.property(row, (x) => {
        const p = softmax(x);
        const lse = logSumExp(x);
        logSoftmax(x).forEach((value, j) => {
          expect(Math.exp(value)).toBeCloseTo(p[j], 12);
          expect(value).toBeCloseTo(x[j] - lse, 9);
        });
      }),
    );
  });

  it("has a gradient of 0 for a constant upstream gradient", () => {
    fc.assert(
      fc.property(row, fc.integer({ min: -8, max: 8 }), (x, g) => {
        const back = softmaxBackward(
          x.map(() => g),
          softmax(x),
        );
        for (const value of back) expect(Math.abs(value)).toBeLessThan(1e-14);
      }),
    );
  });
});

describe("a result in float32", () => {
  /** Fails unless `got` is the float32 next to `double`, or `double`, which may be 4 ulp off, is that near to a middle between neighbours. */
  const expectRounded = (got: number, double: number) => {
    const nearest = Math.fround(double);
    if (got === nearest) return;
    const middle = (got + nearest) / 2;
    expect(Math.abs(got - nearest), `${got} and ${nearest}`).toBeLessThanOrEqual(ulp(double, "float32"));
    expect(Math.abs(double - middle)).toBeLessThanOrEqual((LIMITS.rounded - 0.5) * ulp(double, "float32") + 4 * ulp(double));
  };

  it("is the rounded one of float64, but near a middle", () => {
    const long = fc.array(
      logit.map((x) => Math.fround(x / 20)),
      { minLength: 2, maxLength: 100 },
    );
    fc.assert(
      fc.property(long, fc.nat(), (row, n) => {
        const [x, x32, label] = [Float64Array.from(row), Float32Array.from(row), n % row.length];
        const pairs = [
          [softmax(x32), softmax(x)],
          [logSoftmax(x32), logSoftmax(x)],
          [crossEntropyWithGradient(x32, label).gradient, crossEntropyWithGradient(x, label).gradient],
        ];
        for (const [got, doubles] of pairs) {
          expect(got).toBeInstanceOf(Float32Array);
          got.forEach((value, j) => {
            expectRounded(value, doubles[j]);
          });
        }
      }),
      { numRuns: 1000 },
    );
  });
});

describe("cross-entropy", () => {
  it("has a loss of at least 0 and a gradient that sums to 0, for any label", () => {
    fc.assert(
      fc.property(row, fc.nat(), (x, n) => {
        const { loss, gradient } = crossEntropyWithGradient(x, n % x.length);
        expect(loss).toBeGreaterThanOrEqual(0);
        expect(Math.abs(sum(gradient))).toBeLessThan(x.length * 2e-16 + 1e-15);
      }),
    );
  });

  it("has the gradient of central differences", () => {
    const smooth = fc.array(fc.double({ min: -3, max: 3, noNaN: true }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(smooth, fc.nat(), fc.nat(), (x, n, m) => {
        const label = n % x.length;
        const j = m % x.length;
        const h = 1e-5;
        const at = (shift: number) =>
          crossEntropyWithGradient(
            x.map((value, k) => (k === j ? value + shift : value)),
            label,
          ).loss;
        expect((at(h) - at(-h)) / (2 * h)).toBeCloseTo(crossEntropyWithGradient(x, label).gradient[j], 8);
      }),
    );
  });

  it("takes labels that are classes, and refuses all others without writing anything", () => {
    const wild = fc.oneof(fc.double(), fc.integer(), fc.maxSafeInteger(), fc.nat({ max: 12 }));
    fc.assert(
      fc.property(fc.array(wild, { minLength: 5, maxLength: 5 }), (labels) => {
        const logits = Float64Array.from({ length: 50 }, (_, i) => Math.sin(i));
        const out = new Float64Array(50).fill(9);
        const call = () => crossEntropyWithGradient(logits, labels, { shape: [5, 10], out });
        if (labels.every((y) => Number.isInteger(y) && y >= 0 && y < 10)) {
          expect(call().gradient).toBe(out);
        } else {
          expect(call).toThrow(RangeError);
          expect(out.every((value) => value === 9)).toBe(true);
        }
      }),
      { numRuns: 1000 },
    );
  });
});
