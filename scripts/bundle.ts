// Bundles the library, or a program that uses it, into one file with the kernels of one build.

import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { type BuildOptions, build } from "esbuild";
import { type Build, EMBEDDED } from "./embed.js";

const path = (relative: string) => fileURLToPath(new URL(`../${relative}`, import.meta.url));

interface Options extends BuildOptions {
  /** The source-*.ts that takes the place of source.ts beside it. */
  readonly source?: "slim" | "workerd";
  /** True if threads share every batch. */
  readonly smallGrain?: boolean;
  /** Another entry that has all modules but those `isOwn` picks: the result imports them from there. */
  readonly core?: { readonly file: string; readonly isOwn: (module: string) => boolean };
}

/** Bundles `entry` into `outfile`, both relative to the project, and returns the path of the result. */
export async function bundle(
  entry: string,
  outfile: string,
  name: Build,
  { source, smallGrain = false, core, ...options }: Options = {},
): Promise<string> {
  await build({
    entryPoints: [path(entry)],
    outfile: path(outfile),
    bundle: true,
    format: "esm",
    target: "es2022",
    logLevel: "warning",
    // CommonJS has no address of its own to find the worker by: it starts from its source.
    ...(options.format === "cjs" && { platform: "node", define: { "import.meta.url": "undefined" } }),
    plugins: [
      {
        name: "kernels",
        setup: ({ onLoad, onResolve }) => {
          onResolve({ filter: /^\./ }, ({ path: specifier, resolveDir, kind }) => {
            const module = relative(path("src"), join(resolveDir, specifier));
            return core && kind !== "entry-point" && !core.isOwn(module) ? { path: core.file, external: true } : undefined;
          });
          onResolve({ filter: /\/binary\.generated\.js$/ }, () => ({ path: path(`src/wasm/${EMBEDDED[name]}.generated.ts`) }));
          if (source) onResolve({ filter: /\/source\.js$/ }, ({ resolveDir }) => ({ path: `${resolveDir}/source-${source}.ts` }));
          // Of a module that is required esbuild makes a function, which evaluates it when it is called.
          onLoad({ filter: /\/wasm\/loader\.ts$/ }, () => ({
            contents: 'export const instantiateSync = (...args) => require("./index.js").instantiateSync(...args);',
            resolveDir: path("node_modules/@assemblyscript/loader"),
          }));
          if (smallGrain) onResolve({ filter: /\/grain\.js$/ }, () => ({ path: path("test/small-grain.ts") }));
        },
      },
    ],
    ...options,
  });
  return path(outfile);
}
