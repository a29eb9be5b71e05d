// Draws from all classes of a row: from a few parts first, then in the part that was drawn, until a part is short.

import { crossEntropy, softmax } from "../index.js";
import type { FloatArray } from "../tensor/element.js";
import { type Drawn, draw, thenDrawn } from "./draw.js";

/** A row of at most so many classes is not cut into parts. */
const SHORT = 8192;
/** The parts of a longer one. */
const PARTS = 6;

const shortRow = new Float64Array(SHORT);

/** The first logit of a part that is not −∞; the first one if there is none. */
function firstOf(part: FloatArray): number {
  let first = 0;
  while (first < part.length && part[first] === Number.NEGATIVE_INFINITY) first++;
  return first < part.length ? first : 0;
}

/** log Σ exp of each part, less a logit of the row. The loss of a class is log Σ exp less its logit, and it is not rounded to float32. */
function logMassesOf(row: FloatArray, scale: number, length: number): Float64Array {
  const masses = new Float64Array(Math.ceil(row.length / length));
  let origin = Number.NaN;
  for (let p = 0; p < masses.length; p++) {
    const part = row.subarray(p * length, (p + 1) * length);
    const first = firstOf(part);
    const logit = part[first] * scale;
    if (Number.isNaN(origin) && logit !== Number.NEGATIVE_INFINITY) origin = logit;
    masses[p] = logit === Number.NEGATIVE_INFINITY ? logit : crossEntropy(part, first, { scale }) + (logit - origin);
  }
  return masses;
}

/** Draws from a short row. */
function drawShort(row: FloatArray, scale: number, random: number): Drawn {
  const logits = shortRow.subarray(0, row.length);
  for (let i = 0; i < logits.length; i++) logits[i] = row[i] * scale;
  return draw(softmax(logits, { out: logits }), random);
}

/** Draws a class of a row by a random number in [0, 1). */
export function drawByParts(row: FloatArray, scale: number, random: number): Drawn {
  if (row.length <= SHORT) return drawShort(row, scale, random);
  const length = Math.ceil(row.length / PARTS);
  const part = draw(softmax(logMassesOf(row, scale, length)), random);
  if (part.at < 0) return part;
  const start = part.at * length;
  return thenDrawn(part, drawByParts(row.subarray(start, start + length), scale, part.within), start);
}
