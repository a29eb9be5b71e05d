// PyTorch's losses and gradients, for every combination of its options, against ours.

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { crossEntropy, crossEntropyWithGradient } from "../src/index.js";

interface Case {
  readonly target: "indices" | "ignored" | "probabilities";
  readonly weighted: boolean;
  readonly ignoreIndex: number | null;
  readonly labelSmoothing: number;
  readonly reduction: "mean" | "sum" | "none";
  readonly loss: number[];
  readonly gradient: number[];
}

interface Batch {
  readonly shape: number[];
  readonly logits: number[];
  readonly weight: number[];
  readonly indices: number[];
  readonly ignored: number[];
  readonly probabilities: number[];
  readonly cases: Case[];
}

const { batches, meanOfNoRow }: { batches: Batch[]; meanOfNoRow: string } = JSON.parse(
  readFileSync(new URL("vectors/pytorch.json", import.meta.url), "utf8"),
);

/** Relative to the value; where PyTorch's own differences cancel, to the largest of the batch. */
const TOLERANCE = 1e-12;

function near(what: string, got: ArrayLike<number>, want: readonly number[]): void {
  expect(got.length, what).toBe(want.length);
  const largest = Math.max(...want.map(Math.abs));
  want.forEach((value, i) => {
    const limit = TOLERANCE * Math.max(Math.abs(value), 1e-3 * largest);
    if (!(Math.abs(got[i] - value) <= limit)) expect.fail(`${what}, element ${i}: got ${got[i]}, PyTorch has ${value}`);
  });
}

describe.each(batches)("PyTorch, $shape", ({ shape, logits, weight, cases, ...labels }) => {
  it("has every combination of its options here", () => {
    // Indices, with an ignored class, with ignored rows, and probabilities; by weights, smoothing and reduction.
    expect(cases.length).toBe(4 * 2 * 3 * 3);
    const combinations = cases.map(({ loss, gradient, ...combination }) => JSON.stringify(combination));
    expect(new Set(combinations).size).toBe(cases.length);
  });

  it.each(cases)("$target, weighted $weighted, ignoring $ignoreIndex, smoothing $labelSmoothing, $reduction", (given) => {
    const { target, weighted, ignoreIndex, labelSmoothing, reduction } = given;
    const y = target === "probabilities" ? Float64Array.from(labels.probabilities) : Int32Array.from(labels[target]);
    const { loss, gradient } = crossEntropyWithGradient(Float64Array.from(logits), y, {
      shape,
      axis: 1,
      weights: weighted ? weight : undefined,
      ignoreIndex: ignoreIndex ?? undefined,
      labelSmoothing,
      reduction,
    });
    near("loss", typeof loss === "number" ? [loss] : loss, given.loss);
    near("gradient", gradient, given.gradient);
  });
});

it("PyTorch's mean of no valid row is NaN, ours 0 unless that is wanted", () => {
  expect(meanOfNoRow).toBe("NaN");
  const none = [
    [
      [0, 0, 0],
      [0, 0, 0],
    ],
    [-100, -100],
  ] as const;
  expect(crossEntropy(...none, { ignoreIndex: -100 })).toBe(0);
  expect(crossEntropy(...none, { ignoreIndex: -100, emptyMean: Number.NaN })).toBeNaN();
});
