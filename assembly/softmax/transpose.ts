// The stage: rows of a group side by side, wherever they lie in their tensor. A vector has the same class of two rows; those of a pair
// follow each other, pair by pair. A last row without a partner is its own.

import { bytesOf, load2, loadTwo, splat, store2, storeLane } from "../number/storage";

/**
 * Brings `rows` rows of a tensor to the stage; `from` is the first one's first element. For inner = 1 they follow each other, else they
 * are neighbouring columns.
 */
export function gather<T>(from: usize, stage: usize, rows: isize, classes: usize, inner: usize): void {
  if (inner == 1) {
    for (; rows > 0; rows -= 2) {
      const other: usize = rows > 1 ? bytesOf<T>(classes) : 0;
      let n = <isize>classes;
      for (; n >= 2; n -= 2, from += bytesOf<T>(2), stage += bytesOf<v128>(2)) {
        const a = load2<T>(from);
        const b = load2<T>(from + other);
        v128.store(stage, i64x2.shuffle(a, b, 0, 2));
        v128.store(stage, i64x2.shuffle(a, b, 1, 3), sizeof<v128>());
      }
      if (n) {
        v128.store(stage, loadTwo<T>(from, from + other));
        from += bytesOf<T>(1);
        stage += bytesOf<v128>(1);
      }
      from += other;
    }
    return;
  }
  const pairBytes = bytesOf<v128>(classes);
  for (let j: usize = 0; j < classes; j++, from += bytesOf<T>(inner), stage += bytesOf<v128>(1)) {
    let column = from;
    let to = stage;
    let n = rows;
    for (; n >= 2; n -= 2, column += bytesOf<T>(2), to += pairBytes) v128.store(to, load2<T>(column));
    if (n) v128.store(to, splat<T>(column));
  }
}

/** Brings rows back that `gather` has brought, or what has become of them. */
export function scatter<T>(stage: usize, to: usize, rows: isize, classes: usize, inner: usize): void {
  if (inner == 1) {
    for (; rows > 0; rows -= 2) {
      const other: usize = rows > 1 ? bytesOf<T>(classes) : 0;
      let n = <isize>classes;
      for (; n >= 2; n -= 2, to += bytesOf<T>(2), stage += bytesOf<v128>(2)) {
        const a = v128.load(stage);
        const b = v128.load(stage, sizeof<v128>());
        store2<T>(to + other, i64x2.shuffle(a, b, 1, 3));
        store2<T>(to, i64x2.shuffle(a, b, 0, 2));
      }
      if (n) {
        const a = v128.load(stage);
        storeLane<T>(to + other, a, 1);
        storeLane<T>(to, a, 0);
        to += bytesOf<T>(1);
        stage += bytesOf<v128>(1);
      }
      to += other;
    }
    return;
  }
  const pairBytes = bytesOf<v128>(classes);
  for (let j: usize = 0; j < classes; j++, to += bytesOf<T>(inner), stage += bytesOf<v128>(1)) {
    let column = to;
    let from = stage;
    let n = rows;
    for (; n >= 2; n -= 2, column += bytesOf<T>(2), from += pairBytes) store2<T>(column, v128.load(from));
    if (n) storeLane<T>(column, v128.load(from), 0);
  }
}
