// Trains the model of the MNIST example on the digits of the page, step by step.

import { SoftmaxCrossEntropy, softmax } from "softmax-wasm";
import { seeded } from "../../../reference/data.js";
import { CLASSES, type Digits, shuffle } from "../../mnist/digits.js";
import { accuracyOf, confusionOf, descend, forward, type Weights, zeroWeights } from "../../mnist/model.js";

const FIRST = Uint32Array.of(0);

export class Trainer {
  readonly weights: Weights = zeroWeights();
  /** Digits a step. */
  batch = 100;
  /** The learning rate of the first epoch; the e-th has rate / √e. */
  rate = 0.5;
  steps = 0;
  /** The number of digits trained on, repetitions included. */
  #trained = 0;
  #next = 0;
  readonly #training: Digits;
  readonly #test: Digits;
  readonly #layer = new SoftmaxCrossEntropy({ shape: [0, CLASSES] });
  readonly #order: Uint32Array;
  readonly #random = seeded(1);

  constructor(training: Digits, test: Digits) {
    this.#training = training;
    this.#test = test;
    this.#order = Uint32Array.from({ length: training.count }, (_, i) => i);
  }

  /** The number of times that all digits have been trained on. */
  get epochs(): number {
    return this.#trained / this.#training.count;
  }

  /** Trains on the next digits; returns their mean loss before the step. */
  step(): number {
    if (this.#next === 0) shuffle(this.#order, this.#random);
    const chosen = this.#order.subarray(this.#next, this.#next + this.batch);
    const epoch = 1 + Math.floor(this.epochs);
    const layer = this.#layer;
    layer.resize([chosen.length, CLASSES]);
    forward(this.weights, this.#training, chosen, layer.logits);
    chosen.forEach((digit, i) => {
      layer.labels[i] = this.#training.labels[digit];
    });
    const loss = layer.forward();
    descend(this.weights, this.#training, chosen, layer.backward(), this.rate / Math.sqrt(epoch));
    this.steps++;
    this.#trained += chosen.length;
    this.#next += chosen.length;
    if (this.#next === this.#order.length) this.#next = 0;
    return loss;
  }

  /** The share of the test digits whose predicted class is the true one. */
  accuracy(): number {
    return accuracyOf(confusionOf(this.weights, this.#test));
  }

  /** Logits and p of an image (PIXELS). */
  read(image: Uint8Array): { logits: Float64Array; probs: Float64Array } {
    const logits = new Float64Array(CLASSES);
    forward(this.weights, { count: 1, images: image, labels: image }, FIRST, logits);
    return { logits, probs: softmax(logits) };
  }

  dispose(): void {
    this.#layer.dispose();
  }
}
