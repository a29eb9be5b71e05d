// The memory that kernels write besides their outputs, `scratchBytes` from a 16-byte boundary on. What it held does not matter.
//   0       table indices on their way from vectors to addresses, 16 bytes for each of two vectors
//   PAIRS   what a group of pairs of rows has come to (pair.ts)
//   STAGE   planes of the elements of a group, of a tensor each (stage.ts)

import { bytesOf } from "../number/storage";
import { Pair } from "./tile";

/** The most pairs of a group: when all have been visited before the first is finished, their chains of dependent operations overlap. */
export const MAX_PAIRS: usize = 32;

/** A group's elements fill at most this, half a first-level cache, but a group has four pairs at least: on a strided axis, a cache line. */
const GROUP_BYTES: usize = 16384;

export const PAIRS: usize = 32;
export const STAGE: usize = PAIRS + MAX_PAIRS * offsetof<Pair>();

/** The pairs of a group. */
export function pairsOfGroup(classes: usize, inner: usize): usize {
  const pairs = min(max(GROUP_BYTES / sizeof<v128>() / max(classes, 1), 4), MAX_PAIRS);
  return inner == 1 ? pairs : min(pairs, (inner + 1) / 2);
}

/** Bytes of the elements of a group. */
export function groupBytes(classes: usize, inner: usize): usize {
  return pairsOfGroup(classes, inner) * bytesOf<v128>(classes);
}

/** All of it where rows are visited one at a time. */
export function rowScratchBytes(classes: usize, planes: usize): f64 {
  return <f64>(PAIRS + offsetof<Pair>()) + (planes > 2 ? <f64>sizeof<f64>() * <f64>classes : 0);
}

/** All of it for groups: a double, as it may be more than there are addresses. */
export function laneScratchBytes(classes: usize, inner: usize, planes: usize): f64 {
  return <f64>STAGE + <f64>planes * <f64>pairsOfGroup(classes, inner) * <f64>sizeof<v128>() * <f64>classes;
}
