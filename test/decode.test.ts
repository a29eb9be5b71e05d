// The entry softmax-wasm/decode: the greatest logits against a sort, what is kept and drawn against sums in decimal arithmetic, frequencies,
// and that a draw depends on its row, the options and its random number alone.

import { describe, expect, it } from "vitest";
import { type Random, ROWS, seeded } from "../reference/data.js";
import { type Exact, exact, exactRow, ulpError } from "../reference/oracle.js";
import { mix64, randomOf } from "../src/decode/random.js";
import { type SampleOptions, sample, topK } from "../src/decode.js";
import { logSoftmax, softmax } from "../src/index.js";
import type { Floats } from "./verify.js";

const TYPES = [Float64Array, Float32Array] as const;

/** NaN before +∞ before all other numbers; of equal ones the lower class. */
function descending(row: ArrayLike<number>): number[] {
  const keyed = Array.from(row, (value, j) => ({ value, j }));
  keyed.sort((a, b) => {
    if (Number.isNaN(a.value) || Number.isNaN(b.value)) return Number(Number.isNaN(b.value)) - Number(Number.isNaN(a.value)) || a.j - b.j;
    return a.value < b.value ? 1 : a.value > b.value ? -1 : a.j - b.j;
  });
  return keyed.map(({ j }) => j);
}

/** Rows of every kind, and those that make a scan or a threshold work hard. */
const HARD: Record<string, (random: Random, classes: number) => number[]> = {
  ...ROWS,
  normal: (random, classes) => Array.from({ length: classes }, () => 3 * normal(random)),
  equal: (_, classes) => new Array(classes).fill(-2.5),
  ascending: (_, classes) => Array.from({ length: classes }, (_, j) => (9 * j) / classes),
  descending: (_, classes) => Array.from({ length: classes }, (_, j) => (-9 * j) / classes),
  "few values": (random, classes) => Array.from({ length: classes }, () => Math.floor(4 * random())),
  "mostly excluded": (random, classes) => Array.from({ length: classes }, (_, j) => (j % 997 === 5 ? random() : -Infinity)),
  "one high": (random, classes) => Array.from({ length: classes }, (_, j) => (j === classes - 2 ? 30 : random())),
};

function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

