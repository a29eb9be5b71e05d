// Divergences of a student's p = softmax(s) from a teacher's q = softmax(t), and their gradients, without cancellation where p ≈ q.
//
// With d_j = s_j − t_j, any constant c near Σ q d, D_j = d_j − c and η = Σ q D, which is near 0,
//
//   p_j / q_j = e^{D_j} / (1 + u),  u = Σ q (e^D − 1) = Σ q φ(D) + η,  φ(D) = e^D − 1 − D >= 0
//   KL(q ‖ p) = log(1 + u) − η      ∂/∂s_j = p_j − q_j = q_j (e^{y_j} − 1)      ∂/∂t_j = −q_j (D_j − η)
//   JS(q, p)  = Σ m h(y),  y_j = log(p_j / q_j) = D_j − log(1 + u),  m = (p + q) / 2
//
// All terms of a sum have one sign, so nothing cancels but what the definition of c takes out exactly. h and its parts are functions of y:
//
//   κ(y) = log cosh(y/2)      h(y) = (y/2) tanh(y/2) − κ(y)      log(p/m) = y/2 − κ(y)      log(q/m) = −y/2 − κ(y)
//
// φ as in Schulman, "Approximating KL divergence" (2020), whose estimator k3 it is; log(1 + u) − η is the Bregman form of the same sum.
// JS after Lin, IEEE Trans. Inf. Theory 37 (1991). Where some p_j is far above q_j, or p_j = 0, log(1 + u) is the difference of both log Σ exp.

import { pairExp } from "../number/exp";
import { COSH_CONSTANTS, COSH_TERMS } from "../number/constants.generated";
import { logRatio } from "../number/log";
import { bytesOf, load2, splat, store2 } from "../number/storage";
import { reduceMax } from "../number/sums";
import { fastTwoSumError, productLow, reduceAdd, splatLane, twoDifferenceError, twoSumError } from "../number/two-sum";
import { rowOffset } from "../softmax/tile";
import { findFirst } from "./class-loops";

/** Below this |D|, the series of φ takes the place of e^D. */
const SMALL: f64 = 0.25;

/** The number of terms of that series. */
const TERMS: usize = 12;

/** 1 / k!, k = 2 … 13: φ(D) = D² Σ D^k / (k + 2)!. */
const FACTORIALS: usize = memory.data<f64>([
  1.0 / 2, 1.0 / 6, 1.0 / 24, 1.0 / 120, 1.0 / 720, 1.0 / 5040, 1.0 / 40320, 1.0 / 362880, 1.0 / 3628800,
  1.0 / 39916800, 1.0 / 479001600, 1.0 / 6227020800,
], 16);

/** Above this D, φ(D) is too large for its own scale: q e^D comes from the student. */
const FAR: f64 = 8.0;

/** Below this u, log(1 + u) is u − u²/2. */
const TINY: f64 = reinterpret<f64>(0x3e10000000000000); // 2^-30

/** Up to this |y|, p − q comes from φ. */
const NEAR: f64 = 1.0;

/** Up to this |y|, κ and h come from polynomials. */
const COSH_NEAR: f64 = 2.0;

/** Above this |y|, e^-|y| is 0 beside 1. */
const DEEP: f64 = 800.0;

/** e^x − 1 − x for x <= FAR, within an ulp. `scratch` has 32 bytes. */
function phi(x: v128, scratch: usize): v128 {
  const isSmall = f64x2.lt(f64x2.abs(x), f64x2.splat(SMALL));
  let series = f64x2.splat(0);
  for (let at = FACTORIALS + bytesOf<f64>(TERMS); at > FACTORIALS; ) {
    at -= bytesOf<f64>(1);
    series = f64x2.add(f64x2.mul(series, x), v128.load64_splat(at));
  }
  series = f64x2.mul(f64x2.mul(x, x), series);
  if (i64x2.all_true(isSmall)) return series;
  const highPtr = scratch + bytesOf<v128>(1);
  const low = pairExp(x, highPtr, scratch);
  const high = v128.load(highPtr);
  return v128.bitselect(series, f64x2.add(f64x2.sub(f64x2.sub(high, f64x2.splat(1)), x), low), isSmall);
}

