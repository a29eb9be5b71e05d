// All error bounds, in units in the last place of the exact result. Docblocks and documents quote them.

import type { Precision } from "./oracle.js";

export const LIMITS = {
  /** the shifted exp: the largest error over its domain is 0.588, at EXP_WITNESS */
  exp: 0.59,
  /** the shifted exp for results that are rounded to float32, in parts of the result: 2^-43.09 of the cubic, and its rounding errors */
  roundedExp: 2 ** -42.7,
  /** every result that is rounded to float32, in ulps of float32; the part above 1/2 times the conditions below */
  rounded: 0.50001,
  /** softmax */
  probs: 4,
  /** log-softmax */
  logProbs: 4,
  /** log-sum-exp, in ulps of max(|max x|, |lse|) */
  lse: 4,
  /** loss of a row, and entropy; for distributions without negative entries */
  loss: 4,
  /**
   * gradient of a row's loss, and of its labels; for distributions without negative entries times (Q p + q) / |Q p − q|; exact-terms.ts has
   * the factor with options
   */
  gradient: 4,
  /** second derivatives, which are products of two results of 4 ulp: p and 1 − p, or p and v − Σ v p; times their condition */
  secondOrder: 8,
  /** the mean over rows, in addition to the losses */
  mean: 1,
  /** log of a number */
  log: 1,
  /** tanh; c tanh(x / c) has one ulp more, of its quotient and its product */
  tanh: 2,
  /** the slope of tanh, 1 − tanh² y, times 1 + |y| */
  slope: 4,
  /** Kullback–Leibler divergence of a row */
  kl: 4,
  /** Jensen–Shannon divergence of a row */
  js: 4,
  /** gradients of divergences, times their condition (exactDivergences in oracle.ts) */
  divergenceGradient: 6,
  /** softmax backward, times (|g| + Σ|g p|) / |g − Σ g p|, and log-softmax backward, times (|g| + p |Σ g|) / |g − p Σ g| */
  backward: 4,
} as const;

/**
 * The bound of a result, in ulps of its type, where `limit` is that of a double, a condition included. What is rounded to float32 is nearly the
 * nearest one; the part above half an ulp grows with the condition.
 */
export function limitIn(precision: Precision, limit: number): number {
  return precision === "float64" ? limit : 0.5 + (LIMITS.rounded - 0.5) * Math.max(1, limit / LIMITS.secondOrder);
}

/** The logit, and the maximum of its row, at which the shifted exp has its largest error. */
export const EXP_WITNESS = { x: 1112.4998709956249, max: 1112.4998709956249 };

/**
 * The bound of the error of a sum of `depth` products in blocks of at most `block`, in parts of Σ |products|: each block is summed in the element
 * type, so a product takes part in at most as many roundings as its block has elements; the blocks are summed in double, or with `areRounded` in
 * the element type. The last rounding is that of the result.
 */
export function productBound(precision: Precision, depth: number, block = 256, areRounded = false): number {
  const unit = precision === "float64" ? 2 ** -53 : 2 ** -24;
  const blocks = Math.ceil(depth / block);
  return (Math.min(depth, block) + 1) * unit + blocks * (areRounded ? unit : 2 ** -53);
}

/** What roundings of random signs add up to, in every test: 2 √256 units. */
export function usualProductError(precision: Precision): number {
  return 2 * Math.sqrt(256) * (precision === "float64" ? 2 ** -53 : 2 ** -24);
}
