/// <reference lib="esnext.float16" />
// jax-js on its WebAssembly device: `jit` of nn.softmax, of a loss, and of its `valueAndGrad`. The time has the call and reading its
// results. Arrays are float32, the default: with float64 arrays, its exp and log would still have the digits of float32.

import type { numpy } from "@jax-js/jax";
import { lossThenGradient, shapeOf, type Task } from "../task.js";
import { load, type Work } from "./packages.js";

/** jax-js counts references to arrays: a function frees its arguments, except those that are given as `.ref`. */
export async function jax({ op, outer, classes, inner, logits, labels }: Task): Promise<Work> {
  // jax-js evaluates `instanceof Float16Array`; Node has that class from version 24 on.
  Object.assign(globalThis, { Float16Array: globalThis.Float16Array ?? class {} });
  const { init, defaultDevice, jit, nn, numpy: np, valueAndGrad } = await load<typeof import("@jax-js/jax")>("@jax-js/jax");
  await init("wasm");
  defaultDevice("wasm");

  const shape = shapeOf(outer, classes, inner);
  const x = np.array(Float32Array.from(logits), { shape });
  if (op === "softmax") {
    const softmax = jit((x: numpy.Array) => nn.softmax(x, 1));
    let probs: ArrayLike<number> = [];
    const run = () => {
      probs = softmax(x.ref).dataSync();
    };
    return { run, result: () => probs };
  }

  const y = np.array(labels as Int32Array<ArrayBuffer>, { shape: shapeOf(outer, 1, inner), dtype: np.int32 });
  let loss = 0;
  if (op === "loss") {
    const lossOf = jit((x: numpy.Array, y: numpy.Array) => np.negative(np.mean(np.takeAlongAxis(nn.logSoftmax(x, 1), y, 1))));
    const run = () => {
      [loss] = lossOf(x.ref, y.ref).dataSync();
    };
    return { run, result: () => [loss] };
  }

  // takeAlongAxis has no gradient in `jit`. A product with one-hot labels has one; they are made outside the time.
  const indices = np.arange(classes).reshape(inner === 1 ? [1, classes] : [classes, 1]);
  const oneHot = np.equal(y, indices).astype(np.float32);
  const lossOf = (x: numpy.Array, oneHot: numpy.Array) => np.mean(nn.logsumexp(x.ref, 1).sub(np.sum(x.mul(oneHot), 1)));
  const lossAndGradient = jit(valueAndGrad(lossOf));
  let gradient: ArrayLike<number> = [];
  const run = () => {
    const [value, slope] = lossAndGradient(x.ref, oneHot.ref);
    [loss] = value.dataSync();
    gradient = slope.dataSync();
  };
  return { run, result: () => lossThenGradient(loss, gradient) };
}
