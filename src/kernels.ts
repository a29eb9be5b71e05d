// The raw ABI of assembly/index.ts as one typed interface. Every `…Ptr` is a byte address in the module's memory; tensors are
// row-major (outer, classes, inner) doubles, results by row (outer, inner).

export interface Kernels {
  softmax(xPtr: number, outPtr: number, outer: number, classes: number, inner: number): void;
  logSoftmax(xPtr: number, outPtr: number, outer: number, classes: number, inner: number): void;
  logSumExp(xPtr: number, lsePtr: number, outer: number, classes: number, inner: number): void;
  softmaxBackward(upstreamPtr: number, probsPtr: number, outPtr: number, outer: number, classes: number, inner: number): void;
  logSoftmaxBackward(upstreamPtr: number, logProbsPtr: number, outPtr: number, outer: number, classes: number, inner: number): void;
  softmaxJacobian(probsPtr: number, jacobianPtr: number, classes: number, first: number, lines: number): void;
  lossOfIndices(xPtr: number, labelsPtr: number, lossesPtr: number, outer: number, classes: number, inner: number): void;
  lossOfDistributions(xPtr: number, labelsPtr: number, lossesPtr: number, outer: number, classes: number, inner: number): void;
  gradientOfIndices: GradientKernel;
  gradientOfDistributions: GradientKernel;
  accumulate(valuesPtr: number, count: number, sumPtr: number): void;
  mean(sumPtr: number, divisor: number): number;
  scratchBase(): number;
  scratchBytes(): number;
  heapBase(): number;
}

/** What a sum of losses takes between accumulate and mean. */
export const SUM_ELEMENTS = 4;

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
) => void;
