// The plan of a loss: the arguments of the kernel `loss`. scripts/plan.ts makes the wrapper's list of its fields from this file.

/**
 * The address of a tensor that is not there is 0. Tensors have the shape (outer, classes, inner), results by row (outer, inner).
 *   target t_j = w_y (1 − ε) [j = y] for an index y, + targets_j;   T = Σ t
 *   loss = s (−Σ t log p + zLoss lse² − β H), where p = softmax(scale · logits) over the classes of the mask, H = −Σ p log p
 * 64-bit fields come first, so that no field needs padding.
 */
@unmanaged
export class Plan {
  /** 1 − ε as (hi, lo), for label smoothing ε. */
  keepHi: f64;
  keepLo: f64;
  /** The factor of lse² in the loss. */
  zLoss: f64;
  /** Derivatives of the loss are multiplied by g = upstream / divisor. */
  upstream: f64;
  divisor: f64;
  /** Logits x become c tanh(x / c) with this c before anything else, unless it is 0; then a derivative must not take the place of the logits. */
  softcap: f64;
  /** Logits are multiplied by this after that. */
  scale: f64;
  /** The factor β of the entropy in the loss, − β H. */
  entropyWeight: f64;

  classes: usize;
  inner: usize;
  /** The bytes of an element of tensors: 8, doubles, or 4, float32. Weights, and results and inputs by row, are doubles. */
  elementBytes: usize;
  /** The bytes of an element of `targets`. */
  targetBytes: usize;
  /** GRADIENT, HESSIAN_PRODUCT, HESSIAN_DIAGONAL, or 0 for none. */
  derivative: i32;
  /** 1 if all rows have the same targets: then targets have the shape (classes). */
  targetsAreShared: u32;
  /** 1 if targets are shared and each of them is above 0. */
  allTargetsPositive: u32;
  /** 1 if all rows have the same mask: then it has the shape (classes). */
  maskIsShared: u32;
  /** 1 if ignored rows have log p, too. */
  readsIgnored: u32;
  /** 1 if the fields of a state are inputs, the states of rows over the classes of all parts; 0 if they are outputs, of the plan's classes alone. */
  stateIsGiven: u32;
  /** The number of parts in `parts`. */
  partCount: usize;
  /** Input, tensor. */
  logits: usize;
  /** Input, tensor of bytes: 1 for classes that take part, 0 for others; 0: all take part. */
  mask: usize;
  /** Input, tensor: distributions; beside indices, the part of t that the indices do not give. */
  targets: usize;
  /** Input, tensor: the vector of HESSIAN_PRODUCT. */
  vector: usize;
  /** Input by row: s, of either sign; a row with s = NaN is ignored, and of its inputs nothing else is read; 0: every row weighs 1. */
  rowWeights: usize;
  /** Input by row, i32: the class y, less than `classes`. */
  indices: usize;
  /** Input by row, i32: the class of which `ranks` tells the rank. */
  targetClasses: usize;
  /** Input by row: g, in the place of upstream / divisor, where this is not 0; then upstream is 0. */
  upstreamByRow: usize;
  /** Input by class: w; 0: every class weighs 1. */
  weights: usize;
  /** Input by row, beside indices: w_y, in the place of `weights`. Then an index may be −1, for a label whose class is in another part. */
  labelWeights: usize;
  /**
   * By row, the state of parts.ts: the maximum, base, e of the maximum, Σ e of the others as (hi, lo), Σ targets as (hi, lo), Σ targets (max − x),
   * the logit of the label's class or NaN, and Σ p (max − x). Those of targets, of the label and of entropy are 0 where nothing needs them.
   */
  stateMax: usize;
  stateBase: usize;
  stateTop: usize;
  stateRestHi: usize;
  stateRestLo: usize;
  stateMassHi: usize;
  stateMassLo: usize;
  stateGap: usize;
  stateLabel: usize;
  stateMeanGap: usize;
  /** Input (parts, fields, rows): the states of parts, of which the loss is made; then there are neither logits nor labels. */
  parts: usize;
  /**
   * Output, tensor: the derivative, for which e_j are written here on the way; without a derivative, e_j may remain. It may be the
   * address of the logits, or of probs.
   */
  exps: usize;
  /** Output, tensor: p; 0 for classes that are masked, and for ignored rows. */
  probs: usize;
  /** Output, tensor: log p; −∞ for classes that are masked, and for ignored rows that are not read. */
  logProbs: usize;
  /** Output, tensor: g times the gradient of the loss with respect to the distribution; 0 for ignored rows. */
  labelGradient: usize;
  /** Output by row: the loss; 0 for ignored rows. 0 if there are no labels. */
  losses: usize;
  /** Output by row: log Σ exp; −∞ for ignored rows. */
  lse: usize;
  /** Output by row: the sign of Σ t exp, 1, −1 or 0. With it, lse is log |Σ t exp|. */
  signs: usize;
  /** Output by row: −Σ p log p; 0 for ignored rows. */
  entropy: usize;
  /** Output by row: p of the maximum; 0 for ignored rows. */
  confidence: usize;
  /** Output by row: ∂loss/∂scale and ∂²loss/∂scale²; 0 for ignored rows. 0 if there are no labels. */
  scaleGradients: usize;
  scaleCurvatures: usize;
  /** Output by row, i32: the first class of the maximum; −1 where p is NaN, and for ignored rows. */
  argmax: usize;
  /** Output by row, i32: the number of classes before the target class in the order of p; −1 where p is NaN, and for ignored rows. */
  ranks: usize;
}

/** g ∂loss/∂x. */
export const GRADIENT: i32 = 1;
/** g ∂²loss/∂x² times a vector. */
export const HESSIAN_PRODUCT: i32 = 2;
/** The diagonal of g ∂²loss/∂x². */
export const HESSIAN_DIAGONAL: i32 = 3;

/** True if the specialised walks (softmax/forward.ts) serve for a plan: loss and gradient of indices or of distributions, and no option. */
export function isPlain(plan: Plan): bool {
  if (plan.rowWeights || plan.weights || plan.mask || plan.vector || plan.targetClasses) return false;
  if (plan.probs || plan.logProbs || plan.labelGradient || plan.lse || plan.signs || plan.entropy || plan.confidence || plan.scaleGradients) return false;
  if (plan.argmax || plan.ranks) return false;
  if (plan.stateMax || plan.parts) return false;
  if (plan.softcap != 0 || plan.entropyWeight != 0) return false;
  if (plan.zLoss != 0 || plan.scale != 1 || plan.keepHi != 1 || plan.derivative > GRADIENT) return false;
  return plan.indices ? !plan.targets : !plan.targetsAreShared && plan.targetBytes == plan.elementBytes;
}
