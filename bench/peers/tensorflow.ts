// TensorFlow.js: `softmax`, `losses.softmaxCrossEntropy` and `valueAndGrad`. The time has the ops and reading their results.

import { lossThenGradient, shapeOf, type Task } from "../task.js";
import { load, type Work } from "./packages.js";

interface TensorFlow {
  enableProdMode(): void;
  setBackend(name: string): Promise<boolean>;
  tensor(data: Float32Array, shape: number[]): Tensor;
  fill(shape: number[], value: number): Tensor;
  tidy<Kept extends Tensor | Tensor[]>(f: () => Kept): Kept;
  transpose(x: Tensor, order: number[]): Tensor;
  mean(x: Tensor): Tensor;
  softmax(logits: Tensor): Tensor;
  losses: {
    softmaxCrossEntropy(oneHot: Tensor, logits: Tensor, weights: undefined, labelSmoothing: number, reduction: number): Tensor;
  };
  Reduction: { NONE: number };
  valueAndGrad(f: (x: Tensor) => Tensor): (x: Tensor, upstream: Tensor) => { value: Tensor; grad: Tensor };
}

interface Tensor {
  dataSync(): Float32Array;
  dispose(): void;
}

/** Copies a tensor out of the backend, and frees it. */
function read(tensor: Tensor): Float32Array {
  const data = tensor.dataSync();
  tensor.dispose();
  return data;
}

/** The ops are over the last axis. Within the time, a strided axis is transposed to the end and back. One-hot labels are made outside it. */
export const tensorFlow =
  (backend: "wasm" | "cpu") =>
  async ({ op, outer, classes, inner, logits, labels }: Task): Promise<Work> => {
    const tf = await load<TensorFlow>("@tensorflow/tfjs-core");
    const { setThreadsCount } = await load<{ setThreadsCount?: (count: number) => void }>(`@tensorflow/tfjs-backend-${backend}`);
    setThreadsCount?.(1);
    tf.enableProdMode();
    await tf.setBackend(backend);

    const x = tf.tensor(Float32Array.from(logits), shapeOf(outer, classes, inner));
    const swapped = (tensor: Tensor) => (inner === 1 ? tensor : tf.transpose(tensor, [0, 2, 1]));
    if (op === "softmax") {
      let probs: ArrayLike<number> = [];
      const run = () => {
        probs = read(tf.tidy(() => swapped(tf.softmax(swapped(x)))));
      };
      return { run, result: () => probs };
    }

    const ones = new Float32Array(logits.length);
    labels.forEach((label, row) => {
      ones[row * classes + label] = 1;
    });
    const oneHot = tf.tensor(ones, inner === 1 ? [outer, classes] : [outer, inner, classes]);
    const lossesOf = (x: Tensor) => tf.losses.softmaxCrossEntropy(oneHot, x, undefined, 0, tf.Reduction.NONE);
    let loss = 0;
    if (op === "loss") {
      const run = () => {
        [loss] = read(tf.tidy(() => tf.mean(lossesOf(swapped(x)))));
      };
      return { run, result: () => [loss] };
    }

    // Means have no gradient without tfjs-layers, so the upstream gradient divides by the number of rows.
    const weights = tf.fill(inner === 1 ? [outer] : [outer, inner], 1 / labels.length);
    const lossesAndGradient = tf.valueAndGrad(lossesOf);
    let gradient: ArrayLike<number> = [];
    const run = () => {
      const [mean, slope] = tf.tidy(() => {
        const { value, grad } = lossesAndGradient(swapped(x), weights);
        return [tf.mean(value), swapped(grad)];
      });
      [loss] = read(mean);
      gradient = read(slope);
    };
    return { run, result: () => lossThenGradient(loss, gradient) };
  };
