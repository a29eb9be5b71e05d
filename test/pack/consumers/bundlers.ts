// Bundlers: pages that they make, and programs of one file for Node.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { ISOLATED } from "../../browser/server.js";
import { type Consumer, MAIN, PROGRAM } from "../project.js";

const PAGE_MAIN = MAIN.replace("console.log", "(said) => {\n  globalThis.said = said;\n}");
const htmlOf = (script: string) => `<!doctype html><meta charset="utf-8"><title>page</title><link rel="icon" href="data:,">${script}\n`;
const HTML = htmlOf('<script type="module" src="main.js"></script>');
const PAGE = { "main.js": PAGE_MAIN, "index.html": HTML };

const pages: readonly Consumer[] = [
  {
    name: "Vite, dev server",
    packages: ["vite@8"],
    files: { ...PAGE, "vite.config.js": `export default { server: { headers: ${JSON.stringify(ISOLATED)} } };` },
    use: async (project) => {
      const { createServer } = await import(pathToFileURL(join(project.folder, "node_modules/vite/dist/node/index.js")).href);
      const server = await createServer({ root: project.folder, logLevel: "error", server: { port: 0, host: "127.0.0.1" } });
      try {
        await server.listen();
        return await project.open({ address: server.resolvedUrls.local[0].replace("127.0.0.1", "localhost") });
      } finally {
        await server.close();
      }
    },
  },
  {
    name: "Vite, build",
    packages: ["vite@8"],
    files: { ...PAGE, "vite.config.js": 'export default { base: "./" };' },
    use: async (project) => {
      await project.run("vite", "build");
      return project.open({ folder: "dist" });
    },
  },
  {
    name: "webpack",
    packages: ["webpack@5", "webpack-cli@6"],
    files: { ...PAGE, "webpack.config.js": 'export default { mode: "production", entry: "./main.js" };' },
    use: async (project) => {
      await project.run("webpack");
      project.write({ "dist/index.html": HTML });
      return project.open({ folder: "dist" });
    },
  },
  {
    name: "Parcel",
    packages: ["parcel@2"],
    files: PAGE,
    use: async (project) => {
      await project.run("parcel", "build", "index.html", "--no-cache");
      return project.open({ folder: "dist" });
    },
  },
  {
    name: "Rollup",
    packages: ["rollup@4", "@rollup/plugin-node-resolve@16"],
    files: PAGE,
    use: async (project) => {
      await project.run("rollup", "main.js", "--dir", "out", "--plugin", "node-resolve");
      project.write({ "out/index.html": HTML });
      return project.open({ folder: "out" });
    },
  },
  {
    name: "Rollup, the worker as an entry",
    packages: ["rollup@4", "@rollup/plugin-node-resolve@16"],
    files: {
      ...PAGE,
      "rollup.config.js": `import resolve from "@rollup/plugin-node-resolve";
export default {
  input: { main: "main.js", "softmax-wasm-worker": "softmax-wasm/worker" },
  output: { dir: "out" },
  plugins: [resolve()],
};
`,
    },
    use: async (project) => {
      await project.run("rollup", "-c");
      const policy = '<meta http-equiv="Content-Security-Policy" content="worker-src \'self\'">';
      project.write({ "out/index.html": htmlOf(`${policy}<script type="module" src="main.js"></script>`) });
      return project.open({ folder: "out" });
    },
  },
  {
    name: "esbuild",
    packages: ["esbuild@0.28"],
    files: PAGE,
    use: async (project) => {
      await project.run("esbuild", "main.js", "--bundle", "--format=esm", "--outdir=out");
      project.write({ "out/index.html": HTML });
      return project.open({ folder: "out" });
    },
  },
  {
    name: "esbuild, IIFE",
    packages: ["esbuild@0.28"],
    files: PAGE,
    use: async (project) => {
      await project.run("esbuild", "main.js", "--bundle", "--format=iife", "--log-level=error", "--outdir=out");
      project.write({ "out/index.html": htmlOf('<script src="main.js"></script>') });
      return project.open({ folder: "out" });
    },
  },
  {
    name: "no bundler, one file",
    files: { "index.html": HTML },
    use: async (project) => {
      const { unpkg } = JSON.parse(readFileSync(join(project.folder, "node_modules/softmax-wasm/package.json"), "utf8"));
      const file = readFileSync(join(project.folder, "node_modules/softmax-wasm", unpkg), "utf8");
      const own = (text: string) => text.replace('"softmax-wasm"', '"./softmax-wasm.min.js"').replace("./program.mjs", "./program.js");
      project.write({ "softmax-wasm.min.js": file, "program.js": own(PROGRAM), "main.js": own(PAGE_MAIN) });
      return project.open({ folder: "" });
    },
  },
];

