// The workloads that are timed: an operation on a batch of a shape, and the reason for that shape.

import { seeded } from "../reference/data.js";
import type { Task } from "./task.js";

export type Op = Task["op"];

/** The shape of logits (outer, classes, inner), with softmax over the middle axis, and of labels (outer, inner). */
export interface Shape {
  readonly outer: number;
  readonly classes: number;
  readonly inner: number;
}

export interface Workload extends Shape {
  readonly id: string;
  readonly op: Op;
  /** The shape as it is written in tables: 8192×10. */
  readonly title: string;
  readonly reason: string;
  /** The batch is one row, so that the time is that of a call. */
  readonly isTiny: boolean;
}

/** The least memory traffic of an implementation, in bytes a logit: it reads the logits and writes the results of their shape. */
export const BYTES_PER_LOGIT: Readonly<Record<Op, number>> = { softmax: 8 + 8, loss: 8, gradient: 8 + 8 };

function workload(op: Op, shape: readonly [outer: number, classes: number, inner?: number], reason: string): Workload {
  const [outer, classes, inner = 1] = shape;
  return { id: `${op}-${shape.join("x")}`, op, outer, classes, inner, title: shape.join("×"), reason, isTiny: outer * inner === 1 };
}

export const WORKLOADS: readonly Workload[] = [
  workload("gradient", [8192, 2], "two classes, the fewest there can be: the work of a row is all there is"),
  workload("gradient", [8192, 3], "three classes: no multiple of the lanes"),
  workload("gradient", [8192, 10], "a digit classifier"),
  workload("gradient", [64, 10], "the same with a small batch, in the first cache"),
  workload("gradient", [1024, 1000], "ImageNet"),
  workload("gradient", [256, 4099], "a prime number of classes"),
  workload("gradient", [64, 32000], "a language model"),
  workload("gradient", [64, 151_936], "a language model with a large vocabulary"),
  workload("gradient", [8, 1_000_000], "rows beyond the caches"),
  workload("gradient", [64, 21, 64 * 64], "segmentation, the class axis in the middle"),
  workload("gradient", [1, 10], "one row, as in on-line learning"),
  workload("softmax", [8192, 10], "a digit classifier"),
  workload("softmax", [1024, 1000], "ImageNet"),
  workload("softmax", [64, 32000], "a language model"),
  workload("softmax", [1, 10], "one row, as in inference"),
  workload("loss", [8192, 10], "a digit classifier"),
  workload("loss", [1024, 1000], "ImageNet"),
  workload("loss", [64, 32000], "a language model"),
];

export interface Batch {
  readonly logits: Float64Array;
  readonly labels: Int32Array;
}

/** Logits uniform in [-5, 5), labels uniform; the same for every operation on a shape. */
export function batchOf({ outer, classes, inner }: Shape): Batch {
  const random = seeded(outer * classes * inner);
  const logits = new Float64Array(outer * classes * inner);
  for (let i = 0; i < logits.length; i++) logits[i] = 10 * random() - 5;
  return { logits, labels: Int32Array.from({ length: outer * inner }, () => Math.floor(random() * classes)) };
}