describe("topK", () => {
  it.each(TYPES)("of every kind of $name is the beginning of a sort", (Elements) => {
    for (const [name, make] of Object.entries(HARD)) {
      for (const classes of [1, 2, 7, 64, 5003, 9001]) {
        const row = Elements.from(make(seeded(classes), classes));
        const order = descending(row);
        for (const k of new Set([1, Math.min(2, classes), Math.min(50, classes), Math.ceil(classes / 2), classes])) {
          const { values, indices } = topK(row, k);
          expect(indices, name).toEqual(Int32Array.from(order.slice(0, k)));
          expect(values, name).toEqual(Elements.from(order.slice(0, k).map((j) => row[j])));
        }
      }
    }
  });

  it("has NaN first and then +∞, wherever they are", () => {
    const random = seeded(4);
    for (let round = 0; round < 200; round++) {
      const special = [Number.NaN, Infinity, -Infinity, 0, -0, 1];
      const row = Float64Array.from({ length: 40 }, () => special[Math.floor(random() * special.length)]);
      const k = 1 + Math.floor(random() * 40);
      const { values, indices } = topK(row, k);
      expect(Array.from(indices)).toEqual(descending(row).slice(0, k));
      expect(values).toEqual(Float64Array.from(indices, (j) => row[j]));
    }
  });

  it("takes any axis and container, and puts the results into the same form", () => {
    expect(topK([[1, 3, 2, 3], [0, 0, 0, -1]], 3)).toEqual({ values: [[3, 3, 2], [0, 0, 0]], indices: [[1, 3, 2], [0, 1, 2]] }); // biome-ignore format: two rows
    expect(topK([[1, 3], [2, 0]], 1, { axis: 0 })).toEqual({ values: [[2, 3]], indices: [[1, 0]] }); // biome-ignore format: two rows
    expect(topK(Float32Array.of(1, 2, 3, 4, 5, 0), 2, { shape: [3, 2], axis: 0 })).toEqual({
      values: Float32Array.of(5, 4, 3, 2),
      indices: Int32Array.of(2, 1, 1, 0),
    });
    const rows = [Float32Array.of(1, 2), Float32Array.of(4, 3)];
    expect(topK(rows, 1)).toEqual({ values: [Float32Array.of(2), Float32Array.of(4)], indices: [Int32Array.of(1), Int32Array.of(0)] });
    const half = { data: Uint16Array.of(0x3c00, 0xc000, 0x7c00), dims: [1n, 3n], type: "float16" };
    expect(topK(half, 2)).toEqual({
      values: { data: Float32Array.of(Infinity, 1), shape: [1, 2] },
      indices: { data: Int32Array.of(2, 0), shape: [1, 2] },
    });
    expect(topK({ data: Float64Array.of(1, 2, 3, 4), shape: [1, 2, 2] }, 3, { axis: [1, 2] })).toEqual({
      values: { data: Float64Array.of(4, 3, 2), shape: [1, 1, 3] },
      indices: { data: Int32Array.of(3, 2, 1), shape: [1, 1, 3] },
    });
    expect(topK(5, 1)).toEqual({ values: 5, indices: 0 });
    expect(topK(new Float64Array(0), 2, { shape: [0, 3] })).toEqual({ values: new Float64Array(0), indices: new Int32Array(0) });
  });

  it("says what is wrong", () => {
    expect(() => topK([1, 2], 3)).toThrow(new RangeError('"k" expected an integer from 1 to 2, got 3'));
    expect(() => topK([1, 2], 0)).toThrow(RangeError);
    expect(() => topK([1, 2], 1.5)).toThrow(RangeError);
    expect(() => topK([1, 2], "1" as never)).toThrow(new TypeError('"k" expected a number, got "1"'));
    expect(() => topK([1, 2], 1, { out: [] } as never)).toThrow(new TypeError('"options" expected only the names shape, axis, got "out"'));
    expect(() => topK("logits" as never, 1)).toThrow('"x" expected a Float64Array');
    const long = '"x" expected rows that fit in WebAssembly memory, got 67108864 classes';
    expect(() => topK(new Float32Array(2 ** 26), 1)).toThrow(new RangeError(long));
    expect(() => topK([1, 2], 1, { axis: 1 })).toThrow(RangeError);
  });
});

/** The options that change a row. */
type Change = Pick<SampleOptions, "scale" | "topK" | "topP" | "minP">;

/** Probabilities of a few logits in decimal arithmetic; of many, for which that takes seconds, with errors that margins cover. */
function probsOf(logits: readonly number[]): Exact[] {
  if (logits.length <= 12) return exactRow(logits).probs;
  const most = logits.reduce((a, b) => Math.max(a, b));
  const exps = logits.map((logit) => Math.exp(logit - most));
  const sum = exps.reduce((a, b) => a + b);
  return exps.map((e) => exact(e / sum));
}

/** The classes that are kept, in ascending order, by sorting all of them, and how close a decision was. */
function exactlyKept(row: Floats, { scale = 1, topK: k = row.length, topP = 1, minP = 0 }: Change): { classes: number[]; margin: number } {
  const logits = Float64Array.from(row, (logit) => logit * scale);
  let kept = descending(logits).slice(0, k);
  let margin = Infinity;
  const near = (a: Exact, b: Exact) => {
    margin = Math.min(margin, a.minus(b).abs().toNumber());
  };
  if (topP < 1) {
    const probs = probsOf(kept.map((j) => logits[j]));
    let mass = exact(0);
    let count = 0;
    while (count < kept.length && mass.lt(exact(topP))) {
      mass = mass.plus(probs[count++]);
      near(mass, exact(topP));
    }
    kept = kept.slice(0, count);
  }
  if (minP > 0) {
    const probs = probsOf(kept.map((j) => logits[j]));
    const least = probs[0].times(exact(minP));
    for (const p of probs) if (!p.eq(probs[0])) near(p, least);
    kept = kept.filter((_, i) => probs[i].gte(least));
  }
  return { classes: kept.filter((j) => logits[j] > -Infinity).sort((a, b) => a - b), margin };
}

