// The outputs that sum a batch up: rates, perplexity, calibration, confusion, the derivatives by the scale, groups; and log p of ignored rows.

import { describe, expect, it } from "vitest";
import { seeded } from "../reference/data.js";
import { LIMITS } from "../reference/limits.js";
import { exact } from "../reference/oracle.js";
import {
  type Calibration,
  crossEntropy,
  crossEntropyWithGradient,
  logSoftmax,
  type Output,
  SoftmaxCrossEntropy,
  softmax,
} from "../src/index.js";
import { lossCase } from "./loss-cases.js";
import { type ArrayType, type Floats, near, precisionOf } from "./verify.js";

const LOGITS = [
  [4, 1, 0],
  [0, 2, 1],
  [1, 0, 3],
  [2, 0, 0],
  [5, 5, 5],
];
const LABELS = [0, 1, 1, -1, 2];
const VALUES: readonly Output[] = ["accuracy", "topKAccuracy", "perplexity", "meanEntropy", "calibration", "confusion", "scaleGradient"];

describe("rates", () => {
  it("are the parts of the rows that are not ignored", () => {
    const got = crossEntropy(LOGITS, LABELS, { ignoreIndex: -1, topK: 2, outputs: ["accuracy", "topKAccuracy", "correct", "topK"] });
    expect(got).toMatchObject({ accuracy: 2 / 4, topKAccuracy: 2 / 4, correct: 2, topK: 2 });
  });

  it("of no rows are emptyMean", () => {
    for (const emptyMean of [0, Number.NaN]) {
      const outputs = ["accuracy", "topKAccuracy", "meanEntropy", "perplexity"] as const;
      const got = crossEntropy([[1, 2]], [9], { ignoreIndex: 9, emptyMean, outputs });
      expect(got).toEqual({
        loss: emptyMean,
        accuracy: emptyMean,
        topKAccuracy: emptyMean,
        meanEntropy: emptyMean,
        perplexity: emptyMean === 0 ? 1 : emptyMean,
      });
      expect(crossEntropy(new Float64Array(0), [], { shape: [0, 2], emptyMean, outputs })).toEqual(got);
    }
  });
});

describe("perplexity", () => {
  it("is exp of the mean loss, whatever the reduction", () => {
    const mean = crossEntropy(LOGITS, LABELS, { ignoreIndex: -1 });
    for (const reduction of ["mean", "sum", "none"] as const) {
      const { perplexity } = crossEntropy(LOGITS, LABELS, { ignoreIndex: -1, reduction, outputs: ["perplexity"] });
      expect(perplexity).toBeCloseTo(Math.exp(mean), 14);
    }
    const divided = crossEntropy(LOGITS, LABELS, { ignoreIndex: -1, divisor: 100, outputs: ["perplexity"] });
    expect(divided.perplexity).toBeCloseTo(Math.exp(mean), 14);
    expect(crossEntropy([[0, 0, 0, 0]], [1], { outputs: ["perplexity"] }).perplexity).toBeCloseTo(4, 14);
  });

  it("is near exp for losses of every size", () => {
    for (const loss of [0, 1e-9, 0.3, 1, 30.5, 700, 709.7, 710.5, 1e5]) {
      const { perplexity } = crossEntropy([[-loss, 0]], [0], { outputs: ["perplexity"], reduction: "sum" });
      const want = Math.exp(crossEntropy([[-loss, 0]], [0]));
      if (want === Infinity) expect(perplexity).toBe(want);
      else expect(Math.abs(perplexity / want - 1)).toBeLessThan(2 ** -51);
    }
    expect(crossEntropy([[Number.NaN, 0]], [0], { outputs: ["perplexity"] }).perplexity).toBeNaN();
  });
});

describe("meanEntropy", () => {
  it("is the mean over the rows that are not ignored", () => {
    const { entropy, meanEntropy } = crossEntropy(LOGITS, LABELS, { ignoreIndex: -1, outputs: ["entropy", "meanEntropy"] });
    expect(meanEntropy).toBeCloseTo(entropy.reduce((a, b) => a + b) / 4, 14);
  });
});

