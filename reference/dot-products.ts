// Exact dot products, in integers of any length.

/** Products of two doubles are multiples of this power of 2. */
const UNIT_EXPONENT = -2148;

const view = new DataView(new ArrayBuffer(8));

/** A finite double as an integer times 2^(exponent - 1074). */
function parts(x: number): readonly [mantissa: bigint, exponent: bigint] {
  view.setFloat64(0, x);
  const bits = view.getBigUint64(0);
  const field = (bits >> 52n) & 0x7ffn;
  const fraction = bits & 0xfffffffffffffn;
  const mantissa = field === 0n ? fraction : fraction | (1n << 52n);
  return [bits >> 63n ? -mantissa : mantissa, field === 0n ? 0n : field - 1n];
}

/** A product in units of 2^UNIT_EXPONENT. */
function product(a: number, b: number): bigint {
  const [aMantissa, aExponent] = parts(a);
  const [bMantissa, bExponent] = parts(b);
  return (aMantissa * bMantissa) << (aExponent + bExponent);
}

/** An integer in units of 2^UNIT_EXPONENT as a double, to within an ulp. */
function numberOf(value: bigint): number {
  const magnitude = value < 0n ? -value : value;
  const shift = Math.max(0, magnitude.toString(2).length - 64);
  const half = Math.trunc((shift + UNIT_EXPONENT) / 2);
  return (value < 0n ? -1 : 1) * Number(magnitude >> BigInt(shift)) * 2 ** half * 2 ** (shift + UNIT_EXPONENT - half);
}

/** Σ a b + start for finite numbers: the error of a value, and Σ |a b| + |start|. */
export function exactDot(a: ArrayLike<number>, b: ArrayLike<number>, start = 0): { errorOf(got: number): number; magnitude: number } {
  let sum = product(start, 1);
  let magnitude = sum < 0n ? -sum : sum;
  for (let k = 0; k < a.length; k++) {
    const term = product(a[k], b[k]);
    sum += term;
    magnitude += term < 0n ? -term : term;
  }
  return { errorOf: (got) => Math.abs(numberOf(product(got, 1) - sum)), magnitude: numberOf(magnitude) };
}
