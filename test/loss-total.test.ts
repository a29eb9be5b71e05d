// LossTotal: every cut of the rows, every order and any number of threads give the same bits, those of one call; its bytes are what they say.

import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { seeded } from "../reference/data.js";
import { ulp } from "../reference/oracle.js";
import { crossEntropy, crossEntropyWithGradient, type LossOptions, LossTotal, type Reduction, SoftmaxCrossEntropy } from "../src/index.js";
import { type LossCase, lossCase } from "./loss-cases.js";
import { startWorkers } from "./start-workers.js";
import type { ArrayType, Floats } from "./verify.js";

vi.mock("../src/threads/grain.js", () => import("./small-grain.js"));

const LOGITS = [
  [4, 1, 0],
  [0, 2, 1],
  [1, 0, 3],
  [2, 0, 0],
  [5, 5, 5],
];
const LABELS = [0, 1, 1, -1, 2];
const PARTS = ["calibration", "confusion", "groups"] as const;
const VALUES = ["loss", "lossSum", "perplexity", "accuracy", "topKAccuracy", "meanEntropy", "validCount", "totalWeight", ...PARTS] as const;

const valuesOf = (total: LossTotal) => Object.fromEntries(VALUES.map((name) => [name, total[name]]));
const emptyValues = { loss: 0, lossSum: 0, perplexity: 1, accuracy: 0, topKAccuracy: 0, meanEntropy: 0, validCount: 0, totalWeight: 0 };

/** Some rows of a case with one position on the inner axis, as arguments of a call. */
function rowsOf(drawn: LossCase<Floats>, groups: readonly number[], rows: readonly number[]) {
  const { classes, logits, labels, options } = drawn;
  const pick = (values: ArrayLike<number>, width: number) =>
    rows.flatMap((r) => Array.from({ length: width }, (_, j) => values[r * width + j]));
  const Elements = logits.constructor as ArrayType<Floats>;
  const shape = [rows.length, classes];
  return {
    logits: { data: Elements.from(pick(logits, classes)), shape },
    // With one class, values of the logits' shape are distributions.
    labels:
      labels instanceof Int32Array
        ? Int32Array.from(pick(labels, 1))
        : { data: (labels.constructor as ArrayType<Floats>).from(pick(labels, classes)), shape },
    options: {
      ...options,
      sampleWeights: options.sampleWeights && pick(options.sampleWeights, 1),
      mask: options.mask && (options.mask.length === classes ? options.mask : pick(options.mask, classes)),
      groups: pick(groups, 1),
      topK: 2,
      bins: 5,
      outputs: PARTS,
    },
  };
}

/** Cuts rows into pieces at random, and the pieces into an order. */
function piecesOf(random: () => number, rows: number): number[][] {
  const order = Array.from({ length: rows }, (_, r) => ({ r, key: random() })).sort((a, b) => a.key - b.key);
  const pieces: number[][] = [[]];
  for (const { r } of order) {
    if (random() < 0.4) pieces.push([]);
    pieces[pieces.length - 1].push(r);
  }
  return pieces;
}

/** Adds pieces in all ways: by results, by logits, by totals of their own, and by way of bytes. */
function totalOf(random: () => number, drawn: LossCase<Floats>, groups: readonly number[], pieces: readonly number[][]): LossTotal {
  let total = new LossTotal();
  for (const rows of pieces) {
    const { logits, labels, options } = rowsOf(drawn, groups, rows);
    const reduction = (["mean", "sum", "none"] as const)[Math.floor(3 * random())];
    const result = () => crossEntropyWithGradient(logits, labels, { ...options, reduction, outputs: [...PARTS, "total"] });
    const way = Math.floor(4 * random());
    if (way === 0) total.add(result());
    if (way === 1) total.add(logits, labels, { ...options, reduction });
    if (way === 2) total.merge(result().total);
    if (way === 3) total = LossTotal.fromBytes(result().total.merge(LossTotal.fromBytes(total.toBytes())).toBytes());
  }
  return total;
}

