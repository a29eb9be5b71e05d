// The derivative of a loss with options, of one row or of a pair, in the place of its e_j. With p_j = e_j / S, T = Σ t, c = T + 2 zLoss lse:
//   GRADIENT          g (c p_j − t_j)
//   HESSIAN_PRODUCT   g p_j (c (v_j − m) + 2 zLoss m), m = Σ p v
//   HESSIAN_DIAGONAL  g p_j (c (1 − p_j) + 2 zLoss p_j)

import { bytesOf, loadByRow, splat, storeLane } from "../number/storage";
import { EXP_UNBIAS } from "../number/exp";
import { clamped, excessOf, exponentOf, lesser, ORDINARY, powerOfTwo, timesPowers, withoutPower } from "../number/range";
import { highHalf, productLow, remainder, twoSumError } from "../number/two-sum";
import { scaleRow, scaleRowLessLabels } from "../softmax/finish";
import { dropFloor, factorLow, labelGradient, Normalizer, scaledLess } from "../softmax/normalizer";
import { addScaled, maskLanes, sumProducts, takeEntropyProducts, writeDiagonal, writeGradient, writeProduct } from "./class-loops";
import { GRADIENT, HESSIAN_DIAGONAL, HESSIAN_PRODUCT, Plan } from "./plan";
import { counts, loadAt, Rows, rowWeights } from "./rows";
import { Targets } from "./targets";

/**
 * True if neither upstream / divisor nor the upstream gradients of rows [first, end) are huge or tiny. Otherwise a plain plan takes the walk of
 * those that are not plain, which gives the same bits where both serve.
 */
export function areOrdinary(plan: Plan, first: usize, end: usize): bool {
  // Where results are rounded to float32, no number of a row goes beyond the range of a double before it goes beyond theirs.
  if (!plan.derivative || plan.elementBytes < sizeof<f64>()) return true;
  let extreme = exponentOf(f64x2.splat(plan.upstream / plan.divisor), ORDINARY);
  const byRow = plan.upstreamByRow;
  if (byRow) for (let r = first; r < end; r++) extreme = v128.or(extreme, exponentOf(splat<f64>(byRow + bytesOf<f64>(r)), ORDINARY));
  return !v128.any_true(extreme);
}

/** Multiplies g = upstream / divisor, or the upstream gradients of rows, by the scale of logits, for a Hessian by its square. */
// @ts-ignore: decorator
@inline
function setScaled(plan: Plan, at: Rows, hi: v128, lo: v128, k: v128): void {
  const given = f64x2.splat(plan.scale);
  const kScale = exponentOf(given, ORDINARY);
  const scale = withoutPower(kScale, given);
  const isGradient = plan.derivative == GRADIENT;
  const factor = isGradient ? scale : f64x2.mul(scale, scale);
  at.gHi = f64x2.mul(hi, factor);
  at.gLo = productLow(at.gHi, hi, lo, factor, f64x2.splat(0));
  at.gExponent = i64x2.add(k, isGradient ? kScale : i64x2.add(kScale, kScale));
}

/** Sets g for all rows. */
export function setFactor(plan: Plan, at: Rows): void {
  const upstream = f64x2.splat(plan.upstream), divisor = f64x2.splat(plan.divisor);
  const kUpstream = exponentOf(upstream, ORDINARY), kDivisor = exponentOf(divisor, ORDINARY);
  const dividend = withoutPower(kUpstream, upstream), by = withoutPower(kDivisor, divisor);
  const quotient = f64x2.div(dividend, by);
  setScaled(plan, at, quotient, f64x2.div(remainder(dividend, quotient, by), by), i64x2.sub(kUpstream, kDivisor));
}

/** The high half of g c / S, for productHi = fl(g c) and inverse = fl(1 / n.hi). */
// @ts-ignore: decorator
@inline
function factorOf(productHi: v128, inverse: v128): v128 {
  return highHalf(f64x2.mul(productHi, inverse));
}

/** The low part of g c / S, whose high part is `factor`; productHi = fl(g c). */
function lowOf(factor: v128, productHi: v128, gHi: v128, gLo: v128, cHi: v128, cLo: v128, inverse: v128, n: Normalizer): v128 {
  return factorLow(factor, inverse, productHi, productLow(productHi, gHi, gLo, cHi, cLo), n.hi, n.lo);
}

