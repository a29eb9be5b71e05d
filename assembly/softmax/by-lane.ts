// The walk by lane: two rows side by side, one in each lane. It serves rows that are too short to be worth a sum over lanes each, and a
// class axis with a stride.
//
//   for each group of pairs of rows
//     gather the rows from their tensor into a tile      and their distributions into a second one (transpose.ts)
//     for each pair
//       find the maxima and read the labels
//     for each pair
//       e_j = 2^384 exp(x_j − base) for each class       base is 0, or the maximum in lanes where that is large
//       S = Σ e_j, and e of the maximum
//     for each pair
//       results from max, S and the labels' side         (finish.ts)
//     scatter the tile to the tensor of results

import { readDistributions, readIndices, Targets } from "../loss/targets";
import { expFloor, expRound, floored, isLarge, C0, C1, C2, C3, C4, SCALE, shiftedExp } from "../number/exp";
import { bytesOf, isRounded, load2, loadByRow, store2 } from "../number/storage";
import { fastTwoSumError, twoSumError } from "../number/two-sum";
import { finish } from "./finish";
import { leastRest, SEED } from "./normalizer";
import { firstState, nextState, TILE } from "./scratch";
import { LOG_PROBS, LOSS_AND_GRADIENT, LSE, needsLabels, PROBS, STATE } from "./task";
import { groupEnd, pairsOfGroup, rowOffset, tileBytes } from "./tile";
import { gather, scatter } from "./transpose";

/** Of so many classes at most, a power of 2, e_j become a part of a sum (hi, lo) by plain additions where results are rounded. */
const PART: isize = 32;

/** Finds the maxima of a pair in a tile, and reads its labels: distributions from a tile as well, indices from where they are given. */
// @ts-ignore: decorator
@inline
function inspect(task: i32, distribution: bool, n: Targets, tile: usize, labels: usize, isAlone: bool, classes: usize): void {
  let max = load2<f64>(tile);
  for (let x = tile + bytesOf<v128>(1); x < tile + bytesOf<v128>(classes); x += bytesOf<v128>(1)) max = f64x2.pmax(max, load2<f64>(x));
  n.max = max;
  if (needsLabels(task)) {
    if (distribution) readDistributions(n, labels, tile, classes);
    else readIndices(n, labels, tile, isAlone, classes);
  }
}

/**
 * e_j of a group of pairs, from the logits at `tile` to `out`, which may be the tile itself; e of the maxima and the sums go to the states.
 * With `relative`, logits are taken relative to their maximum in the lanes where that is large, and in those of `all`.
 */
// @ts-ignore: decorator
@inline
function exps<T>(relative: bool, all: v128, tile: usize, out: usize, pairs: usize, classes: usize, scratchPtr: usize): void {
  const scale = SCALE(), c1 = C1<T>(), c2 = C2<T>(), c3 = C3(), c4 = C4();
  const zero = f64x2.splat(0);
  const seed = isRounded<T>() ? zero : f64x2.splat(SEED);
  for (let state = firstState(scratchPtr); pairs; pairs--, state = nextState(state)) {
    const max = state.max;
    const base = relative ? v128.and(max, v128.or(all, isLarge<T>(max))) : zero;
    const top = relative ? f64x2.sub(max, base) : max;
    const round = expRound(top);
    const floor = expFloor(top);
    const c0 = C0<T>(round);
    let hi = seed, lo = zero, part = zero, eMax = zero;
    let n = <isize>classes;
    for (; n >= 2; n -= 2, tile += bytesOf<v128>(2), out += bytesOf<v128>(2)) {
      const e0 = shiftedExp<T>(relative, scratchPtr, floored<T>(relative, load2<f64>(tile), floor), base, round, floor, scale, c0, c1, c2, c3, c4);
      store2<f64>(out, e0);
      const sum0 = f64x2.add(hi, e0);
      const lost0 = fastTwoSumError(hi, e0, sum0);
      const e1 = shiftedExp<T>(
        relative, scratchPtr + bytesOf<v128>(1), floored<T>(relative, load2<f64>(tile, 1), floor), base, round, floor, scale, c0, c1, c2, c3, c4,
      );
      store2<f64>(out, e1, 1);
      if (isRounded<T>()) {
        part = f64x2.add(part, f64x2.add(e0, e1));
        if (!(n & (PART - 2))) {
          const sum = f64x2.add(hi, part);
          lo = f64x2.add(lo, twoSumError(hi, part, sum));
          hi = sum;
          part = zero;
        }
      } else {
        hi = f64x2.add(sum0, e1);
        lo = f64x2.add(lo, f64x2.add(lost0, fastTwoSumError(sum0, e1, hi)));
      }
      eMax = f64x2.pmax(eMax, f64x2.pmax(e0, e1));
    }
    if (n) {
      const e = shiftedExp<T>(relative, scratchPtr, floored<T>(relative, load2<f64>(tile), floor), base, round, floor, scale, c0, c1, c2, c3, c4);
      store2<f64>(out, e);
      if (isRounded<T>()) {
        part = f64x2.add(part, e);
      } else {
        const sum = f64x2.add(hi, e);
        lo = f64x2.add(lo, fastTwoSumError(hi, e, sum));
        hi = sum;
      }
      eMax = f64x2.pmax(eMax, e);
      tile += bytesOf<v128>(1);
      out += bytesOf<v128>(1);
    }
    if (isRounded<T>()) {
      const sum = f64x2.add(hi, part);
      lo = f64x2.add(lo, twoSumError(hi, part, sum));
      hi = sum;
    }
    state.eMax = eMax;
    state.hi = isRounded<T>() ? hi : f64x2.sub(hi, seed);
    state.lo = lo;
  }
}