/** The class that is drawn for each of some random numbers. */
const drawnBy = (row: Floats, change: Change, numbers: readonly number[]): number[] =>
  numbers.map((number) => sample(row as Float64Array, { ...change, random: () => number }).indices[0]);

/** The first and the last class that can be drawn. */
const endsOf = (row: Floats, change: Change) => drawnBy(row, change, [0, 1 - 2 ** -53]);

/**
 * Verifies that just these classes are kept, in ascending order: the numbers in the middle of their shares draw them. Of many classes, some
 * are looked at, and those that are hardly ever drawn are not.
 */
function verifyKept(row: Floats, change: Change, classes: readonly number[], where: string): void {
  const probs = probsOf(classes.map((j) => row[j] * (change.scale ?? 1))).map(Number);
  const step = Math.ceil(classes.length / 50);
  const [numbers, want]: [number[], number[]] = [[], []];
  let below = 0;
  probs.forEach((p, i) => {
    const isEnd = i === 0 || i === probs.length - 1;
    if (p > 1e-9 && (i % step === 0 || isEnd)) {
      numbers.push(below + p / 2);
      want.push(classes[i]);
    }
    below += p;
  });
  expect(drawnBy(row, change, numbers), where).toEqual(want);
}

const CHANGES: readonly Change[] = [
  { topK: 1 },
  { topK: 5, scale: 1 / 0.7 },
  { topP: 0.9 },
  { topP: 0.3, scale: 0.5 },
  { topP: 0.9999 },
  { topP: 1e-9 },
  { minP: 0.1 },
  { minP: 1 },
  { minP: 1e-12, scale: 3 },
  { topK: 40, topP: 0.9, scale: 1 / 0.7 },
  { topK: 40, topP: 0.8, minP: 0.2 },
  { topP: 0.95, minP: 0.05 },
];

describe.each(TYPES)("what is kept of a %o", (Elements) => {
  const verify = (classes: number, names = Object.keys(HARD), changes = CHANGES) => {
    for (const name of names) {
      const row = Elements.from(HARD[name](seeded(classes + 1), classes));
      for (const change of changes) {
        const { classes: want, margin } = exactlyKept(row, change);
        if (margin > 1e-10) verifyKept(row, change, want, `${name}, ${classes} classes, ${JSON.stringify(change)}`);
      }
    }
  };

  it.each([1, 2, 3, 11, 100, 130])("is what a sort keeps: %i classes", (classes) => verify(classes));

  it("is what a sort keeps of a long row, whose threshold is guessed", () => {
    verify(8300);
  });
});