describe("calibration", () => {
  const calibrationOf = (bins?: number): Calibration =>
    crossEntropy(LOGITS, LABELS, { ignoreIndex: -1, bins, outputs: ["calibration"] }).calibration;

  it("puts each row into the bin of its confidence", () => {
    // Confidences 0.93, 0.67, 0.84, ignored, 1/3.
    const [a, b, c, , d] = softmax(LOGITS).map((row) => Math.max(...row));
    const { counts, confidence, accuracy, error } = calibrationOf(3);
    expect(Array.from(counts)).toEqual([1, 1, 2]);
    expect(Array.from(accuracy)).toEqual([0, 1, 0.5]);
    expect(confidence[0]).toBe(d);
    expect(confidence[1]).toBe(b);
    expect(confidence[2]).toBeCloseTo((a + c) / 2, 14);
    expect(error).toBeCloseTo((d + 1 - b + Math.abs(1 - (a + c))) / 4, 14);
    const { confidence: none, accuracy: ofNone } = calibrationOf(1000);
    expect([none[0], ofNone[0]]).toEqual([Number.NaN, Number.NaN]);
  });

  it("has 15 bins by default, and the last one holds what is certain", () => {
    expect(calibrationOf().counts.length).toBe(15);
    const { counts, error } = crossEntropy([[1000, 0]], [0], { outputs: ["calibration"] }).calibration;
    expect([counts[14], error]).toEqual([1, 0]);
    expect(crossEntropy([[Number.NaN, 0]], [0], { outputs: ["calibration"] }).calibration.error).toBe(0);
  });
});

describe("confusion", () => {
  it("counts rows by label and maximum", () => {
    const { confusion } = crossEntropy(LOGITS, LABELS, { ignoreIndex: -1, outputs: ["confusion"] });
    // Labels 0, 1, 1, 2 with their maxima at 0, 1, 2, 0.
    expect(confusion).toEqual(Uint32Array.of(1, 0, 0, 0, 1, 1, 1, 0, 0));
    const soft = crossEntropy([[0, 1]], [[0.5, 0.5]], { outputs: ["confusion"] });
    expect(soft.confusion).toEqual(Uint32Array.of(0, 1, 0, 0));
  });

  it("is for up to 4096 classes", () => {
    const shape = [1, 4097];
    const message = '"shape" expected at most 4096 classes for the output confusion, got [1, 4097]';
    expect(() => crossEntropy(new Float64Array(4097), [0], { shape, outputs: ["confusion"] })).toThrow(message);
    expect(() => new SoftmaxCrossEntropy({ shape, outputs: ["confusion"] })).toThrow(message);
  });
});

describe("scaleGradient", () => {
  it.each([Float64Array, Float32Array] as ArrayType<Floats>[])("is exact, with every option: %o", (Elements) => {
    const random = seeded(20);
    for (let i = 0; i < 150; i++) {
      const [classes, inner] = [1 + Math.floor(random() * 60), 1 + Math.floor(random() * 2)];
      const drawn = lossCase(random, 1 + Math.floor(random() * 3), classes, inner, Elements as ArrayType<Float64Array>);
      const { outer, logits, labels, options } = drawn;
      const given = { ...options, shape: [outer, classes, inner], axis: 1, reduction: "sum" } as const;
      const { scaleGradient } = crossEntropy(logits, labels, { ...given, outputs: ["scaleGradient"] });
      for (const which of ["first", "second"] as const) {
        const isRead = (r: number) => options.sampleWeights?.[r] !== 0;
        const rows = drawn.exact.flatMap((row, r) => (row && isRead(r) ? [row.scaleGradient[which]] : []));
        const total = rows.reduce((sum, { value, size }) => ({ value: sum.value.plus(value), size: sum.size.plus(size) }), {
          value: exact(0),
          size: exact(0),
        });
        near(LIMITS.secondOrder, `${which}, ${JSON.stringify(options)}`, scaleGradient[which], total, precisionOf(logits));
      }
    }
  });

  it("is that of the mean", () => {
    const at = (scale: number) => crossEntropy(LOGITS, LABELS, { ignoreIndex: -1, scale, outputs: ["scaleGradient"] });
    const { first, second } = at(1.3).scaleGradient;
    const h = 1e-4;
    expect((at(1.3 + h).loss - at(1.3 - h).loss) / (2 * h)).toBeCloseTo(first, 6);
    expect((at(1.3 + h).scaleGradient.first - at(1.3 - h).scaleGradient.first) / (2 * h)).toBeCloseTo(second, 6);
    expect(crossEntropy([[1, 2]], [9], { ignoreIndex: 9, outputs: ["scaleGradient"] }).scaleGradient).toEqual({ first: 0, second: 0 });
  });
});

