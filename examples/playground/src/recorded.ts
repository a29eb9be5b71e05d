// What the page shows before the first click: a training and times, which record.ts takes when the page is built.

import type { Layer } from "../../mnist/network.js";
import type { Times } from "./measure-shape.js";
import type { Progress } from "./trainer.js";

/** A layer with its weights as multiples of a step, from −127 to 127. */
interface PackedLayer {
  readonly step: number;
  readonly weights: readonly number[];
  readonly bias: readonly number[];
}

export interface Recorded {
  /** The machine on which it was taken, in words. */
  readonly machine: string;
  readonly training: readonly Omit<Progress, "layers">[];
  readonly layers: readonly [hidden: PackedLayer, head: PackedLayer];
  /** By shape. */
  readonly times: readonly Times[];
}

export function packLayer({ weights, bias }: Layer): PackedLayer {
  const step = weights.reduce((max, weight) => Math.max(max, Math.abs(weight)), 0) / 127;
  return { step, weights: Array.from(weights, (weight) => Math.round(weight / step)), bias: Array.from(bias) };
}

export function unpackLayer({ step, weights, bias }: PackedLayer): Layer {
  return { weights: Float32Array.from(weights, (weight) => weight * step), bias: Float32Array.from(bias) };
}

export const loadRecorded = async (): Promise<Recorded> => (await import("virtual:recorded")).default;
