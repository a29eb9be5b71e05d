// A task of the benchmark, and an implementation of it that is ready to be timed.

export interface Task {
  /** The name of the implementation that gets the task. */
  readonly implementation: string;
  /** Softmax over the middle axis, the mean loss, or the mean loss with its gradient. */
  readonly op: "softmax" | "loss" | "gradient";
  readonly outer: number;
  readonly classes: number;
  readonly inner: number;
  /** (outer, classes, inner) */
  readonly logits: Float64Array;
  /** (outer, inner) */
  readonly labels: Int32Array;
}

export interface Implementation {
  /** The precision in which it computes. */
  readonly dtype: "float64" | "float32";
  /** Does the task once; the inputs are already in the form that the implementation wants. A promise is awaited within the time. */
  readonly run: () => unknown | Promise<unknown>;
  /** Gives the result of the last run, outside the time: probs; the mean loss; or the mean loss, then the gradient. */
  readonly result: () => ArrayLike<number> | Promise<ArrayLike<number>>;
}

/** The result of a task with the op "gradient". */
export function lossThenGradient(loss: number, gradient: ArrayLike<number>): Float64Array {
  const result = new Float64Array(1 + gradient.length);
  result[0] = loss;
  result.set(gradient, 1);
  return result;
}

/** The shape of the logits; contiguous rows have no third axis, as most libraries are faster over the last axis. */
export const shapeOf = (outer: number, classes: number, inner: number) => (inner === 1 ? [outer, classes] : [outer, classes, inner]);
