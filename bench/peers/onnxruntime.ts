// ONNX Runtime, in WebAssembly or native: a Softmax model and a LogSoftmax model. The time is that of `session.run`.

import { type Implementation, shapeOf, type Task } from "../task.js";
import { model, node, value } from "./onnx-model.js";
import { load, type Work } from "./packages.js";

type Tensor = { readonly data: ArrayLike<number> };
type Tensors = Readonly<Record<string, Tensor>>;

interface OnnxRuntime {
  env: { wasm?: { numThreads: number } };
  Tensor: new (type: string, data: Float64Array | Float32Array | Int32Array, shape: readonly number[]) => Tensor;
  InferenceSession: {
    create(
      model: Uint8Array,
      options: { intraOpNumThreads: number; interOpNumThreads: number },
    ): Promise<{ run(feeds: Tensors): Promise<Tensors> }>;
  };
}

/** Inputs and outputs are JavaScript tensors: onnxruntime-web copies to its memory and back in each run. */
export const onnxRuntime =
  (name: "onnxruntime-web" | "onnxruntime-node", dtype: Implementation["dtype"]) =>
  async ({ op, outer, classes, inner, logits, labels }: Task): Promise<Work | string> => {
    if (op === "gradient") return "an inference runtime has no gradients";
    const { env, InferenceSession, Tensor } = await load<OnnxRuntime>(name);
    if (env.wasm) env.wasm.numThreads = 1;

    const array = dtype === "float64" ? Float64Array : Float32Array;
    const shape = shapeOf(outer, classes, inner);
    const rowShape = shapeOf(outer, 1, inner);
    const x = new Tensor(dtype, array.from(logits), shape);
    const y = new Tensor("int32", labels, rowShape);
    const axis = 1;
    const softmax = model([node("Softmax", ["x"], "out", { axis })], [value("x", dtype, shape)], value("out", dtype, shape));
    const loss = model(
      [
        node("LogSoftmax", ["x"], "logProbs", { axis }),
        node("GatherElements", ["logProbs", "y"], "atLabels", { axis }),
        node("ReduceMean", ["atLabels"], "mean", { keepdims: 0 }),
        node("Neg", ["mean"], "out"),
      ],
      [value("x", dtype, shape), value("y", "int32", rowShape)],
      value("out", dtype, []),
    );

    const [graph, feeds]: [Uint8Array, Tensors] = op === "softmax" ? [softmax, { x }] : [loss, { x, y }];
    const session = await InferenceSession.create(graph, { intraOpNumThreads: 1, interOpNumThreads: 1 });
    let results: Tensors = {};
    const run = async () => {
      results = await session.run(feeds);
    };
    return { run, result: () => results.out.data };
  };
