import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const debugWasm = fileURLToPath(new URL("./src/wasm-debug.generated.ts", import.meta.url));

// Every test runs on both builds of the kernels.
export default defineConfig({
  test: {
    projects: [
      { test: { name: "release", include: ["test/**/*.test.ts"], env: { BUILD: "release" } } },
      {
        resolve: { alias: [{ find: /^.*\/wasm\.generated\.js$/, replacement: debugWasm }] },
        test: { name: "debug", include: ["test/**/*.test.ts"], env: { BUILD: "debug" } },
      },
    ],
  },
});
