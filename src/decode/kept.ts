// What is kept of a row: its k most probable classes, of these the smallest set with a mass, of these the ones that are probable enough.

import { crossEntropy, logSumExp, softmax } from "../index.js";
import type { FloatArray } from "../tensor/element.js";
import { Candidates, lastOf } from "./candidates.js";
import { Greatest } from "./greatest.js";

/** What is kept; undefined where that is everything. */
export interface Filters {
  readonly topK: number | undefined;
  readonly topP: number | undefined;
  readonly minP: number | undefined;
}

/** Rows of so many classes are read whole: what could be left out takes less time than to find out. */
const FEW = 8192;
/** Classes that stand for their row where a threshold is guessed. */
const SUBSAMPLE = 512;
/** The part of what may be left out that a guess leaves out, so that it is hardly ever too much. */
const CAUTION = 0.7;
/** The largest loss whose exp(−loss) is far from where doubles lose digits. */
const FARTHEST = 500;

/** One instance for all calls, none of which calls a user's code while it is in use. */
const candidates = new Candidates();

/** Every `stride`-th logit of a row, scaled, and the place of the greatest one. */
interface Subsample {
  readonly logits: Float64Array;
  readonly stride: number;
  readonly best: number;
}

function subsampleOf(row: FloatArray, scale: number): Subsample {
  const stride = Math.floor(row.length / SUBSAMPLE);
  const logits = new Float64Array(SUBSAMPLE);
  let best = 0;
  for (let i = 0; i < SUBSAMPLE; i++) {
    logits[i] = row[i * stride] * scale;
    if (logits[i] > logits[best] || Number.isNaN(logits[best])) best = i;
  }
  return { logits, stride, best };
}

/** exp(x) for x of at most 0, and log(x), by functions that have the same bits on every engine. */
function exp(x: number): number {
  const [part, rest] = softmax([x, 0]);
  return part / rest;
}
const log = (x: number): number => logSumExp([0], { b: [x] });

/** Takes all classes that take part. */
function takeAll(row: FloatArray, scale: number): void {
  candidates.gather(row, scale, -Number.MAX_VALUE);
  candidates.computeProbs();
}

/** Keeps the smallest set of most probable candidates with a part of their mass. Says if there is one. */
function keepPart(part: number): boolean {
  const last = lastOf(candidates.logits, candidates.probs, part);
  if (last) candidates.keep(last, 0);
  return last !== undefined;
}

/**
 * Takes the classes above a logit that is guessed, so that their mass is a little more than `topP`: it leaves out what may be left out by
 * the classes of a subsample. Returns their mass, or 0 where there is no guess, as no class of the subsample is probable at all, or log Σ
 * exp is no number.
 */
function takeMost(row: FloatArray, scale: number, topP: number): number {
  const { logits, stride, best } = subsampleOf(row, scale);
  const label = best * stride;
  const loss = Number.isFinite(logits[best]) ? crossEntropy(row, label, { scale }) : Number.NaN;
  if (!(loss < FARTHEST)) return 0;
  const prob = exp(-loss);
  const probs = softmax(logits);
  // In units of the subsample's own mass.
  const leftOut = ((CAUTION * (1 - topP)) / stride) * (probs[best] / prob);
  candidates.gather(row, scale, lastOf(logits, probs, 1 - leftOut)?.logit ?? logits[best]);
  candidates.computeProbs();
  return Math.min(1, prob / candidates.probs[candidates.classes.indexOf(label)]);
}

/**
 * Takes the smallest set of most probable classes with the mass `topP`: among most of the row, and where these do not suffice among all.
 */
function takeNucleus(row: FloatArray, scale: number, topP: number): void {
  if (row.length > FEW && keepPart(topP / takeMost(row, scale, topP))) return;
  takeAll(row, scale);
  keepPart(topP);
}

/** Takes all classes that may be as probable as `minP` asks for, by the most probable one of a subsample. */
function takeProbable(row: FloatArray, scale: number, minP: number): void {
  const { logits, best } = subsampleOf(row, scale);
  const least = logits[best] + log(minP);
  // What is rounded in it does not matter: a few more do no harm.
  candidates.gather(row, scale, least > -Number.MAX_VALUE ? least - 1e-9 * (1 + Math.abs(least)) : -Number.MAX_VALUE);
  candidates.computeProbs();
}

/** Takes the k most probable classes, exactly k. */
function takeGreatest(row: FloatArray, scale: number, k: number): void {
  const greatest = new Greatest(k);
  greatest.find(row, scale);
  candidates.take(greatest.ascending(), row, scale);
  candidates.computeProbs();
}

/**
 * The classes of a row that are kept, with their probabilities among all that were left before the last filter. Valid until the next row.
 */
export function keptOf(row: FloatArray, scale: number, { topK, topP, minP }: Filters): Candidates {
  if (topK !== undefined) takeGreatest(row, scale, topK);
  else if (topP !== undefined) takeNucleus(row, scale, topP);
  else if (minP !== undefined && row.length > FEW) takeProbable(row, scale, minP);
  else takeAll(row, scale);
  if (topK !== undefined && topP !== undefined) keepPart(topP);
  if (minP !== undefined) {
    const least = minP * candidates.probs.reduce((most, p) => (p > most ? p : most), 0);
    candidates.keep({ logit: Number.NEGATIVE_INFINITY, ties: 0 }, least);
  }
  return candidates;
}
