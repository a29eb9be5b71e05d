// That the mutants still fit the kernels; `npm run test:mutants` compiles and tries them.

import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { MUTANTS } from "./mutants.js";

it("every mutant changes one place", () => {
  for (const { file, find, replace } of MUTANTS) {
    const source = readFileSync(new URL(`../assembly/${file}`, import.meta.url), "utf8");
    expect(source.split(find).length - 1, `${file}: ${find}`).toBe(1);
    expect(replace).not.toBe(find);
  }
});
