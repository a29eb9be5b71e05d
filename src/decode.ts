// The entry softmax-wasm/decode: what a decoder of a language model does with the logits of its next token.

export { type Sample, type SampleOptions, sample } from "./decode/sample.js";
export { type TopK, topK } from "./decode/top-k.js";
