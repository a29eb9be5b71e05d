// The exact results, in decimal arithmetic: independent of the kernels, and more accurate.

import { Decimal } from "decimal.js";

/** 100 digits. Cancellation loses far fewer. */
const D = Decimal.clone({ precision: 100, toExpNeg: -9e15, toExpPos: 9e15, minE: -9e15, maxE: 9e15 });
export type Exact = Decimal;

const ZERO = new D(0);

const scratch = new DataView(new ArrayBuffer(8));
const powersOf2 = new Map<number, Exact>();

/** The exact value of a double. (The Decimal constructor takes the shortest decimal form that rounds to it.) */
export function exact(x: number): Exact {
  if (!Number.isFinite(x)) return new D(x);
  scratch.setFloat64(0, x);
  const bits = scratch.getBigUint64(0) & 0x7fff_ffff_ffff_ffffn;
  const exponent = Math.max(Number(bits >> 52n), 1) - 1075;
  const mantissa = (bits & 0xf_ffff_ffff_ffffn) | (bits >> 52n ? 1n << 52n : 0n);
  let power = powersOf2.get(exponent);
  if (power === undefined) {
    power = D.pow(2, exponent);
    powersOf2.set(exponent, power);
  }
  return new D(String(x < 0 ? -mantissa : mantissa)).times(power);
}

/** log(1 + r), r >= 0; by its series where 1 + r would lose digits. */
function log1p(r: Exact): Exact {
  if (r.gte(1e-20)) return D.ln(r.plus(1));
  let sum = ZERO;
  let power = r;
  for (let k = 1; k <= 6; k++) {
    sum = k % 2 ? sum.plus(power.div(k)) : sum.minus(power.div(k));
    power = power.times(r);
  }
  return sum;
}

/** log x. */
export const exactLog = (x: Exact): Exact => D.ln(x);

/** tanh(a / b), and its slope there. */
export function exactTanh(a: number, b: number): { tanh: Exact; slope: Exact } {
  const y = exact(a).abs().div(exact(b));
  const f = D.exp(y.times(-2));
  const tanh = y.lt(1e-20) ? y.minus(y.pow(3).div(3)) : new D(1).minus(f).div(f.plus(1));
  return { tanh: a < 0 ? tanh.neg() : tanh, slope: f.times(4).div(f.plus(1).pow(2)) };
}

/** The number of times that each value occurs, so that equal values are computed once, however long a row is. */
function counts<T>(values: Iterable<T>): Map<T, number> {
  const result = new Map<T, number>();
  for (const value of values) result.set(value, (result.get(value) ?? 0) + 1);
  return result;
}

/** The results of a row of logits, each finite or −∞, at least one finite. Equal logits share their results. */
export interface ExactRow {
  readonly max: Exact;
  readonly lse: Exact;
  /** log S at e_max = 1. */
  readonly logSum: Exact;
  readonly probs: Exact[];
  /** log p; undefined where it is −∞. */
  readonly logProbs: (Exact | undefined)[];
  /** 1 − p_j as a sum, without cancellation. */
  readonly others: Exact[];
}

export function exactRow(logits: ArrayLike<number>): ExactRow {
  const row = Array.from(logits);
  const top = row.reduce((a, b) => (a > b ? a : b), -Infinity);
  const max = exact(top);
  const values = counts(row);
  const exps = new Map(Array.from(values.keys(), (x) => [x, x === -Infinity ? ZERO : D.exp(exact(x).minus(max))]));
  const rest = Array.from(values).reduce((sum, [x, n]) => sum.plus(exps.get(x)!.times(x === top ? n - 1 : n)), ZERO);
  const sum = rest.plus(1);
  const logSum = log1p(rest);
  const results = new Map(
    Array.from(exps, ([x, e]) => [
      x,
      {
        prob: e.div(sum),
        logProb: x === -Infinity ? undefined : exact(x).minus(max).minus(logSum),
        others: (x === top ? rest : sum.minus(e)).div(sum),
      },
    ]),
  );
  return {
    max,
    logSum,
    lse: max.plus(logSum),
    probs: row.map((x) => results.get(x)!.prob),
    logProbs: row.map((x) => results.get(x)!.logProb),
    others: row.map((x) => results.get(x)!.others),
  };
}

