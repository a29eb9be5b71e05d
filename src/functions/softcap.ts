// The soft cap of logits, c tanh(x / c), and its gradient: functions without state.

import { checkNumber, checkOptions } from "../errors.js";
import { ChunkBuffer, forEachChunk } from "../memory/chunks.js";
import {
  checkSameShape,
  checkSameType,
  numbersOf,
  readTensor,
  resultArray,
  type SameAxes,
  type Tensor,
  toForm,
} from "../tensor/containers.js";
import { layoutOf } from "../tensor/shape.js";
import { PLANES } from "../wasm/abi.js";
import type { OutOptions } from "./softmax.js";

/** The options of a function of each element by itself. */
export interface ElementwiseOptions extends Omit<OutOptions, "axis"> {}

const readCap = (cap: unknown): number =>
  checkNumber("cap", cap, "a finite number above 0", (value) => value > 0 && value < Number.POSITIVE_INFINITY);

/**
 * Logits that are capped softly, c tanh(x / c), as the option `softcap` of other functions does (Gemma 2, 2024).
 *
 * @param x Logits of any shape, in float64, float32 or float16. ±∞ gives ±c.
 * @param cap c, above 0.
 * @returns The capped logits, in the kind of container that x is: float64 with tanh within 2 ulp; of other logits float32, correctly rounded.
 * @throws TypeError for the wrong kind of argument or an unknown option, RangeError for a cap out of range, shapes and `out` that do not fit.
 * @example
 * softcap([0, 30, 1000], 30); // → [0, 22.84782, 30]
 */
export function softcap<T extends Tensor>(x: T, cap: number, options?: ElementwiseOptions): SameAxes<T> {
  const { shape: given, out } = checkOptions(options, ["shape", "out"]);
  const c = readCap(cap);
  const input = readTensor("x", x, given);
  const { size } = layoutOf(input.shape);
  const result = resultArray(out, size, [input]);
  // Whatever the elements are, the kernel has doubles.
  const logits = new ChunkBuffer("x", "float64", "tensor", numbersOf(input), result);
  forEachChunk(layoutOf([size, 1]), "float64", PLANES, [logits], (kernels, buffers, { rows }) => {
    kernels.softcap(buffers.ptr("x"), rows, c, buffers.ptr("scratch"));
  });
  return (out ?? toForm(input.form, result, input.shape)) as SameAxes<T>;
}

/**
 * The upstream gradient g times the slope of {@link softcap}: g (1 − tanh²(x / c)), element by element.
 *
 * @param upstream g, the gradient with respect to the capped logits.
 * @param x The logits before they were capped, of the same shape.
 * @param cap c, above 0.
 * @returns The gradient with respect to the logits, in the kind of container that `upstream` is.
 * @throws As {@link softcap}.
 * @example
 * softcapBackward([1, 1], [0, 30], 30); // → [1, 0.419974]
 */
export function softcapBackward<T extends Tensor>(upstream: T, x: Tensor, cap: number, options?: ElementwiseOptions): SameAxes<T> {
  const { shape: given, out } = checkOptions(options, ["shape", "out"]);
  const c = readCap(cap);
  const gradient = readTensor("upstream", upstream, given);
  const logits = readTensor("x", x, given);
  checkSameType("x", logits, "upstream", gradient.dtype);
  checkSameShape("x", logits, "upstream", gradient);
  const { size } = layoutOf(gradient.shape);
  const result = resultArray(out, size, [gradient, logits]);
  const buffers: ChunkBuffer[] = [
    new ChunkBuffer("upstream", "float64", "tensor", numbersOf(gradient), result),
    new ChunkBuffer("x", "float64", "tensor", numbersOf(logits)),
  ];
  forEachChunk(layoutOf([size, 1]), "float64", PLANES, buffers, (kernels, chunkBuffers, { rows }) => {
    kernels.softcapBackward(chunkBuffers.ptr("x"), chunkBuffers.ptr("upstream"), rows, c, chunkBuffers.ptr("scratch"));
  });
  return (out ?? toForm(gradient.form, result, gradient.shape)) as SameAxes<T>;
}
