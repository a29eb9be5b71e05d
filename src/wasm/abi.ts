// The exports of assembly/index.ts as one typed interface. A `…Ptr` is a byte address in the module's memory. Tensors are row-major
// (outer, classes, inner), of elements of 8 bytes, float64, or 4, float32; results by row are float64 (outer, inner). Kernels visit the rows
// [first, end) of a batch. At scratchPtr, on a 16-byte boundary, scratchBytes(classes, inner, planes, elementBytes) bytes are free.

export interface Kernels {
  softmax: UnaryKernel;
  logSoftmax: UnaryKernel;
  /** Writes lse by row. */
  logSumExp: UnaryKernel;
  /** (upstreamPtr, probsPtr, outPtr, …); out may be either input. */
  softmaxBackward: BackwardKernel;
  /** (upstreamPtr, logProbsPtr, outPtr, …); out may be either input. */
  logSoftmaxBackward: BackwardKernel;
  softmaxJacobian(probsPtr: number, jacobianPtr: number, classes: number, elementBytes: number, first: number, lines: number): void;
  /** The loss of a plan (loss/plan.ts), its derivative and its outputs; with scratch memory of LOSS_PLANES planes. */
  loss(planPtr: number, first: number, end: number, scratchPtr: number): void;
  /**
   * KL(q ‖ p) or JS(q, p) by row, and the gradients in the places of the logits, which are float64 whatever the tensors are. At rowPtr are 4 doubles
   * for each class, and 4 more for an odd number of them.
   */
  divergence(
    isSymmetric: number,
    writesGradients: number,
    teacherPtr: number,
    studentPtr: number,
    rowWeightsPtr: number,
    lossesPtr: number,
    classes: number,
    inner: number,
    scale: number,
    factor: number,
    first: number,
    end: number,
    rowPtr: number,
    scratchPtr: number,
  ): void;
  /** Says if a plan asks for loss and gradient only, without options: 1 or 0. */
  isPlain(planPtr: number): number;
  /** out += a for the elements [first, end). It ignores scratchPtr. */
  add(aPtr: number, outPtr: number, elementBytes: number, first: number, end: number, scratchPtr: number): void;
  /** Adds `count` values to the sum at sumPtr, SUM_LENGTH doubles. */
  accumulate(valuesPtr: number, count: number, sumPtr: number): void;
  /** The sum at sumPtr over `divisor`. */
  mean(sumPtr: number, divisor: number): number;
  /** x becomes c tanh(x / c), `count` doubles; at scratchPtr 32 bytes are free. */
  softcap(xPtr: number, count: number, c: number, scratchPtr: number): void;
  /** out becomes out (1 − tanh²(x / c)), `count` doubles; at scratchPtr 32 bytes are free. */
  softcapBackward(xPtr: number, outPtr: number, count: number, c: number, scratchPtr: number): void;
  /** exp(x); at scratchPtr 16 bytes are free. */
  exp(x: number, scratchPtr: number): number;
  log(x: number): number;
  /** The number of the first of `count` class indices that is not less than `classes`, or `count`. */
  firstBadIndex(labelsPtr: number, count: number, classes: number): number;
  scratchBytes(classes: number, inner: number, planes: number, elementBytes: number): number;
  /** The first address after the kernels' own tables. */
  heapBase(): number;
}

/** The size of a page of WebAssembly memory. */
export const PAGE_BYTES = 65536;
/** The most pages of a memory. */
export const MAX_PAGES = 65536;

/** The doubles of a sum between `accumulate` and `mean`. */
export const SUM_LENGTH = 4;

/** The planes of scratch memory that kernels take, and those that `loss` takes. */
export const PLANES = 2;
export const LOSS_PLANES = 4;

type UnaryKernel = (
  xPtr: number,
  outPtr: number,
  classes: number,
  inner: number,
  elementBytes: number,
  first: number,
  end: number,
  scratchPtr: number,
) => void;

type BackwardKernel = (
  aPtr: number,
  bPtr: number,
  outPtr: number,
  classes: number,
  inner: number,
  elementBytes: number,
  scale: number,
  first: number,
  end: number,
  scratchPtr: number,
) => void;
