// Tests of the references themselves: pairs of doubles against decimal arithmetic, and the exact derivatives against differences.

import { describe, expect, it } from "vitest";
import { seeded } from "../reference/data.js";
import * as doubleDouble from "../reference/double-double.js";
import { exactTerms, type TermsOfRow } from "../reference/exact-terms.js";
import { type Exact, exact, exactRow } from "../reference/oracle.js";

describe("arithmetic in pairs of doubles", () => {
  it("agrees with the decimal oracle", () => {
    const random = seeded(3);
    const value = ([hi, lo]: doubleDouble.Pair) => exact(hi).plus(exact(lo));
    for (let i = 0; i < 300; i++) {
      const x = 600 * (random() - 0.9);
      const { mantissa, exponent } = doubleDouble.exp([x, 0]);
      const row = exactRow([0, x]);
      // exp(x) = p / (1 − p).
      const want = row.probs[1].div(row.others[1]);
      expect(value(mantissa).times(exact(2).pow(exponent)).div(want).minus(1).abs().toNumber()).toBeLessThan(2 ** -79);
      if (x > 0) continue;
      const scale = 2 ** exponent;
      const logSum = doubleDouble.log1p([mantissa[0] * scale, mantissa[1] * scale]);
      expect(value(logSum).div(row.logSum).minus(1).abs().toNumber()).toBeLessThan(2 ** -72);
    }
  });
});

describe("the exact derivatives", () => {
  it("are the central differences of the loss and the gradient", () => {
    const random = seeded(3);
    for (const label of [1, [0.2, 0, 0.5, 0.7]]) {
      const terms = {
        open: [true, true, true, true],
        weights: [1, 2, 0.5, 3],
        labelSmoothing: 0.3,
        zLoss: 0.2,
        sampleWeight: 1.5,
        scale: 1,
      };
      const logits = Array.from({ length: 4 }, () => 4 * random() - 2);
      const at = (x: readonly number[], q: TermsOfRow["label"] = label) => exactTerms({ ...terms, logits: x, label: q });
      const h = 2 ** -20;
      const slope = (after: Exact, before: Exact) =>
        after
          .minus(before)
          .div(2 * h)
          .toNumber();
      const { gradient, labelGradient, diagonal, product } = at(logits);
      logits.forEach((x, j) => {
        const [after, before] = [at(logits.with(j, x + h)), at(logits.with(j, x - h))];
        expect(gradient[j].value.toNumber()).toBeCloseTo(slope(after.loss.value, before.loss.value), 9);
        expect(diagonal[j].value.toNumber()).toBeCloseTo(slope(after.gradient[j].value, before.gradient[j].value), 9);
        const unit = logits.map((_, k) => Number(k === j));
        product(unit).forEach(({ value }, k) => {
          expect(value.toNumber()).toBeCloseTo(slope(after.gradient[k].value, before.gradient[k].value), 9);
        });
        if (typeof label === "number") return;
        const q = (t: number) => at(logits, label.with(j, label[j] + t)).loss.value;
        expect(labelGradient[j].toNumber()).toBeCloseTo(slope(q(h), q(-h)), 12);
      });
    }
  });
});
