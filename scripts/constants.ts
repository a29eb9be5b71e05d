// Computes the table and the polynomial constants of the kernels and writes them as AssemblyScript.
//
//   exp   2^(2^k/B) as pairs of doubles, of which the kernels make the table; ln 2 / B cut for an exact product (Cody and Waite);
//         exp(r) = 1 + r + r² P(r) on |r| <= ln 2 / (2B), and to 2^-43 d (s + c) ((s + A)² + b), s = r B/ln 2
//   log   log(1 + f) = 2 atanh(s/2) = s + s z L(z), s = 2f / (2 + f), z = s², 2^-0.59 <= 1 + f <= 2^0.59
//   cosh  log cosh(y/2) = z (1/8 + z K(z)), (y/2) tanh(y/2) − log cosh(y/2) = z (1/8 + z H(z)), z = y², |y| <= 2
//
// P, L, K and H interpolate at Chebyshev nodes, which costs less than half a bit against the minimax polynomial.

import { writeFileSync } from "node:fs";
import { Decimal } from "decimal.js";

/** 80 decimal digits: 265 bits, well above the 200 that the constants are good to. */
const D = Decimal.clone({ precision: 80, toExpNeg: -9e15, toExpPos: 9e15 });
const LN2 = D.ln(2);

const TABLE_BITS = 8;
const TABLE_SIZE = 2 ** TABLE_BITS;
/** e_max is near 2^384 (assembly/number/exp-table.ts). */
const EXPONENT_BIAS = 384;
/** ln 2 / B keeps 29 bits: times an integer below 2^24 it is exact. */
const LN2_HI_BITS = 29;

const scratch = new DataView(new ArrayBuffer(8));

/** The bits of a double. */
function bitsOf(value: number): bigint {
  scratch.setFloat64(0, value);
  return scratch.getBigUint64(0);
}

/** Rounds to the nearest number of `bits` significant bits. */
function roundToBits(value: Decimal, bits: number): Decimal {
  const exponent = D.log2(value.abs()).floor().toNumber() - (bits - 1);
  const unit = D.pow(2, exponent);
  return value.div(unit).round().times(unit);
}

/** Rounds to the nearest double. */
function nearestDouble(value: Decimal): number {
  return value.isZero() ? 0 : roundToBits(value, 53).toNumber();
}

/** Coefficients, constant first, of the polynomial that interpolates `f` at the Chebyshev nodes of [low, high]. */
function interpolate(f: (x: Decimal) => Decimal, low: Decimal, high: Decimal, degree: number): Decimal[] {
  const count = degree + 1;
  const nodes = Array.from({ length: count }, (_, i) =>
    D.cos(
      D.acos(-1)
        .times(2 * i + 1)
        .div(2 * count),
    )
      .times(high.minus(low))
      .plus(high.plus(low))
      .div(2),
  );
  // Newton's divided differences, then expanded to powers of x.
  const differences = nodes.map(f);
  for (let order = 1; order < count; order++) {
    for (let i = degree; i >= order; i--) {
      differences[i] = differences[i].minus(differences[i - 1]).div(nodes[i].minus(nodes[i - order]));
    }
  }
  let coefficients: Decimal[] = [differences[degree]];
  for (let i = degree - 1; i >= 0; i--) {
    const next = [differences[i].minus(nodes[i].times(coefficients[0]))];
    for (let power = 1; power <= coefficients.length; power++) {
      const higher = coefficients[power] ?? new D(0);
      next.push(coefficients[power - 1].minus(nodes[i].times(higher)));
    }
    coefficients = next;
  }
  return coefficients;
}

/** (exp(r) − 1 − r) / r² by its series: no cancellation near 0. */
function expTail(r: Decimal): Decimal {
  let sum = new D(0);
  let term = new D(0.5);
  for (let k = 3; k < 40; k++) {
    sum = sum.plus(term);
    term = term.times(r).div(k);
  }
  return sum;
}

/** b, c and d of d (s + c) ((s + A)² + b), which is exp(s h) at the Chebyshev nodes of [-1/2, 1/2]: Newton's method from the roots of the Taylor polynomial. */
function factorsOfExp(h: Decimal, A: number): { b: Decimal; c: Decimal; d: Decimal } {
  let b = h.pow(-2).times(3.27);
  let c = h.pow(-1).times(1.6);
  let d = h.pow(3).div(6);
  const nodes = [0, 1, 2].map((i) =>
    D.cos(
      D.acos(-1)
        .times(2 * i + 1)
        .div(6),
    ).div(2),
  );
  for (let step = 0; step < 20; step++) {
    // The derivatives with respect to b, c and d, and what is missing.
    const rows = nodes.map((s) => {
      const [first, second] = [s.plus(c), s.plus(A).pow(2).plus(b)];
      return [d.times(first), d.times(second), first.times(second), D.exp(s.times(h)).minus(d.times(first).times(second))];
    });
    // Gauss and Jordan's elimination.
    for (let i = 0; i < 3; i++) {
      rows[i] = rows[i].map((value) => value.div(rows[i][i]));
      for (let k = 0; k < 3; k++) if (k !== i) rows[k] = rows[k].map((value, j) => value.minus(rows[k][i].times(rows[i][j])));
    }
    [b, c, d] = [b, c, d].map((value, i) => value.plus(rows[i][3]));
  }
  return { b, c, d };
}

