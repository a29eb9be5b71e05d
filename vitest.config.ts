import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const debugWasm = fileURLToPath(new URL("./src/wasm-debug.generated.ts", import.meta.url));

/** The largest exact sums take seconds, on a busy machine many. */
const testTimeout = 60_000;

// Every test runs on both builds of the kernels; what takes minutes, a project of its own, on the release build.
export default defineConfig({
  test: {
    projects: [
      { test: { name: "release", include: ["test/**/*.test.ts"], env: { BUILD: "release" }, testTimeout } },
      {
        resolve: { alias: [{ find: /^.*\/wasm\.generated\.js$/, replacement: debugWasm }] },
        test: { name: "debug", include: ["test/**/*.test.ts"], env: { BUILD: "debug" }, testTimeout },
      },
      { test: { name: "slow", include: ["test/slow/**/*.slow.ts"], env: { BUILD: "release" } } },
    ],
  },
});
