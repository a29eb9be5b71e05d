// Small ways to get a kernel wrong. Each must fail the tests; where none can notice, `survives` says why.

export interface Mutant {
  /** In assembly/. */
  readonly file: string;
  /** What occurs there once. */
  readonly find: string;
  readonly replace: string;
  readonly survives?: string;
}

function mutantsOf(file: string, ...changes: [find: string, replace: string, survives?: string][]): Mutant[] {
  return changes.map(([find, replace, survives]) => ({ file, find, replace, survives }));
}

const EITHER_CELL = "as exact: it moves a logit at the very edge of a cell of the table to the next one, which serves as well";

export const MUTANTS: readonly Mutant[] = [
  ...mutantsOf(
    "constants.generated.ts",
    ["0x40771547652b82fe, // B/ln 2", "0x40771547652bc2fe, // B/ln 2", EITHER_CELL],
    ["0x3f662e42ff000000, // LN2_HI", "0x3f662e42fe000000, // LN2_HI"],
    ["0xbd4718432a1b0e26, // LN2_LO", "0xbd4718432b1b0e26, // LN2_LO"],
    ["0x3fe0000000000000, // P0", "0x3fe0000000004000, // P0"],
    ["0x3fc555556deeba2f, // P1", "0x3fc555576deeba2f, // P1"],
    ["0x3fa5555565bb988f, // P2", "0x3fa5655565bb988f, // P2"],
    ["0x57effb1afa5abcbf, 0xbc84e82fc61851ac, // 1\n", "0x57effb1afa5abcbe, 0xbc84e82fc61851ac, // 1\n"],
    ["0x57eff63da9fb3335, 0x3c9b3b4f1a88bf6e, // 2\n", "0x57eff63da9fb3335, 0x0000000000000000, // 2\n"],
    ["0x3fe62e42fefa4000, // LN2_HI", "0x3fe62e42fefa4001, // LN2_HI"],
    ["0xbd48432a1b0e2634, // LN2_LO", "0xbd48452a1b0e2634, // LN2_LO"],
    ["0x3fe5555555555558, // L0", "0x3fe5555555555358, // L0"],
    ["0x3fd2492492df148d, // L2", "0x3fd2492493df148d, // L2"],
    ["0x3fc2b584aae78a57, // L6", "0x3fc2c584aae78a57, // L6"],
  ),
  ...mutantsOf(
    "exp.ts",
    ["const LARGE: f64 = 1800.0", "const LARGE: f64 = 18000.0"],
    ["const LARGE: f64 = 1800.0", "const LARGE: f64 = 800.0"],
    ["const DEPTH: f64 = 900.0", "const DEPTH: f64 = 600.0"],
    ["const DEPTH: f64 = 900.0", "const DEPTH: f64 = 1300.0"],
    ["const MAX_LOG_PROB: f64 = 400.0", "const MAX_LOG_PROB: f64 = 4000.0"],
    ["const SMALL: f64 = reinterpret<f64>(0x20b0000000000000)", "const SMALL: f64 = reinterpret<f64>(0x00b0000000000000)"],
    ["f64x2.pmax(f64x2.sub(x, base), floor)", "f64x2.pmax(floor, f64x2.sub(x, base))"],
    ["f64x2.gt(f64x2.abs(max), f64x2.splat(LARGE))", "f64x2.gt(max, f64x2.splat(LARGE))"],
    ["f64x2.sub(f64x2.sub(v, f64x2.mul(k, ln2Hi)), f64x2.mul(k, ln2Lo))", "f64x2.sub(v, f64x2.mul(k, ln2Hi))"],
    ["i32x4.extract_lane(t, 2) & mask", "i32x4.extract_lane(t, 0) & mask"],
    ["i64x2.shuffle(entry0, entry1, 0, 2)", "i64x2.shuffle(entry0, entry1, 2, 0)"],
    ["i64x2.shuffle(entry0, entry1, 1, 3)", "i64x2.shuffle(entry0, entry1, 3, 1)"],
    ["f64x2.add(r, remainder)", "r"],
    ["low ? fastTwoSumError(power, term, e)", "low ? f64x2.splat(0)"],
    ["f64x2.nearest(f64x2.mul", "f64x2.floor(f64x2.mul", "as exact: E is one less at times, and the factor 2^E cancels"],
  ),
  ...mutantsOf(
    "log.ts",
    ["0x3fe6a09e667f3bcd", "0x3ff0000000000000"],
    ["v128.andnot(twoSumError(one, hi, u), isZero)", "twoSumError(one, hi, u)"],
    ["f64x2.add(v128.andnot(twoSumError(one, hi, u), isZero), lo)", "v128.andnot(twoSumError(one, hi, u), isZero)"],
    ["f64x2.add(v128.andnot(twoSumError(one, hi, u), isZero), lo)", "lo"],
    ["f64x2.sub(one, f64x2.sub(twoS, f64x2.mul(twoS, s)))", "f64x2.sub(one, twoS)"],
    ["f64x2.sub(one, f64x2.sub(twoS, f64x2.mul(twoS, s)))", "one"],
    ["f64x2.mul(k, constant(1))", "f64x2.splat(0)"],
    ["f64x2.splat(0.5), f64x2.mul(f, f)", "f64x2.splat(0.5), f64x2.mul(f, s)"],
  ),
  ...mutantsOf(
    "reduce.ts",
    ["const SPLIT_MASK: i64 = ~0x7ffffff", "const SPLIT_MASK: i64 = ~0x1ffff"],
    [
      "f64x2.sub(b, f64x2.sub(sum, a));\n}\n\n/** What fl(a + b) = sum lost, if neither",
      "f64x2.splat(0);\n}\n\n/** What fl(a + b) = sum lost, if neither",
    ],
    ["fastTwoSumError(f64x2.pmax(a, b), f64x2.pmin(a, b), sum)", "fastTwoSumError(f64x2.pmin(a, b), f64x2.pmax(a, b), sum)"],
    ["f64x2.add(f64x2.sub(a, f64x2.sub(sum, bPart)), f64x2.sub(b, bPart))", "f64x2.sub(b, bPart)"],
    ["f64x2.mul(qLo, dHi)), f64x2.mul(qLo, dLo)", "f64x2.mul(qLo, dHi)), f64x2.splat(0)"],
    ["f64x2.sub(f64x2.add(remainder(hi, q, divisorHi), lo), f64x2.mul(q, divisorLo))", "remainder(hi, q, divisorHi)"],
    ["f64x2.add(remainder(hi, q, divisorHi), lo), f64x2.mul(q, divisorLo)", "remainder(hi, q, divisorHi), f64x2.mul(q, divisorLo)"],
    ["return f64x2.mul(rest, inverse);", "return f64x2.splat(0);"],
    ["f64x2.add(f64x2.add(lo, splatLane(lo, 1)), twoSumError(hi, other, sum))", "f64x2.add(lo, splatLane(lo, 1))"],
    ["f64x2.add(f64x2.add(lo, splatLane(lo, 1)), twoSumError(hi, other, sum))", "twoSumError(hi, other, sum)"],
    ["f64x2.add(lost, f64x2.add(", "f64x2.add(f64x2.splat(0), f64x2.add("],
    ["f64x2.add(hi, v128.and(lo, finite))", "f64x2.add(hi, lo)"],
    ["f64x2.add(hi, v128.and(lo, finite))", "hi"],
    ["const start = min(i, classes - 8);", "const start = min(i, classes - 9);"],
    ["v128.any_true(f64x2.gt(block, max))", "v128.any_true(f64x2.ge(block, max))"],
    ["found ? at + ctz(found) : at", "at + ctz(found)"],
  ),
  ...mutantsOf(
    "normalizer.ts",
    ["f64x2.add(f64x2.mul(e, factor), f64x2.sub(f64x2.mul(e, factorLo), less))", "f64x2.sub(f64x2.mul(e, factor), less)"],
    [
      "f64x2.add(f64x2.mul(e, factor), f64x2.sub(f64x2.mul(e, factorLo), less))",
      "f64x2.sub(f64x2.add(f64x2.mul(e, factor), f64x2.mul(e, factorLo)), less)",
    ],
    ["f64x2.gt(max, f64x2.splat(HUGE))", "f64x2.lt(max, f64x2.splat(HUGE))"],
    ["v128.bitselect(f64x2.splat(0.25)", "v128.bitselect(f64x2.splat(1)"],
    ["quotientLow(q, inverse, restHi, restLo, eMax, eMaxLo)", "quotientLow(q, inverse, restHi, restLo, eMax, f64x2.splat(0))"],
    ["return log1p(r, fastTwoSumError(q, qLo, r));", "return log1p(r, f64x2.splat(0));"],
    ["return log1p(r, fastTwoSumError(q, qLo, r));", "return log1p(q, qLo);"],
    ["f64x2.lt(logS, f64x2.splat(TINY))", "f64x2.splat(0)"],
    ["reinterpret<f64>(0x07b0000000000000); // 2^-900", "reinterpret<f64>(0x3c30000000000000); // 2^-60"],
    ["return f64x2.add(twoSumError(eMax, restHi, sum), restLo);", "return restLo;"],
    ["return f64x2.add(twoSumError(eMax, restHi, sum), restLo);", "return twoSumError(eMax, restHi, sum);"],
    ["f64x2.add(twoSumError(rise, restHi, others), restLo)", "twoSumError(rise, restHi, others)"],
    ["f64x2.mul(others, factorLo), f64x2.mul(othersLo, factor)", "f64x2.splat(0), f64x2.mul(othersLo, factor)"],
    ["f64x2.sub(f64x2.splat(0), v128.bitselect(gHi, product, none))", "f64x2.sub(f64x2.splat(0), product)"],
    ["f64x2.lt(eLabel, f64x2.splat(NEGLIGIBLE)), f64x2.eq(factor, factor)", "f64x2.lt(eLabel, f64x2.splat(NEGLIGIBLE)), f64x2.splat(0)"],
    ["v128.and(f64x2.mul(q, gHi), f64x2.ne(q, f64x2.splat(0)))", "f64x2.mul(q, gHi)"],
  ),
  ...mutantsOf(
    "row.ts",
    ["count > 1 ? v128.load(ptr) :", "count > 2 ? v128.load(ptr) :"],
    ["if (count > 1) v128.store(ptr, value);", "if (count > 0) v128.store(ptr, value);"],
    ["i64x2(0, 8)", "i64x2(8, 0)"],
    ["f64x2.ne(a, f64x2.splat(0))", "f64x2.eq(a, a)"],
    ["f64x2.sub(q, f64x2.mul(q, excess))", "q"],
    ["for (; n >= 4; n -= 4, outPtr += 32) {", "for (; n >= 3; n -= 4, outPtr += 32) {"],
    ["if (toTop < 32) {", "if (toTop < 16) {"],
    ["toTop - 16", "toTop"],
    ["if (task == LSE) lo", "if (task == LOSS) lo"],
    ["loadTail(x, n, -Infinity)", "loadTail(x, n, 0)"],
    ["isIndex = load<f64>(labelPtr + (label << 3)) == f64x2.extract_lane(q, 0);", "isIndex = true;"],
    ["productLow(qgHi, gHi, gLo, massHi, massLo)", "f64x2.splat(0)"],
    ["f64x2.sub(f64x2.sub(loadTail(x, n, 0), max), logS)", "f64x2.sub(loadTail(x, n, 0), f64x2.add(max, logS))"],
    ["p * (1 - p)", "p - p * p"],
    ["f64x2.ne(result, zero)", "f64x2.eq(result, result)"],
  ),
  ...mutantsOf(
    "lanes.ts",
    ["const isIndex = f64x2.eq(qMax, massHi);", "const isIndex = f64x2.eq(qMax, qMax);"],
    ["v128.store_lane<u64>(ptr + laneStride, value, 1);", "v128.store_lane<u64>(ptr + laneStride, value, 0);"],
    ["v128.andnot(f64x2.eq(value, max), seen)", "f64x2.eq(value, max)"],
    ["massLo = f64x2.add(massLo, twoSumError(massHi, q, mass));", "massLo = zero;"],
    ["gapLo = f64x2.add(gapLo, twoSumError(gap, term, next));", "gapLo = zero;"],
    ["f64x2.gt(q, qMax)", "f64x2.ge(q, qMax)", "a tie found later: a label is all mass on one class, which has no tie"],
    ["label1 = label1 * classStride + laneStride;", "label1 = label1 * classStride;"],
    ["restLo = f64x2.add(restLo, positiveTwoSumError(restHi, term, next));", "restLo = zero;"],
    ["const rounded = f64x2.add(s, sLo);", "const rounded = s;"],
    [
      "if (isIndex1) v128.store_lane<u64>(outPtr + label1, atLabel, 1);",
      "if (isIndex1) v128.store_lane<u64>(outPtr + label1, atLabel, 0);",
    ],
    ["productLow(qgHi, gHi, gLo, massHi, massLo)", "f64x2.splat(0)"],
    ["term = v128.and(f64x2.mul(p, g), f64x2.ne(p, zero));", "term = f64x2.mul(p, g);"],
  ),
  ...mutantsOf(
    "index.ts",
    ["const MAX_LANE_CLASSES: usize = 16;", "const MAX_LANE_CLASSES: usize = 17;"],
    ["r + 1 < rows ? 1 : 0", "r < rows ? 1 : 0"],
    ["f64x2.div(remainder(f64x2.splat(upstream), gHi, divisors), divisors)", "f64x2.splat(0)"],
    ["lo = f64x2.add(lo, twoSumError(hi, term, next));", "lo = f64x2.splat(0);"],
    ["if (isFinite(scaled)) return scaled / SUM_SCALE;", ""],
    ["if (plainLo == 0) return plainHi / divisor;", ""],
    ["(isFinite(plainHi) ? plainHi + plainLo : plainHi) / divisor", "plainHi / divisor"],
    [
      "(inner == 1 && classes > MAX_LANE_CLASSES) {\n    for (let r: usize = 0; r < rows; r++) {\n      const at = (r * classes) << 3;\n      if",
      "(classes > MAX_LANE_CLASSES) {\n    for (let r: usize = 0; r < rows; r++) {\n      const at = (r * classes) << 3;\n      if",
    ],
  ),
];
