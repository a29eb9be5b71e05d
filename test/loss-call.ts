// The kernel `loss` on buffers that are named as the fields of its plan.

import { DERIVATIVES, PLAN_INTEGERS, PLAN_NUMBERS } from "../src/loss/plan.generated.js";
import type { CanaryArena, Values } from "./arena.js";

export type PlanInteger = (typeof PLAN_INTEGERS)[number];
export type PlanFields = Partial<Record<(typeof PLAN_NUMBERS)[number] | PlanInteger, number>>;

/** A plan of the given fields. Other factors are 1, everything else is 0. */
export function planOf(fields: PlanFields): Float64Array {
  const plan = new Float64Array(PLAN_NUMBERS.length + Math.ceil(PLAN_INTEGERS.length / 2));
  const integers = new Uint32Array(plan.buffer, PLAN_NUMBERS.length * 8, PLAN_INTEGERS.length);
  const all: PlanFields = { keepHi: 1, upstream: 1, divisor: 1, scale: 1, elementBytes: 8, targetBytes: 8, ...fields };
  for (const [i, name] of PLAN_NUMBERS.entries()) plan[i] = all[name] ?? 0;
  for (const [i, name] of PLAN_INTEGERS.entries()) integers[i] = all[name] ?? 0;
  return plan;
}

/** Buffers by the fields of the plan that point to them, or the field of another buffer that serves for this one too. */
export type LossBuffers = { readonly [name in PlanInteger]?: Values | PlanInteger };

/** Tells which derivative, and the shape (outer, classes, inner), beside other fields of a plan. */
export type LossFields = Omit<PlanFields, "derivative" | "classes" | "inner"> & {
  readonly shape: readonly [outer: number, classes: number, inner: number];
  readonly derivative?: keyof typeof DERIVATIVES;
};

/** Runs the loss on copies of the buffers, in two parts as two threads would, and gives all buffers back as they are then. */
export function lossOf<B extends LossBuffers>(arena: CanaryArena, buffers: B, { shape, derivative, ...fields }: LossFields) {
  const [outer, classes, inner] = shape;
  const names = Object.keys(buffers) as PlanInteger[];
  const placed = names.filter((name) => typeof buffers[name] !== "string");
  const arrays = placed.map((name) => buffers[name] as Values);
  const [, ...after] = arena.run([planOf({}), ...arrays], (plan, ...ptrs) => {
    const ptrOf = (name: PlanInteger): number => {
      const buffer = buffers[name];
      return typeof buffer === "string" ? ptrOf(buffer) : ptrs[placed.indexOf(name)];
    };
    const bytesOf = (name: "logits" | "targets") => (buffers[name] as Values | undefined)?.BYTES_PER_ELEMENT ?? 8;
    const bytes = { elementBytes: bytesOf("logits"), targetBytes: bytesOf("targets") };
    const places = Object.fromEntries(names.map((name) => [name, ptrOf(name)]));
    arena.write(plan, planOf({ ...bytes, ...fields, ...places, classes, inner, derivative: derivative ? DERIVATIVES[derivative] : 0 }));
    const rows = outer * inner;
    arena.loss(plan, rows >> 1, rows);
    arena.loss(plan, 0, rows >> 1);
  });
  return Object.fromEntries(placed.map((name, i) => [name, after[i]])) as {
    [N in keyof B]: B[N] extends Values ? B[N] : never;
  };
}
