// Writes the worker as one file without imports: dist/softmax-wasm-worker.js, and its source as a string for src/threads/start-worker.ts.

import { readFileSync, writeFileSync } from "node:fs";
import { bundle } from "./bundle.js";

const file = await bundle("src/threads/worker.ts", "dist/softmax-wasm-worker.js", "release", { format: "iife", minify: true });
const source = readFileSync(file, "utf8").trim();
writeFileSync(
  new URL("../src/threads/worker.generated.ts", import.meta.url),
  `// Written by scripts/embed-worker.ts; not in git.\nexport const workerSource: string = ${JSON.stringify(source)};\n`,
);
