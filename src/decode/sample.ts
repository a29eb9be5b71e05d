// Draws a class for each row of logits: temperature, top-k, top-p and min-p sampling.

import { checkInteger, checkNumber, checkOptions, rangeError, typeError } from "../errors.js";
import type { ByRow, IndexByRow, LogitsOptions, ShapeOptions, Tensor } from "../index.js";
import { readMask } from "../loss/options.js";
import { readTerms } from "../loss/terms.js";
import { allocate, type Elements, readTensor, toForm } from "../tensor/containers.js";
import { bytesOf, viewOf } from "../tensor/element.js";
import { Float16Bits } from "../tensor/float16.js";
import { layoutOf, readAxis, rowShape } from "../tensor/shape.js";
import { typedArrayLength } from "../tensor/typed-array.js";
import { forEachChunk } from "./kernels.js";
import { randomOf } from "./random.js";

/** The options of {@link sample}. */
export interface SampleOptions extends ShapeOptions, Pick<LogitsOptions, "scale" | "mask"> {
  /** Keeps the k most probable classes, exactly k if there are as many. All by default. */
  topK?: number;
  /** Keeps the smallest set of most probable classes whose mass is at least this, above 0 and up to 1, the default, which keeps all. */
  topP?: number;
  /** Keeps the classes that are at least this times as probable as the most probable one, from 0 (default) to 1. */
  minP?: number;
  /** Gives numbers in [0, 1); it is called once for each row, in their order. Math.random by default. */
  random?: () => number;
  /** An integer of at least 0 in the place of `random`: the number of a row depends on it and on the row's place alone. */
  seed?: number;
}

const OPTIONS = ["shape", "axis", "scale", "mask", "topK", "topP", "minP", "random", "seed"] as const;

/** The classes that were drawn. */
export interface Sample<T extends Tensor> {
  /** A class for each row; −1 where there is none to draw. */
  readonly indices: IndexByRow<T>;
  /** Its log-probability under the distribution that it was drawn from; NaN where there is none. */
  readonly logProbs: ByRow<T>;
}

/** What is kept: the k most probable classes, or with 0 all; of these the part p of their mass; of these what has at least a probability. */
interface Filters {
  readonly k: number;
  readonly p: number;
  readonly least: number;
}

function readFilters({ topK, topP, minP }: SampleOptions, classes: number): Filters {
  const k = topK === undefined ? 0 : checkInteger("topK", topK, 1, Number.MAX_SAFE_INTEGER);
  const p = topP === undefined ? 1 : checkNumber("topP", topP, "a number above 0 and up to 1", (value) => value > 0 && value <= 1);
  const least = minP === undefined ? 0 : checkNumber("minP", minP, "a number from 0 to 1", (value) => value >= 0 && value <= 1);
  return { k: k < classes ? k : 0, p, least };
}

/** The random number of a row, its log-probability and its class in the memory of the kernels. */
const BYTES_BY_ROW = /* @__PURE__ */ (() => 2 * bytesOf("float64", 1) + bytesOf("int32", 1))();

/** Reads the options `random` and `seed` as the random number of a row, of which each is asked for once. */
function readRandom({ random, seed }: SampleOptions): (row: number) => number {
  if (seed !== undefined) {
    const checked = checkInteger("seed", seed, 0, Number.MAX_SAFE_INTEGER);
    if (random !== undefined) throw rangeError("seed", 'to be left out with "random"', seed);
    return (row) => randomOf(checked, row);
  }
  if (random === undefined) return Math.random;
  if (typeof random !== "function") throw typeError("random", "a function that gives numbers in [0, 1)", random);
  return () => checkNumber("random()", random(), "a number of at least 0 and below 1", (value) => value >= 0 && value < 1);
}

/** Checks that a user's function has not taken the memory of the logits away. */
function checkKept({ data }: Elements, size: number): void {
  const array = data instanceof Float16Bits ? data.bits : data;
  if (typedArrayLength(array) !== size) throw rangeError("x", `to keep its ${size} elements during the call`, array);
}

/**
 * Draws a class of each row from softmax of its logits. `mask` and `scale` (the inverse of a temperature) change the logits first. Then
 * `topK` keeps the most probable classes (Fan, Lewis and Dauphin, "Hierarchical neural story generation", ACL 2018), `topP` of these the
 * nucleus (Holtzman et al., "The curious case of neural text degeneration", ICLR 2020), and `minP` of these the classes that are probable
 * enough (Nguyen et al., "Turning up the heat: min-p sampling", ICLR 2025). Each takes the probabilities of what is left before it as a
 * whole. Order and definitions are those of TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper and MinPLogitsWarper of Hugging
 * Face transformers, but of equal logits the lower class counts as more probable, where TopKLogitsWarper keeps all that are equal to the
 * last one.
 *
 * The class is the inverse of the distribution function at the random number, in the order of classes. Sums are of doubles in a fixed order, which
 * every engine rounds alike: the class depends on nothing but the row, the options and that number.
 *
 * @param x Logits (…, C, …) in any container, as for `softmax`.
 * @param options Shape and axis, `scale` and `mask`, as for `softmax`; the filters; `random` or `seed`.
 * @returns `indices` and `logProbs` (…), one for each row, in the form of a result of `logSumExp`. A row that holds NaN or +∞, or no class
 * that takes part, has the index −1 and the log-probability NaN.
 * @throws TypeError for the wrong kind of argument or an unknown option, RangeError for options out of range, and shapes that do not fit.
 * @example
 * sample([[1, 2, 3], [9, 0, 0]], { topK: 2, seed: 1 }); // → { indices: [2, 0], logProbs: [-0.313262, -0.000123] }
 */
export function sample<T extends Tensor>(x: T, options?: SampleOptions): Sample<T>;
export function sample(x: unknown, options?: SampleOptions): unknown {
  const checked = checkOptions(options, OPTIONS);
  const { shape: given, mask } = checked;
  const axis = readAxis(checked.axis);
  const input = readTensor("x", x, given);
  const layout = layoutOf(input.shape, axis);
  const { rows, classes, size } = layout;
  const { scale } = readTerms({ scale: checked.scale });
  const rowMask = mask === undefined ? undefined : readMask(mask, input.shape, layout);
  const filters = readFilters(checked, classes);
  const randomOfRow = readRandom(checked);
  const indices = allocate("shape", "int32", rows);
  const logProbs = allocate("shape", input.dtype, rows);
  const randoms = allocate("shape", "float64", rows).map((_, row) => randomOfRow(row));
  checkKept(input, size);
  forEachChunk(input, layout, rowMask, BYTES_BY_ROW, (chunk) => {
    const { kernels, memory, first, capacity, elementBytes, logitsPtr, resultsPtr, scratchPtr } = chunk;
    const count = chunk.rows;
    const logProbsPtr = resultsPtr + bytesOf("float64", capacity);
    const indicesPtr = logProbsPtr + bytesOf("float64", capacity);
    viewOf("float64", memory.buffer, resultsPtr, count).set(randoms.subarray(first, first + count));
    // biome-ignore format: one argument after the other
    kernels.sample(
      elementBytes, logitsPtr, count, classes, scale, filters.k, filters.p, filters.least, resultsPtr, indicesPtr, logProbsPtr, scratchPtr,
    );
    indices.set(viewOf("int32", memory.buffer, indicesPtr, count), first);
    logProbs.set(viewOf("float64", memory.buffer, logProbsPtr, count), first);
  });
  const shape = rowShape(input.shape, axis);
  return { indices: toForm(input.form, indices, shape), logProbs: toForm(input.form, logProbs, shape) };
}
