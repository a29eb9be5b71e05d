// Classes of a row that may be kept, in ascending order, with their scaled logits and their weights.

import { bytesOf, load1, load2 } from "../number/storage";
import { BLOCK, blocksOf } from "./blocks";
import { writeWeights } from "./weights";

/** The most intervals of logits, of which one has the last class of the most probable ones. */
const INTERVALS: usize = 1024;

let classesPtr: usize = 0;
let logitsPtr: usize = 0;
let weightsPtr: usize = 0;
let intervals: usize = 0;
let membersPtr: usize = 0;
export let count: usize = 0;

/** Bytes that the candidates of a row take. */
export function candidateBytes(classes: usize): usize {
  return bytesOf<f64>(INTERVALS) + classes * 2 * (sizeof<f64>() + sizeof<u32>());
}

/** Gives the candidates a place. */
export function placeCandidates(ptr: usize, classes: usize): void {
  intervals = ptr;
  logitsPtr = intervals + bytesOf<f64>(INTERVALS);
  weightsPtr = logitsPtr + bytesOf<f64>(classes);
  classesPtr = weightsPtr + bytesOf<f64>(classes);
  membersPtr = classesPtr + bytesOf<u32>(classes);
}

// @ts-ignore: decorator
@inline
export function classAt(i: usize): u32 {
  return load<u32>(classesPtr + bytesOf<u32>(i));
}

// @ts-ignore: decorator
@inline
export function weightAt(i: usize): f64 {
  return load<f64>(weightsPtr + bytesOf<f64>(i));
}

// @ts-ignore: decorator
@inline
export function logitAt(i: usize): f64 {
  return load<f64>(logitsPtr + bytesOf<f64>(i));
}

// @ts-ignore: decorator
@inline
function take(index: usize, logit: f64): void {
  store<u32>(classesPtr + bytesOf<u32>(count), <u32>index);
  store<f64>(logitsPtr + bytesOf<f64>(count++), logit);
}

/** Takes the classes whose scaled logits are at least `least`; of those that are equal to it the ones up to the class `lastTie`. */
export function gather<T>(x: usize, classes: usize, scale: f64, maxima: usize, least: f64, lastTie: usize = usize.MAX_VALUE): void {
  const factor = f64x2.splat(scale), bound = f64x2.splat(least);
  count = 0;
  for (let b: usize = 0, blocks = blocksOf(classes); b < blocks; b++) {
    if (scale * load<f64>(maxima + bytesOf<f64>(b)) < least) continue;
    let j = b * BLOCK;
    const end = min(j + BLOCK, classes);
    for (; j + 8 <= end; j += 8) {
      const at = x + bytesOf<T>(j);
      let bits = i64x2.bitmask(f64x2.ge(f64x2.mul(load2<T>(at), factor), bound));
      bits |= i64x2.bitmask(f64x2.ge(f64x2.mul(load2<T>(at, 1), factor), bound)) << 2;
      bits |= i64x2.bitmask(f64x2.ge(f64x2.mul(load2<T>(at, 2), factor), bound)) << 4;
      bits |= i64x2.bitmask(f64x2.ge(f64x2.mul(load2<T>(at, 3), factor), bound)) << 6;
      for (; bits; bits &= bits - 1) takeFrom<T>(x, j + <usize>ctz(bits), scale, least, lastTie);
    }
    for (; j < end; j++) if (scale * load1<T>(x + bytesOf<T>(j)) >= least) takeFrom<T>(x, j, scale, least, lastTie);
  }
}

/** Takes a class of at least the logit `least`, unless it is equal and behind the last tie. */
// @ts-ignore: decorator
@inline
function takeFrom<T>(x: usize, j: usize, scale: f64, least: f64, lastTie: usize): void {
  const logit = scale * load1<T>(x + bytesOf<T>(j));
  if (logit > least || j <= lastTie) take(j, logit);
}

/** Takes every stride-th class from `first` on. */
export function takeEvery<T>(stride: usize, x: usize, first: usize, end: usize, scale: f64): void {
  count = 0;
  for (let j = first; j < end; j += stride) take(j, scale * load1<T>(x + bytesOf<T>(j)));
}

/** Computes the weights, exact enough for results of type T, and returns their sum. */
export function weighCandidates<T>(max: f64): f64 {
  return writeWeights<T>(logitsPtr, count, max, weightsPtr);
}

/** The last candidate that is kept: its logit, and how many candidates of this logit are kept. */
let lastLogit: f64 = 0;
let lastTies: usize = 0;

