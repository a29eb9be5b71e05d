// Package managers whose node_modules hold nothing but what a project names, or that have none.

import type { Consumer } from "../project.js";

const manifest = (tarball: string) =>
  JSON.stringify({ private: true, type: "module", dependencies: { "softmax-wasm": `file:${tarball}` } });

const PNPM = ["-y", "pnpm@10"];
const YARN = ["-y", "-p", "@yarnpkg/cli-dist@4", "yarn"];

export const PACKAGE_MANAGERS: readonly Consumer[] = [
  {
    name: "pnpm",
    install: async (project, tarball) => {
      project.write({ "package.json": manifest(tarball) });
      await project.run("npx", ...PNPM, "install", "--ignore-workspace");
      project.version = (await project.run("npx", ...PNPM, "--version")).trim();
    },
    use: (project) => project.outcomeOf(process.execPath, "main.mjs"),
  },
  {
    name: "Yarn, Plug'n'Play",
    install: async (project, tarball) => {
      const registry = (await project.run("npm", "config", "get", "registry")).trim();
      project.write({
        "package.json": manifest(tarball),
        "yarn.lock": "",
        ".yarnrc.yml": `nodeLinker: pnp\nenableGlobalCache: false\nenableImmutableInstalls: false\nnpmRegistryServer: ${JSON.stringify(registry)}\n`,
      });
      await project.run("npx", ...YARN, "install");
      project.version = (await project.run("npx", ...YARN, "--version")).trim();
    },
    use: (project) => project.outcomeOf("npx", ...YARN, "node", "main.mjs"),
  },
];
