// Builds the playground as static files that work under any path. It imports the library from dist/.

import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { defineConfig, type Plugin } from "vite";

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

const RECORDED = "virtual:recorded";

/** The output of record.ts as a module. */
const recorded: Plugin = {
  name: "recorded",
  resolveId: (id) => (id === RECORDED ? `\0${RECORDED}` : undefined),
  load: (id) => {
    if (id !== `\0${RECORDED}`) return undefined;
    const output = execFileSync(process.execPath, ["--import", "tsx", path("record.ts")], { encoding: "utf8", maxBuffer: 2 ** 24 });
    return `export default ${output}`;
  },
};

export default defineConfig({
  root: path("."),
  base: "./",
  resolve: { alias: { "softmax-wasm/linear": path("../../dist/linear.js"), "softmax-wasm": path("../../dist/index.js") } },
  plugins: [recorded],
  worker: { format: "es" },
  server: { fs: { allow: [path("../..")] } },
  build: { outDir: path("../../build/playground"), target: "es2022", emptyOutDir: true, assetsInlineLimit: 0 },
});
