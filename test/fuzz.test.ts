// The first of the random calls of `npm run test:fuzz`, which runs this file with FUZZ_CALLS and FUZZ_SEED.

import { setImmediate } from "node:timers/promises";
import { it } from "vitest";
import { fuzz } from "./fuzz.js";

const calls = Number(process.env.FUZZ_CALLS ?? 2000);
const first = Number(process.env.FUZZ_SEED ?? 0);

it("every call with random arguments gives exact results or an error of the library", { timeout: 60_000 + 100 * calls }, async () => {
  for (let seed = first; seed < first + calls; seed++) {
    // vitest wants to hear from its worker.
    if (seed % 1000 === 0) await setImmediate();
    try {
      fuzz(seed);
    } catch (cause) {
      throw new Error(`call of seed ${seed}`, { cause });
    }
  }
});