/** a where `by` is finite, else 0. */
// @ts-ignore: decorator
@inline
function ifFinite(a: v128, by: v128): v128 {
  return v128.and(a, f64x2.lt(f64x2.abs(by), f64x2.splat(Infinity)));
}

/** The low part of scale (a − b), whose high part is `product`, and gap = fl(a − b); 0 where it is not finite. */
function differenceLow(isScaled: bool, product: v128, a: v128, b: v128, gap: v128, scale: v128): v128 {
  const low = twoDifferenceError(a, b, gap);
  return ifFinite(isScaled ? productLow(product, gap, low, scale, f64x2.splat(0)) : low, product);
}

/** exp(scale (x − max)), x <= max; `scratch` has 32 bytes. */
function expBelow(x: v128, max: v128, scale: v128, isScaled: bool, scratch: usize): v128 {
  const gap = f64x2.sub(x, max);
  const v = f64x2.mul(gap, scale);
  const highPtr = scratch + bytesOf<v128>(1);
  const low = pairExp(v, highPtr, scratch);
  const high = v128.load(highPtr);
  return f64x2.add(high, f64x2.add(low, f64x2.mul(high, differenceLow(isScaled, v, x, max, gap, scale))));
}

/** The sum of (hi, lo) over both lanes, rounded, in both lanes. */
// @ts-ignore: decorator
@inline
function total(hi: v128, lo: v128): v128 {
  const sum = reduceAdd(hi, lo);
  return f64x2.add(splatLane(sum, 0), splatLane(sum, 1));
}

/** log(1 + rest / max), rest >= 0. */
function logOfSum(max: v128, rest: v128): v128 {
  const sum = f64x2.add(max, rest);
  return logRatio<f64>(max, rest, f64x2.splat(0), sum, twoSumError(max, rest, sum));
}

/** A row, and what is known of it: numbers in both lanes. A plane holds a number for each class, and one more if their number is odd. */
@unmanaged
class Row {
  /** The planes: t, later exp(t − max t) and q; s, later exp(s − max s) and p; d, later D and log(p/m); the low part of d, later log(q/m). */
  q: usize;
  p: usize;
  d: usize;
  dLo: usize;
  /** The elements of a plane. */
  count: usize;
  /** Σ exp(t − max t), Σ exp(s − max s). */
  zt: v128;
  zs: v128;
  /** log(1 + u) as (hi, lo), and η. */
  log1pHi: v128;
  log1pLo: v128;
  eta: v128;
}

/** Numbers of classes, `step` bytes from one to the next, become contiguous; without a partner, the last one gets −∞. */
function gather(from: usize, to: usize, classes: usize, step: usize): void {
  if (classes & 1) store<f64>(to + bytesOf<f64>(classes), -Infinity);
  if (step == bytesOf<f64>(1)) {
    memory.copy(to, from, bytesOf<f64>(classes));
    return;
  }
  for (let j: usize = 0; j < classes; j++, from += step) store<f64>(to + bytesOf<f64>(j), load<f64>(from));
}

function scatter(from: usize, to: usize, classes: usize, step: usize): void {
  if (step == bytesOf<f64>(1)) {
    memory.copy(to, from, bytesOf<f64>(classes));
    return;
  }
  for (let j: usize = 0; j < classes; j++, to += step) store<f64>(to, load<f64>(from + bytesOf<f64>(j)));
}

