// The kernel `loss` by itself: it reads what its plan says, it writes nothing else, and equal plans give equal bits.

import { describe, expect, it } from "vitest";
import { seeded } from "../reference/data.js";
import { CanaryArena } from "./arena.js";
import { type LossBuffers, type LossFields, lossOf } from "./loss-call.js";
import { expectSameBits } from "./verify.js";

const arena = new CanaryArena();

const TENSORS = ["exps", "probs", "logProbs", "labelGradient"] as const;
const ROWS = ["losses", "lse", "entropy"] as const;
const COUNTS = ["argmax", "ranks"] as const;

const SHAPES = [
  [3, 1, 1],
  [5, 2, 1],
  [4, 7, 1],
  [3, 40, 1],
  [3, 41, 1],
  [2, 1027, 1],
  [1, 3, 5],
  [2, 45, 3],
] as const;

describe.each(SHAPES)("outer %d, %d classes, inner %d", (outer, classes, inner) => {
  const shape = [outer, classes, inner] as const;
  const rows = outer * inner;
  const size = rows * classes;
  const random = seeded(size);
  const logits = Float64Array.from({ length: size }, () => 8 * random() - 4);
  const indices = Int32Array.from({ length: rows }, () => Math.floor(random() * classes));
  const targets = Float64Array.from({ length: size }, random);
  const shared = Float64Array.from({ length: classes }, random);
  const rowWeights = Float64Array.from({ length: rows }, (_, r) => (r % 3 === 1 ? Number.NaN : random()));
  const mask = Uint8Array.from({ length: size }, () => Number(random() < 0.8));
  const vector = Float64Array.from({ length: size }, () => 2 * random() - 1);
  const tensors = () => Object.fromEntries(TENSORS.map((name) => [name, new Float64Array(size).fill(77)]));
  const byRow = () => ({
    ...Object.fromEntries(ROWS.map((name) => [name, new Float64Array(rows).fill(77)])),
    ...Object.fromEntries(COUNTS.map((name) => [name, new Int32Array(rows).fill(77)])),
  });
  /** Every output, and what ranks need. */
  const outputs = (): LossBuffers => ({ targetClasses: "indices", ...tensors(), ...byRow() });
  const run = (buffers: LossBuffers, fields: Omit<LossFields, "shape">) =>
    lossOf(arena, buffers, { ...fields, shape }) as unknown as Record<string, Float64Array>;

  it.each(["GRADIENT", "HESSIAN_PRODUCT", "HESSIAN_DIAGONAL", undefined] as const)(
    "%s: nothing beside the outputs is written",
    (derivative) => {
      for (const kind of ["indices", "shared", "targets"]) {
        const inputs: Record<string, Float64Array | Int32Array> = {
          logits,
          [kind === "targets" ? "targetClasses" : "indices"]: indices,
          rowWeights,
          weights: new Float64Array(classes).fill(1),
        };
        if (kind !== "indices") inputs.targets = kind === "shared" ? shared : targets;
        const isShared = Number(kind === "shared");
        const after = run(
          {
            ...inputs,
            ...(kind === "targets" ? {} : { targetClasses: "indices" }),
            ...(derivative === "HESSIAN_PRODUCT" ? { vector: "logits" } : {}),
            ...tensors(),
            ...byRow(),
          },
          { derivative, divisor: 2, zLoss: 0.1, targetsAreShared: isShared, allTargetsPositive: isShared },
        );
        for (const [name, values] of Object.entries(inputs)) expect(after[name], name).toEqual(values);
        // All outputs are written, of ignored rows too. e_j may stay in exps where no derivative is asked for.
        for (const name of [...TENSORS, ...ROWS, ...COUNTS]) {
          if (name !== "exps" || derivative) expect(after[name].includes(77), name).toBe(false);
        }
        for (let r = 0; r < rows; r++) {
          const p = Array.from({ length: classes }, (_, j) => after.probs[(Math.floor(r / inner) * classes + j) * inner + (r % inner)]);
          expect(p.reduce((a, b) => a + b)).toBeCloseTo(Number.isNaN(rowWeights[r]) ? 0 : 1, 14);
        }
      }
    },
  );

  /** The bits of every result by name; exps is left out where it need not hold a derivative. */
  function expectSame(got: Record<string, Float64Array>, want: Record<string, Float64Array>, names: Iterable<string>): void {
    for (const name of names) expectSameBits(Float64Array.from(got[name]), Float64Array.from(want[name]));
  }

  /** Options with all that the walk needs, with and without the logits' own copy. */
  const OPTIONS: Record<string, { buffers: LossBuffers; fields?: Omit<LossFields, "shape"> }> = {
    plain: { buffers: { indices } },
    "plain, distributions": { buffers: { targets } },
    "row weights": { buffers: { indices, rowWeights } },
    "mask and scale": { buffers: { indices, mask, rowWeights }, fields: { scale: 0.75 } },
    "shared mask": { buffers: { indices, mask: mask.slice(0, classes) }, fields: { maskIsShared: 1 } },
    smoothed: { buffers: { indices, targets: shared }, fields: { targetsAreShared: 1, allTargetsPositive: 1, keepHi: 0.9, zLoss: 0.01 } },
  };

  it.each(Object.keys(OPTIONS))("%s: exps may be the logits themselves", (name) => {
    const { buffers, fields } = OPTIONS[name];
    for (const derivative of ["GRADIENT", "HESSIAN_PRODUCT", "HESSIAN_DIAGONAL"] as const) {
      const given = { logits, ...buffers, ...(derivative === "HESSIAN_PRODUCT" ? { vector } : {}) };
      const losses = new Float64Array(rows);
      const apart = run({ ...given, losses, exps: new Float64Array(size) }, { ...fields, derivative });
      const inPlace = run({ ...given, losses, exps: "logits" }, { ...fields, derivative });
      expectSameBits(inPlace.logits, apart.exps);
      expectSameBits(inPlace.losses, apart.losses);
      expectSameBits(apart.logits, logits);
      if (!("indices" in buffers)) continue;
      // With all outputs, the general walk.
      const { exps: _, ...rest } = outputs();
      const all = run({ ...given, ...rest, exps: new Float64Array(size) }, { ...fields, derivative });
      const allInPlace = run({ ...given, ...rest, exps: "logits" }, { ...fields, derivative });
      expectSameBits(allInPlace.logits, all.exps);
      expectSame(
        allInPlace,
        all,
        Object.keys(rest).filter((key) => key !== "targetClasses"),
      );
    }
  });

  it("without row weights, and without weights, gives the bits of buffers of 1", () => {
    const ones = { rowWeights: new Float64Array(rows).fill(1), weights: new Float64Array(classes).fill(1) };
    const smoothed = { targets: shared };
    const fields = { targetsAreShared: 1, allTargetsPositive: 1, keepHi: 0.9, keepLo: 2 ** -60, divisor: 3 };
    for (const derivative of ["GRADIENT", "HESSIAN_DIAGONAL", undefined] as const) {
      const given = { logits, indices, ...smoothed, ...outputs() };
      const want = run({ ...given, ...ones }, { ...fields, derivative });
      for (const left of [{ rowWeights: ones.rowWeights }, { weights: ones.weights }, {}]) {
        const got = run({ ...given, ...left }, { ...fields, derivative });
        const names = [...TENSORS, ...ROWS, ...COUNTS].filter((name) => derivative || name !== "exps");
        expectSame(got, want, names);
      }
    }
  });

  it("that is plain gives the bits of the walk with row weights of 1", () => {
    const weighted = { rowWeights: new Float64Array(rows).fill(1) };
    const buffers = { logits, losses: new Float64Array(rows), exps: new Float64Array(size) };
    for (const labels of [{ indices }, { targets }]) {
      for (const upstreamByRow of [undefined, Float64Array.from({ length: rows }, () => 4 * random() - 2)]) {
        const given = { ...buffers, ...labels, ...(upstreamByRow ? { upstreamByRow } : {}) };
        const fields = { derivative: "GRADIENT", divisor: upstreamByRow ? 1 : 3, upstream: upstreamByRow ? 0 : -0.7 } as const;
        const plain = run(given, fields);
        const general = run({ ...given, ...weighted }, fields);
        expectSame(plain, general, ["losses", "exps", "logits"]);
      }
    }
  });

  it("that is plain and asks for no derivative writes the losses only", () => {
    const exps = new Float64Array(size).fill(77);
    const after = run({ logits, indices, losses: new Float64Array(rows), exps }, {});
    expectSameBits(after.exps, exps);
    expectSameBits(after.logits, logits);
  });
});
