/** Two rows on their way through a kernel, a lane each: what a visit leaves for the finish. Or one row, in both lanes. */
@unmanaged
export class Pair {
  /** Where on the stage, from the pair's first element, each row has the only label that it has, where it has only one. */
  label0: usize;
  label1: usize;
  isIndex0: bool;
  isIndex1: bool;
  max: v128;
  /** Of two classes: lanes whose label is the first. */
  isZero: v128;
  /** e_max, and Σ e_j as (hi, lo); of two classes, hi is e of the lesser logit. */
  eMax: v128;
  hi: v128;
  lo: v128;
  /** Σ e_j without e_max as (hi, lo), and log(Σ e_j / e_max): of PARTS only. */
  restHi: v128;
  restLo: v128;
  logS: v128;
  /** What factorOf gives besides its result. */
  factorLow: v128;
  /** Σ q (max − x), and Σ q as (hi, lo). */
  gap: v128;
  massHi: v128;
  massLo: v128;
}

/** The next pair of a group. */
// @ts-ignore: decorator
@inline
export function nextPair(pair: Pair): Pair {
  return changetype<Pair>(changetype<usize>(pair) + offsetof<Pair>());
}
