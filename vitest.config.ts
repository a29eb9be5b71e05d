import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

/** The kernels of another build in the place of those of the release. */
const kernelsOf = (build: "debug" | "relaxed") => ({
  alias: [
    {
      find: /^.*\/binary\.generated\.js$/,
      replacement: fileURLToPath(new URL(`./src/wasm/binary-${build}.generated.ts`, import.meta.url)),
    },
  ],
});

/** Sources start the worker that has been built from them: as they are, only vitest can run them. */
const plugins = [
  {
    name: "built-worker",
    transform: (code: string, id: string) =>
      id.endsWith("/src/threads/start-worker.ts")
        ? code.replaceAll("./softmax-wasm-worker.js", "../../dist/softmax-wasm-worker.js")
        : undefined,
  },
];

/** The largest exact sums take seconds, on a busy machine many. */
const testTimeout = 60_000;

/** Tests that have nothing to do with the build of the kernels, or take the library as it is in dist. */
const ONCE = [
  "decode",
  "docs",
  "evaluate",
  "evaluate-queue",
  "exact-sum",
  "imports",
  "linear",
  "linear-threads",
  "mutants",
  "package",
  "reference",
  "sharded",
  "types",
  "unpack",
];

// Tests of the kernels run on the release and debug builds, but for the digests, which take minutes and have the bits of the release; what
// takes minutes otherwise is a project of its own, on the release build. The build with relaxed SIMD needs a newer Node than some
// (scripts/relaxed.ts).
export default defineConfig({
  test: {
    maxWorkers: "100%",
    projects: [
      { plugins, test: { name: "release", include: ["test/*.test.ts"], env: { BUILD: "release" }, testTimeout } },
      {
        plugins,
        resolve: kernelsOf("debug"),
        test: {
          name: "debug",
          include: ["test/*.test.ts"],
          exclude: [`test/{${[...ONCE, "digests"]}}.test.ts`],
          env: { BUILD: "debug" },
          testTimeout,
        },
      },
      // The release build, as a browser gets it.
      {
        plugins,
        test: { name: "browser", include: ["test/browser/**/*.test.ts"], testTimeout, hookTimeout: testTimeout },
      },
      { plugins, test: { name: "slow", include: ["test/slow/**/*.slow.ts"], env: { BUILD: "release" } } },
      // The bits of relaxed SIMD are its own, its loops are not counted, and the other entries have the release build.
      {
        plugins,
        resolve: kernelsOf("relaxed"),
        test: {
          name: "relaxed",
          include: ["test/*.test.ts"],
          exclude: [`test/{${[...ONCE, "digests", "entries", "instructions"]}}.test.ts`],
          env: { BUILD: "relaxed" },
          testTimeout,
        },
      },
      {
        plugins,
        resolve: kernelsOf("relaxed"),
        test: { name: "relaxed-slow", include: ["test/slow/**/*.slow.ts"], env: { BUILD: "relaxed" } },
      },
    ],
  },
});
