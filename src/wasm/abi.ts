// The raw ABI of assembly/index.ts as one typed interface. Every `…Ptr` is a byte address in the module's memory; tensors are
// row-major (outer, classes, inner) doubles, results by row (outer, inner). Kernels visit rows [first, end) of a batch. scratchPtr is
// where scratchBytes(classes, inner, PLANES) bytes are free, on a 16-byte boundary.

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
  /** What a plan says for rows [first, end) of its batch; scratch memory of PLAN_PLANES planes. */
  lossWithOptions(planPtr: number, first: number, end: number, scratchPtr: number): void;
  /** out += a, elements [first, end); without use for scratch memory. */
  add(aPtr: number, outPtr: number, first: number, end: number, scratchPtr: number): void;
  accumulate(valuesPtr: number, count: number, sumPtr: number): void;
  mean(sumPtr: number, divisor: number): number;
  firstBadIndex(labelsPtr: number, count: number, classes: number): number;
  scratchBytes(classes: number, inner: number, planes: number): number;
  heapBase(): number;
}

/** What a sum of losses takes between accumulate and mean. */
export const SUM_ELEMENTS = 4;

/** What kernels need of scratch memory, in planes of it; and lossWithOptions. */
export const PLANES = 2;
export const PLAN_PLANES = 4;

/** The fields of a plan, assembly/plan.ts, in their order: doubles, then 32-bit integers. */
export const PLAN_NUMBERS = ["keepHi", "keepLo", "zLoss", "upstream", "divisor", "scale"] as const;
export const PLAN_INTEGERS = [
  "classes",
  "inner",
  "derivative",
  "isShared",
  "isPositive",
  "isMaskShared",
  "prepared",
  "logits",
  "mask",
  "targets",
  "vector",
  "rowWeights",
  "indices",
  "answers",
  "upstreams",
  "weights",
  "exps",
  "probs",
  "logProbs",
  "labelGradient",
  "losses",
  "lse",
  "entropy",
  "argmax",
  "ranks",
] as const;

/** In doubles. */
export const PLAN_ELEMENTS = /* @__PURE__ */ (() => PLAN_NUMBERS.length + Math.ceil(PLAN_INTEGERS.length / 2))();

export type Plan = Readonly<Record<(typeof PLAN_NUMBERS | typeof PLAN_INTEGERS)[number], number>>;

/** What a plan can have as its derivative. */
export const DERIVATIVES = { none: 0, gradient: 1, hessianProduct: 2, hessianDiagonal: 3 } as const;
export type Derivative = keyof typeof DERIVATIVES;

type UnaryKernel = (xPtr: number, outPtr: number, classes: number, inner: number, first: number, end: number, scratchPtr: number) => void;

type BinaryKernel = (
  aPtr: number,
  bPtr: number,
  outPtr: number,
  classes: number,
  inner: number,
  first: number,
  end: number,
  scratchPtr: number,
) => void;

type GradientKernel = (
  xPtr: number,
  labelsPtr: number,
  lossesPtr: number,
  gradientPtr: number,
  classes: number,
  inner: number,
  upstreamPtr: number,
  upstream: number,
  divisor: number,
  first: number,
  end: number,
  scratchPtr: number,
) => void;
