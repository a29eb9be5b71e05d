// Writes the builds of the kernels into src/wasm/, for tsc to compile.

import { readFileSync, writeFileSync } from "node:fs";
import { type Build, EMBEDDED, embedded } from "./bundle.js";

for (const [build, file] of Object.entries(EMBEDDED) as [Build, string][]) {
  const [binary, shared] = [build, `${build}-threads`].map((target) => readFileSync(new URL(`../build/${target}.wasm`, import.meta.url)));
  writeFileSync(new URL(`../src/wasm/${file}.generated.ts`, import.meta.url), embedded(build, binary, shared));
}
