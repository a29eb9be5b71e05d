// The operands of a linear layer, read and checked.

import { counted, rangeError, Verbatim } from "../errors.js";
import { readNumbers } from "../loss/terms.js";
import { checkSameType, type Elements, isFlat, readTensor } from "../tensor/containers.js";
import type { Dtype } from "../tensor/element.js";
import { rowShape, showShape, sizeOf } from "../tensor/shape.js";

/** The input (…, D), the weights (C, D) and the bias (C). */
export interface ReadOperands {
  readonly input: Elements;
  readonly weights: Elements;
  readonly bias: Float64Array | undefined;
  readonly dtype: Dtype;
  readonly rows: number;
  readonly depth: number;
  readonly classes: number;
  /** The shape of the logits. */
  readonly shape: readonly number[];
}

/** Reads the operands. Typed arrays of weights have lines as long as those of the input. */
export function readOperands(input: unknown, weights: unknown, biasOption: unknown, shape: unknown): ReadOperands {
  const x = readTensor("input", input, shape);
  if (x.shape.length === 0) throw rangeError("input", "at least one axis, of features", x.shape);
  const depth = x.shape[x.shape.length - 1];
  if (depth === 0) throw rangeError("input", "at least one feature on its last axis", x.shape);
  const w = readWeights(weights, depth, x.shape);
  checkSameType("weights", w, "input", x.dtype);
  const classes = w.shape[0];
  const bias = biasOption === undefined ? undefined : readNumbers("bias", biasOption).numbers;
  if (bias && bias.length !== classes) {
    throw rangeError("bias", `${counted(classes, "number")}, one for each class of "weights" ${showShape(w.shape)}`, biasOption);
  }
  const lead = rowShape(x.shape);
  return { input: x, weights: w, bias, dtype: x.dtype, rows: sizeOf(lead), depth, classes, shape: [...lead, classes] };
}

function readWeights(weights: unknown, depth: number, inputShape: readonly number[]): Elements {
  const expected = `the shape [C, ${depth}], as "input" has the shape ${showShape(inputShape)}`;
  const read = readTensor("weights", weights);
  if (isFlat(weights)) {
    const classes = read.shape[0] / depth;
    if (!Number.isInteger(classes)) throw rangeError("weights", `${expected}, a multiple of ${depth} elements`, weights);
    return { ...read, shape: [classes, depth] };
  }
  if (read.shape.length !== 2 || read.shape[1] !== depth) throw rangeError("weights", expected, new Verbatim(showShape(read.shape)));
  return read;
}
