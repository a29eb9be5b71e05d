// Two rows on their way through a kernel, a lane each: where their elements lie, and what a visit leaves for the finish.

@unmanaged
export class Pair {
  /** The first row's first elements; the second row's are laneStride bytes (labels and results: `partner` elements, 0 or 1) on. */
  xPtr: usize;
  labelPtr: usize;
  outPtr: usize;
  resultPtr: usize;
  laneStride: usize;
  partner: usize;
  /** Byte offset of each row's only label from the first row's first element, where it has only one. */
  label0: usize;
  label1: usize;
  isIndex0: bool;
  isIndex1: bool;
  max: v128;
  /** e_max, and Σ e_j as (hi, lo). */
  eMax: v128;
  hi: v128;
  lo: v128;
  /** Σ q (max − x), and Σ q as (hi, lo). */
  gap: v128;
  massHi: v128;
  massLo: v128;
}

/** Pairs that are visited before the first of them is finished: their chains of dependent operations then overlap. */
export const PAIRS: usize = 32;