/** (2 atanh(s/2) − s) / s³ as a function of z = s², by its series. */
function atanhTail(z: Decimal): Decimal {
  let sum = new D(0);
  let power = new D(0.25);
  for (let k = 3; k < 160; k += 2) {
    sum = sum.plus(power.div(k));
    power = power.times(z).div(4);
  }
  return sum;
}

function hex(bits: bigint): string {
  return `0x${bits.toString(16).padStart(16, "0")}`;
}

/** One line of an array of bits: the bits in the code, the value in the comment, in columns. */
function line(value: number, name: string): string {
  return `  ${hex(bitsOf(value))}, // ${name.padEnd(9)} ${value}`;
}

const step = LN2.div(TABLE_SIZE);
const half = step.div(2);
const expPoly = interpolate(expTail, half.neg(), half, 2).map(nearestDouble);
/** The integer A for which the factors of a cubic are nearest to exp. */
const ROUNDED_A = 259;
const rounded = factorsOfExp(step, ROUNDED_A);

const fMax = D.pow(2, 0.59);
const sMax = fMax.minus(1).times(2).div(fMax.plus(1));
const logPoly = interpolate(atanhTail, new D(0), sMax.times(sMax), 7).map(nearestDouble);

/** log cosh(√z/2) / z. */
const logCosh = (z: Decimal): Decimal => D.ln(D.cosh(z.sqrt().div(2))).div(z);
/** ((√z/2) tanh(√z/2) − log cosh(√z/2)) / z. */
const tanhExcess = (z: Decimal): Decimal => D.tanh(z.sqrt().div(2)).div(z.sqrt().times(2)).minus(logCosh(z));
const [coshPoly, excessPoly] = [logCosh, tanhExcess].map((f) => interpolate((z) => f(z).minus(0.125).div(z), new D(0), new D(4), 15));

const ln2Hi = roundToBits(step, LN2_HI_BITS);
const expLines = [
  line(nearestDouble(new D(1).div(step)), "B/ln 2"),
  line(ln2Hi.toNumber(), "LN2_HI"),
  line(nearestDouble(step.minus(ln2Hi)), "LN2_LO"),
  ...expPoly.map((c, i) => line(c, `P${i}`)),
  line(ROUNDED_A, "A"),
  line(nearestDouble(rounded.c.minus(ROUNDED_A)), "c - A"),
  line(nearestDouble(rounded.b), "b"),
  line(nearestDouble(rounded.c.times(rounded.b.plus(ROUNDED_A ** 2))) * 2 ** EXPONENT_BIAS, "e(0)"),
];

// k logLn2Hi is exact for the 6 bits that k has in a logarithm of a sum.
const logLn2Hi = roundToBits(LN2, 40);
const logLines = [
  line(logLn2Hi.toNumber(), "LN2_HI"),
  line(nearestDouble(LN2.minus(logLn2Hi)), "LN2_LO"),
  ...logPoly.map((c, i) => line(c, `L${i}`)),
];

const coshLines = coshPoly.flatMap((k, i) => [line(nearestDouble(k), `K${i}`), line(nearestDouble(excessPoly[i]), `H${i}`)]);

const rootLines = Array.from({ length: TABLE_BITS }, (_, bit) => {
  const exact = D.pow(2, new D(2 ** bit).div(TABLE_SIZE));
  // As a Decimal: its constructor would take a double's shortest decimal form, not its value.
  const rounded = roundToBits(exact, 53);
  return `  ${hex(bitsOf(rounded.toNumber()))}, ${hex(bitsOf(nearestDouble(exact.minus(rounded))))}, // 2^(${2 ** bit}/B)`;
});

const text = `// Written by scripts/constants.ts; not in git.

/** log2 of the number of entries of the exp table. */
export const TABLE_BITS: i64 = ${TABLE_BITS};

/** Range reduction and polynomial of exp, in the order that exp.ts loads them. */
export const EXP_CONSTANTS: usize = memory.data<u64>([
${expLines.join("\n")}
], 16);

/** ln 2 and polynomial of the logarithm, in the order that log.ts loads them. */
export const LOG_CONSTANTS: usize = memory.data<u64>([
${logLines.join("\n")}
], 16);

/** The coefficients of K and H in turn, the constant ones first: log cosh(y/2) = z (1/8 + z K(z)), (y/2) tanh(y/2) − log cosh(y/2) = z (1/8 + z H(z)), z = y². */
export const COSH_CONSTANTS: usize = memory.data<u64>([
${coshLines.join("\n")}
], 16);

/** The number of coefficients of each. */
export const COSH_TERMS: usize = ${coshPoly.length};

/** 2^(2^bit/B) as (hi, lo), bit = 0 … log2 B − 1. */
export const EXP_ROOTS: usize = memory.data<u64>([
${rootLines.join("\n")}
], 16);
`;

writeFileSync(new URL("../assembly/number/constants.generated.ts", import.meta.url), text);