describe("what is kept", () => {
  it("is exactly so many of equal logits, the first ones", () => {
    for (const classes of [10, 20_000]) {
      for (const Elements of TYPES) {
        const row = new Elements(classes).fill(3.3);
        for (const part of [0.1, 0.3, 0.5, 0.7]) {
          const want = [0, part * classes - 1];
          expect(endsOf(row, { topP: part }), `${part}`).toEqual(want);
          expect(endsOf(row, { topK: part * classes }), `${part}`).toEqual(want);
          expect(endsOf(row, { topK: part * classes, scale: 1e-310 }), `${part}`).toEqual(want);
        }
        expect(endsOf(row, { minP: 1 })).toEqual([0, classes - 1]);
      }
    }
  });

  it("is as little as has the mass, also where it is just that, and of logits that are nearly equal the greatest", () => {
    expect(endsOf(Float64Array.of(0, 0, -1), { topP: 2 / (2 + Math.exp(-1)) })).toEqual([0, 1]);
    expect(endsOf(Float64Array.of(0, 5e-324, 0), { topP: 0.3 })).toEqual([1, 1]);
    expect(endsOf(Float64Array.of(0, 5e-324, 0), { topP: 0.5 })).toEqual([0, 1]);
  });

  it("is right at the ends of the range of scales, where logits are equal or the greatest ones are all", () => {
    for (const Elements of TYPES) {
      for (const [scale, first] of [
        [1e-310, 0],
        [1e-306, 0],
        [1e300, 1],
        [1.7e308, 1],
      ]) {
        // biome-ignore format: pairs
        for (const change of [{}, { topP: 0.999 }, { topK: 3 }, { minP: 0.5 }]) {
          const where = `${Elements.name}, ${scale}, ${JSON.stringify(change)}`;
          expect(endsOf(Elements.of(0.1, 0.5, -Infinity, 0.5), { ...change, scale }), where).toEqual([first, 3]);
        }
      }
    }
  });

  it("is right where no class of a subsample is probable", () => {
    for (const gap of [100, 490, 510, 700, 740, 742, 744, 746, 800, 1e4]) {
      const row = new Float64Array(9000);
      row[8] = gap;
      row[8002] = gap;
      expect(endsOf(row, { topP: 0.45 }), `${gap}`).toEqual([8, 8]);
      expect(endsOf(row, { topP: 0.55 }), `${gap}`).toEqual([8, 8002]);
      expect(endsOf(row, { minP: 0.5 }), `${gap}`).toEqual([8, 8002]);
      expect(drawnBy(row, {}, [0.75]), `${gap}`).toEqual([8002]);
    }
  });

  it("of a row of a language model is what a sort keeps", () => {
    const random = seeded(8);
    for (const sigma of [0.01, 3]) {
      const row = Float32Array.from({ length: 40_000 }, () => sigma * normal(random));
      for (const topP of [0.05, 0.9, 0.99]) {
        const { classes, margin } = exactlyKept(row, { topP });
        if (margin > 1e-10) verifyKept(row, { topP }, classes, `σ = ${sigma}, ${topP}`);
      }
    }
  });
});

