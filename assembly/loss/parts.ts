// Rows whose classes lie in several places. A part is the state of rows over some of their classes; the states of all parts make that of the
// row, with which each part is visited once more. The e_j of a state are 2^384 exp(x_j − base) 2^-E, E = round((max − base) log2 e), where base is
// 0 or max: between two parts with base 0 there is a power of 2, and their sums come together without an error.

import { EXP_UNBIAS, ONE, oneOf, expRound, C0, C1, C2, C3, C4, SCALE, shiftedExp } from "../number/exp";
import { TABLE_BITS } from "../number/constants.generated";
import { logRatio } from "../number/log";
import { clamped, powerOfTwo, timesPowers, withoutPower } from "../number/range";
import { bytesOf, loadByRow, storeByRow } from "../number/storage";
import { collapse, fastTwoSumError, productLow, remainder, twoDifferenceError, twoSumError } from "../number/two-sum";
import { baseOfPair } from "../softmax/by-lane";
import { gapScale, lseOf } from "../softmax/normalizer";
import { maskLanes } from "./class-loops";
import { Plan } from "./plan";
import { loadAt, readRows, Rows } from "./rows";
import { addGap, setLabelGap, setMasses, Targets } from "./targets";

// The fields of a state in `parts`, in the order of src/loss/part-state.ts.
const MAX: usize = 0;
const BASE: usize = 1;
const TOP: usize = 2;
const REST_HI: usize = 3;
const REST_LO: usize = 4;
const MASS_HI: usize = 5;
const MASS_LO: usize = 6;
const GAP: usize = 7;
const LABEL: usize = 8;
const MEAN_GAP: usize = 9;
/** The fields, with those that only the wrapper reads. */
const FIELDS: usize = 13;

/** A part whose maximum is so far below that of the row has no digit of it (number/exp.ts). */
const DEPTH: f64 = 900;

/** A factor 2^k up to this goes into a state in the place of its e_j: a derivative has room for it (derivatives.ts). */
const MOST_SHIFT: i64 = 128;

/** The base of the e_j of a visit. */
function baseOf(plan: Plan, at: Rows, n: Targets): v128 {
  return at.isPair ? baseOfPair(n.max, plan.classes) : n.base;
}

/** What brings e_j of a visit to those of a state: a power of 2, as the walk by row has the E of its first block, and what rounded e_j leave out. */
function stateScale(plan: Plan, at: Rows, n: Targets): v128 {
  if (at.isPair) return f64x2.splat(1);
  const steps = i64x2.sub(expRound(f64x2.sub(n.max, n.base)), n.round);
  const power = i64x2.add(f64x2.splat(1), i64x2.shl(steps, <i32>(52 - TABLE_BITS)));
  if (plan.elementBytes == sizeof<f64>()) return power;
  return f64x2.mul(power, f64x2.div(f64x2.splat(ONE), oneOf<f32>()));
}

/** Stores a field of the state, if it is there. */
function put(at: Rows, field: usize, values: v128): void {
  if (field) storeByRow(field + bytesOf<f64>(at.row), at.isAlone != 0, values);
}

/** What is given by row. */
function given(at: Rows, field: usize): v128 {
  return loadByRow(field + bytesOf<f64>(at.row), at.isAlone != 0);
}

