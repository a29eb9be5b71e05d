// Writes the compiled modules as TypeScript: the binary in base64, so that the library needs no file at run time. Writes the entry with
// relaxed SIMD, which is the library with that build of the kernels instead of the other.

import { readFileSync, writeFileSync } from "node:fs";
import { type Build, bundle, EMBEDDED } from "./bundle.js";

for (const [build, file] of Object.entries(EMBEDDED) as [Build, string][]) {
  const binary = readFileSync(new URL(`../build/${build}.wasm`, import.meta.url));
  const lines = [
    "// Written by scripts/embed.ts; not in git.",
    "/** What an engine must have to compile the module. */",
    `export const feature = "WebAssembly ${build === "relaxed" ? "relaxed " : ""}SIMD";`,
    `export const wasm: string = "${binary.toString("base64")}";`,
    "",
  ];
  writeFileSync(new URL(`../src/${file}.generated.ts`, import.meta.url), lines.join("\n"));
}

const options = { external: ["@assemblyscript/loader"], sourcemap: true, sourcesContent: false };
await bundle("src/index.ts", "dist/relaxed.js", "relaxed", options);
