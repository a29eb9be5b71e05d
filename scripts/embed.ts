// Writes the compiled modules as TypeScript: the binary in base64, so that the library needs no file at run time.

import { readFileSync, writeFileSync } from "node:fs";

for (const [build, file] of [
  ["release", "wasm"],
  ["debug", "wasm-debug"],
]) {
  const binary = readFileSync(new URL(`../build/${build}.wasm`, import.meta.url));
  const text = `// Written by scripts/embed.ts; not in git.\nexport const wasm: string = "${binary.toString("base64")}";\n`;
  writeFileSync(new URL(`../src/${file}.generated.ts`, import.meta.url), text);
}
