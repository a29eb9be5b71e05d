// The kernels of softmax-wasm/decode: a module of its own, whose memory holds a few rows at a time. Rows are contiguous, of elements of 8
// bytes, float64, or 4, float32. All sums have a fixed order. See src/decode/kernels.ts.

import { logRatio } from "../number/log";
import { bytesOf, isRounded } from "../number/storage";
import { twoSumError } from "../number/two-sum";
import { BLOCK, blocksOf, findMaxima, sumBlocks } from "./blocks";
import {
  candidateBytes, classAt, dropOthers, findDrawn, gather, keepAll, keepMost, lastKept, logitAt, placeCandidates, sumWithout, takeEvery,
  weighCandidates, weightAt,
} from "./candidates";
import { findGreatest, heapBytes, lastClass, lastValue, popDescending } from "./greatest";

/** Rows of up to so many classes are gathered whole: what could be left out takes less time than to find out. */
const FEW: usize = 1024;
/** About so many classes stand for their row where a bound is guessed. */
const SUBSAMPLE: usize = 512;
/** The part of what may be left out that a guess leaves out, so that it is hardly ever too much. */
const CAUTION: f64 = 0.7;
/** Logits further below the maximum have the weight 0. */
const DEPTH: f64 = 800;
/** Logits further below the maximum hardly have a weight. */
const NEAR: f64 = 40;
/** Least minP whose logarithm is taken. */
const LEAST_RATIO: f64 = 1e-15;

// The scratch memory of a row.
let maxima: usize = 0;
let sums: usize = 0;
let heap: usize = 0;

function placeScratch(scratch: usize, classes: usize): void {
  maxima = scratch;
  sums = maxima + bytesOf<f64>(blocksOf(classes));
  heap = sums + bytesOf<f64>(blocksOf(classes));
  placeCandidates(heap + ((heapBytes(classes) + 7) & ~7), classes);
}

/** The scratch memory that rows of so many classes take, in bytes. */
export function scratchBytes(classes: usize): usize {
  placeScratch(0, classes);
  return heap + heapBytes(classes) + candidateBytes(classes) + 8;
}

/** Writes the classes of the k greatest logits of each row in descending order; of equal ones the lower class comes first, and NaN before all. */
export function topK(elementBytes: usize, x: usize, rows: usize, classes: usize, k: usize, out: usize, scratch: usize): void {
  placeScratch(scratch, classes);
  for (; rows > 0; rows--, x += elementBytes * classes, out += bytesOf<u32>(k)) {
    if (elementBytes == sizeof<f32>()) greatestOf<f32>(x, classes, k, out);
    else greatestOf<f64>(x, classes, k, out);
  }
}

function greatestOf<T>(x: usize, classes: usize, k: usize, out: usize): void {
  findMaxima<T>(x, classes, maxima);
  findGreatest<T>(x, classes, 1, maxima, k, heap);
  popDescending(out);
}

/**
 * Draws a class of each row by a random number in [0, 1): writes it, or −1, and its log-probability, or NaN. k = 0, topP = 1 and minP = 0 keep
 * all classes.
 */
export function sample(
  elementBytes: usize, x: usize, rows: usize, classes: usize, scale: f64, k: usize, topP: f64, minP: f64,
  randoms: usize, out: usize, logProbs: usize, scratch: usize,
): void {
  placeScratch(scratch, classes);
  for (; rows > 0; rows--, x += elementBytes * classes, randoms += bytesOf<f64>(1), out += bytesOf<u32>(1), logProbs += bytesOf<f64>(1)) {
    const random = load<f64>(randoms);
    if (elementBytes == sizeof<f32>()) sampleRow<f32>(x, classes, scale, k, topP, minP, random);
    else sampleRow<f64>(x, classes, scale, k, topP, minP, random);
    store<u32>(out, drawn);
    store<f64>(logProbs, logProb);
  }
}

/** What was drawn. */
let drawn: u32 = 0;
let logProb: f64 = 0;

