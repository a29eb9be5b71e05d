// Rows with special values: their results, and the bits of their neighbours, which stay unchanged.

import { describe, expect, it } from "vitest";
import { ROWS, seeded } from "../reference/data.js";
import { positionIn } from "../reference/layout.js";
import { crossEntropy, crossEntropyWithGradient, logSumExp, SoftmaxCrossEntropy } from "../src/index.js";
import { CanaryArena } from "./arena.js";
import { type ArrayType, expectSameBits, type Floats, type Results, runForward } from "./verify.js";

const arena = new CanaryArena();
const LENGTHS = [2, 3, 16, 17, 33, 41, 51];
const INNERS = [1, 3];
const TYPES: readonly ArrayType<Floats>[] = [Float64Array, Float32Array];

const ROWS_A_BATCH = 3;

/** Three rows. The row under test is at `place`: in either lane beside a good row, or the last one alone. */
function batchOf(row: (classes: number) => number[], place: number, classes: number, label: number, labelProb = 1) {
  const random = seeded(classes);
  const good = () => ROWS.peaked(random, classes);
  const q = Array.from({ length: classes }, (_, j) => (j === label ? labelProb : j === 0 ? 1 - labelProb : 0));
  const logits = [good(), good(), good()];
  logits[place] = row(classes);
  return { logits, indices: logits.map((_, r) => (r === place ? label : r % 2)), distributions: [q, q, q] };
}

/** The part of each result that belongs to row r. */
function ofRow(results: Results, r: number, classes: number, inner: number): Record<keyof Results, Floats> {
  const at = positionIn(classes, inner);
  const pick = (values: Floats) =>
    values.length === ROWS_A_BATCH ? values.slice(r, r + 1) : Float64Array.from({ length: classes }, (_, j) => values[at(r, j)]);
  return Object.fromEntries(Object.entries(results).map(([name, values]) => [name, pick(values)])) as Record<keyof Results, Floats>;
}

function forAll(row: (classes: number) => number[], label: number, check: (got: Record<keyof Results, Floats>, classes: number) => void) {
  for (const classes of LENGTHS) {
    for (const [inner, Elements] of INNERS.flatMap((inner) => TYPES.map((Elements) => [inner, Elements] as const))) {
      for (let place = 0; place < ROWS_A_BATCH; place++) {
        const results = runForward(arena, batchOf(row, place, classes, label), inner, 1, Elements);
        check(ofRow(results, place, classes, inner), classes);
        const clean = runForward(
          arena,
          batchOf((n) => ROWS.uniform(seeded(n + 1), n), place, classes, label),
          inner,
          1,
          Elements,
        );
        for (let r = 0; r < ROWS_A_BATCH; r++) {
          if (r === place) continue;
          const [got, want] = [ofRow(results, r, classes, inner), ofRow(clean, r, classes, inner)];
          for (const name of Object.keys(got) as (keyof Results)[]) expectSameBits(got[name], want[name]);
        }
      }
    }
  }
}

/** log Σ exp of a row without finite result: NaN if a logit is NaN, else the largest, an infinity. */
const lseOf = (row: readonly number[]): number => (row.some(Number.isNaN) ? Number.NaN : row.reduce((a, b) => Math.max(a, b)));

/** Logits with −∞ for class 1. */
const masked = (classes: number) => Array.from({ length: classes }, (_, j) => (j === 1 ? -Infinity : j / 8));

