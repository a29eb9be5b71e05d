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
} from "./cross-entropy.js";
export {
  logSoftmax,
  logSoftmaxBackward,
  logSumExp,
  type OutOptions,
  softmax,
  softmaxBackward,
  softmaxJacobian,
  softmaxJvp,
} from "./functions.js";
export type { Labels } from "./labels.js";
export { Softmax, SoftmaxCrossEntropy, type SoftmaxCrossEntropyOptions, type SoftmaxOptions } from "./layers.js";
export type { LossOptions, LossTerms, NestedBooleans, Output, Reduction, ShapeOptions } from "./options.js";
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
} from "./shape.js";
export type { ThreadOptions, WorkerLike } from "./thread-options.js";
