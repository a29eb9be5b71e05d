// Every error bound, in units in the last place of the exact result; the docblocks and README quote these.

export const LIMITS = {
  /** the shifted exp: the walk over its domain finds 0.588, at EXP_WITNESS */
  exp: 0.59,
  /** softmax */
  probs: 4,
  /** log-softmax */
  logProbs: 4,
  /** log-sum-exp, in ulps of max(|max x|, |lse|) */
  lse: 4,
  /** loss of a row, and entropy; distributions, here and for the gradient, have no negative entries */
  loss: 4,
  /** gradient of a row's loss, and of its labels; for distributions times (Q p + q) / |Q p − q|; with options see exact-terms.ts */
  gradient: 4,
  /** second derivatives, products of two such results, p and 1 − p, or p and a difference to a mean over p; times their condition */
  secondOrder: 8,
  /** what the mean over rows adds */
  mean: 1,
  /** softmax backward, times (|g| + Σ|g p|) / |g − Σ g p|, and log-softmax backward, times (|g| + p |Σ g|) / |g − p Σ g| */
  backward: 4,
} as const;

/** Where the shifted exp is furthest off: the logit, and the maximum of its row. */
export const EXP_WITNESS = { x: 1112.4998709956249, max: 1112.4998709956249 };
