// What index and linear have in common, in one file of dist: kernels, memory and code are there once. It is no entry of the package.

// gzip finds repetitions within 32 kB. So the packed kernels come first in the files of the package, where they do not part the program.
import "./wasm/binary.generated.js";

export { checkBoolean, checkInteger, checkOneOf, checkOptions, counted, rangeError, typeError, Verbatim } from "./errors.js";
export { batchOf, evaluate, layOut, readOutputs, surroundingsOf } from "./functions/batch.js";
export { withTotal } from "./functions/loss-total.js";
export * from "./index.js";
export { instanceFor } from "./layers/instance.js";
export { checkIndices, checkNoIgnored, readLabels } from "./loss/labels.js";
export { LOSS_OPTIONS, readClassMask } from "./loss/options.js";
export { checkOutputClasses } from "./loss/outputs.js";
export { checkClasses, checkWeights, readNumbers, readTerms, TERMS } from "./loss/terms.js";
export { Buffers } from "./memory/buffers.js";
export { ChunkBuffer, checkLength, forEachChunk, Stream, sharedStream } from "./memory/chunks.js";
export { allocate, checkSameType, isFlat, numbersOf, readTensor, toForm } from "./tensor/containers.js";
export { bytesOf, DTYPES, elementsOf, zeros } from "./tensor/element.js";
export { checkShape, layoutOf, rowShape, showShape, sizeOf } from "./tensor/shape.js";
export { typedArrayLength } from "./tensor/typed-array.js";
export { leastRowsOf, mostThreadsOf } from "./threads/grain.js";
export { readThreads } from "./threads/options.js";
export { warnOf } from "./threads/start-worker.js";
export { LOSS_PLANES } from "./wasm/abi.js";
export { compile, spliced } from "./wasm/compile.js";
