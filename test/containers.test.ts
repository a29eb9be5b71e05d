// Containers: each function reads any of them, and gives its result in the kind that it got.

import { describe, expect, it } from "vitest";
import { ROWS, seeded } from "../reference/data.js";
import {
  crossEntropy,
  crossEntropyHessianDiagonal,
  crossEntropyHvp,
  crossEntropyWithGradient,
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
