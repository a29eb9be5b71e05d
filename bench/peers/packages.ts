// Loads the packages of this folder, which need not be installed: types are checked without them, as their names are no literals.

import type { Implementation } from "../task.js";

/** A package, with the types of the parts that are called here. */
export async function load<Package>(name: string): Promise<Package> {
  return await import(name);
}

/** An implementation without its precision, which implementations.ts has. */
export type Work = Omit<Implementation, "dtype">;