describe("a row that contains", () => {
  it("some −∞ has p = 0, log p = −∞ and a gradient of 0 there, and a finite loss", () => {
    forAll(masked, 0, (got) => {
      expect(got.probs[1]).toBe(0);
      expect(got.logProbs[1]).toBe(-Infinity);
      for (const name of ["gradient", "softGradient"] as const) expect(got[name][1]).toBe(0);
      for (const name of ["lse", "losses", "softLosses"] as const) expect(Number.isFinite(got[name][0])).toBe(true);
      expect(got.probs[0]).toBeGreaterThan(0);
    });
  });

  it("−∞ at the label has a loss of +∞ and a gradient of −1 there", () => {
    forAll(masked, 1, (got) => {
      for (const name of ["losses", "softLosses"] as const) expect(got[name][0]).toBe(Infinity);
      for (const name of ["gradient", "softGradient"] as const) expect(got[name][1]).toBe(-1);
      expect(got.gradient[0]).toBeGreaterThan(0);
    });
  });

  it("−∞ at a part of a distribution has a loss of +∞", () => {
    for (const classes of LENGTHS) {
      for (const inner of INNERS) {
        const { softLosses, softGradient } = runForward(arena, batchOf(masked, 1, classes, 1, 0.25), inner, 1);
        expect(softLosses[1]).toBe(Infinity);
        expect(softGradient[positionIn(classes, inner)(1, 1)]).toBe(-0.25);
      }
    }
  });

  const nan = [
    { content: "only −∞", row: (n: number) => new Array(n).fill(-Infinity) },
    { content: "only NaN", row: (n: number) => new Array(n).fill(Number.NaN) },
    { content: "only +∞", row: (n: number) => new Array(n).fill(Infinity) },
    { content: "a +∞ last", row: (n: number) => Array.from({ length: n }, (_, j) => (j === n - 1 ? Infinity : j)) },
    { content: "a +∞ first", row: (n: number) => Array.from({ length: n }, (_, j) => (j ? -j : Infinity)) },
    { content: "both infinities", row: (n: number) => Array.from({ length: n }, (_, j) => (j ? -Infinity : Infinity)) },
    { content: "a NaN first", row: (n: number) => Array.from({ length: n }, (_, j) => (j === 0 ? Number.NaN : j)) },
    { content: "a NaN last", row: (n: number) => Array.from({ length: n }, (_, j) => (j === n - 1 ? Number.NaN : -j)) },
    { content: "a NaN among −∞", row: (n: number) => Array.from({ length: n }, (_, j) => (j === n >> 1 ? Number.NaN : -Infinity)) },
    {
      content: "a NaN and an excluded label",
      row: (n: number) => Array.from({ length: n }, (_, j) => [Number.NaN, -Infinity, 1][Math.min(j, 2)]),
    },
  ];

  it.each(nan)("$content has NaN for all its results, but the infinity for log Σ exp", ({ row }) => {
    for (const label of [0, 1]) {
      forAll(row, label, ({ lse, ...others }, classes) => {
        for (const [name, values] of Object.entries(others)) expect(values.every(Number.isNaN), name).toBe(true);
        expect(lse[0]).toBe(lseOf(row(classes)));
      });
    }
  });

  it.each(nan)("$content has the same log Σ exp wherever that is a result", ({ row }) => {
    for (const classes of [1, 2, 3, 40, 41, 1030, 3000]) {
      const rows = [ROWS.uniform(seeded(classes), classes), row(classes), row(classes)];
      const want = rows.map(lseOf);
      const columns = Array.from({ length: classes }, (_, j) => rows.map((values) => values[j]));
      const labels = rows.map(() => classes - 1);
      const options = { outputs: ["lse"], zLoss: 1e-3 } as const;
      const layer = new SoftmaxCrossEntropy({ outputs: ["lse"] });
      layer.forward(rows, labels);
      const results = {
        logSumExp: logSumExp(rows),
        "logSumExp of columns": logSumExp(columns, { axis: 0 }),
        crossEntropy: crossEntropy(rows, labels, options).lse,
        "crossEntropy of columns": crossEntropy(columns, labels, { ...options, axis: 0 }).lse,
        crossEntropyWithGradient: crossEntropyWithGradient(rows, labels, options).lse,
        "a masked class": crossEntropy(
          rows.map((values) => [NaN, ...values]),
          labels,
          {
            ...options,
            mask: columns
              .map(() => 1)
              .concat(0)
              .reverse(),
          },
        ).lse,
        layer: Array.from(layer.lse),
      };
      for (const [name, lse] of Object.entries(results)) {
        expect(lse.slice(1), name).toEqual(want.slice(1));
        expect(lse[0], name).toBeCloseTo(logSumExp(rows[0]), 12);
      }
    }
  });
});

describe("a row of one class", () => {
  it("has p = 1 and a loss of 0", () => {
    for (const value of [0, -0, 5.3, -1e12, 1.7e308, 5e-324]) {
      const row = { logits: [[value]], indices: [0], distributions: [[1]] };
      const results = runForward(arena, row, 1, 1);
      expect(results.probs[0]).toBe(1);
      for (const name of ["logProbs", "losses", "softLosses"] as const) expect(Math.abs(results[name][0])).toBe(0);
      for (const name of ["gradient", "softGradient"] as const) expect(Math.abs(results[name][0])).toBe(0);
      expect(results.lse[0]).toBe(value + 0);
    }
  });

  it("that is infinite or NaN has NaN for all its results but log Σ exp", () => {
    for (const value of [Number.NaN, Infinity, -Infinity]) {
      const { lse, ...others } = runForward(arena, { logits: [[value]], indices: [0], distributions: [[1]] }, 1, 1);
      for (const values of Object.values(others)) expect(values[0]).toBeNaN();
      expect(lse[0]).toBe(value);
    }
  });
});
