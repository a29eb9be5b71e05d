// Exact sums: against integers that are made another way, over all exponents, and at the ties and limits of rounding.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { seeded } from "../reference/data.js";
import { type ExactSum, exactSum, plus, quotient, rounded, sumOfOnes } from "../src/loss/exact-sum.js";

/** A finite double as a multiple of 2^-1074, by arithmetic on the number itself. */
function unitsOf(x: number): bigint {
  let doublings = 0;
  while (!Number.isInteger(x)) {
    x *= 2;
    doublings++;
  }
  return BigInt(x) << BigInt(1074 - doublings);
}

const absolute = (x: bigint) => (x < 0n ? -x : x);

/** The neighbours of a finite double, by its bits. */
function neighbours(x: number): readonly [number, number] {
  const view = new DataView(new ArrayBuffer(8));
  const beside = (step: bigint) => {
    view.setFloat64(0, Math.abs(x));
    view.setBigUint64(0, view.getBigUint64(0) + step);
    return Math.sign(x) * view.getFloat64(0);
  };
  return x === 0 ? [Number.MIN_VALUE, -Number.MIN_VALUE] : [beside(1n), beside(-1n)];
}

/** Half a unit more than the largest double: from here on numbers are rounded to ∞. */
const OVERFLOW = ((1n << 1024n) - (1n << 970n)) << 1074n;

/** Fails unless `got` is the double next to a / b, of two the one with an even last bit. */
function expectNearest(got: number, a: bigint, b: bigint): void {
  const [size, by] = [absolute(a), absolute(b)];
  if (size << 1074n >= OVERFLOW * by) {
    expect(got).toBe(a < 0n === b < 0n ? Infinity : -Infinity);
    return;
  }
  const signed = b < 0n ? -a : a;
  const distance = (x: number) => absolute(unitsOf(x) * by - (signed << 1074n));
  for (const other of neighbours(got)) {
    if (!Number.isFinite(other)) continue;
    const difference = distance(other) - distance(got);
    expect(difference >= 0n, `${other} is nearer than ${got}`).toBe(true);
    if (difference === 0n) expect((unitsOf(got) >> BigInt(Math.max(0, absolute(unitsOf(got)).toString(2).length - 53))) & 1n).toBe(0n);
  }
}

/** Sums the terms, and checks the sum and its rounding. */
function check(terms: readonly number[]): ExactSum {
  const sum = exactSum(terms);
  const want = terms.reduce((total, term) => total + unitsOf(term), 0n);
  expect(sum).toEqual({ units: want, nonFinite: 0 });
  expectNearest(rounded(sum), want, 1n << 1074n);
  return sum;
}

const finite = fc.double({ noNaN: true, noDefaultInfinity: true });

