// Trains the network of the MNIST example, with a hidden layer, on the digits of the page.

import { seeded } from "../../../reference/data.js";
import { type Digits, PIXELS, shuffle } from "../../mnist/digits.js";
import { accuracyOf, type Layer, Network, type Samples, samplesOf } from "../../mnist/network.js";
import { warp } from "./warp.js";

/** Units of the hidden layer. */
export const HIDDEN = 128;
/** Training stops this many times an epoch, for a point of the curves. */
const POINTS_PER_EPOCH = 4;

export interface Settings {
  /** The learning rate of the first epoch; the e-th has rate / √e. */
  readonly rate: number;
  /** Digits a step. */
  readonly batch: number;
}

export interface Progress {
  /** The number of times that all digits have been trained on. */
  readonly epochs: number;
  readonly steps: number;
  /** The time that the steps have taken. */
  readonly seconds: number;
  /** The mean loss of the last steps; NaN before the first one. */
  readonly loss: number;
  /** The share of the test digits whose predicted class is the true one. */
  readonly accuracy: number;
  /** The hidden layer and the last one. */
  readonly layers: readonly [hidden: Layer, head: Layer];
}

export class Trainer {
  readonly #training: Digits;
  readonly #test: Samples;
  readonly #random = seeded(1);
  readonly #order: Uint32Array;
  #network = new Network(1, HIDDEN, this.#random);
  /** Room for the digits of a step. */
  #batch: Samples = { count: 0, pixels: new Float32Array(), labels: new Uint8Array() };
  #next = 0;
  #trained = 0;
  #steps = 0;
  #seconds = 0;
  #loss = Number.NaN;

  constructor(training: Digits, test: Digits) {
    this.#training = training;
    this.#test = samplesOf(test);
    this.#order = Uint32Array.from({ length: training.count }, (_, i) => i);
  }

  get progress(): Progress {
    // Views of the network's memory would be sent with all of it.
    const [hidden, head] = this.#network.layers.map(({ weights, bias }) => ({ weights: weights.slice(), bias: bias.slice() }));
    return {
      epochs: this.#trained / this.#training.count,
      steps: this.#steps,
      seconds: this.#seconds,
      loss: this.#loss,
      accuracy: accuracyOf(this.#network.confusion(this.#test)),
      layers: [hidden, head],
    };
  }

  /** Trains up to the next point of the curves. */
  train({ rate, batch }: Settings): void {
    const started = performance.now();
    if (batch !== this.#batch.count) this.#resize(batch);
    const points = () => Math.floor((POINTS_PER_EPOCH * this.#trained) / this.#training.count);
    const before = points();
    let sum = 0;
    let steps = 0;
    do {
      sum += this.#step(rate / Math.sqrt(1 + Math.floor(this.#trained / this.#training.count)));
      steps++;
    } while (points() === before);
    this.#loss = sum / steps;
    this.#steps += steps;
    this.#seconds += (performance.now() - started) / 1000;
  }

  /** A network for another number of digits a step, with the same weights. */
  #resize(batch: number): void {
    const { layers } = this.#network;
    const network = new Network(batch, HIDDEN, this.#random);
    network.layers.forEach(({ weights, bias }, k) => {
      weights.set(layers[k].weights);
      bias.set(layers[k].bias);
    });
    this.#network.dispose();
    this.#network = network;
    this.#batch = { count: batch, pixels: new Float32Array(batch * PIXELS), labels: new Uint8Array(batch) };
  }

  /** Trains on the next digits; returns their mean loss before the step. */
  #step(rate: number): number {
    if (this.#next === 0) shuffle(this.#order, this.#random);
    const { count, pixels, labels } = this.#batch;
    const chosen = this.#order.subarray(this.#next, this.#next + count);
    const { images, labels: truth } = this.#training;
    chosen.forEach((digit, i) => {
      const image = images.subarray(digit * PIXELS, (digit + 1) * PIXELS);
      warp(image, this.#random, pixels.subarray(i * PIXELS, (i + 1) * PIXELS));
      labels[i] = truth[digit];
    });
    this.#trained += chosen.length;
    this.#next = (this.#next + chosen.length) % this.#order.length;
    return this.#network.step(
      this.#batch,
      chosen.map((_, i) => i),
      rate,
    );
  }

  dispose(): void {
    this.#network.dispose();
  }
}
