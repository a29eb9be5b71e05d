// Seeded random rows of logits: all elements different, peaked rows, ties, large common offsets.

export type Random = () => number;

/** Uniform numbers in [0, 1) with 53 random bits, each from two outputs of Tommy Ettinger's mulberry32. */
export function seeded(seed: number): Random {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  };
  return () => ((next() >>> 5) * 2 ** 26 + (next() >>> 6)) / 2 ** 53;
}

/** Makers of a row of logits (classes). */
export const ROWS = {
  uniform: (random: Random, classes: number) => Array.from({ length: classes }, () => 10 * random() - 5),
  wide: (random: Random, classes: number) => Array.from({ length: classes }, () => 1500 * random() - 750),
  peaked: (random: Random, classes: number) => {
    const row = Array.from({ length: classes }, () => 2 * random());
    row[Math.floor(random() * classes)] += 1 + 700 * random();
    return row;
  },
  tied: (random: Random, classes: number) => {
    const row = Array.from({ length: classes }, () => -20 * random());
    row[Math.floor(random() * classes)] = 3;
    row[Math.floor(random() * classes)] = 3;
    return row;
  },
  "offset +1e3": (random: Random, classes: number) => Array.from({ length: classes }, () => 1e3 + 10 * random()),
  "offset -1e5": (random: Random, classes: number) => Array.from({ length: classes }, () => -1e5 + 10 * random()),
  "offset +1e12": (random: Random, classes: number) => Array.from({ length: classes }, () => 1e12 + 30 * random()),
  "offset -1e12": (random: Random, classes: number) => Array.from({ length: classes }, () => -1e12 + 30 * random()),
  /** Far apart, with maxima on both sides of the one from which on kernels subtract it; x − max is not exact for all of them. */
  "wide and large": (random: Random, classes: number) => {
    const offset = (random() < 0.3 ? -1 : 1) * (39000 + 2000 * random());
    return Array.from({ length: classes }, () => offset + 800 * random());
  },
  masked: (random: Random, classes: number) => {
    const row = Array.from({ length: classes }, () => (random() < 0.3 ? -Infinity : 4 * random()));
    row[Math.floor(random() * classes)] = 1;
    return row;
  },
} satisfies Record<string, (random: Random, classes: number) => number[]>;

/** Non-negative label masses of a row, some of them 0; every third row is one-hot. */
export function distribution(random: Random, classes: number, row: number): number[] {
  const hot = Math.floor(random() * classes);
  if (row % 3 === 0) return Array.from({ length: classes }, (_, j) => (j === hot ? 1 : 0));
  return Array.from({ length: classes }, (_, j) => (j === hot ? 1 : random() < 0.5 ? 0 : random()));
}

/** Rows of one length with their labels. */
export interface Rows {
  readonly logits: readonly ArrayLike<number>[];
  readonly indices: ArrayLike<number>;
  readonly distributions: readonly ArrayLike<number>[];
}
