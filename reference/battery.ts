// Rows on which softmax code goes wrong, in groups of one length, with labels.

import { distribution, type Random, ROWS, type Rows, seeded } from "./data.js";

export interface Group extends Rows {
  readonly name: string;
}

/** Numbers of classes on both sides of the changes of kernel and of inner loop. */
const LENGTHS = [2, 3, 10, 17, 40];
const SCALES = [1e-8, 1e-4, 0.01, 1, 30, 300, 800, 5000];
const OFFSETS = [0, 1e3, -1e3, -7e3, 1.7e4, -1e5, 1e12, 1e300];

const range = (count: number) => Array.from({ length: count }, (_, i) => i);

function group(name: string, random: Random, logits: number[][], indices?: number[]): Group {
  return {
    name,
    logits,
    indices: indices ?? logits.map((row) => Math.floor(random() * row.length)),
    distributions: logits.map((row, r) => distribution(random, row.length, r)),
  };
}

/** A row of `classes` logits of 0, but one in the middle is `gap`. */
const confident = (classes: number, gap: number) => range(classes).map((j) => (j === classes >> 1 ? gap : 0));

const MAX = 1.7e308;
const TINY = 2 ** -1074;
const MAX_FLOAT32 = (2 - 2 ** -23) * 2 ** 127;
const TINY_FLOAT32 = 2 ** -149;

export function battery(): Group[] {
  const random = seeded(2024);
  const groups: Group[] = [];
  for (const classes of LENGTHS) {
    for (const scale of SCALES) {
      for (const offset of OFFSETS) {
        const row = () => range(classes).map(() => offset + scale * (2 * random() - 1));
        groups.push(group(`scale ${scale}, offset ${offset}`, random, [row(), row(), row()]));
      }
    }
    for (const kind of Object.keys(ROWS) as (keyof typeof ROWS)[]) {
      groups.push(group(kind, random, [ROWS[kind](random, classes), ROWS[kind](random, classes)]));
    }
    const gaps = range(745).map((i) => i + 1);
    const rows = (classes === 2 ? gaps : gaps.filter((gap) => gap % 29 === 1 || gap > 738)).map((gap) => confident(classes, gap));
    const right = rows.map(() => classes >> 1);
    const wrong = rows.map(() => 0);
    groups.push(group("confident", random, rows, right), group("confidently wrong", random, rows, wrong));

    // The others' share R of the sum is so small that R² is near the rounding error of R.
    const apart = range(24).map((i) => range(classes).map((j) => (j === classes >> 1 ? 0 : -30 - 2 * i - random())));
    groups.push(
      group(
        "confident, the others apart",
        random,
        apart,
        apart.map(() => classes >> 1),
      ),
    );

    // All probabilities but one are near or below the least normal number, down to 0.
    const fading = range(40).map((i) => range(classes).map((j) => (j === 1 ? 0.25 : -700 - 1.3 * i - random())));
    groups.push(group("gradual underflow", random, fading));

    groups.push(
      group("subnormal logits", random, [
        range(classes).map((j) => j * TINY),
        range(classes).map((j) => (j % 2 ? -1 : 1) * 2 ** -1040 * random()),
      ]),
      group("both zeros", random, [range(classes).map((j) => (j % 2 ? 0 : -0)), range(classes).map(() => -0)]),
      group("near the ends of the doubles", random, [
        range(classes).map((j) => (j % 2 ? MAX : -MAX)),
        range(classes).map((j) => MAX * (1 - j * 2 ** -52)),
        range(classes).map((j) => (j ? -MAX * random() : MAX)),
        range(classes).map((j) => -MAX + j * 1e292),
        range(classes).map((j) => (j ? Number.MAX_VALUE : 1)),
      ]),
      group("one finite", random, [
        range(classes).map((j) => (j === 1 ? 1.5 : -Infinity)),
        range(classes).map((j) => (j ? -Infinity : -1e300)),
      ]),
    );
  }
  for (const classes of [1, 2, 3, 5, 16, 17, 33, 1000]) {
    groups.push(
      group(
        "equal",
        random,
        [0.7, -3.3, 745.3, 1e300].map((value) => range(classes).map(() => value)),
      ),
    );
  }
  return groups;
}

/** A number as float32 has it; one that is too large for float32 becomes as many powers of 2 smaller as float32 ends before the doubles. */
function float32Of(x: number): number {
  if (!Number.isFinite(x) || Math.abs(x) <= MAX_FLOAT32) return x;
  return Math.sign(x) * Math.min(Math.abs(x) * 2 ** (127 - 1023), MAX_FLOAT32);
}

/** Rows in float32. */
export function asFloat32<R extends Rows>(rows: R): R {
  const rounded = (row: ArrayLike<number>) => Float32Array.from(row, float32Of);
  return { ...rows, logits: rows.logits.map(rounded), distributions: rows.distributions.map(rounded) };
}

/** The battery in float32, with logits that are subnormal there. */
export function float32Battery(): Group[] {
  const random = seeded(149);
  const subnormal = LENGTHS.map((classes) => group("subnormal logits of float32", random, [range(classes).map((j) => j * TINY_FLOAT32)]));
  return [...battery(), ...subnormal].map(asFloat32);
}

/** Makers of long rows with few distinct values, so that the exact sum needs few exponentials. */
export const LONG_ROWS = {
  equal: () => () => 0.7,
  "of four values": (random: Random) => () => [0.3, -1.1, 2.7, -9.3][Math.floor(4 * random())],
  "with one far above": (_random: Random, classes: number) => (j: number) => (j === (classes >> 1) + 7 ? 40.1 : 0.3),
  "growing late": (_random: Random, classes: number) => (j: number) => (j < classes - 9 ? -20.3 : 1.7),
} satisfies Record<string, (random: Random, classes: number) => (j: number) => number>;
