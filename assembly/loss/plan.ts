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
  /** FIRST, PRODUCT or DIAGONAL, which is to be in exps in the end; or 0. */
  derivative: i32;
  /** Whether targets are those of every row, (classes), and all above 0. */
  isShared: u32;
  isPositive: u32;
  /** Whether the mask is that of every row, (classes). */
  isMaskShared: u32;
  /** Where logits that have a scale or a mask are prepared, perhaps in their own place; 0 if they have none. */
  prepared: usize;
  /** Inputs, tensors: the logits; which classes take part, bytes of 0 or 1; t, or for indices its part that they are not in; what a Hessian is multiplied by. */
  logits: usize;
  mask: usize;
  targets: usize;
  vector: usize;
  /** Inputs by row: s, or less than 0 for a row that is ignored; class indices, i32; the classes that are right, i32; upstream gradients. */
  rowWeights: usize;
  indices: usize;
  answers: usize;
  upstreams: usize;
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
export const FIRST: i32 = 1;
/** g ∂²loss/∂x² times a vector. */
export const PRODUCT: i32 = 2;
/** The diagonal of g ∂²loss/∂x². */
export const DIAGONAL: i32 = 3;
