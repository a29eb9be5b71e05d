// How a build of the kernels becomes part of JavaScript: embedded in src/, and in bundles of the library or of what uses it.

import { fileURLToPath } from "node:url";
import { type BuildOptions, build } from "esbuild";

/** What scripts/embed.ts writes for each build, in src/. */
export const EMBEDDED = { release: "wasm", relaxed: "wasm-relaxed", debug: "wasm-debug" } as const;
export type Build = keyof typeof EMBEDDED;

const path = (relative: string) => fileURLToPath(new URL(`../${relative}`, import.meta.url));

/** A build's binary as TypeScript, in base64, so that the library needs no file at run time. */
export const embedded = (name: Build, binary: Buffer): string =>
  [
    "// Written by scripts/embed.ts; not in git.",
    "/** What an engine must have to compile the module. */",
    `export const feature = "WebAssembly ${name === "relaxed" ? "relaxed " : ""}SIMD";`,
    `export const wasm: string = "${binary.toString("base64")}";`,
    "",
  ].join("\n");

/** Bundles `entry` into `outfile`, both relative to the project; gives the path of the result. */
export async function bundle(entry: string, outfile: string, name: Build, options: BuildOptions = {}): Promise<string> {
  await build({
    entryPoints: [path(entry)],
    outfile: path(outfile),
    bundle: true,
    format: "esm",
    target: "es2022",
    logLevel: "warning",
    plugins: [
      {
        name: "kernels",
        setup: ({ onResolve }) => {
          onResolve({ filter: /wasm\.generated\.js$/ }, () => ({ path: path(`src/${EMBEDDED[name]}.generated.ts`) }));
        },
      },
    ],
    ...options,
  });
  return path(outfile);
}
