// The exact loss of a row with every option, its derivatives, and the condition of each; by the formulas of the documentation.

import { type Exact, type ExactRow, exact, exactRow } from "./oracle.js";

/** One row and the terms of its loss. */
export interface TermsOfRow {
  /** Scaled and rounded; those of excluded classes are not read. */
  readonly logits: readonly number[];
  readonly open: readonly boolean[];
  /** A class index, or a distribution. */
  readonly label: number | readonly number[];
  readonly weights: readonly number[];
  readonly labelSmoothing: number;
  readonly zLoss: number;
  /** 0 by default. */
  readonly entropyWeight?: number;
  readonly sampleWeight: number;
  readonly scale: number;
}

/** A value, and the sum of the absolute values of its terms. A relative error e of the terms is an error e · size of the value at most. */
export interface Conditioned {
  readonly value: Exact;
  readonly size: Exact;
}

export interface ExactTerms {
  readonly row: ExactRow;
  readonly loss: Conditioned;
  readonly entropy: Exact;
  /** p of the maximum. */
  readonly confidence: Exact;
  /** The derivatives of the loss with respect to the scale. */
  readonly scaleGradient: { readonly first: Conditioned; readonly second: Conditioned };
  readonly gradient: readonly Conditioned[];
  readonly labelGradient: readonly Exact[];
  readonly diagonal: readonly Conditioned[];
  product(vector: readonly number[]): Conditioned[];
}

const ZERO = exact(0);
const ONE = exact(1);
const INFINITE = exact(Infinity);