describe("a draw", () => {
  it.each(TYPES)(
    "of a %o is the inverse of the distribution function in the order of classes, with its exact log-probability",
    (Elements) => {
      const random = seeded(12);
      const isFloat32 = Elements === (Float32Array as unknown);
      const check = (row: Floats, change: Change) => {
        const given = random();
        const { indices, logProbs } = sample(row, { ...change, random: () => given });
        const { classes } = exactlyKept(row, change);
        if (classes.length === 0) {
          expect(indices[0]).toBe(-1);
          return;
        }
        const logits = classes.map((j) => row[j] * (change.scale ?? 1));
        const probs = probsOf(logits);
        let [at, below] = [0, exact(0)];
        while (at < probs.length - 1 && below.plus(probs[at]).lte(exact(given))) below = below.plus(probs[at++]);
        const isClose = exact(given).minus(below).lt(1e-9) || below.plus(probs[at]).minus(exact(given)).lt(1e-9);
        if (!isClose) expect(indices[0]).toBe(classes[at]);
        const got = classes.indexOf(indices[0]);
        const want = logits.length <= 12 ? (exactRow(logits).logProbs[got] as Exact) : exact(logSoftmax(logits)[got]);
        const error = ulpError(logProbs[0], want, undefined, isFloat32 ? "float32" : "float64");
        expect(error, `${classes.length} ${JSON.stringify(change)} ${logProbs[0]}`).toBeLessThanOrEqual(
          isFloat32 ? 0.51 : classes.length > 8192 ? 400 : 40,
        );
      };
      for (const make of Object.values(HARD)) {
        for (const classes of [1, 2, 9, 300]) {
          const row = Elements.from(make(seeded(classes + 2), classes));
          for (const change of [{}, { scale: 0.3 }, ...CHANGES.slice(0, 6)]) check(row, change);
        }
        // By parts.
        const long = Elements.from(make(seeded(3), 9000));
        for (const change of [{}, { scale: 1.7 }]) check(long, change);
      }
    },
  );

  it("gives each class its share: χ² of many draws, of short rows and by parts", () => {
    const verify = (row: Floats, change: Change, draws: number) => {
      const { classes } = exactlyKept(row, change);
      const probs = softmax(Float64Array.from(classes, (j) => row[j] * (change.scale ?? 1)));
      const counts = new Map<number, number>();
      for (let d = 0; d < draws; d++) {
        const [drawn] = sample(row, { ...change, random: () => randomOf(77, d) }).indices;
        counts.set(drawn, (counts.get(drawn) ?? 0) + 1);
      }
      expect(Array.from(counts.keys()).every((j) => classes.includes(j))).toBe(true);
      // Classes that are expected less than 10 times are counted together.
      let [statistic, cells, rare, rareExpected] = [0, 0, 0, 0];
      classes.forEach((j, i) => {
        const expected = probs[i] * draws;
        const count = counts.get(j) ?? 0;
        if (expected < 10) {
          rare += count;
          rareExpected += expected;
          return;
        }
        statistic += (count - expected) ** 2 / expected;
        cells++;
      });
      if (rareExpected > 1) {
        statistic += (rare - rareExpected) ** 2 / rareExpected;
        cells++;
      }
      // Four standard deviations above the mean.
      expect(statistic).toBeLessThan(cells - 1 + 4 * Math.sqrt(2 * cells));
    };
    const short = Float32Array.from(HARD.uniform(seeded(1), 12));
    for (const change of [{}, { scale: 0.2 }, { topK: 4 }, { topP: 0.8 }, { minP: 0.02 }]) verify(short, change, 20_000);
    const long = Float32Array.from(HARD.normal(seeded(2), 9000));
    verify(long, {}, 2000);
    verify(long, { topP: 0.5 }, 1000);
  });

  it("depends on its row and its random number alone", () => {
    const random = seeded(31);
    const numbers = Array.from({ length: 12 }, random);
    const next = () => {
      let at = 0;
      return () => numbers[at++];
    };
    for (const change of [{}, { topP: 0.7, scale: 2 }, { topK: 3, minP: 0.1 }]) {
      for (const classes of [5, 9000]) {
        const rows = numbers.map(() => Array.from({ length: classes }, () => Math.fround(normal(random))));
        const alone = rows.map((row, r) => sample(row, { ...change, random: () => numbers[r] }));
        const nested = sample(rows, { ...change, random: next() });
        expect(nested).toEqual({ indices: alone.map(({ indices }) => indices), logProbs: alone.map(({ logProbs }) => logProbs) });
        const flat = Float64Array.from(rows.flat());
        const shape = [12, classes];
        expect(sample(flat, { ...change, shape, random: next() })).toEqual({
          indices: Int32Array.from(nested.indices),
          logProbs: Float64Array.from(nested.logProbs),
        });
        // The class axis in the middle, and −∞ in the place of a mask.
        const columns = flat.map((_, k) => rows[6 * Math.floor(k / 6 / classes) + (k % 6)][Math.floor(k / 6) % classes]);
        const strided = sample({ data: columns, shape: [2, classes, 6] }, { ...change, axis: 1, random: next() });
        expect(strided.indices).toEqual({ data: Int32Array.from(nested.indices), shape: [2, 6] });
        const mask = flat.map(() => Number(random() < 0.6));
        const excluded = flat.map((logit, k) => (mask[k] ? logit : -Infinity));
        const masked = sample(
          flat.map((logit, k) => (mask[k] ? logit : Number.NaN)),
          { ...change, shape, mask, random: next() },
        );
        expect(masked).toEqual(sample(excluded, { ...change, shape, random: next() }));
        // Float32 logits, of the same values.
        const float32 = sample(Float32Array.from(flat), { ...change, shape, random: next() });
        expect(float32.indices).toEqual(Int32Array.from(nested.indices));
      }
    }
  });

  it("has the same mask for all rows if it is given by class", () => {
    const { indices } = sample(new Float64Array(3000), { shape: [1000, 3], mask: [true, false, true], seed: 5 });
    expect(new Set(indices)).toEqual(new Set([0, 2]));
  });

  it("of float16 is that of float32", () => {
    const half = { data: Uint16Array.of(0x3c00, 0x4000, 0xc000, 0x0001), dims: [2, 2], type: "float16" };
    const float32 = { data: Float32Array.of(1, 2, -2, 2 ** -24), shape: [2, 2] };
    expect(sample(half, { seed: 3 })).toEqual(sample(float32, { seed: 3 }));
  });

  it("at the ends of [0, 1) takes the first and the last class that are kept", () => {
    const row = [-Infinity, 1, 2, 3, -Infinity];
    for (const [given, want] of [[0, 1], [1 - 2 ** -53, 3]]) expect(sample(row, { random: () => given }).indices).toBe(want); // biome-ignore format: pairs
    const long = Float32Array.from(HARD.masked(seeded(9), 20_000));
    long.fill(-Infinity, 0, 9000);
    long.fill(-Infinity, 19_000);
    expect(sample(long, { random: () => 0 }).indices[0]).toBe(long.findIndex((logit) => logit > -Infinity));
    expect(sample(long, { random: () => 1 - 2 ** -53 }).indices[0]).toBe(long.findLastIndex((logit) => logit > -Infinity));
  });

  it("of a row with NaN or +∞, or without any class, is −1 with NaN, whatever the filters are", () => {
    for (const classes of [3, 9000]) {
      for (const change of [{}, ...CHANGES, { scale: 2 }]) {
        for (const bad of [Number.NaN, Infinity]) {
          for (const at of [0, 1, classes - 1]) {
            const row = new Float32Array(classes);
            row[at] = bad;
            expect(sample(row, change)).toEqual({ indices: Int32Array.of(-1), logProbs: Float32Array.of(Number.NaN) });
          }
        }
        expect(sample(new Float64Array(classes).fill(-Infinity), change).indices[0]).toBe(-1);
        const masked = sample(new Float64Array(2 * classes), { ...change, shape: [2, classes], mask: new Array(classes).fill(0) });
        expect(masked).toEqual({ indices: Int32Array.of(-1, -1), logProbs: Float64Array.of(Number.NaN, Number.NaN) });
      }
    }
    expect(sample(new Float64Array(0), { shape: [2, 0] }).indices).toEqual(Int32Array.of(-1, -1));
    expect(sample(new Float64Array(0), { shape: [0, 2] }).indices).toEqual(new Int32Array(0));
    expect(sample(7)).toEqual({ indices: 0, logProbs: 0 });
  });

  it("leaves out what keeps everything", () => {
    const row = Float32Array.from(HARD.normal(seeded(6), 10_000));
    const options = { random: () => 0.37 };
    expect(sample(row, { ...options, topK: 10_000, topP: 1, minP: 0 })).toEqual(sample(row, options));
    const certain = sample([0, 50, 0], { random: () => 0.5 });
    expect(certain.logProbs / logSoftmax([0, 50, 0])[1]).toBeCloseTo(1, 14);
  });
});

