// The table of the shifted exp, made when the module is instantiated: that takes 20 µs, and the table would be a sixth of the binary.

import { EXP_ROOTS, TABLE_BITS } from "./constants.generated";
import { splat } from "./storage";
import { fastTwoSumError, productLow } from "./two-sum";

/**
 * 2^(i/B) · 2^384, i = 0 … B − 1, 16 bytes each: the bits of the double less i·2^(52 − log2 B), so that adding an integer k = i (mod B)
 * shifted left by 52 − log2 B gives 2^(k/B); then what the rounding left out, relative. The memory below the module's data is its place
 * (memoryBase in asconfig.json), where each entry is only ever written as it stays: workers make it anew while other threads read it.
 */
export const EXP_TABLE: usize = 1024;

/** e of the maximum is near 2^384: then every e_j is a normal number, and with it e_j / S underflows gradually in one operation. */
const BIAS: i64 = 384;

/** Entry i is the product of the roots 2^(2^bit / B) of its bits, as pairs (hi, lo). */
function fillTable(): void {
  const size: i64 = 1 << TABLE_BITS;
  for (let i: i64 = 0; i < size; i++) {
    let hi = f64x2.splat(1);
    let lo = f64x2.splat(0);
    for (let bit: i64 = 0; bit < TABLE_BITS; bit++) {
      if (!((i >> bit) & 1)) continue;
      const root = EXP_ROOTS + (<usize>bit << alignof<v128>());
      const rootHi = splat<f64>(root), rootLo = splat<f64>(root + sizeof<f64>());
      const product = f64x2.mul(hi, rootHi);
      const low = productLow(product, hi, lo, rootHi, rootLo);
      hi = f64x2.add(product, low);
      lo = fastTwoSumError(product, low, hi);
    }
    const bits = i64x2.add(hi, i64x2.splat((BIAS << 52) - (i << (52 - TABLE_BITS))));
    v128.store(EXP_TABLE + (<usize>i << alignof<v128>()), i64x2.shuffle(bits, f64x2.div(lo, hi), 0, 2));
  }
}

fillTable();
