// Arithmetic to about 80 bits in pairs of doubles, after Dekker (1971) and Knuth (TAOCP 2, 4.2.2). It is used where decimal arithmetic is too
// slow; test/reference.test.ts checks it against oracle.ts.

import { Decimal } from "decimal.js";
import { exact } from "./oracle.js";

/** An unevaluated sum hi + lo, |lo| <= ulp(hi)/2. */
export type Pair = readonly [hi: number, lo: number];

const D = Decimal.clone({ precision: 80 });

function pairOf(value: Decimal): Pair {
  const hi = value.toNumber();
  return [hi, value.minus(exact(hi)).toNumber()];
}

export function twoSum(a: number, b: number): Pair {
  const sum = a + b;
  const bPart = sum - a;
  return [sum, a - (sum - bPart) + (b - bPart)];
}

function fastTwoSum(a: number, b: number): Pair {
  const sum = a + b;
  return [sum, b - (sum - a)];
}

function twoProduct(a: number, b: number): Pair {
  const product = a * b;
  const aTop = 134217729 * a;
  const bTop = 134217729 * b;
  const aHi = aTop - (aTop - a);
  const bHi = bTop - (bTop - b);
  const aLo = a - aHi;
  const bLo = b - bHi;
  return [product, aLo * bLo - (product - aHi * bHi - aLo * bHi - aHi * bLo)];
}

export function add([aHi, aLo]: Pair, [bHi, bLo]: Pair): Pair {
  const [hi, lo] = twoSum(aHi, bHi);
  const [lowHi, lowLo] = twoSum(aLo, bLo);
  const [sum, rest] = fastTwoSum(hi, lo + lowHi);
  return fastTwoSum(sum, rest + lowLo);
}

export function mul([aHi, aLo]: Pair, [bHi, bLo]: Pair): Pair {
  const [hi, lo] = twoProduct(aHi, bHi);
  return fastTwoSum(hi, lo + (aHi * bLo + aLo * bHi));
}

export function div(a: Pair, b: Pair): Pair {
  const q = a[0] / b[0];
  const rest = add(a, mul([-q, 0], b));
  return fastTwoSum(q, (rest[0] + rest[1]) / b[0]);
}

const STEPS = 32;
const step = D.ln(2).div(STEPS);
const perStep = 1 / step.toNumber();
/** ln 2 / 32 in three parts. The first two, times an integer below 2^22, are exact. */
const [step0, step1, step2] = (() => {
  const cut = (value: Decimal) => {
    const unit = D.pow(2, D.log2(value).floor().minus(30));
    return value.div(unit).floor().times(unit);
  };
  const first = cut(step);
  const second = cut(step.minus(first));
  return [first.toNumber(), second.toNumber(), step.minus(first).minus(second).toNumber()];
})();
const powers = Array.from({ length: STEPS }, (_, i) => pairOf(D.pow(2, new D(i).div(STEPS))));
const sixth = pairOf(new D(1).div(6));

/** exp(x) = mantissa · 2^exponent for |x| <= 50000, with a relative error of at most 2^-80. */
export function exp(x: Pair): { mantissa: Pair; exponent: number } {
  const n = Math.round(x[0] * perStep);
  const r = add(add(add([x[0] - n * step0, 0], [-n * step1, 0]), twoProduct(-n, step2)), [x[1], 0]);
  const r0 = r[0];
  const tail = r0 ** 4 * (1 / 24 + r0 * (1 / 120 + r0 * (1 / 720 + r0 * (1 / 5040 + r0 * (1 / 40320 + r0 / 362880)))));
  const square = mul(r, r);
  const cube = mul(mul(square, r), sixth);
  const sum = add([1, 0], add(r, add([square[0] / 2, square[1] / 2], add(cube, [tail, 0]))));
  const exponent = Math.floor(n / STEPS);
  return { mantissa: mul(sum, powers[n - exponent * STEPS]), exponent };
}

/** log(1 + r), r >= 0. */
export function log1p(r: Pair): Pair {
  if (r[0] < 2 ** -30) {
    const square = mul(r, r);
    return add(r, [-square[0] / 2 + r[0] ** 3 / 3, -square[1] / 2]);
  }
  // One Newton step from Math.log1p.
  const guess = Math.log1p(r[0]);
  const { mantissa, exponent } = exp([-guess, 0]);
  const power = 2 ** exponent;
  const [hi, lo] = add(mul(add([1, 0], r), [mantissa[0] * power, mantissa[1] * power]), [-1, 0]);
  return add([guess, 0], [hi, lo - (hi * hi) / 2]);
}
