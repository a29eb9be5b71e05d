// What the package has besides dist/index.js, which tsc has compiled: entries that get their kernels elsewhere, each bundled with a source of
// its own (src/wasm/source*.ts); the file that pages load from a CDN; the binaries themselves.

import { copyFileSync, mkdirSync, readFileSync } from "node:fs";
import { bundle } from "./bundle.js";

const path = (relative: string) => new URL(`../${relative}`, import.meta.url);

mkdirSync(path("dist/wasm"), { recursive: true });
copyFileSync(path("build/release.wasm"), path("dist/wasm/softmax.wasm"));
copyFileSync(path("build/relaxed.wasm"), path("dist/wasm/softmax-relaxed.wasm"));

const options = { importsLoader: true, external: ["*.wasm"], sourcemap: true, sourcesContent: false };
await bundle("src/threads/worker.ts", "dist/worker.js", "release", options);
await bundle("src/index.ts", "dist/relaxed.js", "relaxed", options);
await bundle("src/slim.ts", "dist/slim.js", "release", { ...options, source: "slim" });
await bundle("src/index.ts", "dist/workerd.js", "release", { ...options, source: "workerd" });

const { version, license } = JSON.parse(readFileSync(path("package.json"), "utf8"));
const banner = [
  `/*! softmax-wasm ${version}, ${license} licence.`,
  " *  Contains @assemblyscript/loader, copyright The AssemblyScript Authors, Apache-2.0 licence: https://www.apache.org/licenses/LICENSE-2.0 */",
].join("\n");
await bundle("src/index.ts", "dist/softmax-wasm.min.js", "release", { minify: true, banner: { js: banner } });
