// Public names.

export {
  crossEntropy,
  crossEntropyWithGradient,
  type LossOptions,
  type LossWithGradientOptions,
  logSoftmax,
  logSoftmaxBackward,
  logSumExp,
  type OutOptions,
  type Reduction,
  type ShapeOptions,
  softmax,
  softmaxBackward,
  softmaxJacobian,
} from "./functions.js";
export type { Labels } from "./labels.js";
export { Softmax, SoftmaxCrossEntropy, type SoftmaxCrossEntropyOptions, type SoftmaxOptions } from "./layers.js";
export type { ByRow, ExtraAxis, NdArray, NestedArray, SameAxes, Tensor } from "./shape.js";
