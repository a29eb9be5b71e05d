// The stage: rows of a group side by side, wherever they lie in their tensor. A vector has the same class of two rows; those of a pair
// follow each other, pair by pair. A last row without a partner is its own.

/** Where row `row` of a tensor begins, in elements. */
// @ts-ignore: decorator
@inline
export function rowOffset(row: usize, classes: usize, inner: usize): usize {
  if (inner == 1) return row * classes;
  const column = row % inner;
  return (row - column) * classes + column;
}

/** The end of the group that begins at `row`: at most `rows` rows of one slice, and not beyond `end`. */
// @ts-ignore: decorator
@inline
export function groupEnd(row: usize, rows: usize, end: usize, inner: usize): usize {
  if (inner != 1) end = min(end, row - row % inner + inner);
  return row + min(rows, end - row);
}

/**
 * Brings `rows` rows of a tensor to the stage; `from` is the first one's first element. For inner = 1 they follow each other, else they
 * are neighbouring columns.
 */
export function gather(from: usize, stage: usize, rows: isize, classes: usize, inner: usize): void {
  if (inner == 1) {
    for (; rows > 0; rows -= 2) {
      const other: usize = rows > 1 ? classes << 3 : 0;
      let n = <isize>classes;
      for (; n >= 2; n -= 2, from += 16, stage += 32) {
        const a = v128.load(from);
        const b = v128.load(from + other);
        v128.store(stage, i64x2.shuffle(a, b, 0, 2));
        v128.store(stage, i64x2.shuffle(a, b, 1, 3), 16);
      }
      if (n) {
        v128.store(stage, v128.load_lane<u64>(from + other, v128.load64_zero(from), 1));
        from += 8;
        stage += 16;
      }
      from += other;
    }
    return;
  }
  const pairBytes = classes << 4;
  for (let j: usize = 0; j < classes; j++, from += inner << 3, stage += 16) {
    let column = from;
    let to = stage;
    let n = rows;
    for (; n >= 2; n -= 2, column += 16, to += pairBytes) v128.store(to, v128.load(column));
    if (n) v128.store(to, v128.load64_splat(column));
  }
}

/** Brings rows back that `gather` has brought, or what has become of them. */
export function scatter(stage: usize, to: usize, rows: isize, classes: usize, inner: usize): void {
  if (inner == 1) {
    for (; rows > 0; rows -= 2) {
      const other: usize = rows > 1 ? classes << 3 : 0;
      let n = <isize>classes;
      for (; n >= 2; n -= 2, to += 16, stage += 32) {
        const a = v128.load(stage);
        const b = v128.load(stage, 16);
        v128.store(to + other, i64x2.shuffle(a, b, 1, 3));
        v128.store(to, i64x2.shuffle(a, b, 0, 2));
      }
      if (n) {
        const a = v128.load(stage);
        v128.store_lane<u64>(to + other, a, 1);
        v128.store_lane<u64>(to, a, 0);
        to += 8;
        stage += 16;
      }
      to += other;
    }
    return;
  }
  const pairBytes = classes << 4;
  for (let j: usize = 0; j < classes; j++, to += inner << 3, stage += 16) {
    let column = to;
    let from = stage;
    let n = rows;
    for (; n >= 2; n -= 2, column += 16, from += pairBytes) v128.store(column, v128.load(from));
    if (n) v128.store_lane<u64>(column, v128.load(from), 0);
  }
}

/** Two consecutive elements of a result by row, or the one that is there twice. */
// @ts-ignore: decorator
@inline
export function loadByRow(ptr: usize, isAlone: bool): v128 {
  return isAlone ? v128.load64_splat(ptr) : v128.load(ptr);
}

// @ts-ignore: decorator
@inline
export function storeByRow(ptr: usize, isAlone: bool, value: v128): void {
  if (isAlone) v128.store_lane<u64>(ptr, value, 0);
  else v128.store(ptr, value);
}
