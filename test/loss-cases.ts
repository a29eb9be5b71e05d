// Random batches with random options, each present or absent, and their exact results by row.

import { distribution, type Random, ROWS } from "../reference/data.js";
import { type ExactTerms, exactTerms } from "../reference/exact-terms.js";
import { positionIn } from "../reference/layout.js";

type Floats = Float64Array | Float32Array;

/** The options of a case for second derivatives, which have fewer. */
export const secondOrder = <O extends { entropyWeight?: number }>({ entropyWeight: _, ...options }: O): Omit<O, "entropyWeight"> => options;

export interface LossCase<A extends Floats = Float64Array> {
  readonly outer: number;
  readonly classes: number;
  readonly inner: number;
  /** (outer, classes, inner), like distributions, vector and a mask by row. */
  readonly logits: A;
  readonly labels: Int32Array | A;
  readonly vector: A;
  readonly options: {
    weights?: number[];
    sampleWeights?: number[];
    ignoreIndex?: number;
    labelSmoothing?: number;
    zLoss?: number;
    entropyWeight?: number;
    scale?: number;
    mask?: number[];
  };
  /** Undefined for a row that is ignored. */
  readonly exact: readonly (ExactTerms | undefined)[];
}

/** The elements of a row of a tensor. */
export function rowOf<A extends ArrayLike<number>>(
  tensor: A,
  { classes, inner }: { classes: number; inner: number },
  row: number,
): number[] {
  const at = positionIn(classes, inner);
  return Array.from({ length: classes }, (_, j) => tensor[at(row, j)]);
}

/** A batch of rows of `classes` logits with options drawn from `random`. Tensors are arrays of `Elements`. */
export function lossCase(random: Random, outer: number, classes: number, inner: number): LossCase;
export function lossCase<A extends Floats>(
  random: Random,
  outer: number,
  classes: number,
  inner: number,
  Elements: new (length: number) => A,
): LossCase<A>;
export function lossCase(
  random: Random,
  outer: number,
  classes: number,
  inner: number,
  Elements: new (length: number) => Floats = Float64Array,
): LossCase<Floats> {
  const rows = outer * inner;
  const at = positionIn(classes, inner);
  const below = (limit: number) => Math.floor(random() * limit);
  const maybe = <T>(make: () => T): T | undefined => (random() < 0.5 ? make() : undefined);
  const isDistribution = random() < 0.5;
  const areSigned = random() < 0.5;
  const signed = (most: number): number => most * (areSigned ? 2 * random() - 1 : random());
  const kinds = Object.values(ROWS);

  const logits = new Elements(rows * classes);
  const distributions = new Elements(rows * classes);
  const vector = new Elements(rows * classes);
  const indices = Int32Array.from({ length: rows }, () => below(classes));
  for (let r = 0; r < rows; r++) {
    const x = kinds[below(kinds.length)](random, classes);
    const q = distribution(random, classes, below(6));
    for (let j = 0; j < classes; j++) {
      logits[at(r, j)] = x[j];
      distributions[at(r, j)] = q[j];
      vector[at(r, j)] = 4 * random() - 2;
    }
  }
  const weights = maybe(() => Array.from({ length: classes }, () => (random() < 0.1 ? 0 : signed(3))));
  const sampleWeights = maybe(() => Array.from({ length: rows }, () => (random() < 0.2 ? 0 : signed(2))));
  const ignoreIndex = isDistribution ? undefined : maybe(() => [-100, 0, classes - 1][below(3)]);
  const labelSmoothing = maybe(() => [random(), 0.1, 1, 1e-9][below(4)]);
  const zLoss = maybe(() => 10 ** (-4 * random()));
  const entropyWeight = random() < 0.3 ? 4 * random() - 2 : undefined;
  const scale = maybe(() => 10 ** (2 * random() - 1));
  const isShared = random() < 0.5;
  const mask = maybe(() => Array.from({ length: isShared ? classes : rows * classes }, () => Number(random() < 0.7)));
  if (ignoreIndex === -100)
    indices.forEach((_, r) => {
      if (random() < 0.3) indices[r] = -100;
    });

  const exact = Array.from({ length: rows }, (_, r) => {
    const open = Array.from({ length: classes }, (_, j) => mask === undefined || mask[isShared ? j : at(r, j)] === 1);
    if (!open.includes(true) || (!isDistribution && indices[r] === ignoreIndex)) {
      // An ignored row is not read.
      for (let j = 0; j < classes; j++) logits[at(r, j)] = Number.NaN;
      return undefined;
    }
    const x = rowOf(logits, { classes, inner }, r).map((value) => (scale ?? 1) * value);
    // A row of −∞ alone has no result, so one of its logits is replaced.
    const top = open.indexOf(true);
    if (x.every((value, j) => !open[j] || value === -Infinity)) {
      logits[at(r, top)] = 1;
      x[top] = scale ?? 1;
    }
    return exactTerms({
      logits: x,
      open,
      label: isDistribution ? rowOf(distributions, { classes, inner }, r) : indices[r],
      weights: weights ?? new Array(classes).fill(1),
      labelSmoothing: labelSmoothing ?? 0,
      zLoss: zLoss ?? 0,
      entropyWeight,
      sampleWeight: sampleWeights?.[r] ?? 1,
      scale: scale ?? 1,
    });
  });
  // Excluded classes are not read.
  if (mask)
    for (let r = 0; r < rows; r++) for (let j = 0; j < classes; j++) if (!mask[isShared ? j : at(r, j)]) logits[at(r, j)] = Number.NaN;
  return {
    outer,
    classes,
    inner,
    logits,
    labels: isDistribution ? distributions : indices,
    vector,
    options: { weights, sampleWeights, ignoreIndex, labelSmoothing, zLoss, entropyWeight, scale, mask },
    exact,
  };
}
