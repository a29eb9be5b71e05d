// numpy-ts: max, exp and sum along axis 1, as one writes them in NumPy, on arrays in its WebAssembly memory; nothing is copied out.

import { lossThenGradient, shapeOf, type Task } from "../task.js";
import { load, type Work } from "./packages.js";

interface NumPy {
  configureWasm(options: { maxMemory: number }): void;
  array(data: ArrayLike<number>): NDArray;
  max(x: NDArray, axis: number, keepdims: true): NDArray;
  sum(x: NDArray, axis: number, keepdims: true): NDArray;
  mean(x: NDArray): number;
  exp(x: NDArray): NDArray;
  log(x: NDArray): NDArray;
  subtract(x: NDArray, y: NDArray | number): NDArray;
  multiply(x: NDArray, y: number): NDArray;
  divide(x: NDArray, y: NDArray): NDArray;
  repeat(x: NDArray, count: number, axis?: number): NDArray;
  take_along_axis(x: NDArray, indices: NDArray, axis: number): NDArray;
  put_along_axis(x: NDArray, indices: NDArray, values: NDArray, axis: number): void;
}

interface NDArray extends Disposable {
  readonly data: ArrayLike<number>;
  reshape(...shape: number[]): NDArray;
}

/** Frees arrays at once when they are no longer needed, as the documentation of numpy-ts advises for loops. */
export async function numPy({ op, outer, classes, inner, logits, labels }: Task): Promise<Work> {
  const np = await load<NumPy>("numpy-ts");
  np.configureWasm({ maxMemory: 2 ** 30 });
  const shape = shapeOf(outer, classes, inner);
  const x = np.array(logits).reshape(...shape);
  const y = np.array(labels).reshape(...shapeOf(outer, 1, inner));

  /** Repeats one value a row along the row: 1.5 ns a logit, measured, where broadcasting takes 20 ns. */
  function spread(rows: NDArray): NDArray {
    if (inner > 1) return np.repeat(rows, classes, 1);
    using flat = np.repeat(rows, classes);
    return flat.reshape(...shape);
  }

  /** x − max, exp of it, and the sums of exp. */
  function passes() {
    using max = np.max(x, 1, true);
    using maxima = spread(max);
    const shifted = np.subtract(x, maxima);
    const exps = np.exp(shifted);
    return { shifted, exps, sums: np.sum(exps, 1, true) };
  }

  function meanLoss(shifted: NDArray, sums: NDArray): number {
    using atLabels = np.take_along_axis(shifted, y, 1);
    using logs = np.log(sums);
    using losses = np.subtract(logs, atLabels);
    return np.mean(losses);
  }

  let out = np.array([0]);
  let loss = 0;
  const kept = (next: NDArray) => {
    out[Symbol.dispose]();
    out = next;
  };

  function softmax(): void {
    const { shifted, exps, sums } = passes();
    using _shifted = shifted;
    using _exps = exps;
    using _sums = sums;
    using divisors = spread(sums);
    kept(np.divide(exps, divisors));
  }

  function crossEntropy(): void {
    const { shifted, exps, sums } = passes();
    using _shifted = shifted;
    using _exps = exps;
    using _sums = sums;
    loss = meanLoss(shifted, sums);
  }

  function crossEntropyWithGradient(): void {
    const { shifted, exps, sums } = passes();
    using _shifted = shifted;
    using _exps = exps;
    using _sums = sums;
    loss = meanLoss(shifted, sums);
    using scaled = np.multiply(sums, labels.length);
    using divisors = spread(scaled);
    const gradient = np.divide(exps, divisors);
    using atLabels = np.take_along_axis(gradient, y, 1);
    using less = np.subtract(atLabels, 1 / labels.length);
    np.put_along_axis(gradient, y, less, 1);
    kept(gradient);
  }

  if (op === "softmax") return { run: softmax, result: () => out.data };
  if (op === "loss") return { run: crossEntropy, result: () => [loss] };
  return { run: crossEntropyWithGradient, result: () => lossThenGradient(loss, out.data) };
}