describe("a total", () => {
  it.each([Float64Array, Float32Array] as ArrayType<Floats>[])("has the same bits for every cut and every order: %o", (Elements) => {
    const property = fc.property(fc.integer(), fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 50 }), (seed, rows, classes) => {
      const random = seeded(seed);
      const drawn = lossCase(random, rows, random() < 0.7 ? Math.min(classes, 6) : classes, 1, Elements as ArrayType<Float64Array>);
      // A row with NaN or an infinite loss is a row like others.
      if (random() < 0.2) drawn.logits[Math.floor(random() * drawn.logits.length)] = Number.NaN;
      if (random() < 0.2) drawn.logits[Math.floor(random() * drawn.logits.length)] = -Infinity;
      const groups = Array.from({ length: rows }, () => Math.floor(3 * random()));
      const all = rowsOf(
        drawn,
        groups,
        Array.from({ length: rows }, (_, r) => r),
      );
      const whole = crossEntropy(all.logits, all.labels, { ...all.options, outputs: [...PARTS, "total"] }).total;
      for (let i = 0; i < 3; i++) {
        const total = totalOf(random, drawn, groups, piecesOf(random, rows));
        expect(valuesOf(total)).toEqual(valuesOf(whole));
        expect(total.toBytes()).toEqual(whole.toBytes());
      }
    });
    fc.assert(property, { numRuns: 35 });
  });

  it("has the results of one call, the loss within an ulp", () => {
    const random = seeded(11);
    for (let i = 0; i < 30; i++) {
      const drawn = lossCase(random, 1 + Math.floor(random() * 30), 1 + Math.floor(random() * 6), 1);
      const groups = drawn.exact.map(() => Math.floor(3 * random()));
      const { logits, labels, options } = rowsOf(
        drawn,
        groups,
        drawn.exact.map((_, r) => r),
      );
      const names = ["accuracy", "topKAccuracy", "confusion", "validCount"] as const;
      const call = crossEntropy(logits, labels, {
        ...options,
        outputs: [...PARTS, ...names, "perplexity", "meanEntropy", "totalWeight", "total"],
      });
      const { total } = call;
      for (const name of names) expect(total[name], name).toEqual(call[name]);
      const near = (name: string, got: number, want: number, ulps = 1) => {
        if (Number.isFinite(want)) expect(Math.abs(got - want), `${name}: ${got}, ${want}`).toBeLessThanOrEqual(ulps * ulp(want));
        else expect(got, name).toBe(want);
      };
      near("loss", total.loss, call.loss);
      near("perplexity", total.perplexity, call.perplexity, 2 + 2 * Math.abs(call.loss));
      near("meanEntropy", total.meanEntropy, call.meanEntropy);
      near("totalWeight", total.totalWeight, call.totalWeight);
      expect(total.calibration.counts).toEqual(call.calibration.counts);
      expect(total.calibration.accuracy).toEqual(call.calibration.accuracy);
      for (const [bin, mean] of total.calibration.confidence.entries()) near("confidence", mean, call.calibration.confidence[bin]);
      expect(total.calibration.error).toBeCloseTo(call.calibration.error, 14);
      expect(total.groups.counts).toEqual(call.groups.counts);
      for (const [group, loss] of total.groups.losses.entries()) near("groups", loss, call.groups.losses[group]);
    }
  });

  it("of large batches is that of one call, and of a layer with any number of threads", async () => {
    const random = seeded(5);
    const [rows, classes] = [3000, 41];
    const x = Float64Array.from({ length: rows * classes }, () => 12 * random());
    const labels = Int32Array.from({ length: rows }, (_, r) => (r % 7 === 0 ? -1 : Math.floor(random() * classes)));
    const weights = Array.from({ length: classes }, (_, j) => 0.1 + j);
    const options = { ignoreIndex: -1, labelSmoothing: 0.1, weights, outputs: ["total", "calibration"] } as const;
    const want = crossEntropy(x, labels, { ...options, shape: [rows, classes] }).total.toBytes();
    const pieces = new LossTotal();
    for (let first = 0; first < rows; first += 700) {
      const end = Math.min(first + 700, rows);
      const part = x.subarray(first * classes, end * classes);
      pieces.add(part, labels.subarray(first, end), { ...options, shape: [end - first, classes] });
    }
    expect(pieces.toBytes()).toEqual(want);
    for (const threads of [1, 2, 3]) {
      const workers = threads > 1 ? await startWorkers(threads) : undefined;
      const layer = new SoftmaxCrossEntropy({ ...options, shape: [rows, classes], threads });
      layer.logits.set(x);
      layer.labels.set(labels);
      layer.forward();
      // What is written after the forward is for the next one.
      layer.labels.fill(0);
      expect(new LossTotal().add(layer).toBytes(), `${threads} threads`).toEqual(want);
      layer.dispose();
      workers?.dispose();
    }
  });

  it("of float16 is that of the same numbers in float32", () => {
    const bits = { data: Uint16Array.of(0x3c00, 0x4000, 0x4200, 0), dims: [2, 2], type: "float16" };
    const half = new LossTotal().add(bits, [0, 1]);
    const single = new LossTotal().add(Float32Array.of(1, 2, 3, 0), [0, 1], { shape: [2, 2] });
    expect(half.toBytes()).toEqual(single.toBytes());
    const layer = new SoftmaxCrossEntropy({ shape: [2, 2], dtype: "float32", outputs: ["total"] });
    layer.logits.set([1, 2, 3, 0]);
    layer.labels.set([0, 1]);
    layer.forward();
    expect(layer.total.toBytes()).toEqual(single.toBytes());
  });

  it("of rows that are rounded once has losses that are not rounded to float32", () => {
    const x = Float32Array.of(1, 2, 3);
    const double = crossEntropy(Float64Array.from(x), 0);
    expect(new LossTotal().add(x, 0).loss).toBeCloseTo(double, 13);
    expect(Math.fround(double)).not.toBeCloseTo(double, 13);
  });

  it("leaves out ignored rows, and weighs the others", () => {
    const total = new LossTotal();
    for (let r = 0; r < 5; r++) total.add([LOGITS[r]], [LABELS[r]], { ignoreIndex: -1, weights: [1, 2, 4], sampleWeights: [r], topK: 2 });
    const want = crossEntropy(LOGITS, LABELS, { ignoreIndex: -1, weights: [1, 2, 4], sampleWeights: [0, 1, 2, 3, 4] });
    expect(total.loss).toBeCloseTo(want, 14);
    expect([total.validCount, total.totalWeight, total.accuracy, total.topKAccuracy]).toEqual([4, 2 + 4 + 16, 0.5, 0.5]);
  });

  it("of no rows has a mean of 0, whatever emptyMean of the calls is", () => {
    const {
      calibration: _,
      confusion: _1,
      groups: _2,
      ...values
    } = valuesOf(new LossTotal().add([[0, 0]], [9], { ignoreIndex: 9, emptyMean: Number.NaN, outputs: PARTS, groups: [1] }));
    expect(values).toEqual(emptyValues);
    for (const [name, value] of Object.entries(emptyValues)) expect(new LossTotal()[name as "loss"], name).toBe(value);
    expect(new LossTotal().add([[1, 2]], [0], { sampleWeights: 0 }).loss).toBe(0);
    expect(new LossTotal().merge(new LossTotal()).toBytes()).toEqual(new LossTotal().toBytes());
    expect(new LossTotal().add(new Float64Array(0), [], { shape: [0, 3] }).loss).toBe(0);
  });

  it("has a mean of rows whose weights or losses have no finite sum, and one of weights that add up to 0", () => {
    const large = new LossTotal();
    for (let i = 0; i < 3; i++) large.add([[0, 1.5e308]], [0]);
    expect([large.lossSum, large.loss, large.perplexity]).toEqual([Infinity, 1.5e308, Infinity]);
    const heavy = new LossTotal();
    for (let i = 0; i < 3; i++) heavy.add([[0, 0]], [0], { sampleWeights: 1.5e308 });
    expect(heavy.totalWeight).toBe(Infinity);
    expect(heavy.loss).toBe(Math.log(2));
    const signed = new LossTotal().add([[0, 0]], [0], { sampleWeights: 1 }).add([[0, 3]], [0], { sampleWeights: -1 });
    expect([signed.loss, signed.perplexity]).toEqual([-Infinity, 1]);
    const bad = new LossTotal().add([[0, 0]], [0]).add([[Number.NaN, 0]], [0]);
    expect([bad.loss, bad.perplexity, bad.meanEntropy, bad.validCount]).toEqual([Number.NaN, Number.NaN, Number.NaN, 2]);
    expect(new LossTotal().add([[-Infinity, 0]], [0]).add([[0, 0]], [0]).loss).toBe(Infinity);
  });

  it("gives itself back, and copies of what it holds", () => {
    const total = new LossTotal();
    expect(total.add(LOGITS, LABELS, { ignoreIndex: -1, outputs: PARTS, groups: [0, 1, 2, 3, 5] })).toBe(total);
    expect(total.merge(new LossTotal())).toBe(total);
    const before = total.toBytes();
    total.calibration.counts.fill(9);
    total.confusion.fill(9);
    total.groups.counts.fill(9);
    total.toBytes().fill(0);
    expect(total.toBytes()).toEqual(before);
    expect(total.groups.counts).toEqual(Uint32Array.of(1, 1, 1, 0, 0, 1));
    const other = new LossTotal().merge(total);
    other.merge(total);
    expect(total.toBytes()).toEqual(before);
    expect([other.validCount, other.loss]).toEqual([8, total.loss]);
    expect(total.merge(total).toBytes()).toEqual(other.toBytes());
  });

  it("takes groups that other batches do not have", () => {
    const options = { outputs: ["groups"] } as const;
    const a = new LossTotal().add([[0, 0]], [0], { ...options, groups: [3] });
    const b = new LossTotal().add(
      [
        [0, 0],
        [0, 0],
      ],
      [0, 1],
      { ...options, groups: [0, 3] },
    );
    const groups = { losses: Float64Array.of(Math.log(2), 0, 0, 2 * Math.log(2)), counts: Uint32Array.of(1, 0, 0, 2) };
    expect(new LossTotal().merge(a).merge(b).groups).toEqual(groups);
    expect(b.merge(a).groups).toEqual(groups);
  });
});