describe("random numbers", () => {
  it("of a seed are those of SplitMix64", () => {
    // The first outputs of the authors' program for the state 0.
    const outputs = [1n, 2n, 3n].map((n) => mix64((n * 0x9e3779b97f4a7c15n) % 2n ** 64n));
    expect(outputs).toEqual([0xe220a8397b1dcdafn, 0x6e789e6aa1b965f4n, 0x06c45d188009454fn]);
  });

  it("are in [0, 1), of rows and of seeds alike uniform, and different", () => {
    for (const numberOf of [(i: number) => randomOf(3, i), (i: number) => randomOf(i, 0)]) {
      const numbers = Array.from({ length: 10_000 }, (_, i) => numberOf(i));
      expect(new Set(numbers).size).toBe(10_000);
      const bins = new Array(100).fill(0);
      for (const number of numbers) bins[Math.floor(100 * number)]++;
      expect(bins.reduce((sum, count) => sum + (count - 100) ** 2 / 100, 0)).toBeLessThan(99 + 4 * Math.sqrt(200));
    }
  });

  it("of a function are asked for once for each row, in their order, before anything else", () => {
    let calls = 0;
    const random = () => {
      // A call within the call changes nothing.
      sample(new Float32Array(9000), { topP: 0.5 });
      return calls++ / 4;
    };
    expect(sample(new Float64Array(16), { shape: [4, 4], random }).indices).toEqual(Int32Array.of(0, 1, 2, 3));
    expect(calls).toBe(4);
    const x = new Float64Array(8);
    const taken = () => {
      structuredClone(x.buffer, { transfer: [x.buffer] });
      return 0;
    };
    expect(() => sample(x, { random: taken })).toThrow('"x" expected to keep its 8 elements during the call');
  });

  it("of a seed give these classes, on every engine", () => {
    const rows = Array.from({ length: 8 }, (_, r) => Array.from({ length: 20 }, (_, j) => ((7 * j + 3 * r) % 11) / 2));
    const drawn = (options: SampleOptions) => sample(rows, options).indices;
    expect(drawn({ seed: 0 })).toEqual([14, 12, 10, 13, 17, 4, 14, 3]);
    expect(drawn({ seed: 1 })).toEqual([6, 13, 10, 19, 9, 4, 16, 11]);
    expect(drawn({ seed: 2 ** 53 - 1 })).toEqual([18, 1, 2, 19, 17, 18, 5, 0]);
    expect(drawn({ seed: 1, topK: 5, scale: 0.1 })).toEqual([6, 12, 10, 19, 9, 4, 16, 11]);
    expect(drawn({ seed: 1, topP: 0.6, scale: 0.4 })).toEqual([6, 15, 10, 19, 9, 4, 16, 11]);
    expect(drawn({ seed: 1, minP: 0.3, scale: 0.2 })).toEqual([7, 14, 10, 19, 9, 3, 17, 14]);
    const long = Float32Array.from({ length: 40_000 }, (_, j) => ((7919 * j) % 40_009) / 8000);
    expect([1, 2, 3, 4].map((seed) => sample(long, { seed }).indices[0])).toEqual([14649, 15686, 14727, 2632]);
    expect([1, 2, 3, 4].map((seed) => sample(long, { seed, topP: 0.9 }).indices[0])).toEqual([14646, 15682, 14726, 2632]);
  });
});

