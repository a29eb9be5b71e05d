// Builds the playground as static files that work under any path. It imports the library from dist/.

import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

export default defineConfig({
  root: path("."),
  base: "./",
  resolve: { alias: { "softmax-wasm/linear": path("../../dist/linear.js"), "softmax-wasm": path("../../dist/index.js") } },
  worker: { format: "es" },
  server: { fs: { allow: [path("../..")] } },
  build: { outDir: path("../../build/playground"), target: "es2022", emptyOutDir: true, assetsInlineLimit: 0 },
});