describe("the bytes of a total", () => {
  const total = () => new LossTotal().add(LOGITS, LABELS, { ignoreIndex: -1, outputs: PARTS, groups: [0, 1, 2, 3, 5] });
  const message = (bytes: Uint8Array) => {
    try {
      LossTotal.fromBytes(bytes);
    } catch (error) {
      expect(error).toBeInstanceOf(RangeError);
      return (error as Error).message;
    }
    return "";
  };

  it("are those of the total that is made of them", () => {
    for (const made of [
      new LossTotal(),
      total(),
      new LossTotal().add([[Number.NaN, 1]], [0]),
      new LossTotal().add([[0, 1]], [0], { sampleWeights: -3 }),
    ]) {
      const bytes = made.toBytes();
      const again = LossTotal.fromBytes(bytes);
      expect(again.toBytes()).toEqual(bytes);
      expect(again.loss).toBe(made.loss);
      // A view of other memory serves as well.
      const padded = new Uint8Array(bytes.length + 9);
      padded.set(bytes, 5);
      expect(LossTotal.fromBytes(padded.subarray(5, 5 + bytes.length)).toBytes()).toEqual(bytes);
    }
    expect(valuesOf(LossTotal.fromBytes(total().toBytes()))).toEqual(valuesOf(total()));
  });

  it("are refused if one of them is changed, or some are missing", () => {
    const bytes = total().toBytes();
    for (let i = 0; i < bytes.length; i++) {
      for (const flip of [1, 0x80, 0xff]) {
        const changed = bytes.slice();
        changed[i] ^= flip;
        expect(message(changed), `byte ${i}`).toMatch(/^"bytes" expected .+, got .+/);
      }
      expect(message(bytes.subarray(0, i)), `${i} bytes`).toMatch(/^"bytes" expected .+, got .+/);
    }
    expect(message(Uint8Array.from([...bytes, 0]))).toBe(
      `"bytes" expected ${bytes.length} bytes, as their head says, got ${bytes.length + 1}`,
    );
  });

  it("say what is wrong with them", () => {
    const bytes = total().toBytes();
    const changed = (at: number, value: number) => bytes.with(at, value);
    expect(message(new Uint8Array(3))).toBe('"bytes" expected those of a LossTotal, got a Uint8Array of length 3');
    expect(message(changed(0, 1))).toBe(`"bytes" expected those of a LossTotal, got a Uint8Array of length ${bytes.length}`);
    expect(message(changed(4, 2))).toBe('"bytes" expected version 1, got 2; a newer softmax-wasm has written them');
    expect(message(changed(4, 0))).toBe('"bytes" expected version 1, got 0');
    expect(message(bytes.subarray(0, 60))).toBe(`"bytes" expected ${bytes.length} bytes, as their head says, got 60`);
    expect(message(changed(50, 1))).toBe('"bytes" expected those of a LossTotal, unchanged, got another checksum');
    for (const wrong of [undefined, [...bytes], bytes.buffer, new Int8Array(bytes.buffer)]) {
      expect(() => LossTotal.fromBytes(wrong as never)).toThrow(/^"bytes" expected a Uint8Array, got /);
    }
  });

  it("with a checksum that is right are refused if no total has written them", () => {
    /** Contents in place of those of a total, with the head that belongs to them. */
    const forged = (change: (contents: Uint8Array) => Uint8Array) => {
      const contents = change(
        new LossTotal()
          .add([[0, 1]], [0], { outputs: ["confusion"] })
          .toBytes()
          .slice(16),
      );
      const bytes = new Uint8Array(16 + contents.length);
      bytes.set(contents, 16);
      let hash = 0x811c9dc5;
      for (const byte of contents) hash = Math.imul(hash ^ byte, 0x01000193);
      for (const [i, value] of [0x544c4d53, 1, bytes.length, hash].entries()) new DataView(bytes.buffer).setUint32(4 * i, value, true);
      return bytes;
    };
    const contents = forged((same) => same).subarray(16);
    expect(message(forged((same) => same))).toBe("");
    // topK 5; 4 counts of rows, 1 valid, 0 correct, 1 hit, 1 weighed; 3 sums, the first one finite and positive.
    expect(Array.from(contents.subarray(0, 9))).toEqual([5, 1, 4, 1, 0, 1, 1, 3, 0]);
    const none = '"bytes" expected those of a LossTotal, unchanged, got contents that no total has';
    for (let length = 0; length < contents.length; length++) expect(message(forged((same) => same.subarray(0, length)))).toBe(none);
    expect(message(forged((same) => Uint8Array.from([...same, 0])))).toBe(none);
    // A number of 54 bits; a sum of 2^35 digits, one whose lowest digit is far above those of doubles; a confusion of 2^35 classes.
    const HUGE = [255, 255, 255, 255, 127];
    expect(message(forged((same) => Uint8Array.from([...new Array(7).fill(255), 31, ...same.subarray(1)])))).toBe(none);
    const spliced = (at: number) =>
      message(forged((same) => Uint8Array.from([...same.subarray(0, at), ...HUGE, ...same.subarray(at + 1)])));
    for (const at of [9, 10, contents.length - 7]) expect(spliced(at), `${at}`).toBe(none);
  });
});