/** A program for Node, alone in the folder "alone". */
const program = (
  name: string,
  packages: readonly string[],
  commands: readonly (readonly string[])[],
  run: readonly string[],
  files: Consumer["files"] = {},
): Consumer => ({
  name,
  packages,
  files,
  use: async (project) => {
    for (const [command, ...args] of commands) await project.run(command, ...args);
    const [command, ...args] = run;
    return project.outcomeOf(command, ...args);
  },
});

const node = process.execPath;
const esbuild = (format: string, file: string) => [
  "esbuild",
  "main.mjs",
  "--bundle",
  "--platform=node",
  `--format=${format}`,
  `--outfile=${file}`,
];

const programs: readonly Consumer[] = [
  program("esbuild for Node, cjs", ["esbuild@0.28"], [esbuild("cjs", "alone/main.cjs")], [node, "alone/main.cjs"]),
  program("esbuild for Node, esm", ["esbuild@0.28"], [esbuild("esm", "alone/main.mjs")], [node, "alone/main.mjs"]),
  program("webpack for Node", ["webpack@5", "webpack-cli@6"], [["webpack"]], [node, "alone/main.cjs"], {
    "webpack.config.js": `export default {
  mode: "production",
  target: "node",
  entry: "./main.mjs",
  output: { path: import.meta.dirname + "/alone", filename: "main.cjs" },
};
`,
  }),
  program("ncc", ["@vercel/ncc"], [["ncc", "build", "main.mjs", "--out", "alone"]], [node, "alone/index.mjs"]),
  program(
    "Rollup for Node",
    ["rollup@4", "@rollup/plugin-node-resolve@16"],
    [["rollup", "main.mjs", "--file", "alone/main.mjs", "--plugin", "node-resolve"]],
    [node, "alone/main.mjs"],
  ),
  program("Vite, SSR", ["vite@8"], [["vite", "build", "--ssr", "main.mjs", "--outDir", "alone"]], [node, "alone/main.js"], {
    "vite.config.js": "export default { ssr: { noExternal: true } };",
  }),
  program(
    "bun build, for Bun",
    ["bun@1"],
    [["bun", "build", "main.mjs", "--target=bun", "--outfile=alone/main.mjs"]],
    ["bun", "alone/main.mjs"],
  ),
  program(
    "bun build, for Node",
    ["bun@1"],
    [["bun", "build", "main.mjs", "--target=node", "--outfile=alone/main.mjs"]],
    [node, "alone/main.mjs"],
  ),
  program(
    "single executable application",
    ["postject@1.0.0-alpha.6", "esbuild@0.28"],
    [
      esbuild("cjs", "main.cjs"),
      [node, "--experimental-sea-config", "sea.json"],
      ["cp", node, "program"],
      ["postject", "program", "NODE_SEA_BLOB", "sea.blob", "--sentinel-fuse", "NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2"],
    ],
    ["./program"],
    { "sea.json": '{ "main": "main.cjs", "output": "sea.blob", "disableExperimentalSEAWarning": true }' },
  ),
];

export const BUNDLERS: readonly Consumer[] = [...pages, ...programs];
