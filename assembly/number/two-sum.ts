// Error-free transformations after Dekker (1971) and Knuth (TAOCP 2, 4.2.2): sums, products and quotients with their rounding errors.
// A number with more digits than a double is a pair (hi, lo): the rounded value, and the rest that rounding left out.

const SPLIT_MASK: i64 = ~0x7ffffff; // clears the low 27 bits of a double

/** The rounding error of sum = fl(a + b), exactly, if |a| >= |b| (Dekker). */
// @ts-ignore: decorator
@inline
export function fastTwoSumError(a: v128, b: v128, sum: v128): v128 {
  return f64x2.sub(b, f64x2.sub(sum, a));
}

/** The rounding error of sum = fl(a + b), exactly, if neither a nor b is negative. */
// @ts-ignore: decorator
@inline
export function positiveTwoSumError(a: v128, b: v128, sum: v128): v128 {
  return fastTwoSumError(f64x2.pmax(a, b), f64x2.pmin(a, b), sum);
}

/** The rounding error of sum = fl(a + b), exactly (Knuth). */
// @ts-ignore: decorator
@inline
export function twoSumError(a: v128, b: v128, sum: v128): v128 {
  const bPart = f64x2.sub(sum, a);
  return f64x2.add(f64x2.sub(a, f64x2.sub(sum, bPart)), f64x2.sub(b, bPart));
}

/** a − q d for q near a/d. The error is at most 2^-106 of a unless a product underflows, because products of half doubles are exact. */
// @ts-ignore: decorator
@inline
export function remainder(a: v128, q: v128, d: v128): v128 {
  const mask = i64x2.splat(SPLIT_MASK);
  const qHi = v128.and(q, mask);
  const dHi = v128.and(d, mask);
  const qLo = f64x2.sub(q, qHi);
  const dLo = f64x2.sub(d, dHi);
  const top = f64x2.sub(a, f64x2.mul(qHi, dHi));
  return f64x2.sub(f64x2.sub(f64x2.sub(top, f64x2.mul(qHi, dLo)), f64x2.mul(qLo, dHi)), f64x2.mul(qLo, dLo));
}

/** The low part of the product of two pairs; `product` = fl(aHi bHi) is its high part. */
// @ts-ignore: decorator
@inline
export function productLow(product: v128, aHi: v128, aLo: v128, bHi: v128, bLo: v128): v128 {
  const lost = f64x2.sub(f64x2.splat(0), remainder(product, aHi, bHi));
  return f64x2.add(lost, f64x2.add(f64x2.mul(aHi, bLo), f64x2.mul(aLo, bHi)));
}

/** The high half of a double's digits. */
// @ts-ignore: decorator
@inline
export function highHalf(a: v128): v128 {
  return v128.and(a, i64x2.splat(SPLIT_MASK));
}

/**
 * The low part of the quotient (hi + lo) / divisor, whose high part is q, the high half of hi · inverse; inverse = fl(1/divisor). Products
 * of q and half doubles are exact.
 */
// @ts-ignore: decorator
@inline
export function quotientLow(q: v128, inverse: v128, hi: v128, lo: v128, divisor: v128): v128 {
  const divisorHi = highHalf(divisor);
  const rest = f64x2.sub(f64x2.sub(hi, f64x2.mul(q, divisorHi)), f64x2.mul(q, f64x2.sub(divisor, divisorHi)));
  return f64x2.mul(f64x2.add(rest, lo), inverse);
}

/** Lane `lane` of a vector, in both lanes. */
// @ts-ignore: decorator
@inline
export function splatLane(pair: v128, lane: u8): v128 {
  return lane ? i64x2.shuffle(pair, pair, 1, 1) : i64x2.shuffle(pair, pair, 0, 0);
}

/** The sum of the two lanes of (hi, lo), as (hi, lo) in the two lanes of one vector. */
export function reduceAdd(hi: v128, lo: v128): v128 {
  const other = splatLane(hi, 1);
  const sum = f64x2.add(hi, other);
  const rest = f64x2.add(f64x2.add(lo, splatLane(lo, 1)), twoSumError(hi, other, sum));
  return i64x2.shuffle(sum, rest, 0, 2);
}

/** The rounding error of difference = fl(a − b), exactly (Knuth). */
// @ts-ignore: decorator
@inline
export function twoDifferenceError(a: v128, b: v128, difference: v128): v128 {
  const bPart = f64x2.sub(a, difference);
  return f64x2.sub(f64x2.sub(a, f64x2.add(difference, bPart)), f64x2.sub(b, bPart));
}

/** hi + lo, or hi where hi is infinite, because lo is NaN then. */
// @ts-ignore: decorator
@inline
export function collapse(hi: v128, lo: v128): v128 {
  const finite = f64x2.lt(f64x2.abs(hi), f64x2.splat(Infinity));
  return f64x2.add(hi, v128.and(lo, finite));
}

/** The greater of the two lanes, in both lanes. */
// @ts-ignore: decorator
@inline
export function maxOfLanes(max: v128): v128 {
  return f64x2.pmax(max, i64x2.shuffle(max, max, 1, 0));
}

/** hi + lo by lane for a pair of rows. For one row, the sum of both lanes' (hi, lo), rounded, in both lanes. */
// @ts-ignore: decorator
@inline
export function reducePair(isPair: bool, hi: v128, lo: v128): v128 {
  if (isPair) return collapse(hi, lo);
  const sum = reduceAdd(hi, lo);
  return collapse(splatLane(sum, 0), splatLane(sum, 1));
}
