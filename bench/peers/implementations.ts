// The implementations by other libraries; a library is loaded when it runs.

import type { Implementation, Task } from "../task.js";
import { jax } from "./jax.js";
import { jsPyTorch } from "./js-pytorch.js";
import { numPy } from "./numpy.js";
import { onnxRuntime } from "./onnxruntime.js";
import type { Work } from "./packages.js";
import { tensorFlow } from "./tensorflow.js";
import { transformers } from "./transformers.js";

export interface Peer {
  readonly name: string;
  readonly dtype: Implementation["dtype"];
  /** The functions that it calls, and its differences from the others. */
  readonly note: string;
  /** The npm package that must be installed. */
  readonly package: string;
  /** The implementation of a task, or the reason why there is none. */
  readonly workOf: (task: Task) => Promise<Work | string>;
}

export const PEERS: readonly Peer[] = [
  {
    name: "onnxruntime-node",
    dtype: "float64",
    note: "native C++; Softmax and LogSoftmax models; no gradient",
    package: "onnxruntime-node",
    workOf: onnxRuntime("onnxruntime-node", "float64"),
  },
  {
    name: "onnxruntime-node-float32",
    dtype: "float32",
    note: "native C++; Softmax and LogSoftmax models; no gradient",
    package: "onnxruntime-node",
    workOf: onnxRuntime("onnxruntime-node", "float32"),
  },
  {
    name: "onnxruntime-web",
    dtype: "float64",
    note: "WebAssembly; Softmax and LogSoftmax models; copies in and out; no gradient",
    package: "onnxruntime-web",
    workOf: onnxRuntime("onnxruntime-web", "float64"),
  },
  {
    name: "onnxruntime-web-float32",
    dtype: "float32",
    note: "WebAssembly; Softmax and LogSoftmax models; copies in and out; no gradient",
    package: "onnxruntime-web",
    workOf: onnxRuntime("onnxruntime-web", "float32"),
  },
  {
    name: "tfjs-wasm",
    dtype: "float32",
    note: "WebAssembly SIMD; softmax, losses.softmaxCrossEntropy, valueAndGrad; one-hot labels; results copied out",
    package: "@tensorflow/tfjs-backend-wasm",
    workOf: tensorFlow("wasm"),
  },
  {
    name: "tfjs-cpu",
    dtype: "float32",
    note: "JavaScript; softmax, losses.softmaxCrossEntropy, valueAndGrad; one-hot labels",
    package: "@tensorflow/tfjs-backend-cpu",
    workOf: tensorFlow("cpu"),
  },
  {
    name: "jax-js",
    dtype: "float32",
    note: "WebAssembly; jit of nn.softmax, nn.logSoftmax, valueAndGrad; one-hot labels for the gradient; results copied out",
    package: "@jax-js/jax",
    workOf: jax,
  },
  {
    name: "numpy-ts",
    dtype: "float64",
    note: "WebAssembly SIMD; the steps in NumPy calls, gradient by hand; nothing copied",
    package: "numpy-ts",
    workOf: numPy,
  },
  {
    name: "transformers.js",
    dtype: "float64",
    note: "JavaScript; softmax and log_softmax in a loop over rows, as it has no batches; no gradient, no strided axis",
    package: "@huggingface/transformers",
    workOf: transformers,
  },
  {
    name: "js-pytorch",
    dtype: "float64",
    note: "JavaScript, nested arrays; nn.Softmax, nn.CrossEntropyLoss, backward; no shift by the maximum",
    package: "js-pytorch",
    workOf: jsPyTorch,
  },
];

const isMissing = (error: unknown) =>
  error instanceof Error && "code" in error && ["ERR_MODULE_NOT_FOUND", "MODULE_NOT_FOUND"].includes(String(error.code));

export async function implementPeer(task: Task): Promise<Implementation | string> {
  const peer = PEERS.find(({ name }) => name === task.implementation);
  if (!peer) return `there is no ${task.implementation}`;
  try {
    const work = await peer.workOf(task);
    return typeof work === "string" ? work : { dtype: peer.dtype, ...work };
  } catch (error) {
    if (isMissing(error)) return `${peer.package} is not installed`;
    throw error;
  }
}
