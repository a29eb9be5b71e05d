// The entry softmax-wasm/linear: a linear layer and the loss of its logits in one, as at the head of a language model.

export { LinearCrossEntropy, type LinearCrossEntropyOptions, type LinearGradients } from "./linear/layer.js";
export {
  type LinearBackwardOptions,
  type LinearBackwardResult,
  type LinearLayerOptions,
  linear,
  linearBackward,
} from "./linear/linear.js";
export {
  type BiasGradientResult,
  type InputGradientResult,
  type LinearBias,
  type LinearGradientOptions,
  type LinearGradientResult,
  type LinearOptions,
  linearCrossEntropy,
  linearCrossEntropyWithGradient,
} from "./linear/linear-cross-entropy.js";
