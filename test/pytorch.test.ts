// Losses and gradients against those of PyTorch, for every combination of its options.

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

/** The largest error relative to the value, or to 1/1000 of the largest value where the differences in PyTorch cancel. */
const TOLERANCE = 1e-12;

function near(what: string, got: ArrayLike<number>, want: readonly number[]): void {
  expect(got.length, what).toBe(want.length);
  const largest = Math.max(...want.map(Math.abs));
  want.forEach((value, i) => {
    const limit = TOLERANCE * Math.max(Math.abs(value), 1e-3 * largest);
    if (!(Math.abs(got[i] - value) <= limit)) expect.fail(`${what}, element ${i}: got ${got[i]}, PyTorch has ${value}`);
  });
}

/** Targets, each with the index that is ignored. */
const TARGETS: readonly Pick<Case, "target" | "ignoreIndex">[] = [
  { target: "indices", ignoreIndex: null },
  { target: "indices", ignoreIndex: 1 },
  { target: "ignored", ignoreIndex: -100 },
  { target: "probabilities", ignoreIndex: null },
];

it("the results of PyTorch are for every layout and every combination of its options, each once", () => {
  const name = ({ target, weighted, ignoreIndex, labelSmoothing, reduction }: Omit<Case, "loss" | "gradient">): string =>
    `${target}, ${weighted}, ${ignoreIndex}, ${labelSmoothing}, ${reduction}`;
  const want: string[] = [];
  for (const terms of TARGETS) {
    for (const weighted of [false, true]) {
      for (const labelSmoothing of [0, 0.1, 1]) {
        for (const reduction of ["mean", "sum", "none"] as const) want.push(name({ ...terms, weighted, labelSmoothing, reduction }));
      }
    }
  }
  expect(want.length).toBe(72);
  expect(batches.map(({ shape }) => shape)).toEqual([
    [5, 10],
    [3, 50],
    [2, 5, 2, 2],
  ]);
  for (const { shape, cases } of batches) expect(cases.map(name).sort(), `${shape}`).toEqual(want.sort());
});

describe.each(batches)("PyTorch, $shape", ({ shape, logits, weight, cases, ...labels }) => {
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

it("the mean of no valid row is 0, or NaN as in PyTorch if emptyMean says so", () => {
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