function sampleRow<T>(x: usize, classes: usize, scale: f64, k: usize, topP: f64, minP: f64, random: f64): void {
  const most = findMaxima<T>(x, classes, maxima);
  const max = scale * most;
  drawn = -1;
  logProb = NaN;
  // NaN and −∞ as well.
  if (!(max > -Infinity && max < Infinity)) return;
  const isWhole = k == 0 && topP == 1 && minP == 0;
  if (isWhole) {
    drawFromRow<T>(x, classes, scale, most, random);
    return;
  }
  let total: f64 = 0;
  let target: f64 = Infinity;
  if (k == 0 && topP < 1) target = gatherNucleus<T>(x, classes, scale, most, topP);
  else {
    if (k > 0) gatherGreatest<T>(x, classes, scale, k);
    else gather<T>(x, classes, scale, maxima, max - depthOf(minP));
    total = weighCandidates<T>(max);
    target = topP * total;
  }
  keepAll();
  if (topP < 1) total = keepMost(target, max - NEAR, max);
  if (minP > 0) total = dropOthers(minP);
  const at = findDrawn(random * total);
  const isMost = 2 * weightAt(at) > total;
  if (isMost) dropOthers(0);
  conclude(at, max, total, isMost ? sumWithout(at) : 0);
}

/** Takes exactly the k greatest classes as candidates. */
function gatherGreatest<T>(x: usize, classes: usize, scale: f64, k: usize): void {
  findGreatest<T>(x, classes, scale, maxima, k, heap);
  gather<T>(x, classes, scale, maxima, lastValue(), lastClass());
}

/** How far below the maximum a logit may be whose weight is at least minP, and a little more, as weights are rounded. */
function depthOf(minP: f64): f64 {
  return minP < LEAST_RATIO ? DEPTH : logOnePlus(1 / minP - 1) + 1e-9;
}

/**
 * Takes candidates of at least a part topP of the weight of all classes, weighs them, and returns the weight of that part: classes above a logit
 * that is guessed by a subsample, so that it leaves out somewhat less than may be left out, and where these do not suffice all.
 */
function gatherNucleus<T>(x: usize, classes: usize, scale: f64, most: f64, topP: f64): f64 {
  const max = scale * most;
  if (classes > FEW) {
    const total = sumBlocks<T>(x, classes, scale, most, sums);
    const stride = classes / SUBSAMPLE;
    takeEvery<T>(stride, x, 0, classes, scale);
    const left = CAUTION * (1 - topP) * total / <f64>stride;
    keepMost(weighCandidates<T>(max) - left, max - NEAR, max);
    gather<T>(x, classes, scale, maxima, Math.max(lastKept(), max - DEPTH));
    if (weighCandidates<T>(max) >= topP * total) return topP * total;
  }
  gather<T>(x, classes, scale, maxima, max - DEPTH);
  return topP * weighCandidates<T>(max);
}

/** Draws from all classes: a block first, then a class of it. */
function drawFromRow<T>(x: usize, classes: usize, scale: f64, most: f64, random: f64): void {
  const max = scale * most;
  const total = sumBlocks<T>(x, classes, scale, most, sums);
  const target = random * total;
  let block: usize = 0;
  let below: f64 = 0;
  for (const last = blocksOf(classes) - 1; block < last; block++) {
    const next = below + load<f64>(sums + bytesOf<f64>(block));
    if (target < next) break;
    below = next;
  }
  const first = block * BLOCK, end = min(first + BLOCK, classes);
  takeEvery<T>(1, x, first, end, scale);
  weighCandidates<T>(max);
  keepAll();
  const at = findDrawn(target - below);
  let others = total - 1;
  if (2 * weightAt(at) > total && others < leastDifference<T>()) {
    others = sumBlocks<T>(x, first, scale, most, sums) + sumBlocks<T>(x + bytesOf<T>(end), classes - end, scale, most, sums) + sumWithout(at);
  }
  conclude(at, max, total, others);
}

/** Of the sum of weights down to which its difference to 1 is exact enough for results of type T. */
// @ts-ignore: decorator
@inline
function leastDifference<T>(): f64 {
  return isRounded<T>() ? 1.0 / 1048576 : 1;
}

/** Sets what was drawn, and its log-probability. Where p is above a half, its logit is `max`, and `others` the sum of the weights beside its own, 1. */
function conclude(at: usize, max: f64, total: f64, others: f64): void {
  drawn = classAt(at);
  logProb = 2 * weightAt(at) > total ? 0 - logOnePlus(others) : logitAt(at) - max - logOnePlus(total - 1);
}

/** log(1 + x) for 0 <= x < 2^52. */
function logOnePlus(x: f64): f64 {
  const one = f64x2.splat(1), rest = f64x2.splat(x), zero = f64x2.splat(0);
  const sum = f64x2.add(one, rest);
  return f64x2.extract_lane(logRatio<f64>(one, rest, zero, sum, twoSumError(one, rest, sum)), 0);
}
