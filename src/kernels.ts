// The raw ABI of assembly/index.ts as one typed interface. Every `…Ptr` is a byte address in the module's memory; tensors are
// row-major (outer, classes, inner) doubles, results by row (outer, inner). scratchPtr is where scratchBytes(classes, inner) bytes are
// free, on a 16-byte boundary.

export interface Kernels {
  softmax: UnaryKernel;
  logSoftmax: UnaryKernel;
  /** Gives lse by row. */
  logSumExp: UnaryKernel;
  /** (upstreamPtr, probsPtr, outPtr, …) */
  softmaxBackward: BinaryKernel;
  /** (upstreamPtr, logProbsPtr, outPtr, …) */
  logSoftmaxBackward: BinaryKernel;
  softmaxJacobian(probsPtr: number, jacobianPtr: number, classes: number, first: number, lines: number): void;
  /** (xPtr, labelsPtr, lossesPtr, …) */
  lossOfIndices: BinaryKernel;
  lossOfDistributions: BinaryKernel;
  gradientOfIndices: GradientKernel;
  gradientOfDistributions: GradientKernel;
  accumulate(valuesPtr: number, count: number, sumPtr: number): void;
  mean(sumPtr: number, divisor: number): number;
  firstBadIndex(labelsPtr: number, count: number, classes: number): number;
  scratchBytes(classes: number, inner: number): number;
  heapBase(): number;
}

/** What a sum of losses takes between accumulate and mean. */
export const SUM_ELEMENTS = 4;

type UnaryKernel = (xPtr: number, outPtr: number, outer: number, classes: number, inner: number, scratchPtr: number) => void;

type BinaryKernel = (aPtr: number, bPtr: number, outPtr: number, outer: number, classes: number, inner: number, scratchPtr: number) => void;

type GradientKernel = (
  xPtr: number,
  labelsPtr: number,
  lossesPtr: number,
  gradientPtr: number,
  outer: number,
  classes: number,
  inner: number,
  upstreamPtr: number,
  upstream: number,
  divisor: number,
  scratchPtr: number,
) => void;
