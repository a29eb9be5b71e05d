// Writes dist/: the entries of the package, each a file of its own with one build of the kernels, their declarations, and the binaries.
//
// Entries that differ in the source of the kernels (src/wasm/source*.ts) share no file, and each has a memory and threads of its own. index
// and linear have the same kernels: both take what they have in common from core, which is no entry itself. decode has kernels of its own alone.

import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Plugin, rollup } from "rollup";
import { dts } from "rollup-plugin-dts";
import { bundle } from "./bundle.js";

const path = (relative: string) => fileURLToPath(new URL(`../${relative}`, import.meta.url));

const LOADER = [
  "Contains @assemblyscript/loader, copyright The AssemblyScript Authors,",
  "Apache-2.0 licence: https://www.apache.org/licenses/LICENSE-2.0",
];

/** The modules of linear that core does not have. */
const isOfLinear = (module: string): boolean => /^linear\/|^wasm\/(linear\.generated|digits)\.js$/.test(module) || module.endsWith(".wasm");

async function writePrograms(): Promise<void> {
  const { version, license } = JSON.parse(readFileSync(path("package.json"), "utf8"));
  const name = `softmax-wasm ${version}, ${license} licence.`;
  const lines = [name, ...LOADER];
  const withLoader = { banner: { js: lines.map((line) => `// ${line}`).join("\n") } };
  const plain = { banner: { js: `// ${name}` } };
  for (const format of ["esm", "cjs"] as const) {
    const extension = format === "cjs" ? "cjs" : "js";
    const core = `./core.${extension}`;
    await bundle("src/core.ts", `dist/core.${extension}`, "release", { ...withLoader, format });
    await bundle("src/index.ts", `dist/index.${extension}`, "release", { ...plain, format, core: { file: core, isOwn: () => false } });
    await bundle("src/linear.ts", `dist/linear.${extension}`, "release", { ...plain, format, core: { file: core, isOwn: isOfLinear } });
    await bundle("src/index.ts", `dist/relaxed.${extension}`, "relaxed", { ...withLoader, format });
    await bundle("src/slim.ts", `dist/slim.${extension}`, "release", { ...withLoader, format, source: "slim" });
    await bundle("src/decode.ts", `dist/decode.${extension}`, "release", { ...plain, format });
  }
  const workerd = { source: "workerd" as const, external: ["*.wasm"] };
  const core = "./core-workerd.js";
  await bundle("src/core.ts", "dist/core-workerd.js", "release", { ...withLoader, ...workerd });
  await bundle("src/index.ts", "dist/workerd.js", "release", { ...plain, ...workerd, core: { file: core, isOwn: () => false } });
  await bundle("src/linear.ts", "dist/linear-workerd.js", "release", { ...plain, ...workerd, core: { file: core, isOwn: isOfLinear } });
  await bundle("src/decode.ts", "dist/decode-workerd.js", "release", { ...plain, ...workerd });
  // Pages load this file from a CDN, without a bundler of their own.
  await bundle("src/index.ts", "dist/softmax-wasm.min.js", "release", { minify: true, banner: { js: `/*! ${lines.join("\n *  ")} */` } });
}

/** References to libraries of types count at the top of a file only. */
const referencesFirst: Plugin = {
  name: "references-first",
  renderChunk: (code) => {
    const references = code.match(/^\/\/\/ <reference .*\n/gm) ?? [];
    return [...references, ...references.reduce((rest, line) => rest.replace(line, ""), code)].join("");
  },
};

/** decode.d.ts and linear.d.ts take the names that index.d.ts has from there. */
const indexApart: Plugin = {
  name: "index-apart",
  resolveId: (id) => (id === "../index.js" ? { id: "./index.js", external: true } : undefined),
};

async function writeTypes(input: Record<string, string>, ...first: Plugin[]): Promise<void> {
  const declarations = await rollup({
    input,
    plugins: [...first, dts({ tsconfig: path("tsconfig.json") }), referencesFirst],
    onwarn: (warning) => {
      if (warning.code !== "EMPTY_BUNDLE") throw new Error(warning.message);
    },
  });
  await declarations.write({ dir: path("dist"), entryFileNames: "[name].d.ts" });
  await declarations.close();
}

/** slim.d.ts takes what it has in common with index.d.ts from there, too, so that the types of the entries are the same. */
async function writeDeclarations(): Promise<void> {
  await writeTypes({ index: path("src/index.ts"), slim: path("src/slim.ts"), worker: path("src/threads/worker.ts") });
  await writeTypes({ decode: path("src/decode.ts") }, indexApart);
  await writeTypes({ linear: path("src/linear.ts") }, indexApart);
  // The declarations of what require() gives.
  for (const name of ["index", "slim", "decode", "linear"]) {
    writeFileSync(path(`dist/${name}.d.cts`), readFileSync(path(`dist/${name}.d.ts`), "utf8").replaceAll("./index.js", "./index.cjs"));
  }
}

/** slim and workerd take the kernels from these files. */
function copyBinaries(): void {
  mkdirSync(path("dist/wasm"), { recursive: true });
  copyFileSync(path("build/release.wasm"), path("dist/wasm/softmax.wasm"));
  copyFileSync(path("build/relaxed.wasm"), path("dist/wasm/softmax-relaxed.wasm"));
  for (const name of ["decode", "linear"]) copyFileSync(path(`build/${name}.wasm`), path(`dist/wasm/${name}.wasm`));
}

copyBinaries();
await writePrograms();
await writeDeclarations();
