// Public names.

export {
  crossEntropy,
  crossEntropyHessianDiagonal,
  crossEntropyHvp,
  crossEntropyWithGradient,
  type GradientResult,
  type HessianOptions,
  type LabelGradientResult,
  type Loss,
  type LossResult,
  type LossWithGradientOptions,
} from "./functions/cross-entropy.js";
export {
  logSoftmax,
  logSoftmaxBackward,
  logSumExp,
  type OutOptions,
  softmax,
  softmaxBackward,
  softmaxJacobian,
  softmaxJvp,
} from "./functions/softmax.js";
export type { SoftmaxOptions } from "./layers/layer.js";
export { Softmax } from "./layers/softmax.js";
export { SoftmaxCrossEntropy, type SoftmaxCrossEntropyOptions } from "./layers/softmax-cross-entropy.js";
export type { Labels } from "./loss/labels.js";
export type { LossOptions, NestedBooleans } from "./loss/options.js";
export type { LossOutputs, Output } from "./loss/outputs.js";
export type { LossTerms, Reduction } from "./loss/terms.js";
export type {
  ByRow,
  ExtraAxis,
  IndexByRow,
  IntegerArray,
  NdArray,
  NestedArray,
  NumberArray,
  NumericArray,
  SameAxes,
  Tensor,
  Values,
} from "./tensor/containers.js";
export type { ShapeOptions } from "./tensor/shape.js";
export type { ThreadOptions, WorkerLike } from "./threads/options.js";
