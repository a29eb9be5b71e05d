// Exact sums of doubles, rounded once: the same bits for every order of the terms and every way to cut them. After R. M. Neal, "Fast exact
// summation using small and large superaccumulators" (2015): digits of 32 bits that cover all doubles, with room for the carries of a block.

/** An exact sum. */
export interface ExactSum {
  /** The sum of the finite terms, as a multiple of 2^-1074. */
  readonly units: bigint;
  /** The sum of the other terms, ±∞ or NaN; 0 if there are none. */
  readonly nonFinite: number;
}

/** The sum of no terms. */
export const ZERO: ExactSum = { units: 0n, nonFinite: 0 };

/** Digits from 2^-1074 to above 2^1024. */
const DIGITS = 66;

/** So many terms of 32 bits are exact in a digit, which is a double. */
const BLOCK = 2 ** 20;

/** A double, to read its bits. */
const bits = /* @__PURE__ */ new DataView(/* @__PURE__ */ new ArrayBuffer(8));

/** Adds the terms [first, end) to digits; gives the sum of those that are not finite. */
function addBlock(digits: Float64Array, terms: ArrayLike<number>, first: number, end: number): number {
  let nonFinite = 0;
  for (let i = first; i < end; i++) {
    const term = terms[i];
    if (term - term !== 0) {
      nonFinite += term;
      continue;
    }
    bits.setFloat64(0, term);
    const high = bits.getInt32(0);
    const low = bits.getInt32(4);
    // |term| = (2^32 top + low) · 2^(place − 1074); the bits of a subnormal have the place of the exponent 1.
    const exponent = (high >>> 20) & 0x7ff;
    const top = (high & 0xfffff) | (exponent === 0 ? 0 : 0x100000);
    const place = exponent === 0 ? 0 : exponent - 1;
    const shift = place & 31;
    const at = place >> 5;
    const d0 = (low << shift) >>> 0;
    const d1 = ((top << shift) | ((low >>> 1) >>> (31 - shift))) >>> 0;
    const d2 = (top >>> 1) >>> (31 - shift);
    if (high < 0) {
      digits[at] -= d0;
      digits[at + 1] -= d1;
      digits[at + 2] -= d2;
    } else {
      digits[at] += d0;
      digits[at + 1] += d1;
      digits[at + 2] += d2;
    }
  }
  return nonFinite;
}

/** The digits of a block, which are 0 between two sums. */
const blockDigits = /* @__PURE__ */ new Float64Array(DIGITS);

/** The exact sum of the terms [first, end). */
export function exactSum(terms: ArrayLike<number>, first = 0, end = terms.length): ExactSum {
  const digits = blockDigits;
  let units = 0n;
  let nonFinite = 0;
  for (let at = first; at < end; at += BLOCK) {
    nonFinite += addBlock(digits, terms, at, Math.min(at + BLOCK, end));
    let [lowest, highest] = [0, DIGITS - 1];
    while (lowest < DIGITS && digits[lowest] === 0) lowest++;
    while (highest > lowest && digits[highest] === 0) highest--;
    let sum = 0n;
    for (let i = highest; i >= lowest; i--) sum = (sum << 32n) + BigInt(digits[i]);
    units += sum << BigInt(32 * lowest);
    digits.fill(0);
  }
  return { units, nonFinite };
}

/** An integer as a sum. */
export function sumOfOnes(count: number): ExactSum {
  return { units: BigInt(count) << 1074n, nonFinite: 0 };
}

/** The sum of two sums. */
export function plus(a: ExactSum, b: ExactSum): ExactSum {
  return { units: a.units + b.units, nonFinite: a.nonFinite + b.nonFinite };
}

/** The double next to a sum; of two, the even one. */
export function rounded(sum: ExactSum): number {
  return quotient(sum, sumOfOnes(1));
}

/** The double next to the quotient of two sums. */
export function quotient(a: ExactSum, b: ExactSum): number {
  if (a.nonFinite !== 0 || b.nonFinite !== 0 || b.units === 0n) return limitOf(a) / limitOf(b);
  const size = divide(abs(a.units), abs(b.units));
  return a.units < 0n === b.units < 0n ? size : -size;
}

/** A number in the place of a sum, that has the same quotients where one of two sums is 0 or not finite. */
function limitOf({ units, nonFinite }: ExactSum): number {
  return nonFinite !== 0 ? nonFinite : Math.sign(Number(units > 0n) - Number(units < 0n));
}

const abs = (x: bigint): bigint => (x < 0n ? -x : x);

const hexDigits = (x: bigint): number => x.toString(16).length;

/** a / b, rounded to nearest, ties to even; a ≥ 0 and b > 0. */
function divide(a: bigint, b: bigint): number {
  if (a === 0n) return 0;
  // q / 2^shift of at least 64 bits, of which the last says if there is a remainder.
  const shift = 68 + 4 * (hexDigits(b) - hexDigits(a));
  const dividend = a << BigInt(Math.max(shift, 0));
  const divisor = b << BigInt(Math.max(-shift, 0));
  let q = dividend / divisor;
  if (q * divisor !== dividend) q |= 1n;
  // A double has 53 bits, and none below 2^-1074.
  const dropped = Math.max(q.toString(2).length - 53, shift - 1074);
  const half = 1n << BigInt(dropped - 1);
  let kept = q >> BigInt(dropped);
  const rest = q - (kept << BigInt(dropped));
  if (rest > half || (rest === half && (kept & 1n) === 1n)) kept++;
  let result = Number(kept);
  let exponent = dropped - shift;
  for (; exponent >= 32; exponent -= 32) result *= 2 ** 32;
  for (; exponent > 0; exponent--) result *= 2;
  for (; exponent <= -32; exponent += 32) result /= 2 ** 32;
  for (; exponent < 0; exponent++) result /= 2;
  return result;
}
