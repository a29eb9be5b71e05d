/// <reference lib="esnext.float16" />
// jax-js on its WebAssembly device, in float32, its default: `jit` of nn.softmax, of a loss, and of its `valueAndGrad`. In the time are
// the call and reading its results. With float64 arrays its exp and log would still have the digits of float32.

import type { numpy } from "@jax-js/jax";
import type { Task } from "../timing.js";
import { load, lossThenGradient, shapeOf, type Work } from "./packages.js";

/** Arrays are counted: a function frees its arguments, unless they are given as `.ref`. */
export async function jax({ op, outer, classes, inner, logits, labels }: Task): Promise<Work> {
  // jax-js asks `instanceof Float16Array`, which Node has from version 24 on.
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

  // takeAlongAxis has no gradient in `jit`; one-hot labels, made outside the time, have.
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
