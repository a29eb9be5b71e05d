// Who computes the product X Wᵀ in the benchmark of linear layers, each in memory of its own.

import type { Dtype } from "softmax-wasm";
import { linearModule } from "../src/linear/source.js";
import { model, node, value } from "./peers/onnx-model.js";
import { load } from "./peers/packages.js";

type Floats = Float64Array | Float32Array;
export const ARRAYS = { float32: Float32Array, float64: Float64Array };

/** Operands: X (rows, depth), W (classes, depth). */
export interface Product {
  readonly dtype: Dtype;
  readonly rows: number;
  readonly depth: number;
  readonly classes: number;
  readonly x: Floats;
  readonly w: Floats;
}

/** A implementation: computes the product, and gives some of its elements to be checked. */
export interface ProductImplementation {
  run(): unknown;
  result(): ArrayLike<number> | Promise<ArrayLike<number>>;
}

/** The kernels of softmax-wasm/linear, with packing. */
export function kernels({ dtype, rows, depth, classes, x, w }: Product): ProductImplementation {
  const memory = new WebAssembly.Memory({ initial: 400 });
  const linear = new WebAssembly.Instance(linearModule(false), { env: { memory } }).exports as Record<
    string,
    (...args: number[]) => number
  >;
  const Elements = ARRAYS[dtype];
  const bytes = Elements.BYTES_PER_ELEMENT;
  let end = 0;
  const put = (array: Floats) => {
    const view = new Elements(memory.buffer, end, array.length);
    view.set(array);
    end += Math.ceil(array.byteLength / 64) * 64;
    return view;
  };
  const [xView, wView, out] = [put(x), put(w), put(new Elements(rows * classes))];
  const scratch = put(new Elements(linear.scratchBytes(bytes) / bytes)).byteOffset;
  // X is packed where it has more rows, and W is read as it is.
  const ofX = { from: xView.byteOffset, lines: rows, outBytes: classes * bytes };
  const ofW = { from: wView.byteOffset, lines: classes, outBytes: bytes };
  const [a, packed] = rows >= 2 * classes ? [ofW, ofX] : [ofX, ofW];
  const step = depth * bytes;
  const run = () => {
    linear.packRows(bytes, packed.from, step, packed.lines, depth, end);
    const where = [out.byteOffset, a.outBytes, packed.outBytes, 0, 0, a.lines, scratch];
    linear.product(bytes, a.from, step, end, packed.lines, depth, 256, 0, 0, ...where);
  };
  return { run, result: () => out };
}

/** The best plain JavaScript: blocks of 2 rows and 4 classes, whose sums stay in registers. Rows are even, and classes that are no multiple of 4 have a loop of their own. */
export function plain({ dtype, rows, depth, classes, x, w }: Product): ProductImplementation {
  const out = new ARRAYS[dtype](rows * classes);
  const four = classes & ~3;
  const run = () => {
    for (let i = 0; i < rows; i += 2) {
      const a = i * depth;
      const b = a + depth;
      for (let j = 0; j < four; j += 4) {
        let s0 = 0;
        let s1 = 0;
        let s2 = 0;
        let s3 = 0;
        let t0 = 0;
        let t1 = 0;
        let t2 = 0;
        let t3 = 0;
        const w0 = j * depth;
        const w1 = w0 + depth;
        const w2 = w1 + depth;
        const w3 = w2 + depth;
        for (let k = 0; k < depth; k++) {
          const xa = x[a + k];
          const xb = x[b + k];
          const y0 = w[w0 + k];
          const y1 = w[w1 + k];
          const y2 = w[w2 + k];
          const y3 = w[w3 + k];
          s0 += xa * y0;
          s1 += xa * y1;
          s2 += xa * y2;
          s3 += xa * y3;
          t0 += xb * y0;
          t1 += xb * y1;
          t2 += xb * y2;
          t3 += xb * y3;
        }
        const at = i * classes + j;
        const under = at + classes;
        out[at] = s0;
        out[at + 1] = s1;
        out[at + 2] = s2;
        out[at + 3] = s3;
        out[under] = t0;
        out[under + 1] = t1;
        out[under + 2] = t2;
        out[under + 3] = t3;
      }
      for (let j = four; j < classes; j++) {
        let s = 0;
        let t = 0;
        for (let k = 0, y = j * depth; k < depth; k++, y++) {
          s += x[a + k] * w[y];
          t += x[b + k] * w[y];
        }
        out[i * classes + j] = s;
        out[(i + 1) * classes + j] = t;
      }
    }
  };
  return { run, result: () => out };
}

interface Tensor {
  data(): Promise<Float32Array>;
  dispose(): void;
}

interface TensorFlow {
  setBackend(name: string): Promise<boolean>;
  ready(): Promise<void>;
  tensor(data: Floats, shape: number[]): Tensor;
  matMul(a: Tensor, b: Tensor, transposeA: boolean, transposeB: boolean): Tensor;
}

export async function tensorFlow({ rows, depth, classes, x, w }: Product): Promise<ProductImplementation> {
  const tf = await load<TensorFlow>("@tensorflow/tfjs-core");
  const { setThreadsCount } = await load<{ setThreadsCount?: (count: number) => void }>("@tensorflow/tfjs-backend-wasm");
  setThreadsCount?.(1);
  await tf.setBackend("wasm");
  await tf.ready();
  // Its fast product takes no transposed operand, so W is transposed before.
  const transposed = w.map((_, i) => w[(i % classes) * depth + Math.floor(i / classes)]);
  const [a, b] = [tf.tensor(x, [rows, depth]), tf.tensor(transposed, [depth, classes])];
  const product = () => tf.matMul(a, b, false, false);
  return { run: () => product().dispose(), result: () => product().data() };
}

interface OnnxRuntime {
  env: { wasm: { numThreads: number } };
  Tensor: new (type: string, data: Floats, shape: readonly number[]) => { readonly data: Floats };
  InferenceSession: { create(model: Uint8Array): Promise<{ run(feeds: object): Promise<Record<string, { readonly data: Floats }>> }> };
}

export async function onnxRuntime({ dtype, rows, depth, classes, x, w }: Product): Promise<ProductImplementation> {
  const { env, Tensor, InferenceSession } = await load<OnnxRuntime>("onnxruntime-web");
  env.wasm.numThreads = 1;
  const inputs = [value("x", dtype, [rows, depth]), value("w", dtype, [classes, depth])];
  const gemm = model([node("Gemm", ["x", "w"], "out", { transB: 1 })], inputs, value("out", dtype, [rows, classes]));
  const session = await InferenceSession.create(gemm);
  const feeds = { x: new Tensor(dtype, x, [rows, depth]), w: new Tensor(dtype, w, [classes, depth]) };
  const run = () => session.run(feeds);
  return { run, result: async () => (await run()).out.data };
}

/** Holds some elements of a implementation's product against plain sums. */
export async function verify(name: string, { x, w, rows, depth, classes }: Product, implementation: ProductImplementation): Promise<void> {
  await implementation.run();
  const got = await implementation.result();
  for (const [i, j] of [
    [0, 0],
    [rows - 1, classes - 1],
    [rows >> 1, 1],
  ]) {
    let want = 0;
    for (let k = 0; k < depth; k++) want += x[i * depth + k] * w[j * depth + k];
    if (!(Math.abs(got[i * classes + j] - want) < 1e-4)) throw new Error(`${name} gives ${got[i * classes + j]} where it is ${want}`);
  }
}
