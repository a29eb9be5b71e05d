// The forms of plain JavaScript with an exp of their own, by a table and a cubic: about twice as fast as Math.exp.

import { type Forms, formsBy } from "../reference/plain-javascript.js";

const STEPS = 2048;
/** 2^(-i / STEPS) and 2^-i. */
const FRACTIONS = Float64Array.from({ length: STEPS }, (_, i) => 2 ** (-i / STEPS));
const POWERS = Float64Array.from({ length: 1076 }, (_, i) => 2 ** -i);
const PER_LN2 = -STEPS / Math.LN2;
/** ln 2 / STEPS = HI + LO, with the parts of ln 2 from fdlibm. n · HI is exact for integers n of 21 bits. */
const HI = 0.6931471803691238 / STEPS;
const LO = 1.9082149292705877e-10 / STEPS;

/**
 * exp(x) for x <= 0.
 *   x = r - n ln2/STEPS,  |r| <= ln2/(2 STEPS);   exp(x) = 2^-(n div STEPS) · 2^(-(n mod STEPS)/STEPS) · (1 + r + r²/2 + r³/6)
 */
function exp(x: number): number {
  if (!(x >= -745)) return x < -745 ? 0 : Number.NaN;
  const n = (x * PER_LN2 + 0.5) | 0;
  const r = x + n * HI + n * LO;
  const scale = FRACTIONS[n & (STEPS - 1)] * POWERS[n >> 11];
  return scale + scale * (r + r * r * (0.5 + r * (1 / 6)));
}

export const FORMS: Forms = formsBy(exp);
