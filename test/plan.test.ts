// The kernel with options by itself: what it reads is what a plan says, and it writes nothing else.

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { seeded } from "../reference/data.js";
import { DERIVATIVES, PLAN_ELEMENTS, PLAN_INTEGERS, PLAN_NUMBERS, type Plan } from "../src/wasm/abi.js";
import { CanaryArena } from "./arena.js";

const arena = new CanaryArena();

it("a plan has the fields that the kernel reads, in their order", () => {
  const source = readFileSync(new URL("../assembly/loss/plan.ts", import.meta.url), "utf8");
  const fields = Array.from(source.matchAll(/^ {2}(\w+): (\w+);$/gm), ([, name, type]) => [name, type]);
  expect(fields.slice(0, PLAN_NUMBERS.length)).toEqual(PLAN_NUMBERS.map((name) => [name, "f64"]));
  const integers = fields.slice(PLAN_NUMBERS.length);
  expect(integers.map(([name]) => name)).toEqual(PLAN_INTEGERS);
  for (const [, type] of integers) expect(["usize", "u32", "i32"]).toContain(type);
});

function planOf(fields: Partial<Plan>): Float64Array {
  const plan = new Float64Array(PLAN_ELEMENTS);
  const integers = new Uint32Array(plan.buffer, PLAN_NUMBERS.length * 8, PLAN_INTEGERS.length);
  PLAN_NUMBERS.forEach((name, i) => {
    plan[i] = fields[name] ?? 0;
  });
  PLAN_INTEGERS.forEach((name, i) => {
    integers[i] = fields[name] ?? 0;
  });
  return plan;
}

const TENSORS = ["exps", "probs", "logProbs", "labelGradient"] as const;
const ROWS = ["losses", "lse", "entropy", "argmax", "ranks"] as const;

describe.each([
  [3, 1, 1],
  [5, 2, 1],
  [4, 7, 1],
  [3, 40, 1],
  [3, 41, 1],
  [2, 1027, 1],
  [1, 3, 5],
  [2, 45, 3],
])("outer %d, %d classes, inner %d", (outer, classes, inner) => {
  const rows = outer * inner;
  const size = rows * classes;
  const random = seeded(size);
  const logits = Float64Array.from({ length: size }, () => 8 * random() - 4);
  const indices = Int32Array.from({ length: rows }, () => Math.floor(random() * classes));
  const targets = Float64Array.from({ length: size }, random);
  const shared = Float64Array.from({ length: classes }, random);
  const rowWeights = Float64Array.from({ length: rows }, (_, r) => (r % 3 === 1 ? -1 : random()));

  it.each(["gradient", "hessianProduct", "hessianDiagonal", "none"] as const)("%s: nothing beside the outputs is written", (derivative) => {
    for (const kind of ["indices", "shared", "targets"]) {
      const before = [
        planOf({}),
        logits,
        indices,
        kind === "shared" ? shared : targets,
        rowWeights,
        new Float64Array(classes).fill(1),
        ...TENSORS.map(() => new Float64Array(size).fill(77)),
        ...ROWS.map((name) => (name === "argmax" || name === "ranks" ? new Int32Array(rows).fill(77) : new Float64Array(rows).fill(77))),
      ];
      const after = arena.run(before, (plan, x, labels, t, s, weights, ...outputs) => {
        const numbers = { keepHi: 1, upstream: 1, divisor: 2, scale: 1, zLoss: 0.1, derivative: DERIVATIVES[derivative] };
        const places = Object.fromEntries([...TENSORS, ...ROWS].map((name, i) => [name, outputs[i]]));
        const inputs = {
          logits: x,
          rowWeights: s,
          weights,
          answers: labels,
          indices: kind === "targets" ? 0 : labels,
          targets: kind === "indices" ? 0 : t,
          vector: derivative === "hessianProduct" ? x : 0,
        };
        const isShared = Number(kind === "shared");
        arena.write(plan, planOf({ ...numbers, ...places, ...inputs, classes, inner, isShared, isPositive: isShared }));
        // In two parts, as hands that share a batch would.
        arena.kernels.lossWithOptions(plan, rows >> 1, rows);
        arena.kernels.lossWithOptions(plan, 0, rows >> 1);
      });
      for (let i = 1; i < 6; i++) expect(after[i]).toEqual(before[i]);
      // All outputs are written, of ignored rows as well; but no derivative that is not wanted, except on the way to it.
      after.slice(6).forEach((output, i) => {
        if (i > 0 || derivative !== "none") expect(output.includes(77), [...TENSORS, ...ROWS][i]).toBe(false);
      });
      const [, , , , , , , probs] = after;
      for (let r = 0; r < rows; r++) {
        const p = Array.from({ length: classes }, (_, j) => probs[(Math.floor(r / inner) * classes + j) * inner + (r % inner)]);
        expect(p.reduce((a, b) => a + b)).toBeCloseTo(rowWeights[r] < 0 ? 0 : 1, 14);
      }
    }
  });
});
