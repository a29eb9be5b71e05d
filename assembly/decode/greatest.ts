// The k greatest logits of a row, in a heap. k blocks whose maxima are not less than a bound have k such logits, so that only these blocks are
// looked into.

import { bytesOf, load1 } from "../number/storage";
import { BLOCK, blocksOf } from "./blocks";

/** The heap: each entry comes after those at 2 i + 1 and 2 i + 2 in the order of the greatest, so that the last one is at 0. */
let values: usize = 0;
let indices: usize = 0;
let filled: usize = 0;
let capacity: usize = 0;

/** Bytes that a heap of k entries takes. */
export function heapBytes(k: usize): usize {
  return k * (sizeof<f64>() + sizeof<i32>());
}

/** The last of the greatest: its scaled logit, and its class. */
export function lastValue(): f64 {
  return load<f64>(values);
}
export function lastClass(): u32 {
  return load<u32>(indices);
}

/** Says if a number is less than another one, where NaN is greater than all others. */
// @ts-ignore: decorator
@inline
function isLess(a: f64, b: f64): bool {
  return a < b || (isNaN(b) && !isNaN(a));
}

/** Says if a logit comes after another one: it is less, or equal and of a higher class. */
// @ts-ignore: decorator
@inline
function isAfter(a: f64, classOfA: u32, b: f64, classOfB: u32): bool {
  return isLess(a, b) || (classOfA > classOfB && !isLess(b, a));
}

function put(at: usize, value: f64, index: u32): void {
  store<f64>(values + bytesOf<f64>(at), value);
  store<u32>(indices + bytesOf<u32>(at), index);
}

/** Puts an entry where `at` is, or below, in a heap of `count` entries. */
function sink(value: f64, index: u32, at: usize, count: usize): void {
  for (let child: usize = 2 * at + 1; child < count; child = 2 * at + 1) {
    let childValue = load<f64>(values + bytesOf<f64>(child));
    let childIndex = load<u32>(indices + bytesOf<u32>(child));
    const other = child + 1;
    if (other < count) {
      const otherValue = load<f64>(values + bytesOf<f64>(other));
      const otherIndex = load<u32>(indices + bytesOf<u32>(other));
      if (isAfter(otherValue, otherIndex, childValue, childIndex)) {
        child = other;
        childValue = otherValue;
        childIndex = otherIndex;
      }
    }
    if (!isAfter(childValue, childIndex, value, index)) break;
    put(at, childValue, childIndex);
    at = child;
  }
  put(at, value, index);
}

/** Takes an entry, of a higher class than those before it, if it is one of the greatest so far. */
function offer(value: f64, index: u32): void {
  if (filled == capacity) {
    if (isLess(load<f64>(values), value)) sink(value, index, 0, capacity);
    return;
  }
  put(filled++, value, index);
  if (filled < capacity) return;
  for (let at = capacity >> 1; at-- > 0; ) sink(load<f64>(values + bytesOf<f64>(at)), load<u32>(indices + bytesOf<u32>(at)), at, capacity);
}

/** Finds the k greatest scaled logits of a row of at least k, of which the maxima of blocks are known. */
export function findGreatest<T>(x: usize, classes: usize, scale: f64, maxima: usize, k: usize, heap: usize): void {
  values = heap;
  indices = heap + bytesOf<f64>(k);
  capacity = k;
  const blocks = blocksOf(classes);
  let bound: f64 = -Infinity;
  if (k <= blocks) {
    filled = 0;
    for (let b: usize = 0; b < blocks; b++) offer(scale * load<f64>(maxima + bytesOf<f64>(b)), <u32>b);
    bound = lastValue();
  }
  filled = 0;
  for (let b: usize = 0; b < blocks; b++) {
    if (isLess(scale * load<f64>(maxima + bytesOf<f64>(b)), bound)) continue;
    for (let j = b * BLOCK, end = min(j + BLOCK, classes); j < end; j++) {
      const value = scale * load1<T>(x + bytesOf<T>(j));
      if (!isLess(value, bound)) offer(value, <u32>j);
    }
  }
}

/** Writes the classes from the greatest logit to the least. The heap is used up: its last one goes to the end, again and again. */
export function popDescending(out: usize): void {
  for (let end = capacity; end-- > 0; ) {
    store<u32>(out + bytesOf<u32>(end), lastClass());
    sink(load<f64>(values + bytesOf<f64>(end)), load<u32>(indices + bytesOf<u32>(end)), 0, end);
  }
}