/** Writes the state of a row over the classes of the plan, or of a pair. With −∞, +∞ or NaN as log Σ exp, that is the maximum; −∞ if it is ignored. */
export function writeState(plan: Plan, at: Rows, n: Targets): void {
  const lowest = f64x2.splat(-Infinity), unknown = f64x2.splat(NaN);
  const isRead = readRows(plan, at);
  let lse = lowest, label = unknown;
  if (v128.any_true(isRead)) {
    lse = v128.bitselect(lseOf<f64>(at.isPair != 0, at.x, at.count, n.max, n.logSum), lowest, isRead);
    if (plan.stateLabel) label = v128.bitselect(loadAt(at.x, at.label0, at.label1), unknown, at.hasLabel);
  }
  const isNumber = f64x2.lt(f64x2.abs(lse), f64x2.splat(Infinity));
  const sumOfNone = v128.andnot(unknown, f64x2.eq(lse, lowest));
  const scale = stateScale(plan, at, n);
  put(at, plan.stateMax, v128.bitselect(n.max, lse, isNumber));
  put(at, plan.stateBase, v128.and(baseOf(plan, at, n), isNumber));
  put(at, plan.stateTop, v128.bitselect(f64x2.mul(n.eMax, scale), sumOfNone, isNumber));
  put(at, plan.stateRestHi, v128.and(f64x2.mul(n.restHi, scale), isNumber));
  put(at, plan.stateRestLo, v128.and(f64x2.mul(n.restLo, scale), isNumber));
  put(at, plan.stateMassHi, v128.and(n.massHi, isRead));
  put(at, plan.stateMassLo, v128.and(n.massLo, isRead));
  put(at, plan.stateGap, v128.and(at.gapHi, isRead));
  put(at, plan.stateLabel, label);
  put(at, plan.stateMeanGap, v128.and(at.meanGap, isNumber));
}

/** Sets the sums of a state: S = top + rest. */
function setSums(n: Targets, top: v128, restHi: v128, restLo: v128): void {
  const sum = f64x2.add(top, restHi);
  const lost = f64x2.add(twoSumError(top, restHi, sum), restLo);
  const hi = f64x2.add(sum, lost);
  n.eMax = top;
  n.restHi = restHi;
  n.restLo = restLo;
  n.hi = hi;
  n.lo = twoSumError(sum, lost, hi);
  n.logSum = logRatio<f64>(top, restHi, restLo, hi, n.lo);
}

/**
 * 2^384 times what brings e_j of the state (max, base) to that of the row, exp(base − rowBase) 2^(E − rowE), as a pair: the high part goes to
 * highPtr, the low part is returned. The difference of the rounding constants has both shifts in it. It holds where max is at most 900 below rowMax.
 */
function scaleBetween(max: v128, base: v128, rowMax: v128, rowBase: v128, highPtr: usize, scratchPtr: usize): v128 {
  const zero = f64x2.splat(0);
  const shift = f64x2.sub(expRound(f64x2.sub(rowMax, rowBase)), expRound(f64x2.sub(max, base)));
  const round = f64x2.add(shift, expRound(zero));
  const low = shiftedExp<f64>(
    true, scratchPtr, base, rowBase, round, f64x2.splat(-Infinity), SCALE(), C0<f64>(round), C1<f64>(), C2<f64>(), C3(), C4(), highPtr,
  );
  const high = v128.load(highPtr);
  const sum = f64x2.add(high, low);
  v128.store(highPtr, sum);
  return fastTwoSumError(high, low, sum);
}

/** A field of a part's state. */
function fieldOf(plan: Plan, at: Rows, part: usize, field: usize): v128 {
  return loadByRow(plan.parts + bytesOf<f64>((part * FIELDS + field) * plan.inner + at.row), at.isAlone != 0);
}

/**
 * The state of a row, or of a pair, from those of its parts:
 *   max, and e of it, from the first part that has it;  rest = that part's, + Σ over the others (e of their maximum + their rest)
 *   Σ t (max − x) = a (max − x_y) + Σ over all (their gap + their mass (max − their maximum))
 * The parts come in the order of their classes, and each is brought to the row's maximum at once, so an error does not grow with their number.
 */
