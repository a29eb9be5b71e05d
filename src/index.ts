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
  type LossOutputs,
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
export { Softmax, SoftmaxCrossEntropy, type SoftmaxCrossEntropyOptions, type SoftmaxOptions } from "./layers/softmax-cross-entropy.js";
export type { Labels } from "./loss/labels.js";
export type { LossOptions, LossTerms, NestedBooleans, Output, Reduction, ShapeOptions } from "./loss/options.js";
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
} from "./tensor/shape.js";
export type { ThreadOptions, WorkerLike } from "./threads/options.js";
