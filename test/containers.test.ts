// Containers: each function reads any of them, and gives its result in the kind that it got.

import { describe, expect, it } from "vitest";
import { ROWS, seeded } from "../reference/data.js";
import {
  crossEntropy,
  crossEntropyHessianDiagonal,
  crossEntropyHvp,
  crossEntropyWithGradient,
  type Float16ArrayLike,
  logSoftmax,
  logSoftmaxBackward,
  logSumExp,
  Softmax,
  SoftmaxCrossEntropy,
  softmax,
  softmaxBackward,
  softmaxJacobian,
} from "../src/index.js";

const flat = (length: number, seed = 1) => Float64Array.from(ROWS.uniform(seeded(seed), length));

/** The shape of the batches below; the class axis is the second. */
const shape = [2, 3, 4];
const size = 24;
const axis = 1;
const x = flat(size);
const g = flat(size, 2);
const labels = Int32Array.of(0, 1, 2, 0, 2, 2, 1, 0);

type NestedRows = Float64Array[][];
const rowsOf = (data: Float64Array): NestedRows =>
  [0, 1].map((i) => [0, 1, 2].map((j) => data.slice((3 * i + j) * 4, (3 * i + j + 1) * 4)));
const flatten = (rows: NestedRows): Float64Array => Float64Array.from(rows.flat().flatMap((row) => [...row]));