/** The loss of a class index, or of a distribution. */
export function exactLoss(row: ExactRow, label: number | ArrayLike<number>): Exact {
  const term = (logProb: Exact | undefined, q: Exact) => {
    if (q.isZero()) return ZERO;
    return logProb === undefined ? new D(Infinity) : logProb.neg().times(q);
  };
  if (typeof label === "number") return term(row.logProbs[label], new D(1));
  const masses = new Map<Exact | undefined, number[]>();
  row.logProbs.forEach((logProb, j) => {
    if (!masses.has(logProb)) masses.set(logProb, []);
    masses.get(logProb)!.push(label[j]);
  });
  return Array.from(masses).reduce((sum, [logProb, q]) => sum.plus(term(logProb, exactSum(q))), ZERO);
}

/** ∂loss/∂x_j: p_j − [j = y], or Q p_j − q_j; for the given classes, or all. */
export function exactGradient(row: ExactRow, label: number | ArrayLike<number>, classes?: readonly number[]): Exact[] {
  const at = classes ?? row.probs.map((_, j) => j);
  if (typeof label === "number") return at.map((j) => (j === label ? row.others[j].neg() : row.probs[j]));
  const mass = exactSum(label);
  return at.map((j) => {
    const q = exact(label[j]);
    return mass.minus(q).times(row.probs[j]).minus(row.others[j].times(q));
  });
}

/** p_j (g_j − Σ g p). */
export function exactBackward(probs: ArrayLike<number>, upstream: ArrayLike<number>): Exact[] {
  const p = Array.from(probs, exact);
  const g = Array.from(upstream, exact);
  const dot = p.reduce((sum, value, j) => sum.plus(value.times(g[j])), ZERO);
  return p.map((value, j) => value.times(g[j].minus(dot)));
}

/** g_j − exp(l_j) Σ g. */
export function exactLogBackward(logProbs: ArrayLike<number>, upstream: ArrayLike<number>): Exact[] {
  const sum = exactSum(upstream);
  return Array.from(logProbs, (l, j) => exact(upstream[j]).minus(l === -Infinity ? ZERO : D.exp(exact(l)).times(sum)));
}

/** A gradient, and the condition of each of its elements. */
export interface ExactGradient {
  readonly values: Exact[];
  readonly conditions: number[];
}

/** As many digits that differences of probabilities are exact down to 1e-60. */
const Fine = D.clone({ precision: 150 });

/** Divergences of softmax(scale s) from softmax(scale t), and their gradients with respect to t and s. */
export interface ExactDivergences {
  readonly kl: Exact;
  readonly klTeacher: ExactGradient;
  readonly klStudent: ExactGradient;
  readonly js: Exact;
  readonly jsTeacher: ExactGradient;
  readonly jsStudent: ExactGradient;
}

