// The implementations that the page times: loss with gradient in plain JavaScript and by the library. Their results must agree.

import { crossEntropyWithGradient, SoftmaxCrossEntropy } from "softmax-wasm";
import { seeded } from "../../../reference/data.js";
import { FORMS } from "../../../reference/plain-javascript.js";

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

export interface Implementations {
  /** By name: a call returns the loss and computes the gradient. All but "copying", "resident" and "float32" are plain JavaScript. */
  readonly runs: Readonly<Record<string, () => number>>;
  dispose(): void;
}

/** The largest difference of two results, relative to the loss, and to 1/rows for a gradient; of float32 logits another one. */
const TOLERANCE = 1e-12;
const TOLERANCE_OF_FLOAT32 = 1e-6;

/** Implementations on the same random batch. @throws Error if two of them do not agree. */
export function implementationsFor({ rows, classes }: Shape): Implementations {
  const random = seeded(rows * classes);
  const logits = Float64Array.from({ length: rows * classes }, () => 10 * random() - 5);
  const labels = Int32Array.from({ length: rows }, () => Math.floor(classes * random()));
  const plainGradient = new Float64Array(logits.length);
  const out = new Float64Array(logits.length);
  const shape = [rows, classes];
  const options = { shape, out };
  const layer = new SoftmaxCrossEntropy({ shape });
  const float32 = new SoftmaxCrossEntropy({ shape, dtype: "float32" });
  for (const { logits: ofLayer, labels: labelsOfLayer } of [layer, float32]) {
    ofLayer.set(logits);
    labelsOfLayer.set(labels);
  }

  const plain = Object.entries(FORMS.crossEntropyWithGradient).map(
    ([form, run]) => [form, () => run(logits, labels, plainGradient, rows, classes)] as const,
  );
  const runs = {
    ...Object.fromEntries(plain),
    copying: () => crossEntropyWithGradient(logits, labels, options).loss,
    resident: () => {
      const loss = layer.forward();
      layer.backward();
      return loss;
    },
    float32: () => {
      const loss = float32.forward();
      float32.backward();
      return loss;
    },
  };

  const want = runs.resident();
  for (const [name, run] of Object.entries(runs)) {
    const loss = run();
    const gradient = { copying: out, resident: layer.gradient, float32: Float64Array.from(float32.gradient) }[name] ?? plainGradient;
    const tolerance = name === "float32" ? TOLERANCE_OF_FLOAT32 : TOLERANCE;
    if (Math.abs(loss - want) > tolerance * want) throw new Error(`${name}: its loss is ${loss}, that of the others ${want}`);
    const worst = gradient.reduce((max, value, i) => Math.max(max, Math.abs(value - layer.gradient[i])), 0);
    if (worst * rows > tolerance) throw new Error(`${name}: its gradient is off by ${worst}`);
  }
  return {
    runs,
    dispose: () => {
      layer.dispose();
      float32.dispose();
    },
  };
}