/** exps for base = 0. */
function absoluteExps<T>(tile: usize, out: usize, pairs: usize, classes: usize, scratchPtr: usize): void {
  exps<T>(false, f64x2.splat(0), tile, out, pairs, classes, scratchPtr);
}

function relativeExps<T>(all: v128, tile: usize, out: usize, pairs: usize, classes: usize, scratchPtr: usize): void {
  exps<T>(true, all, tile, out, pairs, classes, scratchPtr);
}

/** True if a pair of a group has a maximum to which logits have to be taken relative. */
// @ts-ignore: decorator
@inline
function anyIsLarge<T>(pairs: usize, scratchPtr: usize): bool {
  let large = f64x2.splat(0);
  for (let n = firstState(scratchPtr); pairs; pairs--, n = nextState(n)) large = v128.or(large, isLarge<T>(n.max));
  return v128.any_true(large);
}

/** exps, in all lanes relative to the maximum where `all`, a constant or a bool, says so. */
// @ts-ignore: decorator
@inline
function chooseExps<T>(all: bool, tile: usize, out: usize, pairs: usize, classes: usize, scratchPtr: usize): void {
  if (all) relativeExps<T>(i64x2.splat(-1), tile, out, pairs, classes, scratchPtr);
  else if (anyIsLarge<T>(pairs, scratchPtr)) relativeExps<T>(i64x2.splat(0), tile, out, pairs, classes, scratchPtr);
  else absoluteExps<T>(tile, out, pairs, classes, scratchPtr);
}

/**
 * Rows [first, end), a group of pairs at a time. Results by row; (gHi, gLo) multiplies gradients, or the elements by row of upstreamPtr, if
 * that is not 0.
 */
// @ts-ignore: decorator
@inline
export function forwardPairs<T>(
  task: i32, distribution: bool,
  xPtr: usize, labelPtr: usize, outPtr: usize, resultPtr: usize,
  classes: usize, inner: usize, upstreamPtr: usize, gHi: v128, gLo: v128, first: usize, end: usize, scratchPtr: usize,
): void {
  const hasOut = task == PROBS || task == LOG_PROBS || task == LOSS_AND_GRADIENT;
  const pairBytes = bytesOf<v128>(classes);
  const groupRows = pairsOfGroup(classes, inner) * 2;
  const tile = scratchPtr + TILE;
  const second = tile + tileBytes(classes, inner);
  const least = leastRest<T>(classes);
  for (let group = first, next = first; group < end; group = next) {
    next = groupEnd(group, groupRows, end, inner);
    const rows = next - group;
    const at = bytesOf<T>(rowOffset(group, classes, inner));
    gather<T>(xPtr + at, tile, rows, classes, inner);
    if (distribution) gather<T>(labelPtr + at, second, rows, classes, inner);

    let n = firstState(scratchPtr);
    for (let r: usize = 0, x = tile, q = second; r < rows; r += 2, x += pairBytes, q += pairBytes) {
      const isAlone = r + 1 == rows;
      const labels = distribution ? q : labelPtr + bytesOf<i32>(group + r);
      inspect(task, distribution, n, x, labels, isAlone, classes);
      n = nextState(n);
    }
    const pairs = (rows + 1) >> 1;
    const e = task == LOG_PROBS || task == LSE ? second : tile;
    // Relative in any case for lse, because an exact e_max is one error less; and for two classes, to have the bits of two-classes.ts.
    chooseExps<T>(task == LSE || (distribution && classes == 2), tile, e, pairs, classes, scratchPtr);

    n = firstState(scratchPtr);
    for (let r: usize = 0, x = tile, q = second; r < rows; r += 2, x += pairBytes, q += pairBytes) {
      const isAlone = r + 1 == rows;
      const byRow = bytesOf<f64>(group + r);
      if (task == LOSS_AND_GRADIENT && upstreamPtr) gHi = loadByRow(upstreamPtr + byRow, isAlone);
      const ofPair = task == LOG_PROBS || task == LSE ? q : x;
      finish<f64, T>(
        task, distribution, true, n, x, ofPair, true, x, q, resultPtr + byRow, isAlone, classes, least, gHi, gLo, scratchPtr,
      );
      n = nextState(n);
    }
    if (hasOut) scatter<T>(tile, outPtr + at, rows, classes, inner);
  }
}

/** e_j of a group of pairs, from the logits at `tile` to `out`, which is not the tile; the rest stays in the states of the pairs. */
export function splitGroup(tile: usize, out: usize, pairs: usize, classes: usize, scratchPtr: usize): void {
  const pairBytes = bytesOf<v128>(classes);
  let n = firstState(scratchPtr);
  for (let left = pairs, x = tile; left; left--, x += pairBytes, n = nextState(n)) inspect(STATE, false, n, x, 0, false, classes);
  chooseExps<f64>(classes == 2, tile, out, pairs, classes, scratchPtr);
  const least = leastRest<f64>(classes);
  const none = f64x2.splat(0);
  n = firstState(scratchPtr);
  for (let left = pairs, e = out; left; left--, e += pairBytes, n = nextState(n)) {
    finish<f64, f64>(STATE, false, true, n, 0, e, true, e, 0, 0, false, classes, least, none, none, scratchPtr);
  }
}

/** The base to which splitGroup takes the logits of a pair with this maximum. */
export function baseOfPair(max: v128, classes: usize): v128 {
  return v128.and(max, v128.or(i64x2.splat(-i64(classes == 2)), isLarge<f64>(max)));
}
