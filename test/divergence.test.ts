// KL and Jensen–Shannon divergences of logits, and their gradients, held to the oracle: above all where both are nearly the same.

import { describe, expect, it } from "vitest";
import { type Random, ROWS, seeded } from "../reference/data.js";
import { layOut } from "../reference/layout.js";
import { LIMITS } from "../reference/limits.js";
import { type Exact, type ExactGradient, exactDivergences, type Precision } from "../reference/oracle.js";
import {
  crossEntropyWithGradient,
  jsDivergence,
  jsDivergenceWithGradient,
  klDivergence,
  klDivergenceWithGradient,
  softmax,
} from "../src/index.js";
import { expectSameBits, type Floats, precisionOf, within } from "./verify.js";

/** Makers of a student's row from a teacher's. */
const STUDENTS: Record<string, (random: Random, teacher: readonly number[]) => number[]> = {
  "1e-15 away": (random, teacher) => teacher.map((t) => t + 1e-15 * random()),
  "1e-9 away": (random, teacher) => teacher.map((t) => t + 1e-9 * random()),
  "1e-9 away, and 100 above": (random, teacher) => teacher.map((t) => t + 100 + 1e-9 * random()),
  "1e-3 away": (random, teacher) => teacher.map((t) => t + 1e-3 * (random() - 0.5)),
  "1/10 away": (random, teacher) => teacher.map((t) => t + 0.2 * (random() - 0.5)),
  "1 away": (random, teacher) => teacher.map((t) => t + 2 * random()),
  "10 away": (random, teacher) => teacher.map((t) => t - 50 + 20 * random()),
  "1000 away in one class": (random, teacher) => {
    const at = Math.floor(random() * teacher.length);
    return teacher.map((t, j) => (j === at ? t + 1000 * random() : t + random()));
  },
  "its own": (random, teacher) => teacher.map(() => 8 * random()),
  wide: (random, teacher) => teacher.map(() => 1500 * random() - 750),
};

/** Where results are smaller, the oracle has no digits of them. */
const LEAST = 1e-60;

/** As `within`, for results that the oracle knows. */
function withinIfKnown(limit: number, what: string, got: number, want: Exact, precision: Precision): void {
  if (want.abs().gte(LEAST)) within(limit, what, got, want, undefined, precision);
  else expect(Math.abs(got)).toBeLessThanOrEqual(LEAST);
}

/** Fails unless a gradient is within its bound, times its conditions; where they are beyond all digits, there is none. */
function gradientWithin(what: string, got: ArrayLike<number>, { values, conditions }: ExactGradient, precision: Precision): void {
  values.forEach((want, j) => {
    const limit = LIMITS.divergenceGradient * conditions[j];
    if (limit < 1e15) withinIfKnown(limit, `${what} ${j}`, got[j], want, precision);
  });
}

/** Checks divergences and gradients of rows, laid out with `inner` of them side by side. */
function check(
  teachers: number[][],
  students: number[][],
  inner: number,
  scale: number,
  Elements: typeof Float64Array | typeof Float32Array,
): void {
  const classes = teachers[0].length;
  const shape = [teachers.length / inner, classes, inner];
  const rounded = (rows: number[][]) => rows.map((row) => Array.from(Elements.from(row)));
  const [t, s] = [rounded(teachers), rounded(students)];
  const options = { shape, axis: 1, scale, reduction: "none" } as const;
  const [x, y] = [layOut(t, inner, Elements as typeof Float64Array), layOut(s, inner, Elements as typeof Float64Array)];
  const kl = klDivergenceWithGradient(x, y, options);
  const js = jsDivergenceWithGradient(x, y, options);
  expectSameBits(klDivergence(x, y, options), kl.loss);
  expectSameBits(jsDivergence(x, y, options), js.loss);
  const precision = precisionOf(kl.loss);
  t.forEach((row, r) => {
    const want = exactDivergences(row, s[r], scale);
    const rowOf = (gradient: Floats) => Array.from(row, (_, j) => gradient[(Math.floor(r / inner) * classes + j) * inner + (r % inner)]);
    withinIfKnown(LIMITS.kl, `KL of row ${r}`, kl.loss[r], want.kl, precision);
    withinIfKnown(LIMITS.js, `JS of row ${r}`, js.loss[r], want.js, precision);
    gradientWithin(`∂KL/∂t of row ${r}`, rowOf(kl.teacherGradient), want.klTeacher, precision);
    gradientWithin(`∂KL/∂s of row ${r}`, rowOf(kl.studentGradient), want.klStudent, precision);
    gradientWithin(`∂JS/∂t of row ${r}`, rowOf(js.teacherGradient), want.jsTeacher, precision);
    gradientWithin(`∂JS/∂s of row ${r}`, rowOf(js.studentGradient), want.jsStudent, precision);
  });
}

