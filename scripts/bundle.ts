// How a build of the kernels becomes part of JavaScript: embedded in src/, and in bundles of the library or of what uses it.

import { fileURLToPath } from "node:url";
import { type BuildOptions, build } from "esbuild";

/** What scripts/embed.ts writes for each build, in src/wasm/. */
export const EMBEDDED = { release: "binary", relaxed: "binary-relaxed", debug: "binary-debug" } as const;
export type Build = keyof typeof EMBEDDED;

const path = (relative: string) => fileURLToPath(new URL(`../${relative}`, import.meta.url));

/** The part in which two binaries differ: bytes [start, end) of the one are `bytes` in the other. */
function difference(one: Buffer, other: Buffer): { start: number; end: number; bytes: number[] } {
  let start = 0;
  while (start < one.length && one[start] === other[start]) start++;
  let same = 0;
  while (same < one.length - start && one[one.length - 1 - same] === other[other.length - 1 - same]) same++;
  return { start, end: one.length - same, bytes: [...other.subarray(start, other.length - same)] };
}

/** A memory import, with a maximum or without. */
const MOST_DIFFERENT_BYTES = 64;

/**
 * A build's binary as TypeScript, so that the library needs no file at run time, in hexadecimal digits: gzip makes 1.1 times as much of them as
 * of the binary, of base64 1.3 times. What its target with threads has otherwise, the memory import and nothing else, comes with it.
 */
export function embedded(name: Build, binary: Buffer, shared = binary): string {
  const sharedMemory = difference(binary, shared);
  if (sharedMemory.bytes.length > MOST_DIFFERENT_BYTES)
    throw new Error(`${name} and ${name}-threads differ by more than the memory import`);
  return [
    "// Written by scripts/embed.ts; not in git.",
    "/** What an engine must have to compile the module. */",
    `export const feature = "WebAssembly ${name === "relaxed" ? "relaxed " : ""}SIMD";`,
    `export const wasm: string = "${binary.toString("hex")}";`,
    "/** How far the results of its self-test may be off, relatively: their last bits depend on the machine where multiplications are fused. */",
    `export const tolerance: number = ${name === "relaxed" ? 2 ** -51 : 0};`,
    "/** What makes it the module for shared memory: these bytes in the place of [start, end). */",
    `export const sharedMemory = ${JSON.stringify(sharedMemory)};`,
    "",
  ].join("\n");
}

interface Options extends BuildOptions {
  /** Which of src/wasm/source-*.ts takes the place of src/wasm/source.ts. */
  readonly source?: "slim" | "workerd";
  /** Whether threads share every batch. */
  readonly smallGrain?: boolean;
  /** Whether @assemblyscript/loader stays an import; so does preflight.js then, which must come before it. */
  readonly importsLoader?: boolean;
}

/** Bundles `entry` into `outfile`, both relative to the project, gives the path of the result. */
export async function bundle(
  entry: string,
  outfile: string,
  name: Build,
  { source, smallGrain = false, importsLoader = false, ...options }: Options = {},
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
          onResolve({ filter: /binary\.generated\.js$/ }, () => ({ path: path(`src/wasm/${EMBEDDED[name]}.generated.ts`) }));
          if (source) onResolve({ filter: /\/source\.js$/ }, () => ({ path: path(`src/wasm/source-${source}.ts`) }));
          if (importsLoader) {
            onResolve({ filter: /^@assemblyscript\/loader$/ }, () => ({ external: true }));
            onResolve({ filter: /\/preflight\.js$/ }, () => ({ path: "./wasm/preflight.js", external: true }));
          }
          if (smallGrain) onResolve({ filter: /\/grain\.js$/ }, () => ({ path: path("test/small-grain.ts") }));
        },
      },
    ],
    ...options,
  });
  return path(outfile);
}