describe("an exact sum", () => {
  it("is that of integers, for doubles of all exponents", () => {
    fc.assert(fc.property(fc.array(finite, { maxLength: 20 }), (terms) => void check(terms)));
    const random = seeded(3);
    const view = new DataView(new ArrayBuffer(8));
    const anyDouble = (): number => {
      view.setUint32(0, 2 ** 32 * random());
      view.setUint32(4, 2 ** 32 * random());
      return Number.isFinite(view.getFloat64(0)) ? view.getFloat64(0) : anyDouble();
    };
    for (let i = 0; i < 200; i++) check(Array.from({ length: 1 + (i % 50) }, anyDouble));
    for (let exponent = -1074; exponent < 1024; exponent++)
      check([2 ** exponent, -(2 ** exponent) * 1.75, 2 ** Math.max(-1074, exponent - 53)]);
  });

  it("keeps what cancels, overflows and is subnormal", () => {
    expect(rounded(check([1e308, 1, -1e308]))).toBe(1);
    expect(rounded(check([Number.MAX_VALUE, Number.MAX_VALUE]))).toBe(Infinity);
    expect(rounded(check([Number.MAX_VALUE, Number.MAX_VALUE, -Number.MAX_VALUE, 2 ** -1074]))).toBe(Number.MAX_VALUE);
    expect(rounded(check([-Number.MAX_VALUE, -(2 ** 970)]))).toBe(-Infinity);
    expect(rounded(check([Number.MAX_VALUE, 2 ** 969]))).toBe(Number.MAX_VALUE);
    expect(rounded(check([2 ** -1074, 2 ** -1074, 2 ** -1074]))).toBe(3 * 2 ** -1074);
    expect(rounded(check([2 ** -1022, -(2 ** -1074)]))).toBe(2 ** -1022 - 2 ** -1074);
    expect(rounded(check([0.1, 0.2, -0.3]))).toBe(2 ** -55);
    expect(Object.is(rounded(check([-0, -0])), 0)).toBe(true);
    expect(check([])).toEqual({ units: 0n, nonFinite: 0 });
  });

  it("is rounded to even where it lies in the middle", () => {
    for (const [terms, want] of [
      [[1, 2 ** -53], 1],
      [[1, 2 ** -53, 2 ** -1074], 1 + 2 ** -52],
      [[1, 2 ** -52, 2 ** -53], 1 + 2 ** -51],
      [[-1, -(2 ** -53), -(2 ** -1000)], -1 - 2 ** -52],
      [[2 ** 53, 1], 2 ** 53],
      [[2 ** 53, 3], 2 ** 53 + 4],
    ] as const) {
      expect(rounded(check(terms))).toBe(want);
    }
  });

  it("of many terms carries from digit to digit", () => {
    const count = 2 ** 21 + 3;
    const ones = new Float64Array(count).fill(1 - 2 ** -53);
    expect(exactSum(ones).units).toBe(BigInt(count) * unitsOf(1 - 2 ** -53));
    expect(exactSum(ones.map((one, i) => (i % 2 ? -one : one))).units).toBe(unitsOf(1 - 2 ** -53));
  });

  it("does not depend on the cut", () => {
    fc.assert(
      fc.property(fc.array(finite), fc.nat(), (terms, at) => {
        const cut = at % (terms.length + 1);
        expect(plus(exactSum(terms.slice(cut)), exactSum(terms.slice(0, cut)))).toEqual(exactSum(terms));
      }),
    );
  });

  it("is ±∞ or NaN as the terms are, and remembers it", () => {
    for (const [terms, want] of [
      [[1, Infinity, 2], Infinity],
      [[-Infinity, 1e308, 1e308], -Infinity],
      [[Infinity, -Infinity], Number.NaN],
      [[Number.NaN, Infinity], Number.NaN],
    ] as const) {
      expect(rounded(exactSum(terms))).toBe(want);
      expect(rounded(plus(exactSum([5]), exactSum(terms)))).toBe(want);
    }
  });
});

describe("a quotient", () => {
  it("is the double next to that of integers", () => {
    fc.assert(
      fc.property(finite, finite, fc.integer({ min: 1, max: 2 ** 40 }), (x, y, count) => {
        const a = exactSum([x, y]);
        if (x !== 0) expectNearest(quotient(a, exactSum([x])), a.units, unitsOf(x));
        expectNearest(quotient(a, sumOfOnes(count)), a.units, BigInt(count) << 1074n);
      }),
    );
    expect(quotient(exactSum([Number.MAX_VALUE, Number.MAX_VALUE]), sumOfOnes(2))).toBe(Number.MAX_VALUE);
    expect(quotient(exactSum([2 ** -1074]), sumOfOnes(2))).toBe(0);
    expect(quotient(exactSum([3 * 2 ** -1074]), sumOfOnes(2))).toBe(2 * 2 ** -1074);
    expect(quotient(exactSum([2 ** -1074]), exactSum([1e308, 1e308]))).toBe(0);
  });

  it("of 0, ∞ and NaN is that of numbers", () => {
    const values = [0, 1, -2, Infinity, -Infinity, Number.NaN];
    for (const a of values) for (const b of values) expect(quotient(exactSum([a]), exactSum([b])), `${a} / ${b}`).toBe(a / b);
  });
});
