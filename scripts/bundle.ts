// Bundles the library, or a program that uses it, into one file with the kernels of one build.

import { fileURLToPath } from "node:url";
import { type BuildOptions, build } from "esbuild";
import { type Build, EMBEDDED } from "./embed.js";

const path = (relative: string) => fileURLToPath(new URL(`../${relative}`, import.meta.url));

interface Options extends BuildOptions {
  /** The src/wasm/source-*.ts that takes the place of src/wasm/source.ts. */
  readonly source?: "slim" | "workerd";
  /** True if threads share every batch. */
  readonly smallGrain?: boolean;
}

/** Bundles `entry` into `outfile`, both relative to the project, and returns the path of the result. */
export async function bundle(
  entry: string,
  outfile: string,
  name: Build,
  { source, smallGrain = false, ...options }: Options = {},
): Promise<string> {
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
          onResolve({ filter: /\/binary\.generated\.js$/ }, () => ({ path: path(`src/wasm/${EMBEDDED[name]}.generated.ts`) }));
          if (source) onResolve({ filter: /\/source\.js$/ }, () => ({ path: path(`src/wasm/source-${source}.ts`) }));
          if (smallGrain) onResolve({ filter: /\/grain\.js$/ }, () => ({ path: path("test/small-grain.ts") }));
        },
      },
    ],
    ...options,
  });
  return path(outfile);
}
