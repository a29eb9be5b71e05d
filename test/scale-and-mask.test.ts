// The options scale and mask of softmax and its like, and of the layer: exact results for random batches.

import { describe, expect, it } from "vitest";
import { seeded } from "../reference/data.js";
import { logSoftmax, logSoftmaxBackward, logSumExp, Softmax, softmax, softmaxBackward } from "../src/index.js";
import { type LossCase, lossCase } from "./loss-cases.js";
import { type ArrayType, expectSameBits, type Floats, precisionOf, verifyLoss } from "./verify.js";

const SHAPES: readonly (readonly [outer: number, classes: number, inner: number])[] = [
  [5, 1, 1],
  [4, 2, 1],
  [7, 3, 1],
  [3, 10, 1],
  [3, 45, 1],
  [2, 1200, 1],
  [2, 4, 3],
  [1, 50, 2],
];

const TYPES: ArrayType<Floats>[] = [Float64Array, Float32Array];

/** A batch with scale or mask, or both. Its rows are ignored only where all classes are excluded. */
function caseOf(seed: number, [outer, classes, inner]: (typeof SHAPES)[number], Elements: ArrayType<Floats>): LossCase<Floats> {
  const random = seeded(seed);
  for (;;) {
    const drawn = lossCase(random, outer, classes, inner, Elements as ArrayType<Float64Array>);
    const { scale, mask, ignoreIndex } = drawn.options;
    if (ignoreIndex === undefined && (scale !== undefined || mask !== undefined)) return drawn;
  }
}

const optionsOf = ({ outer, classes, inner, options: { scale, mask } }: LossCase<Floats>) => ({
  shape: [outer, classes, inner],
  axis: 1,
  scale,
  mask,
});

const mayBeLong = ([outer, classes, inner]: (typeof SHAPES)[number]) => (outer * classes * inner > 1000 ? 1 : 12);

describe.each(TYPES)("$name", (Elements) => {
  it.each(SHAPES)("(%i, %i, %i): p, log p and log Σ exp are exact, and the layer has the bits of the function", (...shape) => {
    for (let seed = 1; seed <= mayBeLong(shape); seed++) {
      const drawn = caseOf(seed, shape, Elements);
      const options = optionsOf(drawn);
      const probs = softmax(drawn.logits, options);
      const results = { probs, logProbs: logSoftmax(drawn.logits, options), lse: logSumExp(drawn.logits, options) };
      verifyLoss(drawn, results);

      const inPlace = drawn.logits.slice();
      expectSameBits(softmax(inPlace, { ...options, out: inPlace }), probs);
      const { scale, mask } = drawn.options;
      const isShared = mask?.length === drawn.classes;
      for (const threads of [1, 2]) {
        const given = { dtype: precisionOf(probs), shape: options.shape, axis: 1, scale, threads };
        const layer = new Softmax({ ...given, mask: isShared ? mask : mask !== undefined });
        if (mask && !isShared) layer.mask.set(mask);
        layer.logits.set(drawn.logits);
        expectSameBits(layer.forward(), probs);
        layer.upstream.set(drawn.vector);
        expectSameBits(layer.backward(), softmaxBackward(drawn.vector, probs, options));
        layer.dispose();
      }
    }
  });

  it("give a slice of a batch of several chunks the bits that it has by itself", () => {
    const random = seeded(5);
    const [outer, classes, inner] = [3, 700, 50];
    const size = classes * inner;
    const x = new Elements(outer * size).map(() => 6 * random() - 3);
    const mask = Uint8Array.from(x, () => Number(random() < 0.7));
    const all = logSoftmax(x, { shape: [outer, classes, inner], axis: 1, scale: 1.7, mask });
    const last = { shape: [classes, inner], axis: 0, scale: 1.7, mask: mask.subarray(2 * size) };
    expectSameBits(all.subarray(2 * size), logSoftmax(x.subarray(2 * size), last));
  });

  it("may be left out as 1 and as a mask of all classes, with the results that there are without", () => {
    const x = Elements.from([0.3, -1, 2.5, 0]);
    const all = { scale: 1, mask: [1, 1, 1, 1] };
    for (const f of [softmax, logSoftmax]) expectSameBits(f(x, all), f(x));
    expectSameBits(logSumExp(x, all), logSumExp(x));
  });
});