describe("arguments that are wrong", () => {
  const total = () => new LossTotal().add([[0, 1, 2]], [0], { outputs: ["calibration", "confusion"] });

  it("are named, and nothing is added", () => {
    const kept = total();
    const before = kept.toBytes();
    const one =
      (options: LossOptions<Reduction, "calibration" | "confusion" | "groups">, logits = [[0, 1, 2]]) =>
      () =>
        kept.add(logits, [0], options);
    for (const [call, type, expected] of [
      [() => kept.add(5 as never), TypeError, '"result" expected a result or a layer with the output total, or logits and labels, got 5'],
      [
        () => kept.add(null as never),
        TypeError,
        '"result" expected a result or a layer with the output total, or logits and labels, got null',
      ],
      [() => kept.add({ total: { loss: 1 } } as never), TypeError, '"result" expected a result or a layer with the output total'],
      [() => kept.add(crossEntropy([[0]], [0], { outputs: ["lse"] }) as never), TypeError, '"result" expected a result or a layer'],
      [
        () => kept.add(Object.create(LossTotal.prototype)),
        TypeError,
        '"result" expected a result or a layer with the output total, or logits and labels, got an object (LossTotal)',
      ],
      [() => kept.merge({} as never), TypeError, '"other" expected a LossTotal, got an object (Object)'],
      [() => kept.merge(Object.create(LossTotal.prototype)), TypeError, '"other" expected a LossTotal, got an object (LossTotal)'],
      [() => kept.add([[0, 1, 2]], [3]), RangeError, '"labels" expected an integer from 0 to 2'],
      [() => kept.add([[0, 1, 2]], undefined as never, {}), TypeError, '"labels" expected class indices or distributions'],
      [one({ typo: 1 } as never), TypeError, '"options" expected only the names shape, axis'],
      [one({ outputs: ["prob" as never] }), RangeError, '"outputs[0]" expected one of'],
      [one({}), RangeError, '"options" expected calibration with bins: 15, as this total has, got no calibration'],
      [one({ topK: 3, outputs: ["calibration", "confusion"] }), RangeError, '"options" expected topK: 5, as this total has, got topK: 3'],
      [
        one({ bins: 9, outputs: ["calibration", "confusion"] }),
        RangeError,
        '"options" expected calibration with bins: 15, as this total has, got calibration with bins: 9',
      ],
      [one({ outputs: ["calibration"] }), RangeError, '"options" expected confusion of 3 classes, as this total has, got no confusion'],
      [
        one({ outputs: ["calibration", "confusion"] }, [[0, 1]]),
        RangeError,
        '"options" expected confusion of 3 classes, as this total has, got confusion of 2 classes',
      ],
      [
        one({ outputs: ["calibration", "confusion", "groups"], groups: [0] }),
        RangeError,
        '"options" expected no groups, as this total has, got groups',
      ],
      [
        () => kept.merge(new LossTotal().add([[0]], [0])),
        RangeError,
        '"other" expected calibration with bins: 15, as this total has, got no calibration',
      ],
      [() => kept.groups, Error, "LossTotal: groups expected to be listed in the outputs of what is added"],
      [() => new LossTotal().calibration, Error, "LossTotal: calibration expected to be listed in the outputs of what is added"],
    ] as const) {
      expect(call).toThrow(type);
      expect(call).toThrow(expected);
    }
    expect(() => new SoftmaxCrossEntropy({ shape: [1, 2], outputs: ["total"] }).total).toThrow("total expected a call of forward() first");
    expect(kept.toBytes()).toEqual(before);
    const layer = new SoftmaxCrossEntropy({ shape: [1, 2] });
    layer.forward();
    expect(() => kept.add(layer as never)).toThrow("SoftmaxCrossEntropy: total expected to be listed in the option outputs");
  });

  it("are more rows than counts of 32 bits, or than doubles, can tell", () => {
    const counted = total();
    for (let i = 0; i < 31; i++) counted.merge(counted);
    expect(counted.validCount).toBe(2 ** 31);
    expect(() => counted.merge(counted)).toThrow(`"other" expected at most ${2 ** 32 - 1} rows with those of this total, got ${2 ** 32}`);
    const plain = new LossTotal().add([[0, 0]], [0]);
    for (let i = 0; i < 52; i++) plain.merge(plain);
    expect([plain.validCount, plain.totalWeight, plain.loss]).toEqual([2 ** 52, 2 ** 52, Math.log(2)]);
    expect(() => plain.merge(plain)).toThrow(RangeError);
  });
});