/** From the logits in the planes of q and p: the exponentials, D, log(1 + u) and η. Returns KL, which is ∞ where p_j = 0 for a class of the teacher. */
function compare(row: Row, scale: f64, scratch: usize): v128 {
  const isScaled = scale != 1, count = row.count, end = bytesOf<f64>(count);
  const qPtr = row.q, pPtr = row.p, dPtr = row.d, dLoPtr = row.dLo;
  const zero = f64x2.splat(0), one = f64x2.splat(1), scales = f64x2.splat(scale);
  const maxT = reduceMax<f64>(qPtr, count), maxS = reduceMax<f64>(pPtr, count);

  // A first guess of c, exactly: d of the teacher's first class.
  const best = f64x2.extract_lane(findFirst(false, qPtr, count, maxT), 0);
  const place = best < <f64>count ? bytesOf<f64>(<usize>best) : 0;
  const t = splat<f64>(qPtr + place), s = splat<f64>(pPtr + place);
  const gap = f64x2.sub(s, t);
  const product = f64x2.mul(gap, scales);
  const guessHi = ifFinite(product, product);
  const guessLo = differenceLow(isScaled, product, s, t, gap, scales);

  let ztHi = zero, ztLo = zero, zsHi = zero, zsLo = zero, meanHi = zero, meanLo = zero, isCut = zero;
  for (let at: usize = 0; at < end; at += bytesOf<f64>(2)) {
    const t = load2<f64>(qPtr + at), s = load2<f64>(pPtr + at);
    const eq = expBelow(t, maxT, scales, isScaled, scratch), ep = expBelow(s, maxS, scales, isScaled, scratch);
    // A class that neither of them has counts as d = 0, with the mass 0.
    const differ = f64x2.ne(t, s);
    const gap = v128.and(f64x2.sub(s, t), differ);
    const d = f64x2.mul(gap, scales);
    const dLo = v128.and(differenceLow(isScaled, d, s, t, gap, scales), differ);
    isCut = v128.or(isCut, f64x2.eq(d, f64x2.splat(-Infinity)));
    const term = ifFinite(f64x2.mul(eq, f64x2.sub(d, guessHi)), d);
    const nextT = f64x2.add(ztHi, eq), nextS = f64x2.add(zsHi, ep), nextMean = f64x2.add(meanHi, term);
    ztLo = f64x2.add(ztLo, twoSumError(ztHi, eq, nextT));
    zsLo = f64x2.add(zsLo, twoSumError(zsHi, ep, nextS));
    meanLo = f64x2.add(meanLo, twoSumError(meanHi, term, nextMean));
    ztHi = nextT;
    zsHi = nextS;
    meanHi = nextMean;
    store2<f64>(qPtr + at, eq);
    store2<f64>(pPtr + at, ep);
    store2<f64>(dPtr + at, d);
    store2<f64>(dLoPtr + at, dLo);
  }
  const zt = total(ztHi, ztLo), zs = total(zsHi, zsLo);
  row.zt = zt;
  row.zs = zs;
  const mean = f64x2.div(total(meanHi, meanLo), zt);
  const cHi = f64x2.add(guessHi, mean);
  const cLo = f64x2.add(twoSumError(guessHi, mean, cHi), guessLo);

  // k + kLo = scale (max s − max t) − c: the student's exponentials times e^k are those of the teacher times e^D.
  const maxGap = f64x2.sub(maxS, maxT);
  const rise = f64x2.mul(maxGap, scales);
  const top = f64x2.sub(rise, cHi);
  const topLo = f64x2.add(twoDifferenceError(rise, cHi, top), f64x2.sub(differenceLow(isScaled, rise, maxS, maxT, maxGap, scales), cLo));
  const k = f64x2.add(top, topLo);
  const kLo = twoSumError(top, topLo, k);
  const cut = v128.any_true(isCut);
  const isFar = cut || !(f64x2.extract_lane(k, 0) <= FAR);
  let ek = zero;
  if (!isFar) {
    const highPtr = scratch + bytesOf<v128>(1);
    const low = pairExp(k, highPtr, scratch);
    const high = v128.load(highPtr);
    ek = f64x2.add(high, f64x2.add(low, f64x2.mul(high, kLo)));
  }

  let etaHi = zero, etaLo = zero, sumHi = zero, sumLo = zero;
  for (let at: usize = 0; at < end; at += bytesOf<f64>(2)) {
    const eq = load2<f64>(qPtr + at), d = load2<f64>(dPtr + at);
    const x = f64x2.sub(d, cHi);
    const xLo = ifFinite(f64x2.add(twoDifferenceError(d, cHi, x), f64x2.sub(load2<f64>(dLoPtr + at), cLo)), x);
    const D = f64x2.add(x, xLo);
    const DLo = ifFinite(twoSumError(x, xLo, D), D);
    store2<f64>(dPtr + at, D);
    store2<f64>(dLoPtr + at, DLo);
    const part = ifFinite(f64x2.mul(eq, D), D);
    const nextEta = f64x2.add(etaHi, part);
    etaLo = f64x2.add(etaLo, twoSumError(etaHi, part, nextEta));
    etaHi = nextEta;
    if (isFar) continue;
    // q φ(D), or where D is large p (1 + u) − q (1 + D), both times Σ exp(t − max t).
    const isNear = f64x2.le(D, f64x2.splat(FAR));
    const value = phi(v128.and(D, isNear), scratch);
    const slope = f64x2.add(D, value);
    const near = f64x2.mul(eq, f64x2.add(value, f64x2.mul(DLo, slope)));
    const far = f64x2.sub(f64x2.mul(load2<f64>(pPtr + at), ek), ifFinite(f64x2.add(eq, part), D));
    const term = v128.bitselect(near, far, isNear);
    const next = f64x2.add(sumHi, term);
    sumLo = f64x2.add(sumLo, twoSumError(sumHi, term, next));
    sumHi = next;
  }
  const eta = f64x2.div(total(etaHi, etaLo), zt);
  row.eta = eta;
  if (isFar) {
    // log(1 + u) = k + log Σ exp(s − max s) − log Σ exp(t − max t)
    const logs = f64x2.sub(logOfSum(one, f64x2.sub(zs, one)), logOfSum(one, f64x2.sub(zt, one)));
    const sum = f64x2.add(k, logs);
    row.log1pHi = sum;
    row.log1pLo = f64x2.add(twoSumError(k, logs, sum), kLo);
    return cut ? f64x2.add(f64x2.splat(Infinity), f64x2.mul(sum, zero)) : f64x2.add(sum, f64x2.sub(row.log1pLo, eta));
  }
  const P = f64x2.div(total(sumHi, sumLo), zt);
  const u = f64x2.add(P, eta);
  row.log1pLo = zero;
  if (f64x2.extract_lane(u, 0) < TINY) {
    const half = f64x2.mul(f64x2.mul(u, u), f64x2.splat(0.5));
    row.log1pHi = f64x2.sub(u, half);
    return f64x2.sub(P, half);
  }
  row.log1pHi = logOfSum(one, u);
  return f64x2.sub(row.log1pHi, eta);
}