describe("divergences", () => {
  describe.each(Object.keys(STUDENTS))("of a student %s", (name) => {
    it.each(Object.keys(ROWS) as (keyof typeof ROWS)[])("from a teacher of the kind %s are within their bounds", (kind) => {
      const random = seeded(name.length * 31 + kind.length);
      for (const [rows, classes, inner, scale] of [
        [2, 5, 1, 1],
        [2, 4, 2, 0.3],
        [1, 12, 1, 2.5],
        [1, 1, 1, 1],
      ]) {
        const teachers = Array.from({ length: rows }, () => ROWS[kind](random, classes));
        const students = teachers.map((row) => STUDENTS[name](random, row));
        check(teachers, students, inner, scale, Float64Array);
        if (classes < 5) check(teachers, students, inner, scale, Float32Array);
      }
    });
  });

  it("of logits 1e-9 apart keep their digits", () => {
    // Cross-entropy less entropy is 2.2e-16 here.
    expect(klDivergence([[0, 1]], [[0, 1 + 1e-9]])).toBeCloseTo(9.8305983e-20, 26);
    expect(klDivergence([[5, 5]], [[5, 5]])).toBe(0);
    expect(jsDivergence([[5, 5]], [[6, 6]])).toBe(0);
  });

  it("are infinite or not where a class is excluded", () => {
    const none = -Infinity;
    const teacher = [[0, 0, none]];
    expect(klDivergence(teacher, [[0, 0, none]])).toBe(0);
    expect(klDivergence(teacher, [[0, 0, 0]])).toBeCloseTo(Math.log(1.5), 15);
    expect(jsDivergence(teacher, [[none, none, 0]])).toBe(Math.LN2);
    const { loss, teacherGradient, studentGradient } = klDivergenceWithGradient([[0, 0, none]], [[0, none, 0]]);
    expect(loss).toBe(Infinity);
    expect(studentGradient).toEqual([[0, -0.5, 0.5]]);
    expect(teacherGradient).toEqual([[Number.NaN, Number.NaN, 0]]);
    const js = jsDivergenceWithGradient(teacher, [[0, none, 0]]);
    expect(js.loss).toBeCloseTo(Math.LN2 / 2, 15);
    expect(js.teacherGradient[0].every(Number.isFinite)).toBe(true);
    // Far apart, but finite.
    expect(klDivergence([[0, 2000]], [[2000, 0]])).toBe(2000);
    expect(klDivergence([[0, 1e300]], [[1e300, 0]])).toBe(1e300);
  });

  it.each([Number.NaN, Infinity])("of a row with %d are NaN, and nothing else is", (bad) => {
    for (const [teacher, student] of [
      [
        [bad, 1, 2],
        [1, 2, 3],
      ],
      [
        [1, 2, 3],
        [0, bad, 0],
      ],
      [
        [-Infinity, -Infinity, -Infinity],
        [1, 2, 3],
      ],
    ]) {
      for (const of of [klDivergenceWithGradient, jsDivergenceWithGradient]) {
        const got = of([teacher, [1, 2, 3]], [student, [3, 2, 1]], { reduction: "none" });
        expect(got.loss[0]).toBeNaN();
        expect(got.studentGradient[0]).toEqual([Number.NaN, Number.NaN, Number.NaN]);
        expect([got.loss[1], ...got.studentGradient[1], ...got.teacherGradient[1]].every(Number.isFinite)).toBe(true);
      }
    }
  });

  it("take masks, sample weights, reductions and divisors as losses do", () => {
    const random = seeded(5);
    const shape = [7, 5];
    const [t, s] = [0, 1].map(() => Float64Array.from({ length: 35 }, () => 4 * random() - 2));
    const mask = [1, 0, 1, 1, 0];
    const excluded = (x: Float64Array) => x.map((value, k) => (mask[k % 5] ? value : -Infinity));
    const sampleWeights = [1, 0, 2, 0.5, 3, 1, -1];
    for (const of of [klDivergenceWithGradient, jsDivergenceWithGradient]) {
      const masked = of(t, s, { shape, mask });
      expect(masked).toEqual(of(excluded(t), excluded(s), { shape }));
      const rows = of(t, s, { shape, reduction: "none" });
      const weighted = of(t, s, { shape, reduction: "none", sampleWeights });
      expect(Array.from(weighted.loss)).toEqual(Array.from(rows.loss, (loss, r) => loss * sampleWeights[r]));
      const mean = of(t, s, { shape, sampleWeights });
      const sum = of(t, s, { shape, sampleWeights, reduction: "sum" });
      expect(sum.loss).toBeCloseTo(
        weighted.loss.reduce((a, b) => a + b),
        14,
      );
      expect(mean.loss).toBeCloseTo(sum.loss / 6.5, 14);
      expect(mean.studentGradient[3]).toBeCloseTo(sum.studentGradient[3] / 6.5, 15);
      // A temperature of 2, times its square.
      const hot = of(t, s, { shape, scale: 0.5 });
      expect(of(t, s, { shape, scale: 0.5, divisor: 7 / 4 }).loss).toBeCloseTo(4 * hot.loss, 14);
      expect(of(t, s, { shape, mask: new Array(5).fill(false) })).toEqual({
        loss: 0,
        teacherGradient: new Float64Array(35),
        studentGradient: new Float64Array(35),
      });
      expect(of(t, s, { shape, sampleWeights: 0, emptyMean: Number.NaN }).loss).toBeNaN();
    }
  });

  it("of long batches do not depend on how they are cut", () => {
    const random = seeded(6);
    const [rows, classes] = [3, 40_001];
    const [t, s] = [0, 1].map(() => Float32Array.from({ length: rows * classes }, () => 4 * random()));
    const whole = klDivergenceWithGradient(t, s, { shape: [rows, classes], reduction: "none" });
    const columns = klDivergenceWithGradient(transposed(t, rows, classes), transposed(s, rows, classes), {
      shape: [classes, rows],
      axis: 0,
      reduction: "none",
    });
    expectSameBits(columns.loss, whole.loss);
    const mean = klDivergence(Float64Array.from(t), Float64Array.from(s), { shape: [rows, classes] });
    const losses = klDivergence(Float64Array.from(t), Float64Array.from(s), { shape: [rows, classes], reduction: "none" });
    expect(mean).toBeCloseTo(losses.reduce((sum, loss) => sum + loss) / rows, 14);
    expectSameBits(columns.studentGradient, transposed(whole.studentGradient, rows, classes));
    expectSameBits(columns.teacherGradient, transposed(whole.teacherGradient, rows, classes));
  });

  it("agree with cross-entropy, whose gradient is the student's", () => {
    const t = [[1, 2, 3, 4]];
    const s = [[2, 1, 0, 5]];
    const { gradient } = crossEntropyWithGradient(s, softmax(t));
    klDivergenceWithGradient(t, s).studentGradient[0].forEach((value, j) => {
      expect(value).toBeCloseTo(gradient[0][j], 15);
    });
  });

  it("say what is wrong", () => {
    expect(() => klDivergence([[1, 2]], [[1, 2, 3]])).toThrow('"studentLogits" expected the shape of "teacherLogits", [1, 2], got [1, 3]');
    expect(() => jsDivergence(Float32Array.of(1), Float64Array.of(1))).toThrow(
      '"studentLogits" expected float32, the element type of "teacherLogits"',
    );
    expect(() => klDivergence([[1]], [[1]], { softcap: 3 } as never)).toThrow('"options" expected only the names');
    expect(() => klDivergence([[1]], [[1]], { scale: 0 })).toThrow('"scale" expected a finite number above 0, got 0');
    expect(() => klDivergence([[]], [[]])).toThrow('"shape" expected at least one class');
    expect(() => klDivergence([[1]], [[1]], { reduction: "sum", divisor: 2 })).toThrow('"divisor" expected to be left out');
  });
});

/** The transpose of a matrix. */
function transposed(x: Float32Array, rows: number, columns: number): Float32Array {
  return Float32Array.from(x, (_, k) => x[(k % rows) * columns + Math.floor(k / rows)]);
}