describe("groups", () => {
  const groups = [0, 2, 2, 1, 0];

  it("have the sum of their rows' losses and the number of rows that are not ignored", () => {
    const { losses, groups: got } = crossEntropy(LOGITS, LABELS, { ignoreIndex: -1, groups, outputs: ["losses", "groups"] });
    expect(got).toEqual({
      losses: Float64Array.of(losses[0] + losses[4], 0, losses[1] + losses[2]),
      counts: Uint32Array.of(2, 0, 2),
    });
    const none = crossEntropy(new Float32Array(0), [], { shape: [0, 3], groups: [], outputs: ["groups"] });
    expect(none.groups).toEqual({ losses: new Float64Array(0), counts: new Uint32Array(0) });
  });

  it("are an option and an output that belong together", () => {
    const call = (options: object) => () => crossEntropy([[1, 2]], [0], options);
    expect(call({ groups: [0] })).toThrow('"groups" expected the output "groups", which it is for, got');
    expect(call({ outputs: ["groups"] })).toThrow('"groups" expected the group of each row, for the output of that name, got undefined');
    for (const [groups, message] of [
      [[0, 1], '"groups" expected 1 integer, one for each row'],
      [[-1], '"groups[0]" expected an integer from 0 to 16777215, got -1'],
      [[0.5], '"groups[0]" expected an integer from 0 to 16777215, got 0.5'],
      ["0", '"groups" expected numbers, in a typed array or nested arrays, got "0"'],
    ] as const) {
      expect(call({ groups, outputs: ["groups"] })).toThrow(message);
    }
    const layer = new SoftmaxCrossEntropy({ shape: [2, 2], outputs: ["groups"], groups: [0] });
    expect(() => layer.forward()).toThrow('"groups" expected 2 integers, one for each row');
    layer.groups = [1, 1];
    layer.forward();
    expect(layer.groups.counts).toEqual(Uint32Array.of(0, 2));
  });
});

describe("ignoredLogProbs", () => {
  const ignored = { ignoreIndex: -1, outputs: ["logProbs", "probs", "losses"] } as const;

  it.each([
    [3, 1],
    [3, 4],
    [50, 1],
    [50, 3],
  ])('"value" gives log p of ignored rows, and nothing else of them: %i classes, inner %i', (classes, inner) => {
    const random = seeded(8);
    for (const Elements of [Float64Array, Float32Array]) {
      const x = new Elements(3 * classes * inner).map(() => 9 * random());
      const shape = [3, classes, inner];
      const labels = Int32Array.from({ length: 3 * inner }, (_, r) => (r % 2 ? -1 : r % classes));
      const common = { shape, axis: 1, scale: 0.8, ...ignored };
      const plain = crossEntropyWithGradient(x, labels, common);
      const valued = crossEntropyWithGradient(x, labels, { ...common, ignoredLogProbs: "value" });
      expect(valued.logProbs).toEqual(logSoftmax(x, { shape, axis: 1, scale: 0.8 }));
      expect({ ...valued, logProbs: undefined }).toEqual({ ...plain, logProbs: undefined });
      const none = crossEntropyWithGradient(x, labels, { ...common, ignoredLogProbs: "none" });
      expect(none).toEqual(plain);
    }
  });

  it('"value" of a row with NaN is NaN there, and the rest is that of an ignored row', () => {
    for (const classes of [3, 50]) {
      const x = Array.from({ length: classes }, () => Number.NaN);
      const got = crossEntropyWithGradient([x], [-1], { ...ignored, ignoredLogProbs: "value" });
      expect(got.logProbs).toEqual([x]);
      expect([got.loss, got.losses, got.probs, got.gradient]).toEqual([0, [0], [x.fill(0)], [x]]);
    }
  });
});

it("layers have the values of functions", () => {
  for (const Elements of [Float64Array, Float32Array]) {
    const x = Elements.from(LOGITS.flat());
    const labels = Int32Array.from(LABELS);
    const options = {
      ignoreIndex: -1,
      scale: 0.7,
      topK: 2,
      bins: 4,
      ignoredLogProbs: "value",
      outputs: [...VALUES, "confidence", "logProbs"],
    } as const;
    const want = crossEntropy(x, labels, { ...options, shape: [5, 3] });
    const layer = new SoftmaxCrossEntropy({ ...options, shape: [5, 3], dtype: precisionOf(x) });
    expect(layer.forward({ data: x, shape: [5, 3] } as never, labels)).toBe(want.loss);
    for (const name of options.outputs) expect(layer[name], name).toEqual((want as unknown as Record<string, unknown>)[name]);
  }
});