/** y = log(p/q) = D − log(1 + u); its low part, 0 where y is infinite, goes to lowPtr. */
function logOfRatio(row: Row, D: v128, DLo: v128, lowPtr: usize): v128 {
  const x = f64x2.sub(D, row.log1pHi);
  const xLo = ifFinite(f64x2.add(twoDifferenceError(D, row.log1pHi, x), f64x2.sub(DLo, row.log1pLo)), x);
  const y = f64x2.add(x, xLo);
  v128.store(lowPtr, ifFinite(twoSumError(x, xLo, y), y));
  return y;
}

/** The gradients of KL times g, in the places of q and p: −q (D − η) and p − q. */
function writeGradients(row: Row, divergence: v128, g: v128, scratch: usize): void {
  const qPtr = row.q, pPtr = row.p, dPtr = row.d, dLoPtr = row.dLo, end = bytesOf<f64>(row.count);
  // Where the divergence is infinite, that of the teacher has no value.
  const eta = f64x2.add(row.eta, f64x2.sub(divergence, divergence));
  for (let at: usize = 0; at < end; at += bytesOf<f64>(2)) {
    const q = f64x2.div(load2<f64>(qPtr + at), row.zt), p = f64x2.div(load2<f64>(pPtr + at), row.zs);
    const D = load2<f64>(dPtr + at), DLo = load2<f64>(dLoPtr + at);
    const x = logOfRatio(row, D, DLo, scratch);
    const xLo = v128.load(scratch);
    const isNear = f64x2.le(f64x2.abs(x), f64x2.splat(NEAR));
    const y = v128.and(x, isNear);
    const rise = f64x2.add(y, f64x2.add(phi(y, scratch), f64x2.mul(xLo, f64x2.add(f64x2.splat(1), y))));
    const student = v128.bitselect(f64x2.mul(q, rise), f64x2.sub(p, q), isNear);
    const teacher = f64x2.mul(q, f64x2.sub(f64x2.sub(eta, DLo), D));
    store2<f64>(pPtr + at, f64x2.mul(student, g));
    store2<f64>(qPtr + at, f64x2.mul(v128.and(teacher, f64x2.ne(q, f64x2.splat(0))), g));
  }
}