describe("sample says what is wrong", () => {
  it.each<[object, ErrorConstructor, string]>([
    [{ topK: 0 }, RangeError, '"topK" expected an integer of at least 1, got 0'],
    [{ topK: 1.5 }, RangeError, '"topK" expected an integer of at least 1, got 1.5'],
    [{ topP: 0 }, RangeError, '"topP" expected a number above 0 and up to 1, got 0'],
    [{ topP: 1.01 }, RangeError, '"topP" expected a number above 0 and up to 1, got 1.01'],
    [{ topP: Number.NaN }, RangeError, '"topP" expected a number above 0 and up to 1, got NaN'],
    [{ minP: -0.1 }, RangeError, '"minP" expected a number from 0 to 1, got -0.1'],
    [{ minP: "0" }, TypeError, '"minP" expected a number, got "0"'],
    [{ scale: 0 }, RangeError, '"scale" expected a finite number above 0, got 0'],
    [{ mask: [1] }, RangeError, '"mask" expected the shape [2], or that of the logits, [2], got [1]'],
    [{ seed: 0.5 }, RangeError, '"seed" expected an integer of at least 0, got 0.5'],
    [{ seed: -1 }, RangeError, '"seed" expected an integer of at least 0, got -1'],
    [{ seed: 1, random: Math.random }, RangeError, '"seed" expected to be left out with "random", got 1'],
    [{ random: 0.5 }, TypeError, '"random" expected a function that gives numbers in [0, 1), got 0.5'],
    [{ random: () => 1 }, RangeError, '"random()" expected a number of at least 0 and below 1, got 1'],
    [{ random: () => "0" }, TypeError, '"random()" expected a number, got "0"'],
    [{ temperature: 2 }, TypeError, 'got "temperature"; here it is scale, the inverse'],
    [{ shape: [3] }, RangeError, '"shape" expected [2], the shape of "x", got [3]'],
  ])("%o", (options, kind, message) => {
    const run = () => sample([1, 2], options as SampleOptions);
    expect(run).toThrow(kind);
    expect(run).toThrow(message);
  });
});
