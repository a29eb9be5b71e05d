// Sums, quotients and maxima that lose nothing: error-free transformations after Dekker (1971) and Knuth (TAOCP 2, 4.2.2).
// A sum is a pair (hi, lo): its rounded value and what rounding left out.

const SPLIT_MASK: i64 = ~0x7ffffff; // clears the low 27 bits of a double

/** What fl(a + b) = sum lost, if |a| >= |b|. Dekker. */
// @ts-ignore: decorator
@inline
export function fastTwoSumError(a: v128, b: v128, sum: v128): v128 {
  return f64x2.sub(b, f64x2.sub(sum, a));
}

/** What fl(a + b) = sum lost, if neither is negative. */
// @ts-ignore: decorator
@inline
export function positiveTwoSumError(a: v128, b: v128, sum: v128): v128 {
  return fastTwoSumError(f64x2.pmax(a, b), f64x2.pmin(a, b), sum);
}

/** What fl(a + b) = sum lost, exactly. Knuth. */
// @ts-ignore: decorator
@inline
export function twoSumError(a: v128, b: v128, sum: v128): v128 {
  const bPart = f64x2.sub(sum, a);
  return f64x2.add(f64x2.sub(a, f64x2.sub(sum, bPart)), f64x2.sub(b, bPart));
}

/** a − q d for q near a/d, to 2^-106 of a unless a product underflows: those of the high halves of doubles are exact. */
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

/** The low part of the quotient (hi + lo) / (divisorHi + divisorLo) whose high part is q = fl(hi inverse), inverse = fl(1/divisorHi). */
// @ts-ignore: decorator
@inline
export function quotientLow(q: v128, inverse: v128, hi: v128, lo: v128, divisorHi: v128, divisorLo: v128): v128 {
  const rest = f64x2.sub(f64x2.add(remainder(hi, q, divisorHi), lo), f64x2.mul(q, divisorLo));
  return f64x2.mul(rest, inverse);
}

/** Lane `lane` of a pair, in both lanes. */
// @ts-ignore: decorator
@inline
export function splatLane(pair: v128, lane: u8): v128 {
  return lane ? i64x2.shuffle(pair, pair, 1, 1) : i64x2.shuffle(pair, pair, 0, 0);
}

/** The two lanes of a sum added up: (hi, lo) in the lanes of one vector. */
export function reduceAdd(hi: v128, lo: v128): v128 {
  const other = splatLane(hi, 1);
  const sum = f64x2.add(hi, other);
  const rest = f64x2.add(f64x2.add(lo, splatLane(lo, 1)), twoSumError(hi, other, sum));
  return i64x2.shuffle(sum, rest, 0, 2);
}

/** hi + lo; hi where it is infinite, as lo is then NaN. */
// @ts-ignore: decorator
@inline
export function total(hi: v128, lo: v128): v128 {
  const finite = f64x2.lt(f64x2.abs(hi), f64x2.splat(Infinity));
  return f64x2.add(hi, v128.and(lo, finite));
}

/** Index of the first maximum of a row of at least 8; some index of the row if it holds a NaN. */
export function argmax(xPtr: usize, classes: usize): usize {
  let max = f64x2.splat(-Infinity);
  let at: usize = 0;
  // Blocks of 8; the last one overlaps its neighbour, which changes no maximum.
  for (let i: usize = 0; i < classes; i += 8) {
    const start = min(i, classes - 8);
    const ptr = xPtr + (start << 3);
    const block = f64x2.pmax(
      f64x2.pmax(v128.load(ptr), v128.load(ptr, 16)),
      f64x2.pmax(v128.load(ptr, 32), v128.load(ptr, 48)),
    );
    if (v128.any_true(f64x2.gt(block, max))) {
      max = f64x2.pmax(block, splatLane(block, 1));
      max = splatLane(max, 0);
      at = start;
    }
  }
  const ptr = xPtr + (at << 3);
  const found =
    i64x2.bitmask(f64x2.eq(v128.load(ptr), max)) |
    (i64x2.bitmask(f64x2.eq(v128.load(ptr, 16), max)) << 2) |
    (i64x2.bitmask(f64x2.eq(v128.load(ptr, 32), max)) << 4) |
    (i64x2.bitmask(f64x2.eq(v128.load(ptr, 48), max)) << 6);
  return found ? at + ctz(found) : at;
}