/** The row's own weight is multiplied last, so that all else is of the unweighted row. */
export function exactTerms(given: TermsOfRow): ExactTerms {
  const { open, label, sampleWeight } = given;
  const row = exactRow(given.logits.map((x, j) => (open[j] ? x : -Infinity)));
  const keep = ONE.minus(exact(given.labelSmoothing));
  const share = exact(given.labelSmoothing).div(open.filter((isOpen) => isOpen).length);
  const z = exact(given.zLoss);
  const s = exact(sampleWeight);
  const weights = given.weights.map(exact);
  const spread = weights.map((w, j) => (open[j] ? w.times(share) : ZERO));
  const own = weights.map((w, j) => {
    if (typeof label === "number") return j === label ? w.times(keep) : ZERO;
    return w.times(keep).times(exact(label[j]));
  });
  const target = own.map((mass, j) => mass.plus(spread[j]));
  const sum = (values: readonly Exact[]): Exact => values.reduce((a, b) => a.plus(b), ZERO);
  const sizes = (values: readonly Exact[]): Exact => sum(values.map((value) => value.abs()));
  const mass = sum(target);
  const massSize = sizes(target);
  const spreadMass = sum(spread);
  const spreadSize = sizes(spread);
  const zGradient = z.times(row.lse).times(2);
  // The error of lse is relative to the row's maximum where that is larger.
  const zSize = z.times(row.lse.abs().gt(row.max.abs()) ? row.lse.abs() : row.max.abs()).times(2);

  const surprise = row.logProbs.map((logProb) => logProb?.neg() ?? INFINITE);
  const losses = target.map((t, j) => (t.isZero() ? ZERO : t.times(surprise[j])));
  const crossEntropy = sum(losses);
  const zTerm = z.times(row.lse).times(row.lse);
  const { scale } = given;
  const beta = exact(given.entropyWeight ?? 0);
  const entropy = row.probs.reduce((sum, p, j) => (p.isZero() ? sum : sum.plus(p.times(surprise[j]))), ZERO);
  const gaps = row.logProbs.map((logProb) => (logProb ? row.logSum.plus(logProb).neg() : undefined));
  const meanOf = (weights: readonly Exact[], values: readonly (Exact | undefined)[]): Exact =>
    sum(weights.map((w, j) => (w.isZero() ? ZERO : w.times(values[j] ?? INFINITE))));
  const gap = meanOf(row.probs, gaps);
  const squares = gaps.map((value) => value?.minus(gap).pow(2));
  const variance = meanOf(row.probs, squares);
  const center = row.max.minus(gap);
  const centerSize = row.max.abs().plus(gap);
  const first = s.times(exact(scale));
  const second = first.times(exact(scale));
  const curvature = mass.plus(zGradient);
  const curvatureSize = massSize.plus(zSize);
  const sSize = s.abs();
  const [firstSize, secondSize] = [first.abs(), second.abs()];
  /** The gradient of −β H: β p (log p + H). */
  const plusEntropyTerm = ({ value, size }: Conditioned, p: Exact, j: number): Conditioned => {
    const gapAt = gaps[j];
    if (beta.isZero() || gapAt === undefined) return { value, size };
    const factor = first.times(beta).times(p);
    return { value: value.plus(factor.times(gap.minus(gapAt))), size: size.plus(factor.abs().times(gap.plus(gapAt))) };
  };
  const gradientAt = (p: Exact, j: number): Conditioned => {
    if (!open[j]) return { value: ZERO, size: ZERO };
    const others = row.others[j];
    if (typeof label === "number" && j === label) {
      const value = own[j].times(others).neg().plus(spreadMass.times(p)).minus(spread[j]).plus(zGradient.times(p));
      const size = own[j].abs().times(others).plus(spreadSize.times(p)).plus(spread[j].abs()).plus(zSize.times(p));
      return { value: first.times(value), size: firstSize.times(size) };
    }
    const rest = mass.minus(target[j]);
    const value = rest.times(p).minus(target[j].times(others)).plus(zGradient.times(p));
    // A distribution with one class is like an index: nothing cancels.
    const isOnly = typeof label !== "number" && massSize.eq(target[j].abs());
    const size = isOnly ? target[j].abs().times(others) : massSize.times(p).plus(target[j].abs());
    return { value: first.times(value), size: firstSize.times(size.plus(zSize.times(p))) };
  };
  return {
    row,
    loss: s.isZero()
      ? { value: ZERO, size: ZERO }
      : {
          value: s.times(crossEntropy.plus(zTerm).minus(beta.times(entropy))),
          size: sSize.times(sizes(losses).plus(zSize.times(row.lse.abs())).plus(beta.abs().times(entropy))),
        },
    entropy,
    confidence: row.probs.reduce((a, b) => (b.gt(a) ? b : a), ZERO),
    scaleGradient: {
      first: {
        value: s.times(meanOf(target, gaps).minus(mass.times(gap)).plus(zGradient.times(center))).div(exact(scale)),
        size: sSize
          .times(
            meanOf(
              target.map((t) => t.abs()),
              gaps,
            )
              .plus(massSize.times(gap))
              .plus(zSize.times(centerSize)),
          )
          .div(exact(scale)),
      },
      second: {
        value: s
          .times(curvature.times(variance).plus(z.times(2).times(center).times(center)))
          .div(exact(scale))
          .div(exact(scale)),
        size: sSize
          .times(curvatureSize.times(variance).plus(z.times(2).times(centerSize).times(centerSize)))
          .div(exact(scale))
          .div(exact(scale)),
      },
    },
    gradient: row.probs.map((p, j) => plusEntropyTerm(gradientAt(p, j), p, j)),
    labelGradient: weights.map((w, j) => (w.times(keep).times(s).isZero() ? ZERO : s.times(keep).times(w).times(surprise[j]))),
    diagonal: row.probs.map((p, j) => ({
      value: second.times(p).times(curvature.times(row.others[j]).plus(z.times(2).times(p))),
      size: secondSize.times(p).times(curvatureSize.times(row.others[j]).plus(z.times(2).times(p))),
    })),
    product: (vector) => {
      const v = vector.map(exact);
      const dot = v.reduce((sum, value, j) => sum.plus(value.times(row.probs[j])), ZERO);
      const dotSize = v.reduce((sum, value, j) => sum.plus(value.abs().times(row.probs[j])), ZERO);
      return v.map((value, j) => ({
        value: second.times(row.probs[j]).times(curvature.times(value.minus(dot)).plus(z.times(2).times(dot))),
        size: secondSize.times(row.probs[j]).times(curvatureSize.times(value.abs().plus(dotSize)).plus(z.times(2).times(dotSize))),
      }));
    },
  };
}
