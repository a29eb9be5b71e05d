// The inner loop of a matrix product: a tile of 4 × 8 floats, or 4 × 4 doubles, dot products side by side in registers.
//
//   A   rows, contiguous in k        B   packed: for each k, the elements of all columns
//
//   a00 a01 a02 …                        b00 b01 … b07
//   a10 a11 a12 …                        b10 b11 … b17
//   a20 a21 a22 …                        b20 b21 … b27
//   a30 a31 a32 …                        …
//
// Each step takes an element of each row of A, in all lanes, times two vectors of B. V8 puts all loads of a step before its arithmetic: 8 sums, 2
// vectors of B, 4 elements of A and a product are 15 vectors, and it has 15 registers on x86-64. With a fifth row, or two steps without
// a branch between them, sums go through memory: half the speed, measured.

import { bytesOf, highHalfOf, isRounded, lowHalfOf } from "../number/storage";

/** The rows of a tile. */
export const ROWS: usize = 4;

/** The vectors in a row of a tile. */
export const VECTORS: usize = 2;

/** The columns of a tile. */
// @ts-ignore: decorator
@inline
export function columnsOf<T>(): usize {
  return VECTORS * lanesOf<T>();
}

/** The elements of a vector. */
// @ts-ignore: decorator
@inline
export function lanesOf<T>(): usize {
  return sizeof<v128>() >> alignof<T>();
}

/** The sums of a tile: doubles, row by row. */
// @ts-ignore: decorator
@inline
export function sumsOf<T>(): usize {
  return ROWS * columnsOf<T>();
}

/** One element in all lanes. */
// @ts-ignore: decorator
@inline
function splat<T>(ptr: usize): v128 {
  return isRounded<T>() ? v128.load32_splat(ptr) : v128.load64_splat(ptr);
}

/** Adds a vector of elements to sums. */
// @ts-ignore: decorator
@inline
function addTo<T>(sums: usize, values: v128): void {
  if (isRounded<T>()) {
    v128.store(sums, f64x2.add(v128.load(sums), lowHalfOf(values)));
    v128.store(sums, f64x2.add(v128.load(sums, sizeof<v128>()), highHalfOf(values)), sizeof<v128>());
  } else v128.store(sums, f64x2.add(v128.load(sums), values));
}

/**
 * Adds dot products over `depth` elements to the sums of a tile. Products are summed in the element type over blocks of at most `block`, in the
 * order of k, and the blocks in double. A has `rows` rows, `step` bytes apart; the other rows of the tile get the sums of the last one.
 */
export function addTile<T>(a: usize, step: usize, rows: usize, b: usize, depth: usize, block: usize, sums: usize): void {
  const last = (rows - 1) * step;
  const row1 = min<usize>(step, last), row2 = min<usize>(2 * step, last), row3 = min<usize>(3 * step, last);
  while (depth > 0) {
    const length = min(depth, block);
    depth -= length;
    let s00 = i64x2.splat(0), s01 = s00, s10 = s00, s11 = s00, s20 = s00, s21 = s00, s30 = s00, s31 = s00;
    // Two steps, with a branch between them that keeps the loads of the second one where they are: a tenth faster than one step, measured.
    for (const end = a + bytesOf<T>(length); ; ) {
      const b0 = v128.load(b), b1 = v128.load(b, sizeof<v128>());
      const a0 = splat<T>(a), a1 = splat<T>(a + row1), a2 = splat<T>(a + row2), a3 = splat<T>(a + row3);
      s00 = v128.add<T>(s00, v128.mul<T>(a0, b0));
      s01 = v128.add<T>(s01, v128.mul<T>(a0, b1));
      s10 = v128.add<T>(s10, v128.mul<T>(a1, b0));
      s11 = v128.add<T>(s11, v128.mul<T>(a1, b1));
      s20 = v128.add<T>(s20, v128.mul<T>(a2, b0));
      s21 = v128.add<T>(s21, v128.mul<T>(a2, b1));
      s30 = v128.add<T>(s30, v128.mul<T>(a3, b0));
      s31 = v128.add<T>(s31, v128.mul<T>(a3, b1));
      a += bytesOf<T>(1);
      b += VECTORS * sizeof<v128>();
      if (a == end) break;
      const d0 = v128.load(b), d1 = v128.load(b, sizeof<v128>());
      const c0 = splat<T>(a), c1 = splat<T>(a + row1), c2 = splat<T>(a + row2), c3 = splat<T>(a + row3);
      s00 = v128.add<T>(s00, v128.mul<T>(c0, d0));
      s01 = v128.add<T>(s01, v128.mul<T>(c0, d1));
      s10 = v128.add<T>(s10, v128.mul<T>(c1, d0));
      s11 = v128.add<T>(s11, v128.mul<T>(c1, d1));
      s20 = v128.add<T>(s20, v128.mul<T>(c2, d0));
      s21 = v128.add<T>(s21, v128.mul<T>(c2, d1));
      s30 = v128.add<T>(s30, v128.mul<T>(c3, d0));
      s31 = v128.add<T>(s31, v128.mul<T>(c3, d1));
      a += bytesOf<T>(1);
      b += VECTORS * sizeof<v128>();
      if (a == end) break;
    }
    const vector = bytesOf<f64>(lanesOf<T>());
    addTo<T>(sums, s00);
    addTo<T>(sums + vector, s01);
    addTo<T>(sums + 2 * vector, s10);
    addTo<T>(sums + 3 * vector, s11);
    addTo<T>(sums + 4 * vector, s20);
    addTo<T>(sums + 5 * vector, s21);
    addTo<T>(sums + 6 * vector, s30);
    addTo<T>(sums + 7 * vector, s31);
  }
}