/** JS, and q, p, log(p/m) and log(q/m) in the planes. */
function symmetric(row: Row, scratch: usize): v128 {
  const qPtr = row.q, pPtr = row.p, dPtr = row.d, dLoPtr = row.dLo, end = bytesOf<f64>(row.count);
  const zero = f64x2.splat(0), one = f64x2.splat(1), half = f64x2.splat(0.5), two = f64x2.splat(2), eighth = f64x2.splat(0.125);
  const highPtr = scratch + bytesOf<v128>(1);
  let tHi = zero, tLo = zero, sHi = zero, sLo = zero;
  for (let at: usize = 0; at < end; at += bytesOf<f64>(2)) {
    const eq = load2<f64>(qPtr + at), ep = load2<f64>(pPtr + at), D = load2<f64>(dPtr + at);
    const x = logOfRatio(row, D, load2<f64>(dLoPtr + at), scratch);
    const xLo = v128.load(scratch);
    const isNegative = f64x2.lt(x, zero);
    const size = f64x2.abs(x);
    const sizeLo = v128.bitselect(f64x2.neg(xLo), xLo, isNegative);

    // With F = e^-|y|: log(2 / (1 + F)) is that of the larger one, and h is less than it by |y| F / (1 + F).
    const deep = f64x2.pmin(f64x2.splat(DEEP), size);
    const tail = pairExp(f64x2.neg(deep), highPtr, scratch);
    const power = v128.load(highPtr);
    const f = f64x2.add(power, tail);
    const sum = f64x2.add(one, f);
    const share = f64x2.div(f, sum);
    const sumLo = f64x2.div(f64x2.add(fastTwoSumError(one, f, sum), fastTwoSumError(power, tail, f)), sum);
    const log = f64x2.sub(logOfSum(sum, f64x2.sub(two, sum)), sumLo);
    const lost = f64x2.mul(deep, f64x2.sub(share, f64x2.mul(share, sumLo)));

    // z = size² has a low part, and z / 8 no error of its own.
    const z = f64x2.mul(size, size);
    const zLo = productLow(z, size, zero, size, zero);
    let kappa = zero, h = zero;
    for (let at = COSH_CONSTANTS + COSH_TERMS * bytesOf<f64>(2); at > COSH_CONSTANTS; ) {
      at -= bytesOf<f64>(2);
      kappa = f64x2.add(f64x2.mul(kappa, z), splat<f64>(at));
      h = f64x2.add(f64x2.mul(h, z), splat<f64>(at + bytesOf<f64>(1)));
    }
    const isNear = f64x2.le(size, f64x2.splat(COSH_NEAR));
    const w = f64x2.mul(z, z), main = f64x2.mul(z, eighth);
    const larger = v128.bitselect(f64x2.sub(f64x2.mul(size, half), f64x2.add(main, f64x2.mul(kappa, w))), log, isNear);
    const smaller = f64x2.sub(larger, size);
    // The slope of h is |y| F / (1 + F)².
    const slope = f64x2.div(f64x2.mul(deep, share), sum);
    const rest = f64x2.add(f64x2.mul(h, w), f64x2.mul(zLo, eighth));
    h = f64x2.add(v128.bitselect(main, log, isNear), f64x2.add(v128.bitselect(rest, f64x2.neg(lost), isNear), f64x2.mul(sizeLo, slope)));
    const termT = f64x2.mul(eq, h), termS = f64x2.mul(ep, h);
    const nextT = f64x2.add(tHi, termT), nextS = f64x2.add(sHi, termS);
    tLo = f64x2.add(tLo, twoSumError(tHi, termT, nextT));
    sLo = f64x2.add(sLo, twoSumError(sHi, termS, nextS));
    tHi = nextT;
    sHi = nextS;
    store2<f64>(qPtr + at, f64x2.div(eq, row.zt));
    store2<f64>(pPtr + at, f64x2.div(ep, row.zs));
    store2<f64>(dPtr + at, v128.bitselect(smaller, larger, isNegative));
    store2<f64>(dLoPtr + at, v128.bitselect(larger, smaller, isNegative));
  }
  // Σ m h = (Σ q h + Σ p h) / 2
  return f64x2.mul(f64x2.add(f64x2.div(total(tHi, tLo), row.zt), f64x2.div(total(sHi, sLo), row.zs)), half);
}