/** The gradient, where (cHi, cLo) is c; (g, gLow) multiplies it. */
// @ts-ignore: decorator
@inline
function writeGradientOf(plan: Plan, at: Rows, n: Targets, g: v128, gLow: v128, cHi: v128, cLo: v128, inverse: v128): void {
  const zero = f64x2.splat(0);
  const e = at.e, t = at.t, count = at.count, label0 = at.label0, label1 = at.label1, z = at.z;
  const hasIndices = plan.indices != 0;
  const eLabel = loadAt(e, label0, label1);
  const productHi = f64x2.mul(g, cHi);
  const factorHi = factorOf(productHi, inverse);
  const factorLo = lowOf(factorHi, productHi, g, gLow, cHi, cLo, inverse, n);
  let tLabel = zero;
  if (t) {
    if (hasIndices) tLabel = loadAt(t, label0, label1);
    if (plan.allTargetsPositive) writeGradient(e, t, count, factorHi, factorLo, g);
    else scaleRowLessLabels<f64>(e, e, t, count, factorHi, factorLo, g);
  } else {
    scaleRow<f64>(e, e, count, f64x2.add(factorHi, factorLo));
  }
  // At the label: −g a (1 − p) for its own mass a, and the gradient of c − a where that is not 0.
  const aHi = at.aHi, aLo = at.aLo;
  let aFactor = factorHi, aFactorLo = factorLo, left = zero;
  if (plan.zLoss || (hasIndices && t)) {
    const aProduct = f64x2.mul(g, aHi);
    aFactor = factorOf(aProduct, inverse);
    aFactorLo = lowOf(aFactor, aProduct, g, gLow, aHi, aLo, inverse, n);
    let leftHi = z, leftLo = zero;
    if (hasIndices) {
      leftHi = f64x2.add(n.massHi, z);
      leftLo = f64x2.add(n.massLo, twoSumError(n.massHi, z, leftHi));
    }
    const leftProduct = f64x2.mul(g, leftHi);
    const leftFactor = factorOf(leftProduct, inverse);
    left = scaledLess(eLabel, leftFactor, lowOf(leftFactor, leftProduct, g, gLow, leftHi, leftLo, inverse, n), tLabel, g);
  }
  const atLabel = labelGradient<f64>(eLabel, n.eMax, n.restHi, n.restLo, n.hi, n.lo, aFactor, aFactorLo, f64x2.mul(g, aHi));
  const gradient = f64x2.add(atLabel, left);
  if (i64x2.extract_lane(at.hasLabel, 0)) storeLane<f64>(e + label0, gradient, 0);
  if (i64x2.extract_lane(at.hasLabel, 1)) storeLane<f64>(e + label1, gradient, 1);
}

/** Σ p v, where p = e / S, also where Σ e v overflows. */
function meanOf(at: Rows, s: v128): v128 {
  const one = f64x2.splat(1), small = f64x2.splat(EXP_UNBIAS);
  const isPair = at.isPair != 0;
  const mean = f64x2.div(sumProducts(isPair, at.e, at.v, at.count, one), s);
  const isFinite = f64x2.lt(f64x2.abs(mean), f64x2.splat(Infinity));
  if (i64x2.all_true(isFinite)) return mean;
  return v128.bitselect(mean, f64x2.div(sumProducts(isPair, at.e, at.v, at.count, small), f64x2.mul(s, small)), isFinite);
}

/** c of a Hessian is ordinary up to 2^C_ORDINARY, so that c (v − m) does not overflow for v up to 10^300. */
const C_ORDINARY: i64 = 16;

/**
 * The most power of 2 that g c has, and that g has: the one takes p = 2^-1298 to a normal double and v = 10^300 not beyond the largest, the other
 * leaves room for a product of two.
 */
const MOST_POWER: i64 = 380;
const MOST_POWER_OF_G: i64 = 900;

/**
 * Adds the gradient of − β H: β p_j (log p_j + H), where log p_j + H = Σ p (max − x) − (max − x_j). `products` are e_j times that, as
 * takeEntropyProducts leaves them.
 */
function addEntropyGradient(plan: Plan, at: Rows, n: Normalizer, products: usize): void {
  const s = rowWeights(plan, at);
  const g = f64x2.mul(f64x2.mul(at.gHi, s), f64x2.splat(plan.entropyWeight));
  addScaled(products, at.e, at.count, f64x2.div(g, n.hi), powerOfTwo(clamped(at.gExponent, -1000, 1000)));
}