describe("a mask", () => {
  const mask = [1, 0, 1];

  it("excludes what is NaN or infinite", () => {
    for (const excluded of [Number.NaN, Infinity, -Infinity]) {
      const x = [1, excluded, 1];
      expect(softmax(x, { mask })).toEqual([0.5, 0, 0.5]);
      expect(logSumExp(x, { mask })).toBe(1 + Math.LN2);
    }
  });

  it("leaves NaN in the row as it is, but for excluded classes", () => {
    expect(softmax([0, 1, Number.NaN], { mask })).toEqual([Number.NaN, 0, Number.NaN]);
    expect(logSoftmax([0, 1, Number.NaN], { mask })).toEqual([Number.NaN, -Infinity, Number.NaN]);
  });

  it("without a class makes p = 0 and log p = lse = −∞, whatever the logits are", () => {
    const none = { mask: [0, 0] };
    expect(softmax([1, Number.NaN], none)).toEqual([0, 0]);
    expect(logSoftmax([1, Number.NaN], none)).toEqual([-Infinity, -Infinity]);
    expect(logSumExp([1, Number.NaN], none)).toBe(-Infinity);
  });

  it("excludes an upstream gradient, too", () => {
    const options = { mask, scale: 2 };
    const [logProbs, probs] = [logSoftmax([1, 5, 1], options), softmax([1, 5, 1], options)];
    expect(logSoftmaxBackward([1, Number.NaN, 0], logProbs, options)).toEqual([1, 0, -1]);
    expect(softmaxBackward([1, Number.NaN, 0], probs, options)).toEqual([0.5, 0, -0.5]);
  });
});

describe("a layer", () => {
  it("takes another scale for the next forward, and keeps that of the last one for backward", () => {
    const layer = new Softmax({ shape: [2], scale: 2 });
    layer.logits.set([0, 1]);
    layer.upstream.set([1, 0]);
    const probs = layer.forward().slice();
    layer.scale = 1;
    expect(layer.scale).toBe(1);
    expect(Array.from(layer.backward())).toEqual(softmaxBackward([1, 0], Array.from(probs), { scale: 2 }));
    expect(Array.from(layer.forward())).toEqual(softmax([0, 1]));
    (layer as { scale?: number }).scale = undefined;
    expect(layer.scale).toBe(1);
  });

  it("has a mask of ones after another shape, and keeps it with the same one", () => {
    const layer = new Softmax({ shape: [3], mask: true });
    layer.mask.set([1, 0, 1]);
    layer.resize([3]);
    expect(Array.from(layer.mask)).toEqual([1, 0, 1]);
    expect(layer.forward([0, 0, 0])).toEqual([0.5, 0, 0.5]);
    layer.resize([2]);
    expect(Array.from(layer.mask)).toEqual([1, 1]);
  });

  it("says what is wrong with scale and mask", () => {
    expect(() => new Softmax({ scale: 0 })).toThrow('"scale" expected a finite number above 0, got 0');
    expect(() => new Softmax({ shape: [3], mask: [1, 0] })).toThrow('"mask" expected 3 entries, one for each class, got');
    const plain = new Softmax({ shape: [3] });
    expect(() => plain.mask).toThrow("Softmax: mask expected the option mask: true");
    expect(() => {
      plain.scale = 2;
    }).toThrow("Softmax: scale expected the option scale");
    const masked = new Softmax({ shape: [3], mask: true });
    masked.mask[1] = 2;
    expect(() => masked.forward()).toThrow('"mask[1]" expected 0 or 1, false or true, got 2');
  });
});