/** p becomes p (a − Σ p a) g / 2, with 0 for p = 0. */
function writeSymmetricGradient(pPtr: usize, aPtr: usize, count: usize, g: v128): void {
  const zero = f64x2.splat(0), end = bytesOf<f64>(count);
  let hi = zero, lo = zero;
  for (let at: usize = 0; at < end; at += bytesOf<f64>(2)) {
    const p = load2<f64>(pPtr + at);
    const term = v128.and(f64x2.mul(p, load2<f64>(aPtr + at)), f64x2.ne(p, zero));
    const next = f64x2.add(hi, term);
    lo = f64x2.add(lo, twoSumError(hi, term, next));
    hi = next;
  }
  const mean = total(hi, lo);
  const factor = f64x2.mul(g, f64x2.splat(0.5));
  for (let at: usize = 0; at < end; at += bytesOf<f64>(2)) {
    const p = load2<f64>(pPtr + at);
    const value = f64x2.mul(p, f64x2.sub(load2<f64>(aPtr + at), mean));
    store2<f64>(pPtr + at, f64x2.mul(v128.and(value, f64x2.ne(p, zero)), factor));
  }
}

/**
 * For rows [first, end) of teacher and student, doubles (outer, classes, inner): the row's weight times KL(q ‖ p), or with isSymmetric JS(q, p), of
 * the logits times `scale`; with writesGradients the gradients times `factor` in the places of the logits. A row that weighs 0 or NaN has the
 * divergence 0 and the gradient 0, whatever its logits are. At rowsPtr are four planes: 4 doubles for each class, and 4 more for an odd number of them.
 */
export function diverge(
  isSymmetric: bool, writesGradients: bool, teacherPtr: usize, studentPtr: usize, rowWeightsPtr: usize, lossesPtr: usize,
  classes: usize, inner: usize, scale: f64, factor: f64, first: usize, end: usize, rowsPtr: usize, scratch: usize,
): void {
  const count = (classes + 1) & ~1, plane = bytesOf<f64>(count), step = bytesOf<f64>(inner);
  const row = changetype<Row>(scratch + bytesOf<v128>(2));
  row.q = rowsPtr;
  row.p = rowsPtr + plane;
  row.d = rowsPtr + 2 * plane;
  row.dLo = rowsPtr + 3 * plane;
  row.count = count;
  for (let r = first; r < end; r++) {
    const offset = bytesOf<f64>(rowOffset(r, classes, inner));
    const weight = rowWeightsPtr ? load<f64>(rowWeightsPtr + bytesOf<f64>(r)) : 1;
    if (!(weight != 0) || isNaN(weight)) {
      store<f64>(lossesPtr + bytesOf<f64>(r), 0);
      memory.fill(row.q, 0, 2 * plane);
    } else {
      gather(teacherPtr + offset, row.q, classes, step);
      gather(studentPtr + offset, row.p, classes, step);
      let divergence = compare(row, scale, scratch);
      if (isSymmetric) divergence = symmetric(row, scratch);
      store<f64>(lossesPtr + bytesOf<f64>(r), weight * f64x2.extract_lane(divergence, 0));
      if (writesGradients) {
        const g = f64x2.splat(weight * factor);
        if (isSymmetric) {
          // A NaN in one of the two makes both gradients NaN.
          const factors = f64x2.add(g, f64x2.sub(divergence, divergence));
          writeSymmetricGradient(row.p, row.d, count, factors);
          writeSymmetricGradient(row.q, row.dLo, count, factors);
        } else {
          writeGradients(row, divergence, g, scratch);
        }
      }
    }
    if (writesGradients) {
      scatter(row.q, teacherPtr + offset, classes, step);
      scatter(row.p, studentPtr + offset, classes, step);
    }
  }
}