export function mergeStates(plan: Plan, at: Rows, n: Targets, scratchPtr: usize): void {
  const zero = f64x2.splat(0), unknown = f64x2.splat(NaN), lowest = f64x2.splat(-Infinity), unbias = f64x2.splat(EXP_UNBIAS);
  const count = plan.partCount;
  let max = lowest, base = zero, top = unknown, restHi = zero, restLo = zero, label = unknown;
  let first = f64x2.splat(-1);
  let areNumbers = i64x2.splat(-1);
  for (let part: usize = 0; part < count; part++) {
    const itsMax = fieldOf(plan, at, part, MAX);
    const isMore = f64x2.gt(itsMax, max);
    areNumbers = v128.and(areNumbers, f64x2.eq(itsMax, itsMax));
    max = v128.bitselect(itsMax, max, isMore);
    base = v128.bitselect(fieldOf(plan, at, part, BASE), base, isMore);
    top = v128.bitselect(fieldOf(plan, at, part, TOP), top, isMore);
    restHi = v128.bitselect(fieldOf(plan, at, part, REST_HI), restHi, isMore);
    restLo = v128.bitselect(fieldOf(plan, at, part, REST_LO), restLo, isMore);
    first = v128.bitselect(f64x2.splat(<f64>part), first, isMore);
    const itsLabel = fieldOf(plan, at, part, LABEL);
    label = v128.bitselect(itsLabel, label, f64x2.eq(itsLabel, itsLabel));
  }

  let massHi = zero, massLo = zero, meanHi = zero, meanLo = zero;
  const least = f64x2.sub(max, f64x2.splat(DEPTH));
  for (let part: usize = 0; part < count; part++) {
    const itsMax = fieldOf(plan, at, part, MAX);
    const isFirst = f64x2.eq(first, f64x2.splat(<f64>part));
    // A comparison with NaN keeps it.
    const isOther = v128.andnot(v128.not(isFirst), f64x2.lt(itsMax, least));
    const itsTop = fieldOf(plan, at, part, TOP), itsRest = fieldOf(plan, at, part, REST_HI);
    const sum = f64x2.add(itsTop, itsRest);
    const sumLo = f64x2.add(twoSumError(itsTop, itsRest, sum), fieldOf(plan, at, part, REST_LO));
    const lowFactor = scaleBetween(itsMax, fieldOf(plan, at, part, BASE), max, base, scratchPtr + sizeof<v128>(), scratchPtr);
    const factor = v128.load(scratchPtr, sizeof<v128>());
    const share = f64x2.mul(sum, unbias);
    const scaled = f64x2.mul(share, factor);
    const hi = v128.and(scaled, isOther);
    const lo = v128.and(productLow(scaled, share, f64x2.mul(sumLo, unbias), factor, lowFactor), isOther);
    const next = f64x2.add(restHi, hi);
    restLo = f64x2.add(restLo, f64x2.add(lo, twoSumError(restHi, hi, next)));
    restHi = next;
    if (plan.stateMeanGap) {
      const below = f64x2.sub(max, itsMax), itsMean = fieldOf(plan, at, part, MEAN_GAP);
      const gap = f64x2.add(itsMean, below);
      const gapLo = f64x2.add(twoSumError(itsMean, below, gap), twoDifferenceError(max, itsMax, below));
      const weight = v128.bitselect(sum, hi, isFirst), weightLo = v128.bitselect(sumLo, lo, isFirst);
      const product = f64x2.mul(weight, gap);
      const counts = v128.or(isFirst, isOther);
      const term = v128.and(product, counts);
      const both = f64x2.add(meanHi, term);
      const lost = v128.and(productLow(product, weight, weightLo, gap, gapLo), counts);
      meanLo = f64x2.add(meanLo, f64x2.add(lost, twoSumError(meanHi, term, both)));
      meanHi = both;
    }
    if (plan.stateMassHi) {
      const mass = fieldOf(plan, at, part, MASS_HI);
      const both = f64x2.add(massHi, mass);
      massLo = f64x2.add(massLo, f64x2.add(fieldOf(plan, at, part, MASS_LO), twoSumError(massHi, mass, both)));
      massHi = both;
    }
  }
  const rest = f64x2.add(restHi, restLo);
  setSums(n, top, rest, twoSumError(restHi, restLo, rest));
  n.max = v128.bitselect(max, unknown, areNumbers);
  n.massHi = massHi;
  n.massLo = massLo;
  at.meanGap = f64x2.div(collapse(meanHi, meanLo), n.hi);

  const isIndex = plan.labelWeights != 0;
  setMasses(plan, at, n, isIndex, isIndex ? given(at, plan.labelWeights) : zero);
  at.gapHi = zero;
  at.gapLo = zero;
  if (isIndex) setLabelGap(at, max, label);
  if (plan.stateMassHi) {
    const scale = gapScale(max);
    const scaledMax = f64x2.mul(max, scale);
    for (let part: usize = 0; part < count; part++) {
      const itsMax = fieldOf(plan, at, part, MAX);
      const mass = fieldOf(plan, at, part, MASS_HI);
      const scaledIts = f64x2.mul(itsMax, scale);
      const below = f64x2.sub(scaledMax, scaledIts);
      const product = f64x2.mul(mass, below);
      const low = productLow(product, mass, fieldOf(plan, at, part, MASS_LO), below, twoDifferenceError(scaledMax, scaledIts, below));
      // A part without a maximum has all of its gap in the field of that name.
      const hasMax = f64x2.ne(itsMax, lowest);
      addGap(at, v128.and(f64x2.div(product, scale), hasMax));
      at.gapLo = f64x2.add(at.gapLo, v128.and(f64x2.div(low, scale), hasMax));
      addGap(at, fieldOf(plan, at, part, GAP));
    }
  }
  put(at, plan.stateMassHi, massHi);
  put(at, plan.stateMassLo, massLo);
  put(at, plan.stateMax, n.max);
  put(at, plan.stateBase, base);
  put(at, plan.stateTop, n.eMax);
  put(at, plan.stateRestHi, n.restHi);
  put(at, plan.stateRestLo, n.restLo);
  put(at, plan.stateMeanGap, at.meanGap);
}

