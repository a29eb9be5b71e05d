// A network that reads digits: softmax regression, or with a hidden layer of rectified linear units before it. Its products, softmax and loss are
// those of softmax-wasm/linear.

import { LinearCrossEntropy, linear, linearBackward } from "softmax-wasm/linear";
import { CLASSES, type Digits, PIXELS } from "./digits.js";

/** The label of rows that a batch does not have: the last one of an epoch may be smaller. */
const NONE = -1;

/** Weights (units, features) and biases (units) of a layer. */
export interface Layer {
  readonly weights: Float32Array;
  readonly bias: Float32Array;
}

/** Digits as the network takes them. */
export interface Samples {
  readonly count: number;
  /** (count, PIXELS), 0 … 1 */
  readonly pixels: Float32Array;
  /** (count) */
  readonly labels: Uint8Array;
}

export function samplesOf({ count, images, labels }: Digits): Samples {
  const pixels = new Float32Array(images);
  for (let i = 0; i < pixels.length; i++) pixels[i] *= 1 / 255;
  return { count, pixels, labels };
}

/** Copies the pixels of some samples, (numbers.length, PIXELS). */
export function copyPixels({ pixels }: Samples, numbers: Uint32Array, to: Float32Array): void {
  for (let i = 0; i < numbers.length; i++) to.set(pixels.subarray(numbers[i] * PIXELS, (numbers[i] + 1) * PIXELS), i * PIXELS);
}

function descend(values: Float32Array, gradient: Float32Array, rate: number): void {
  for (let i = 0; i < values.length; i++) values[i] -= rate * gradient[i];
}

/** Uniform first weights for rectified linear units (He et al., "Delving deep into rectifiers", 2015). */
function firstWeights(units: number, features: number, random: () => number): Float32Array {
  return Float32Array.from({ length: units * features }, () => (2 * random() - 1) * Math.sqrt(6 / features));
}

/** The units of a hidden layer, max(0, X Wᵀ + b), for pixels (rows, PIXELS). */
export function unitsOf({ weights, bias }: Layer, pixels: Float32Array): Float32Array {
  const units = linear(pixels, weights, { shape: [pixels.length / PIXELS, PIXELS], bias });
  for (let i = 0; i < units.length; i++) units[i] = Math.max(0, units[i]);
  return units;
}

export class Network {
  /** Milliseconds that steps have taken: in layers, softmax and loss; and for the rest, pixels and the change of weights. */
  readonly times = { layers: 0, rest: 0 };
  readonly #batch: number;
  /** The last layer. Its input are the units of the hidden layer, or the pixels. */
  readonly #head: LinearCrossEntropy<"indices", never, "float32">;
  readonly #hidden: Layer | undefined;
  /** The pixels of a batch (batch, PIXELS) before the hidden layer. */
  readonly #pixels: Float32Array;

  /**
   * @param batch The most digits in a step.
   * @param hidden The units of the hidden layer; 0 for none.
   * @param random Draws from [0, 1) for the first weights.
   */
  constructor(batch: number, hidden: number, random: () => number) {
    this.#batch = batch;
    const shape = [batch, hidden || PIXELS];
    const options = { classes: CLASSES, bias: true, ignoreIndex: NONE, inputGradient: hidden > 0 } as const;
    this.#head = new LinearCrossEntropy({ shape, dtype: "float32", ...options });
    this.#pixels = new Float32Array(hidden && batch * PIXELS);
    if (hidden === 0) return;
    this.#hidden = { weights: firstWeights(hidden, PIXELS, random), bias: new Float32Array(hidden) };
    this.#head.weights.set(firstWeights(CLASSES, hidden, random));
  }

  /** The layers, the first one first. */
  get layers(): readonly Layer[] {
    const { weights, bias } = this.#head;
    return [...(this.#hidden ? [this.#hidden] : []), { weights, bias }];
  }

  /** Does a step of gradient descent. @returns The mean loss of the samples before it. */
  step(samples: Samples, numbers: Uint32Array, rate: number): number {
    const started = performance.now();
    const head = this.#head;
    const hidden = this.#hidden;
    copyPixels(samples, numbers, hidden ? this.#pixels : head.input);
    const { labels } = head;
    labels.fill(NONE, numbers.length);
    for (let i = 0; i < numbers.length; i++) labels[i] = samples.labels[numbers[i]];

    const filled = performance.now();
    if (hidden) head.input.set(unitsOf(hidden, this.#pixels));
    const loss = head.forward();
    const { input: upstream, weights, bias } = head.backward();
    let ofHidden: { weightsGradient: Float32Array; biasGradient: Float32Array } | undefined;
    if (hidden && upstream) {
      const units = head.input;
      for (let i = 0; i < units.length; i++) if (units[i] === 0) upstream[i] = 0;
      ofHidden = linearBackward(upstream, this.#pixels, hidden.weights, {
        shape: [this.#batch, PIXELS],
        inputGradient: false,
      });
    }

    const computed = performance.now();
    if (hidden && ofHidden) {
      descend(hidden.weights, ofHidden.weightsGradient, rate);
      descend(hidden.bias, ofHidden.biasGradient, rate);
    }
    descend(head.weights, weights, rate);
    descend(head.bias, bias as Float32Array, rate);
    this.times.layers += computed - filled;
    this.times.rest += filled - started + performance.now() - computed;
    return loss;
  }

  /** Logits (rows, CLASSES) of pixels (rows, PIXELS). */
  logits(pixels: Float32Array): Float32Array {
    return this.#head.logits(this.#hidden ? unitsOf(this.#hidden, pixels) : pixels);
  }

  /** The number of samples by true class and predicted class: (CLASSES, CLASSES). */
  confusion({ count, pixels, labels }: Samples): number[][] {
    const confusion = Array.from({ length: CLASSES }, () => new Array<number>(CLASSES).fill(0));
    const logits = this.logits(pixels);
    for (let i = 0; i < count; i++) {
      const row = logits.subarray(i * CLASSES, (i + 1) * CLASSES);
      confusion[labels[i]][row.indexOf(Math.max(...row))]++;
    }
    return confusion;
  }

  dispose(): void {
    this.#head.dispose();
  }
}

/** The share of digits whose predicted class is the true one. */
export function accuracyOf(confusion: readonly (readonly number[])[]): number {
  const right = confusion.reduce((sum, row, j) => sum + row[j], 0);
  return right / confusion.flat().reduce((sum, count) => sum + count, 0);
}
