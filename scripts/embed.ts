// Writes the builds of the kernels into src/, and dist/relaxed.js: the library with the relaxed build where the release build is else.

import { readFileSync, writeFileSync } from "node:fs";
import { type Build, bundle, EMBEDDED, embedded } from "./bundle.js";

for (const [build, file] of Object.entries(EMBEDDED) as [Build, string][]) {
  const [binary, shared] = [build, `${build}-threads`].map((target) => readFileSync(new URL(`../build/${target}.wasm`, import.meta.url)));
  writeFileSync(new URL(`../src/${file}.generated.ts`, import.meta.url), embedded(build, binary, shared));
}

const options = { external: ["@assemblyscript/loader"], sourcemap: true, sourcesContent: false };
await bundle("src/index.ts", "dist/relaxed.js", "relaxed", options);