describe("containers", () => {
  it("are of the same kind for input and result", () => {
    const x = [
      [-Infinity, 2, 2],
      [3, -Infinity, 3],
    ];
    const want = [
      [0, 0.5, 0.5],
      [0.5, 0, 0.5],
    ];
    expect(softmax(x)).toEqual(want);
    expect(softmax(Float64Array.from(x.flat()), { shape: [2, 3] })).toEqual(Float64Array.from(want.flat()));
    expect(softmax({ data: Float64Array.from(x.flat()), shape: [2, 3] })).toEqual({ data: Float64Array.from(want.flat()), shape: [2, 3] });
    expect(softmax([3, 3])).toEqual([0.5, 0.5]);
    expect(softmax(Float64Array.of(3, 3))).toEqual(Float64Array.of(0.5, 0.5));
    expect(softmax([[[3, 3]], [[1, 1]]])).toEqual([[[0.5, 0.5]], [[0.5, 0.5]]]);
  });

  it("lose the class axis in a result by row and gain one in the Jacobian", () => {
    const ln2 = Math.log(2);
    expect(logSumExp([0, 0])).toBe(ln2);
    expect(logSumExp([[0, 0]])).toEqual([ln2]);
    expect(logSumExp([[[0, 0]]])).toEqual([[ln2]]);
    expect(logSumExp([[0], [0]], { axis: 0 })).toEqual([ln2]);
    expect(logSumExp(Float64Array.of(0, 0))).toEqual(Float64Array.of(ln2));
    expect(logSumExp({ data: Float64Array.of(0, 0), shape: [1, 2] })).toEqual({ data: Float64Array.of(ln2), shape: [1] });
    expect(softmaxJacobian([[0.5, 0.5]])).toEqual([
      [
        [0.25, -0.25],
        [-0.25, 0.25],
      ],
    ]);
    expect(softmaxJacobian(Float64Array.of(1, 0, 0.5, 0.5), { shape: [2, 2] })).toEqual(
      Float64Array.of(0, -0, -0, 0, 0.25, -0.25, -0.25, 0.25),
    );
    expect(softmaxJacobian({ data: Float64Array.of(1), shape: [1] })).toEqual({ data: Float64Array.of(0), shape: [1, 1] });
  });

  it("of the input stay unchanged", () => {
    const x = flat(30);
    const before = x.slice();
    softmax(x, { shape: [3, 10] });
    logSumExp(x, { shape: [3, 10] });
    expect(x).toEqual(before);
  });

  it("may be a contiguous ndarray view", () => {
    const data = Float64Array.of(9, 9, 1, 2, 3, 4, 9);
    const view = { data, shape: [2, 2], stride: [2, 1], offset: 2 };
    expect(softmax(view).data).toEqual(softmax(data.subarray(2, 6), { shape: [2, 2] }));
    expect(softmax({ ...view, stride: undefined, strides: [2, 1] }).shape).toEqual([2, 2]);
    // The stride of an axis of length 1 may be any number.
    expect(softmax({ data: data.slice(0, 3), shape: [1, 3], stride: [77, 1], offset: 0 }).shape).toEqual([1, 3]);
  });

  it("may hold no rows", () => {
    expect(softmax(new Float64Array(0), { shape: [0, 3] })).toEqual(new Float64Array(0));
    expect(logSumExp(new Float64Array(0), { shape: [0, 3] })).toEqual(new Float64Array(0));
    expect(softmax({ data: new Float64Array(0), shape: [2, 3, 0] as number[] }, { axis: 1 }).shape).toEqual([2, 3, 0]);
    const none = new Float64Array(0);
    expect(crossEntropyWithGradient(none, none, { shape: [0, 2 ** 32], labelSmoothing: 0.1 }).gradient).toEqual(none);
  });

  it("may be rows of typed arrays, in every function and layer", () => {
    const [rows, upstream] = [rowsOf(x), rowsOf(g)];
    const probs = softmax(x, { shape, axis });
    const logProbs = logSoftmax(x, { shape, axis });
    expect(softmax(rows, { axis })).toEqual(rowsOf(probs));
    expect(logSoftmax(rows, { axis })).toEqual(rowsOf(logProbs));
    // One typed array of four columns for each of two.
    const lse = logSumExp(x, { shape, axis });
    expect(logSumExp(rows, { axis })).toEqual([lse.slice(0, 4), lse.slice(4)]);
    expect(logSumExp(rows)).toEqual([0, 1].map((i) => logSumExp(x.slice(12 * i, 12 * i + 12), { shape: [3, 4] })));
    expect(logSumExp(rows[0])).toEqual(logSumExp(x.slice(0, 12), { shape: [3, 4] }));
    expect(softmaxBackward(upstream, rowsOf(probs), { axis })).toEqual(rowsOf(softmaxBackward(g, probs, { shape, axis })));
    expect(logSoftmaxBackward(upstream, rowsOf(logProbs), { axis })).toEqual(rowsOf(logSoftmaxBackward(g, logProbs, { shape, axis })));
    expect(softmaxJacobian([Float64Array.of(0.5, 0.5)])).toEqual([[Float64Array.of(0.25, -0.25), Float64Array.of(-0.25, 0.25)]]);

    const options = { axis, outputs: ["probs", "lse", "argmax"] };
    const want = crossEntropyWithGradient(x, labels, { ...options, shape });
    const got = crossEntropyWithGradient(rows, labels, options);
    expect(got.loss).toBe(want.loss);
    expect(flatten(got.gradient as NestedRows)).toEqual(want.gradient);
    expect(got).toMatchObject({ probs: rowsOf(want.probs as Float64Array) });
    expect((got.lse as Float64Array[]).flatMap((row) => [...row])).toEqual([...(want.lse as Float64Array)]);
    expect((got.argmax as Int32Array[])[0]).toBeInstanceOf(Int32Array);
    expect(crossEntropyHvp(rows, labels, upstream, { axis })).toEqual(rowsOf(crossEntropyHvp(x, labels, g, { shape, axis })));
    expect(crossEntropyHessianDiagonal(rows, labels, { axis })).toEqual(rowsOf(crossEntropyHessianDiagonal(x, labels, { shape, axis })));
    // Distributions, too, of any type.
    const q = labels.length === 8 ? probs.map((value) => Math.round(value)) : probs;
    expect(
      crossEntropy(
        rows,
        [0, 1].map((i) => rowsOf(q)[i].map((row) => Uint8Array.from(row))),
        { axis },
      ),
    ).toBe(crossEntropy(x, q, { shape, axis }));

    const layer = new Softmax({ axis });
    expect(layer.forward(rows)).toEqual(rowsOf(probs));
    expect(layer.backward(upstream)).toEqual(rowsOf(softmaxBackward(g, probs, { shape, axis })));
    const loss = new SoftmaxCrossEntropy({ axis });
    expect(loss.forward(rows, labels)).toBe(want.loss);
    expect(loss.backward<NestedRows>()).toEqual(rowsOf(want.gradient));
  });

  it("may be an ndarray whose elements lie in any order, in every function and layer", () => {
    // A transposed view: the axes of `x` in reverse order, apart from each other, behind a margin.
    const margin = 5;
    const place = (data: Float64Array) => {
      const far = new Float64Array(margin + 2 * size + 100).fill(Number.NaN);
      for (let i = 0; i < 2; i++) {
        for (let j = 0; j < 3; j++) {
          for (let k = 0; k < 4; k++) far[margin + 2 * (i + 2 * (j + 3 * k))] = data[(3 * i + j) * 4 + k];
        }
      }
      return { data: far, shape, stride: [2, 4, 12], offset: margin };
    };
    const ofFlat = (data: Float64Array, shape: readonly number[]) => ({ data, shape: [...shape] });
    const probs = softmax(x, { shape, axis });
    const logProbs = logSoftmax(x, { shape, axis });
    expect(softmax(place(x), { axis })).toEqual(ofFlat(probs, shape));
    expect(logSoftmax(place(x), { axis })).toEqual(ofFlat(logProbs, shape));
    expect(logSumExp(place(x), { axis })).toEqual(ofFlat(logSumExp(x, { shape, axis }), [2, 4]));
    expect(softmaxBackward(place(g), place(probs), { axis }).data).toEqual(softmaxBackward(g, probs, { shape, axis }));
    expect(logSoftmaxBackward(place(g), place(logProbs), { axis }).data).toEqual(logSoftmaxBackward(g, logProbs, { shape, axis }));
    expect(softmaxJacobian(place(probs)).data).toEqual(softmaxJacobian(probs, { shape }));
    const want = crossEntropyWithGradient(x, labels, { shape, axis });
    const reversed = { data: labels.slice().reverse(), shape: [2, 4], strides: [-4, -1], offset: 7 };
    expect(crossEntropyWithGradient(place(x), reversed, { axis })).toEqual({ loss: want.loss, gradient: ofFlat(want.gradient, shape) });
    expect(crossEntropyHvp(place(x), labels, place(g), { axis }).data).toEqual(crossEntropyHvp(x, labels, g, { shape, axis }));
    expect(crossEntropyHessianDiagonal(place(x), reversed, { axis }).data).toEqual(crossEntropyHessianDiagonal(x, labels, { shape, axis }));
    expect(crossEntropy(place(x), place(probs), { axis })).toBe(crossEntropy(x, probs, { shape, axis }));
    expect(new Softmax({ axis }).forward(place(x)).data).toEqual(probs);
    const loss = new SoftmaxCrossEntropy({ axis });
    expect(loss.forward(place(x), reversed)).toBe(want.loss);
    // A row that is repeated without a copy of it.
    const repeated = { data: Float64Array.of(1, 2, 3), shape: [2, 3], strides: [0, 1] };
    expect(softmax(repeated).data).toEqual(softmax(Float64Array.of(1, 2, 3, 1, 2, 3), { shape: [2, 3] }));
    // Weights and masks, by their strides.
    const sampleWeights = { data: Float64Array.of(1, 2, 3, 4, 5, 6, 7, 8), shape: [2, 4], stride: [1, 2] };
    const mask = { data: Uint8Array.of(1, 1, 0), shape: [3], strides: [-1], offset: 2 };
    const options = { axis, reduction: "sum" } as const;
    expect(crossEntropy(place(x), reversed, { ...options, sampleWeights })).toBe(
      crossEntropy(x, labels, { ...options, shape, sampleWeights: [1, 3, 5, 7, 2, 4, 6, 8] }),
    );
    expect(crossEntropy(place(x), labels, { ...options, mask, outputs: ["losses"] }).losses.data).toEqual(
      crossEntropy(x, labels, { ...options, shape, mask: [0, 1, 1], outputs: ["losses"] }).losses,
    );
  });

  it("may be a number, which has no axes", () => {
    expect(logSumExp(3)).toBe(3);
    expect(softmax(3)).toBe(1);
    expect(logSoftmax(-7)).toBe(0);
    expect(softmaxBackward(2, 1)).toBe(0);
    expect(softmaxJacobian(1)).toEqual([0]);
    expect(crossEntropy(3, 0)).toBe(0);
    expect(crossEntropyWithGradient(3, 0)).toEqual({ loss: 0, gradient: 0 });
    expect(crossEntropyHessianDiagonal(3, 0)).toBe(0);
    expect(crossEntropyHvp(3, 0, 5)).toBe(0);
    expect(softmax({ data: Float64Array.of(3), shape: [] })).toEqual({ data: Float64Array.of(1), shape: [] });
    expect(softmax(Float64Array.of(3), { shape: [] })).toEqual(Float64Array.of(1));
    expect(new Softmax().forward(3)).toBe(1);
    expect(new SoftmaxCrossEntropy().forward(3, 0)).toBe(0);
  });

  it("may be empty", () => {
    expect(softmax([])).toEqual([]);
    expect(softmax([[], []])).toEqual([[], []]);
    expect(softmax([[[], []]], { axis: 1 })).toEqual([[[], []]]);
    expect(logSoftmax([])).toEqual([]);
    expect(logSumExp([])).toBe(-Infinity);
    expect(logSumExp([[], []])).toEqual([-Infinity, -Infinity]);
    expect(logSumExp(new Float64Array(0))).toEqual(Float64Array.of(-Infinity));
    expect(logSumExp(new Float64Array(0), { shape: [2, 0, 3], axis: 1 })).toEqual(new Float64Array(6).fill(-Infinity));
    expect(softmaxBackward([[]], [[]])).toEqual([[]]);
    expect(softmaxJacobian([])).toEqual([]);
    expect(softmaxJacobian([[], []])).toEqual([[], []]);
    expect(crossEntropyWithGradient([[]], [], { axis: 0 })).toEqual({ loss: 0, gradient: [[]] });
    expect(new Softmax().forward([[], []])).toEqual([[], []]);
  });
});

