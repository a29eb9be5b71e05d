// The derivative of a loss with options, of one row or of a pair, in the place of its e_j. With p_j = e_j / S, T = Σ t, c = T + 2 zLoss lse:
//   GRADIENT          g (c p_j − t_j)
//   HESSIAN_PRODUCT   g p_j (c (v_j − m) + 2 zLoss m), m = Σ p v
//   HESSIAN_DIAGONAL  g p_j (c (1 − p_j) + 2 zLoss p_j)

import { bytesOf, loadByRow, storeLane } from "../number/storage";
import { highHalf, productLow, twoSumError } from "../number/two-sum";
import { scaleRow, scaleRowLessLabels } from "../softmax/finish";
import { factorLow, labelGradient, Normalizer, scaledLess } from "../softmax/normalizer";
import { maskLanes, sumProducts, writeDiagonal, writeGradient, writeProduct } from "./class-loops";
import { GRADIENT, HESSIAN_DIAGONAL, HESSIAN_PRODUCT, Plan } from "./plan";
import { loadAt, Rows, rowWeights } from "./rows";
import { Targets } from "./targets";

/** The factor of a derivative that the scale of logits gives. */
// @ts-ignore: decorator
@inline
export function scaleOf(plan: Plan): f64 {
  return plan.derivative == GRADIENT ? plan.scale : plan.scale * plan.scale;
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
function writeGradientOf<T>(plan: Plan, at: Rows, n: Targets, g: v128, gLow: v128, cHi: v128, cLo: v128, inverse: v128): void {
  const zero = f64x2.splat(0);
  const e = at.e, t = at.t, count = at.count, label0 = at.label0, label1 = at.label1, z = at.z;
  const hasIndices = plan.indices != 0;
  const eLabel = loadAt<T>(e, label0, label1);
  const productHi = f64x2.mul(g, cHi);
  const factorHi = factorOf(productHi, inverse);
  const factorLo = lowOf(factorHi, productHi, g, gLow, cHi, cLo, inverse, n);
  let tLabel = zero;
  if (t) {
    if (hasIndices) tLabel = loadAt<T>(t, label0, label1);
    if (plan.allTargetsPositive) writeGradient<T>(e, t, count, factorHi, factorLo, g);
    else scaleRowLessLabels<T>(e, t, count, factorHi, factorLo, g);
  } else {
    scaleRow<T>(e, count, f64x2.add(factorHi, factorLo));
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
  const atLabel = labelGradient(eLabel, n.eMax, n.restHi, n.restLo, n.hi, n.lo, aFactor, aFactorLo, f64x2.mul(g, aHi));
  const gradient = f64x2.add(atLabel, left);
  if (i64x2.extract_lane(at.hasLabel, 0)) storeLane<T>(e + label0, gradient, 0);
  if (i64x2.extract_lane(at.hasLabel, 1)) storeLane<T>(e + label1, gradient, 1);
}

/** Writes the derivative that the plan asks for. */
export function writeDerivative<T>(plan: Plan, at: Rows, n: Targets): void {
  const zero = f64x2.splat(0), one = f64x2.splat(1);
  const e = at.e, count = at.count;
  let gHi = at.gHi, gLo = at.gLo;
  if (plan.upstreamByRow) {
    const upstream = loadByRow<T>(plan.upstreamByRow + bytesOf<T>(at.row), at.isAlone != 0);
    const scale = f64x2.splat(scaleOf(plan));
    gHi = f64x2.mul(upstream, scale);
    gLo = productLow(gHi, upstream, zero, scale, zero);
  }
  const s = rowWeights<T>(plan, at);
  const g = f64x2.mul(gHi, s);
  const gLow = productLow(g, gHi, gLo, s, zero);
  const cHi = f64x2.add(at.massHi, at.z);
  const cLo = f64x2.add(at.massLo, twoSumError(at.massHi, at.z, cHi));
  const inverse = f64x2.div(one, n.hi);
  if (plan.derivative == GRADIENT) {
    writeGradientOf<T>(plan, at, n, g, gLow, cHi, cLo, inverse);
  } else {
    const twoZ = f64x2.splat(2 * plan.zLoss);
    const c = f64x2.add(cHi, cLo);
    const productHi = f64x2.mul(g, one);
    const factorHi = factorOf(productHi, inverse);
    const factor = f64x2.add(factorHi, lowOf(factorHi, productHi, g, gLow, one, zero, inverse, n));
    if (plan.derivative == HESSIAN_PRODUCT) {
      const mean = f64x2.div(sumProducts<T>(at.isPair != 0, e, at.v, count), n.hi);
      writeProduct<T>(e, at.v, count, factor, c, mean, f64x2.mul(twoZ, mean));
    } else if (plan.derivative == HESSIAN_DIAGONAL) {
      writeDiagonal<T>(e, count, n, inverse, factor, c, twoZ);
    }
  }
  // Rows that weigh 0 or less may hold NaN: their derivative is 0.
  const isCounted = f64x2.gt(s, zero);
  if (!i64x2.all_true(isCounted)) maskLanes<T>(e, count, isCounted);
}