/**
 * The state of a visit becomes that of the row over all parts, which is given, relative to the e_j of the visit; e_j that are too far below become
 * smaller, or 0.
 */
export function takeState(plan: Plan, at: Rows, n: Targets, scratchPtr: usize): void {
  const itsMax = n.max, itsTop = n.eMax;
  // Rows that are ignored have no state.
  const max = v128.bitselect(given(at, plan.stateMax), itsMax, readRows(plan, at));
  const isFar = f64x2.lt(itsMax, f64x2.sub(max, f64x2.splat(DEPTH)));
  if (v128.any_true(isFar)) maskLanes(at.e, at.count, v128.not(isFar));

  const scale = stateScale(plan, at, n);
  const low = scaleBetween(itsMax, baseOf(plan, at, n), max, given(at, plan.stateBase), scratchPtr + sizeof<v128>(), scratchPtr);
  const factor = f64x2.mul(v128.load(scratchPtr, sizeof<v128>()), scale);
  const isGood = v128.andnot(v128.and(f64x2.gt(factor, f64x2.splat(0)), f64x2.lt(factor, f64x2.splat(Infinity))), isFar);
  const good = v128.bitselect(factor, f64x2.splat(ONE), isGood);
  // good = 2^384 2^k f, 1 <= f < 2
  const exponent = i64x2.sub(i64x2.shr_u(good, 52), i64x2.splat(1023));
  const k = i64x2.sub(exponent, i64x2.splat(384));
  const kept = clamped(k, -MOST_SHIFT, MOST_SHIFT);
  const power = powerOfTwo(kept);
  const f = f64x2.mul(withoutPower(exponent, good), power);
  const fLo = v128.and(f64x2.mul(withoutPower(exponent, f64x2.mul(low, scale)), power), isGood);
  timesPowers(at.e, at.count, i64x2.sub(k, kept));

  setSums(n, given(at, plan.stateTop), given(at, plan.stateRestHi), given(at, plan.stateRestLo));
  n.max = max;
  // The label is at the maximum if its e is that of the maximum, so this has to be the one of the visit.
  n.eMax = v128.bitselect(itsTop, f64x2.div(n.eMax, f), f64x2.eq(itsMax, max));
  const hi = f64x2.div(n.hi, f), restHi = f64x2.div(n.restHi, f);
  const lo = f64x2.div(f64x2.sub(f64x2.add(remainder(n.hi, hi, f), n.lo), f64x2.mul(hi, fLo)), f);
  const restLo = f64x2.div(f64x2.sub(f64x2.add(remainder(n.restHi, restHi, f), n.restLo), f64x2.mul(restHi, fLo)), f);
  n.hi = f64x2.add(hi, lo);
  n.lo = twoSumError(hi, lo, n.hi);
  n.restHi = f64x2.add(restHi, restLo);
  n.restLo = twoSumError(restHi, restLo, n.restHi);
  if (plan.stateMassHi) {
    n.massHi = given(at, plan.stateMassHi);
    n.massLo = given(at, plan.stateMassLo);
  }
}