describe("element types", () => {
  const x32 = Float32Array.from(x);
  const g32 = Float32Array.from(g);
  const double = Float64Array.from(x32);
  const options = { shape, axis };

  it("of results are those of the tensors, in every function", () => {
    const probs = softmax(x32, options);
    expect(probs).toEqual(Float32Array.from(softmax(double, options)));
    expect(logSoftmax(x32, options)).toEqual(Float32Array.from(logSoftmax(double, options)));
    expect(logSumExp(x32, options)).toEqual(Float32Array.from(logSumExp(double, options)));
    const outputs = ["losses", "probs", "logProbs", "lse", "entropy", "argmax"] as const;
    const got = crossEntropyWithGradient(x32, labels, { ...options, outputs });
    const want = crossEntropyWithGradient(double, labels, { ...options, outputs });
    expect(got.gradient).toEqual(Float32Array.from(want.gradient));
    for (const name of ["losses", "probs", "logProbs", "lse", "entropy"] as const) expect(got[name]).toEqual(Float32Array.from(want[name]));
    expect(got.argmax).toEqual(want.argmax);
    expect(got.loss).toBeCloseTo(want.loss, 12);
    const rounded = [
      softmaxBackward(g32, probs, options),
      logSoftmaxBackward(g32, logSoftmax(x32, options), options),
      softmaxJacobian(probs, { shape }),
      crossEntropy(x32, labels, { ...options, reduction: "none" }),
      crossEntropyHvp(x32, labels, g32, options),
      crossEntropyHessianDiagonal(x32, labels, options),
      crossEntropyWithGradient(x32, x32, { ...options, labelGradient: true }).labelGradient,
    ];
    for (const result of rounded) expect(result).toBeInstanceOf(Float32Array);
    expect(softmaxBackward([g32], [probs])).toEqual([softmaxBackward(g32, probs)]);
    expect(softmax(x32, { ...options, out: x32.slice() })).toEqual(probs);
  });

  it("may be float32 in rows, ndarrays of any order, and tensors with dims", () => {
    const probs = softmax(x32, { shape: [6, 4] });
    expect(softmax({ data: x32, shape: [6, 4] })).toEqual({ data: probs, shape: [6, 4] });
    expect(softmax({ data: x32, dims: [6, 4], type: "float32" })).toEqual({ data: probs, shape: [6, 4] });
    expect(softmax({ data: x32, dims: [6n, 4n] })).toEqual({ data: probs, shape: [6, 4] });
    expect(softmax(Array.from({ length: 6 }, (_, r) => x32.slice(4 * r, 4 * r + 4)))).toEqual(
      Array.from({ length: 6 }, (_, r) => probs.slice(4 * r, 4 * r + 4)),
    );
    const transposed = { data: x32, shape: [4, 6], strides: [1, 4] };
    expect(softmax(transposed, { axis: 0 }).data).toEqual(
      Float32Array.from({ length: 24 }, (_, i) => probs[(i % 6) * 4 + Math.floor(i / 6)]),
    );
    expect(logSumExp({ data: x32, dims: [6n, 4n] })).toEqual({ data: logSumExp(x32, { shape: [6, 4] }), shape: [6] });
    expect(crossEntropy({ data: x32, dims: [6n, 4n] }, { data: BigInt64Array.of(0n, 1n, 2n, 3n, 0n, 1n), dims: [6n] })).toBe(
      crossEntropy(x32, [0, 1, 2, 3, 0, 1], { shape: [6, 4] }),
    );
  });

  it("of float16 are float32, for every number that float16 has", () => {
    const bits = Uint16Array.from({ length: 2 ** 16 }, (_, i) => i);
    /** IEEE 754-2019, 3.4: sign, 5 bits of exponent, 10 of significand. */
    const numberOf = (half: number) => {
      const [sign, exponent, significand] = [half >> 15 ? -1 : 1, (half >> 10) & 31, half & 1023];
      if (exponent === 31) return significand ? Number.NaN : sign * Infinity;
      return sign * (exponent ? (1 + significand / 1024) * 2 ** (exponent - 15) : significand * 2 ** -24);
    };
    const numbers = Float32Array.from(bits, numberOf);
    // A class alone has its logit for log Σ exp.
    const lse = logSumExp({ data: bits, dims: [2 ** 16, 1], type: "float16" }).data;
    expect(lse).toBeInstanceOf(Float32Array);
    expect(lse.findIndex((value, i) => !Object.is(value + 0, numbers[i] + 0))).toBe(-1);
    const finite = { data: bits.slice(0x3c00, 0x3c00 + 24), dims: shape, type: "float16" };
    expect(softmax(finite, { axis }).data).toEqual(softmax(numbers.slice(0x3c00, 0x3c00 + 24), options));
    const strided = { data: bits, shape: [3, 2], strides: [-7, 1], offset: 0x3c20, type: "float16" };
    const rows = [0, 1, 2].map((i) => numbers.slice(0x3c20 - 7 * i, 0x3c22 - 7 * i));
    expect(softmax(strided).data).toEqual(Float32Array.from(rows.flatMap((row) => [...softmax(row)])));
    using layer = new Softmax({ axis, dtype: "float32" });
    expect(layer.forward(finite)).toEqual(softmax(finite, { axis }));
  });

  it.runIf("Float16Array" in globalThis)("may be that of a Float16Array", () => {
    const { Float16Array } = globalThis as unknown as { Float16Array: { from(values: Iterable<number>): Float16ArrayLike } };
    const x16 = Float16Array.from(x);
    const widened = Float32Array.from(x16);
    expect(softmax(x16, options)).toEqual(softmax(widened, options));
    expect(softmax({ data: x16, dims: shape }, { axis })).toEqual({ data: softmax(widened, options), shape });
    expect(softmax([Float16Array.from([1, 2])])).toEqual([softmax(Float32Array.of(1, 2))]);
  });

  it("of a layer are its dtype", () => {
    using layer = new SoftmaxCrossEntropy({ shape: [6, 4], dtype: "float32", outputs: ["lse", "entropy"], reduction: "none" });
    using doubles = new SoftmaxCrossEntropy({ shape: [6, 4], outputs: ["lse", "entropy"], reduction: "none" });
    expect(layer.dtype).toBe("float32");
    expect(doubles.dtype).toBe("float64");
    layer.logits.set(x32);
    const losses = layer.forward();
    for (const view of [layer.logits, losses, layer.losses, layer.lse, layer.entropy, layer.probs, layer.gradient]) {
      expect(view).toBeInstanceOf(Float32Array);
    }
    expect(losses).toEqual(crossEntropy(x32, new Int32Array(6), { shape: [6, 4], reduction: "none" }));
    expect(layer.backward()).toEqual(crossEntropyWithGradient(x32, new Int32Array(6), { shape: [6, 4], reduction: "sum" }).gradient);
    using large = new Softmax({ shape: [100, 1000], dtype: "float32" });
    using larger = new Softmax({ shape: [100, 1000] });
    expect(large.byteLength).toBeLessThan(0.6 * larger.byteLength);
  });

  it("add up in a layer that accumulates, rounded", () => {
    using layer = new SoftmaxCrossEntropy({ shape: [6, 4], dtype: "float32", accumulate: true });
    const gradient = crossEntropyWithGradient(x32, new Int32Array(6), { shape: [6, 4] }).gradient;
    layer.logits.set(x32);
    for (const times of [1, 2, 3]) {
      layer.forward();
      expect(layer.backward()).toEqual(
        gradient.map((_, i) => Array.from({ length: times }).reduce<number>((sum) => Math.fround(sum + gradient[i]), 0)),
      );
    }
  });

  it("end where float32 does: losses overflow, gradients become subnormal", () => {
    const huge = Float32Array.of(3e38, -3e38);
    const far = crossEntropyWithGradient(huge, 1, { outputs: ["losses"] });
    expect(far.losses).toEqual(Float32Array.of(Infinity));
    expect(far.loss).toBe(Math.fround(3e38) * 2);
    const { gradient } = crossEntropyWithGradient(Float32Array.of(0, -100), 0);
    expect(gradient).toEqual(Float32Array.of(-Math.exp(-100), Math.exp(-100)));
    expect(softmax(Float32Array.of(0, -103))[1]).toBe(2 ** -149);
    expect(softmax(Float32Array.of(0, -104))[1]).toBe(0);
  });
});
