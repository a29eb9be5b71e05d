// Runtimes beside Node.

import type { Consumer } from "../project.js";

export const RUNTIMES: readonly Consumer[] = [
  { name: "Deno", packages: ["deno@2"], use: (project) => project.outcomeOf("deno", "run", "--allow-read", "main.mjs") },
  { name: "Bun", packages: ["bun@1"], use: (project) => project.outcomeOf("bun", "main.mjs") },
  {
    name: "workerd (Cloudflare)",
    packages: ["miniflare@4", "esbuild@0.28"],
    threads: 1,
    files: {
      "worker.mjs": 'import { say } from "./program.mjs";\nexport default { fetch: async () => new Response(await say()) };\n',
      "server.mjs": `import { readFileSync } from "node:fs";
import { Miniflare } from "miniflare";
const modules = [
  { type: "ESModule", path: "out/worker.js", contents: readFileSync("out/worker.js", "utf8") },
  { type: "CompiledWasm", path: "out/softmax.wasm", contents: readFileSync("out/softmax.wasm") },
];
const server = new Miniflare({ modules, modulesRoot: ".", compatibilityDate: "2025-01-01" });
console.log(await (await server.dispatchFetch("http://localhost/")).text());
await server.dispose();
`,
    },
    use: async (project) => {
      const conditions = ["--bundle", "--format=esm", "--conditions=workerd", "--loader:.wasm=copy", "--asset-names=[name]"];
      await project.run("esbuild", "worker.mjs", ...conditions, "--outdir=out");
      return project.outcomeOf(process.execPath, "server.mjs");
    },
  },
];
