// The packages of this folder need not be installed: their names are no literals, so that types are checked with and without them.

import type { Contestant } from "../timing.js";

/** A package, typed as far as it is called here. */
export async function load<Package>(name: string): Promise<Package> {
  return await import(name);
}

/** What a peer runs; what it computes in is said in contestants.ts. */
export type Work = Omit<Contestant, "dtype">;

export function lossThenGradient(loss: number, gradient: ArrayLike<number>): Float64Array {
  const result = new Float64Array(1 + gradient.length);
  result[0] = loss;
  result.set(gradient, 1);
  return result;
}

/** The shape of logits, without an inner axis of one: most libraries are faster over the last axis. */
export const shapeOf = (outer: number, classes: number, inner: number) => (inner === 1 ? [outer, classes] : [outer, classes, inner]);