/** The logit of the last candidate that is kept. */
export function lastKept(): f64 {
  return lastLogit;
}

export function keepAll(): void {
  lastLogit = -Infinity;
  lastTies = count;
}

/** The interval of a logit, one of `cut` from the logit `top` down. The last one has all that is below; `top` is in another one, whatever is rounded. */
// @ts-ignore: decorator
@inline
function intervalOf(logit: f64, top: f64, perUnit: f64, cut: usize): usize {
  const at = (top - logit) * perUnit;
  return at < <f64>(cut - 1) ? <usize>(<i32>at) : logit == top ? 0 : cut - 1;
}

/**
 * Keeps the most probable candidates whose weights sum to at least `target`, at most the sum of all, and returns their sum. The sums of intervals of logits
 * tell in which one it lies, and the members of this one are put into intervals again, until their logits are equal. At first, intervals are
 * from `least` to `greatest`: no logit is above, and what is below is in the last one.
 */
export function keepMost(target: f64, least: f64, greatest: f64): f64 {
  let above: f64 = 0;
  let members = count;
  for (let isFirst = true; isFirst || least < greatest; isFirst = false) {
    const cut = min(INTERVALS, 4 * members), perUnit = <f64>cut / (greatest - least);
    memory.fill(intervals, 0, bytesOf<f64>(cut));
    for (let m: usize = 0; m < members; m++) {
      const i = isFirst ? m : memberAt(m);
      const sum = intervals + bytesOf<f64>(intervalOf(logitAt(i), greatest, perUnit, cut));
      store<f64>(sum, load<f64>(sum) + weightAt(i));
    }
    let chosen: usize = 0;
    for (; chosen < cut - 1; chosen++) {
      const next = above + load<f64>(intervals + bytesOf<f64>(chosen));
      if (next >= target && next > 0) break;
      above = next;
    }
    const all = members, top = greatest;
    members = 0;
    least = Infinity;
    greatest = -Infinity;
    for (let m: usize = 0; m < all; m++) {
      const i = isFirst ? m : memberAt(m);
      const logit = logitAt(i);
      if (intervalOf(logit, top, perUnit, cut) != chosen) continue;
      store<u32>(membersPtr + bytesOf<u32>(members++), <u32>i);
      if (logit < least) least = logit;
      if (logit > greatest) greatest = logit;
    }
  }
  lastLogit = greatest;
  lastTies = 0;
  while (lastTies < members && above < target) above += weightAt(memberAt(lastTies++));
  return above;
}

// @ts-ignore: decorator
@inline
function memberAt(m: usize): usize {
  return load<u32>(membersPtr + bytesOf<u32>(m));
}

/** The weight of a candidate, or 0 if it is not kept; `ties` are those of the last logit up to this candidate. A branch could not be foreseen. */
// @ts-ignore: decorator
@inline
function keptWeight(i: usize, isTie: i32, ties: usize, least: f64): f64 {
  const weight = weightAt(i);
  const isKept = (i32(logitAt(i) > lastLogit) | (isTie & i32(ties <= lastTies))) & i32(weight >= least);
  return reinterpret<f64>(reinterpret<i64>(weight) & -(<i64>isKept));
}

/** Drops what is not kept, or has less than a weight: its weight becomes 0. Returns the sum of the others. */
export function dropOthers(least: f64): f64 {
  let sum: f64 = 0;
  let ties: usize = 0;
  for (let i: usize = 0; i < count; i++) {
    const isTie = i32(logitAt(i) == lastLogit);
    ties += isTie;
    const weight = keptWeight(i, isTie, ties, least);
    store<f64>(weightsPtr + bytesOf<f64>(i), weight);
    sum += weight;
  }
  return sum;
}

/** Finds the first candidate with which the sum of weights of what is kept exceeds the target. What was rounded may leave the last one with a weight. */
export function findDrawn(target: f64): usize {
  let last: usize = 0;
  let below: f64 = 0;
  let ties: usize = 0;
  for (let i: usize = 0; i < count && below <= target; i++) {
    const isTie = i32(logitAt(i) == lastLogit);
    ties += isTie;
    const weight = keptWeight(i, isTie, ties, 0);
    below += weight;
    if (weight > 0) last = i;
  }
  return last;
}

/** The sum of the weights of all candidates but one. */
export function sumWithout(candidate: usize): f64 {
  let sum: f64 = 0;
  for (let i: usize = 0; i < count; i++) if (i != candidate) sum += weightAt(i);
  return sum;
}
