// What is timed: loss with gradient in plain JavaScript and by the library, which must agree; and the time of some calls.

import { crossEntropyWithGradient, SoftmaxCrossEntropy } from "softmax-wasm";
import { FORMS } from "../../../bench/plain.js";
import { seeded } from "../../../reference/data.js";

export interface Shape {
  readonly rows: number;
  readonly classes: number;
  readonly title: string;
}

export const SHAPES: readonly Shape[] = [
  { rows: 64, classes: 10, title: "a batch of digits" },
  { rows: 1024, classes: 100, title: "a hundred classes" },
  { rows: 1024, classes: 1000, title: "ImageNet" },
];

export interface Contestants {
  /** Each call gives the loss and leaves the gradient where it belongs; besides "copying" and "resident" all are plain. */
  readonly ways: Readonly<Record<string, () => number>>;
  dispose(): void;
}

/** Losses and gradients of logits of ordinary size agree to this, relative to the loss and to the rows' weights. */
const TOLERANCE = 1e-12;

/** What computes loss and gradient of the same batch. Throws if two of them do not agree. */
export function contestantsFor({ rows, classes }: Shape): Contestants {
  const random = seeded(rows * classes);
  const logits = Float64Array.from({ length: rows * classes }, () => 10 * random() - 5);
  const labels = Int32Array.from({ length: rows }, () => Math.floor(classes * random()));
  const plainGradient = new Float64Array(logits.length);
  const out = new Float64Array(logits.length);
  const options = { shape: [rows, classes], out };
  const layer = new SoftmaxCrossEntropy({ shape: [rows, classes] });
  layer.logits.set(logits);
  layer.labels.set(labels);

  const plain = Object.entries(FORMS.crossEntropyWithGradient).map(
    ([form, run]) => [form, () => run(logits, labels, plainGradient, rows, classes)] as const,
  );
  const ways = {
    ...Object.fromEntries(plain),
    copying: () => crossEntropyWithGradient(logits, labels, options).loss,
    resident: () => {
      const loss = layer.forward();
      layer.backward();
      return loss;
    },
  };

  const want = ways.resident();
  for (const [way, run] of Object.entries(ways)) {
    const loss = run();
    const gradient = { copying: out, resident: layer.gradient }[way] ?? plainGradient;
    if (Math.abs(loss - want) > TOLERANCE * want) throw new Error(`${way}: its loss is ${loss}, that of the others ${want}`);
    const worst = gradient.reduce((max, value, i) => Math.max(max, Math.abs(value - layer.gradient[i])), 0);
    if (worst * rows > TOLERANCE) throw new Error(`${way}: its gradient is off by ${worst}`);
  }
  return { ways, dispose: () => layer.dispose() };
}

/** The step of the clock, which browsers make coarse, in ms. */
export function clockStep(): number {
  let step = Infinity;
  for (let k = 0; k < 5; k++) {
    const start = performance.now();
    let now = start;
    while (now === start) now = performance.now();
    step = Math.min(step, now - start);
  }
  return step;
}

/** ms for so many calls. */
export function timeOf(run: () => number, calls: number): number {
  const start = performance.now();
  for (let call = 0; call < calls; call++) run();
  return performance.now() - start;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
