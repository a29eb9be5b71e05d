// What a visit with options is to do.

/**
 * As src/kernels.ts writes it; addresses of what is not there are 0. Tensors are (outer, classes, inner), results by row (outer, inner).
 *   target t_j = w_y (1 − ε) [j = y] for indices, + targets_j;   T = Σ t
 *   loss = s (−Σ t log p + zLoss lse²)
 */
@unmanaged
export class Plan {
  /** 1 − ε as (hi, lo). */
  keepHi: f64;
  keepLo: f64;
  zLoss: f64;
  /** The loss's gradient g is upstream / divisor. */
  upstream: f64;
  divisor: f64;
  /** What logits are multiplied by before anything else. */
  scale: f64;

  classes: usize;
  inner: usize;
  /** GRADIENT, HESSIAN_PRODUCT or HESSIAN_DIAGONAL, which exps receives; or 0. */
  derivative: i32;
  /** 1 if all rows have the same targets, (classes), and if all of these are above 0. */
  targetsAreShared: u32;
  allTargetsPositive: u32;
  /** 1 if all rows have the same mask, (classes). */
  maskIsShared: u32;
  /** Inputs, tensors: the logits; which classes take part, bytes of 0 or 1; t, or for indices its part that they are not in; what a Hessian is multiplied by. */
  logits: usize;
  mask: usize;
  targets: usize;
  vector: usize;
  /** Inputs by row: s, or less than 0 for a row that is ignored; class indices, i32; the classes that are right, i32; upstream gradients. */
  rowWeights: usize;
  indices: usize;
  targetClasses: usize;
  upstreamByRow: usize;
  /** Inputs by class: w. */
  weights: usize;
  /** Outputs, tensors: e_j on the way to the derivative, not where the logits are; the others. */
  exps: usize;
  probs: usize;
  logProbs: usize;
  labelGradient: usize;
  /** Outputs by row. */
  losses: usize;
  lse: usize;
  entropy: usize;
  /** i32: the class of the maximum; how many classes come before the right one in the order of p. −1 where p is NaN or the row ignored. */
  argmax: usize;
  ranks: usize;
}

/** g ∂loss/∂x. */
export const GRADIENT: i32 = 1;
/** g ∂²loss/∂x² times a vector. */
export const HESSIAN_PRODUCT: i32 = 2;
/** The diagonal of g ∂²loss/∂x². */
export const HESSIAN_DIAGONAL: i32 = 3;