export function exactDivergences(teacher: ArrayLike<number>, student: ArrayLike<number>, scale = 1): ExactDivergences {
  const factor = new Fine(exact(scale));
  const zero = new Fine(0);
  const infinite = new Fine(-Infinity);
  const sumOf = (terms: Exact[]) => terms.reduce((a, b) => a.plus(b), zero);
  const meanOf = (p: Exact[], a: Exact[]) => sumOf(p.map((value, j) => (value.isZero() ? zero : value.times(a[j]))));
  const distributionOf = (logits: ArrayLike<number>) => {
    const row = Array.from(logits);
    const max = exact(Math.max(...row));
    const gaps = row.map((x) => (x === -Infinity ? infinite : new Fine(exact(x)).minus(max).times(factor)));
    const exps = gaps.map((gap) => (gap.isFinite() ? Fine.exp(gap) : zero));
    const sum = sumOf(exps);
    return { probs: exps.map((e) => e.div(sum)), logs: gaps.map((gap) => gap.minus(Fine.ln(sum))) };
  };
  /** p_j (a_j − Σ p a) scale, and the condition of that difference: of `own`, a, or a from another origin. */
  const centred = (probs: Exact[], a: Exact[], own: Exact[]): ExactGradient => {
    const mean = meanOf(probs, a);
    const size = meanOf(
      probs,
      own.map((value) => value.abs()),
    );
    const gaps = a.map((value) => value.minus(mean));
    return {
      values: gaps.map((gap, j) => (probs[j].isZero() ? zero : probs[j].times(gap).times(factor))),
      conditions: gaps.map((gap, j) => (gap.isFinite() && !gap.isZero() ? own[j].abs().plus(size).div(gap.abs()).toNumber() : Infinity)),
    };
  };
  const halved = ({ values, conditions }: ExactGradient): ExactGradient => ({ values: values.map((value) => value.div(2)), conditions });

  const [q, p] = [distributionOf(teacher), distributionOf(student)];
  const ratios = q.logs.map((log, j) => (log.isFinite() || p.logs[j].isFinite() ? log.minus(p.logs[j]) : zero));
  const kl = meanOf(q.probs, ratios);
  const gaps = ratios.map((ratio) => ratio.minus(kl));
  const spread = meanOf(
    q.probs,
    gaps.map((gap) => gap.abs()),
  );
  const logM = q.probs.map((value, j) => (value.isZero() && p.probs[j].isZero() ? zero : Fine.ln(value.plus(p.probs[j]).div(2))));
  const [qGaps, pGaps] = [q, p].map(({ logs }) => logs.map((log, j) => log.minus(logM[j])));
  return {
    kl,
    klTeacher: centred(q.probs, ratios, gaps),
    klStudent: {
      values: p.probs.map((value, j) => value.minus(q.probs[j]).times(factor)),
      conditions: ratios.map((ratio) => {
        if (ratio.isZero()) return Infinity;
        return spread.isFinite() && ratio.isFinite() ? ratio.abs().plus(spread).plus(kl).div(ratio.abs()).toNumber() : 1;
      }),
    },
    js: meanOf(q.probs, qGaps).plus(meanOf(p.probs, pGaps)).div(2),
    jsTeacher: halved(centred(q.probs, qGaps, qGaps)),
    jsStudent: halved(centred(p.probs, pGaps, pGaps)),
  };
}

export function exactSum(values: ArrayLike<number>): Exact {
  return Array.from(counts(Array.from(values))).reduce((sum: Exact, [value, n]) => sum.plus(exact(value).times(n)), ZERO);
}

/** The type that a result is rounded to. */
export type Precision = "float64" | "float32";

/** The distance from |x| to the next number above it; 2^-1074 for a subnormal double, 2^-149 for a subnormal float32. */
export function ulp(x: number, precision: Precision = "float64"): number {
  scratch.setFloat64(0, Math.abs(x));
  const exponent = Math.max(scratch.getUint16(0) >> 4, 1) - 1075;
  if (precision === "float32") return 2 ** Math.max(exponent + 29, -149);
  return exponent >= -1022 ? 2 ** exponent : 2 ** -1074 * 2 ** (exponent + 1074);
}

/** The error of `got` in units in the last place of the exact value, or of `unitOf` where that is larger. */
export function ulpError(got: number, want: Exact, unitOf: Exact = want, precision: Precision = "float64"): number {
  const nearest = want.toNumber();
  if (!Number.isFinite(got)) return got === (precision === "float32" ? Math.fround(nearest) : nearest) ? 0 : Number.POSITIVE_INFINITY;
  const unit = Math.max(ulp(nearest, precision), ulp(unitOf.toNumber(), precision));
  return exact(got).minus(want).abs().div(unit).toNumber();
}
