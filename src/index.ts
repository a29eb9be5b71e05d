// Public names.

// gzip finds repetitions within 32 kB. So the packed kernels come first in the files of the package, where they do not part the program.
import "./wasm/binary.generated.js";

export type { KnownNames } from "./functions/batch.js";
export {
  crossEntropy,
  crossEntropyHessianDiagonal,
  crossEntropyHvp,
  crossEntropyWithGradient,
  type GradientResult,
  type HessianOptions,
  type LabelGradientResult,
  type LossResult,
  type LossWithGradientOptions,
} from "./functions/cross-entropy.js";
export {
  CrossEntropyPart,
  type CrossEntropyPartOptions,
  crossEntropyPart,
  type PartLossOptions,
  type PartOutput,
} from "./functions/cross-entropy-part.js";
export {
  type DivergenceOptions,
  type DivergenceResult,
  jsDivergence,
  jsDivergenceWithGradient,
  klDivergence,
  klDivergenceWithGradient,
} from "./functions/divergence.js";
export { type LossOutputs, LossTotal, type Outputs } from "./functions/loss-total.js";
export { type NllLossOptions, nllLoss, nllLossWithGradient } from "./functions/nll-loss.js";
export { type ElementwiseOptions, softcap, softcapBackward } from "./functions/softcap.js";
export {
  type BackwardOptions,
  type LogSumExpOptions,
  type LogSumExpResult,
  logSoftmax,
  logSoftmaxBackward,
  logSumExp,
  type OutOptions,
  type SignedLogSumExp,
  type SoftmaxFunctionOptions,
  softmax,
  softmaxBackward,
  softmaxJacobian,
  softmaxJvp,
} from "./functions/softmax.js";
export type { LayerOptions } from "./layers/layer.js";
export type { MaskOption } from "./layers/mask.js";
export { Softmax, type SoftmaxOptions } from "./layers/softmax.js";
export { type ResidentLabels, SoftmaxCrossEntropy, type SoftmaxCrossEntropyOptions } from "./layers/softmax-cross-entropy.js";
export type { LabelKind, Labels } from "./loss/labels.js";
export type { LogitsOptions, LossOptions, NestedBooleans } from "./loss/options.js";
export type { BatchOutputs, Loss, Output } from "./loss/outputs.js";
export type { Part, PartOptions } from "./loss/part.js";
export type { ClassRange } from "./loss/part-state.js";
export type { Calibration, GroupLosses, ScaleGradient } from "./loss/summaries.js";
export type { IgnoredLogProbs, Known, LossTerms, Reduction } from "./loss/terms.js";
export type {
  ByRow,
  DimsArray,
  ExtraAxis,
  FloatElements,
  IndexByRow,
  Indices,
  NdArray,
  NdArrayLike,
  Nested,
  NestedArray,
  ResultData,
  SameAxes,
  ShapedArray,
  Tensor,
  Values,
} from "./tensor/containers.js";
export type { Dtype, FloatArrayOf } from "./tensor/element.js";
export type { ShapeOptions } from "./tensor/shape.js";
export type { Float16ArrayLike, IntegerArray, NumberArray, NumericArray } from "./tensor/typed-array.js";
export type { ThreadOptions, WorkerLike } from "./threads/options.js";
