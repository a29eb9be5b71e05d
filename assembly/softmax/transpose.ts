// The interleaved tile of a group: rows side by side, wherever they lie in their tensor. A vector has the same class of two rows, and the
// vectors of a pair follow each other, pair by pair. Of five rows a to e with three classes, inner = 1:
//
//   tensor   a0 a1 a2   b0 b1 b2   c0 c1 c2   d0 d1 d2   e0 e1 e2
//
//   tile     a0 b0 | a1 b1 | a2 b2        pair 0
//            c0 d0 | c1 d1 | c2 d2        pair 1
//            e0 e0 | e1 e1 | e2 e2        pair 2: a last row without a partner is in both lanes
//
// With a strided class axis, inner > 1, the rows are neighbouring columns: a0 b0 c0 d0 e0 … a1 b1 c1 …, and make the same tile.

import { bytesOf, load2, loadTwo, splat, store2, storeLane } from "../number/storage";

/** Copies `rows` rows of a tensor, the first of which begins at `from`, to a tile of doubles. */
export function gather<T>(from: usize, tile: usize, rows: isize, classes: usize, inner: usize): void {
  if (inner == 1) {
    for (; rows > 0; rows -= 2) {
      const other: usize = rows > 1 ? bytesOf<T>(classes) : 0;
      let n = <isize>classes;
      for (; n >= 2; n -= 2, from += bytesOf<T>(2), tile += bytesOf<v128>(2)) {
        const a = load2<T>(from);
        const b = load2<T>(from + other);
        v128.store(tile, i64x2.shuffle(a, b, 0, 2));
        v128.store(tile, i64x2.shuffle(a, b, 1, 3), sizeof<v128>());
      }
      if (n) {
        v128.store(tile, loadTwo<T>(from, from + other));
        from += bytesOf<T>(1);
        tile += bytesOf<v128>(1);
      }
      from += other;
    }
    return;
  }
  const pairBytes = bytesOf<v128>(classes);
  for (let j: usize = 0; j < classes; j++, from += bytesOf<T>(inner), tile += bytesOf<v128>(1)) {
    let column = from;
    let to = tile;
    let n = rows;
    for (; n >= 2; n -= 2, column += bytesOf<T>(2), to += pairBytes) v128.store(to, load2<T>(column));
    if (n) v128.store(to, splat<T>(column));
  }
}

/** gather of a tensor whose elements have `bytes` bytes. */
export function gatherOf(bytes: usize, from: usize, tile: usize, rows: isize, classes: usize, inner: usize): void {
  if (bytes == sizeof<f32>()) gather<f32>(from, tile, rows, classes, inner);
  else gather<f64>(from, tile, rows, classes, inner);
}

/** scatter to a tensor whose elements have `bytes` bytes. */
export function scatterOf(bytes: usize, tile: usize, to: usize, rows: isize, classes: usize, inner: usize): void {
  if (bytes == sizeof<f32>()) scatter<f32>(tile, to, rows, classes, inner);
  else scatter<f64>(tile, to, rows, classes, inner);
}

/** Copies a tile to `rows` rows of a tensor, the first of which begins at `to`. */
export function scatter<T>(tile: usize, to: usize, rows: isize, classes: usize, inner: usize): void {
  if (inner == 1) {
    for (; rows > 0; rows -= 2) {
      const other: usize = rows > 1 ? bytesOf<T>(classes) : 0;
      let n = <isize>classes;
      for (; n >= 2; n -= 2, to += bytesOf<T>(2), tile += bytesOf<v128>(2)) {
        const a = v128.load(tile);
        const b = v128.load(tile, sizeof<v128>());
        store2<T>(to + other, i64x2.shuffle(a, b, 1, 3));
        store2<T>(to, i64x2.shuffle(a, b, 0, 2));
      }
      if (n) {
        const a = v128.load(tile);
        storeLane<T>(to + other, a, 1);
        storeLane<T>(to, a, 0);
        to += bytesOf<T>(1);
        tile += bytesOf<v128>(1);
      }
      to += other;
    }
    return;
  }
  const pairBytes = bytesOf<v128>(classes);
  for (let j: usize = 0; j < classes; j++, to += bytesOf<T>(inner), tile += bytesOf<v128>(1)) {
    let column = to;
    let from = tile;
    let n = rows;
    for (; n >= 2; n -= 2, column += bytesOf<T>(2), from += pairBytes) store2<T>(column, v128.load(from));
    if (n) storeLane<T>(column, v128.load(from), 0);
  }
}