/** Writes the derivative that the plan asks for. */
export function writeDerivative(plan: Plan, at: Rows, n: Targets): void {
  if (plan.entropyWeight != 0) takeEntropyProducts(at.x, at.e, at.count, n.max, at.meanGap);
  writeLossDerivative(plan, at, n);
  if (plan.entropyWeight != 0) addEntropyGradient(plan, at, n, at.x);
  // Rows that weigh 0 may hold NaN, like those that are ignored: their derivative is 0.
  const isCounted = counts(rowWeights(plan, at));
  if (!i64x2.all_true(isCounted)) maskLanes(at.e, at.count, isCounted);
}

/** Writes the derivative of everything but the entropy. */
function writeLossDerivative(plan: Plan, at: Rows, n: Targets): void {
  const zero = f64x2.splat(0), one = f64x2.splat(1);
  const e = at.e, count = at.count;
  if (plan.upstreamByRow) {
    const upstream = loadByRow(plan.upstreamByRow + bytesOf<f64>(at.row), at.isAlone != 0);
    const k = exponentOf(upstream, ORDINARY);
    setScaled(plan, at, withoutPower(k, upstream), zero, k);
  }
  // The derivative is that of the rows' factors without their powers of 2, times 2^k.
  const s = rowWeights(plan, at);
  const kWeight = exponentOf(s, ORDINARY);
  const weight = withoutPower(kWeight, s);
  let g = f64x2.mul(at.gHi, weight);
  let gLow = productLow(g, at.gHi, at.gLo, weight, zero);
  const kG = exponentOf(g, ORDINARY);
  g = withoutPower(kG, g);
  gLow = withoutPower(kG, gLow);
  let k = i64x2.add(i64x2.add(at.gExponent, kWeight), kG);
  let cHi = f64x2.add(at.massHi, at.z);
  let cLo = f64x2.add(at.massLo, twoSumError(at.massHi, at.z, cHi));
  const isGradient = plan.derivative == GRADIENT;
  const twoZ = f64x2.splat(2 * plan.zLoss);
  const size = isGradient ? cHi : f64x2.pmax(f64x2.abs(cHi), twoZ);
  let kMass = exponentOf(size, isGradient ? ORDINARY : C_ORDINARY);
  const areExtreme = i64x2.ne(v128.or(k, kMass), i64x2.splat(0));
  if (v128.any_true(areExtreme)) {
    dropFloor(e, count, v128.and(n.eMax, areExtreme));
    if (!isGradient) {
      // A product that gets a power back must not overflow before: g keeps none of its own.
      const kRest = v128.and(exponentOf(g, 0), areExtreme);
      g = withoutPower(kRest, g);
      gLow = withoutPower(kRest, gLow);
      k = i64x2.add(k, kRest);
    }
  }
  let room = i64x2.splat(MOST_POWER);
  if (isGradient) {
    // The targets, which are in memory, have the power of c in them: g takes what is too much of it.
    const excess = excessOf(kMass);
    room = lesser(i64x2.add(i64x2.sub(room, kMass), excess), i64x2.add(i64x2.splat(MOST_POWER_OF_G), excess));
    kMass = excess;
    g = withoutPower(excess, g);
    gLow = withoutPower(excess, gLow);
  } else {
    cHi = withoutPower(kMass, cHi);
    cLo = withoutPower(kMass, cLo);
  }
  k = i64x2.add(k, kMass);
  // A power above 1 comes back at once, as far as there is room. Else a p below the least double would be lost.
  const kept = clamped(lesser(k, room), 0, MOST_POWER_OF_G);
  const power = powerOfTwo(kept);
  g = f64x2.mul(g, power);
  gLow = f64x2.mul(gLow, power);
  k = i64x2.sub(k, kept);

  const inverse = f64x2.div(one, n.hi);
  if (isGradient) {
    writeGradientOf(plan, at, n, g, gLow, cHi, cLo, inverse);
  } else {
    const z = withoutPower(kMass, twoZ);
    const c = f64x2.add(cHi, cLo);
    const productHi = f64x2.mul(g, one);
    const factorHi = factorOf(productHi, inverse);
    const factor = f64x2.add(factorHi, lowOf(factorHi, productHi, g, gLow, one, zero, inverse, n));
    if (plan.derivative == HESSIAN_PRODUCT) {
      const mean = meanOf(at, n.hi);
      writeProduct(e, at.v, count, factor, c, mean, f64x2.mul(z, mean));
    } else if (plan.derivative == HESSIAN_DIAGONAL) {
      writeDiagonal(e, count, n, inverse, factor, c, z);
    }
  }
  timesPowers(e, count, k);
}
