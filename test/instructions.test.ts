// No loop of the kernels takes more instructions than was committed: a guard of their speed that no noise can fail.

import binaryen from "assemblyscript/binaryen";
import { describe, expect, it } from "vitest";
import { complaintsAbout, loopsOf, releaseLoops } from "./instructions.js";
import committed from "./instructions.json" with { type: "json" };

/** A loop over one vector, which `value` gives. */
function loopOver(value: string) {
  const module = binaryen.parseText(`(module (memory 1) (func $scale (param $p i32)
    (loop $next (v128.store (local.get $p) ${value}) (br_if $next (local.get $p)))))`);
  return loopsOf(module.emitBinary(), module.emitStackIR());
}

describe.runIf(process.env.BUILD === "release")("instructions", () => {
  it("are no more than was committed, in every loop", () => {
    const complaints = complaintsAbout(releaseLoops(), committed);
    const advice = "If that is meant, `npx tsx test/instructions.main.ts --write` commits to these counts.";
    expect(complaints, [...complaints, advice].join("\n")).toEqual([]);
  });

  it("are noticed, each one more", () => {
    const product = "(f64x2.mul (v128.load (local.get $p)) (v128.load (local.get $p)))";
    const loops = loopOver(product);
    const figures = { "scale: multiply": 9 };
    expect(loops).toMatchObject([{ name: "scale: multiply", instructions: 9, unit: "vector" }]);
    expect(complaintsAbout(loops, figures)).toEqual([]);
    expect(complaintsAbout(loopOver(`(f64x2.neg ${product})`), figures)).toEqual([expect.stringMatching(/takes 10 .* committed 9 /)]);
    expect(complaintsAbout(loops, {})).toEqual([expect.stringMatching(/committed none/)]);
    expect(complaintsAbout([], figures)).toEqual([expect.stringMatching(/is no more/)]);
  });
});
