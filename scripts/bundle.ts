// Bundles of the library, or of a program that uses it, with one of the builds of the kernels.

import { fileURLToPath } from "node:url";
import { type BuildOptions, build } from "esbuild";

/** What scripts/embed.ts writes for each build, in src/. */
export const EMBEDDED = { release: "wasm", relaxed: "wasm-relaxed", debug: "wasm-debug" } as const;
export type Build = keyof typeof EMBEDDED;

const path = (relative: string) => fileURLToPath(new URL(`../${relative}`, import.meta.url));

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
