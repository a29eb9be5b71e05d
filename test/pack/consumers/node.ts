// Node itself: its versions, ways to import, and flags.

import { nodeOf } from "../../../scripts/nodes.js";
import { type Consumer, type Outcome, PROGRAM, type Project } from "../project.js";

const nodes = ["20", "22", "24", "26"].flatMap((major): Consumer[] => {
  const withNode = (use: (project: Project, node: string) => Promise<Outcome>) => async (project: Project) => {
    const node = nodeOf(major);
    project.version = (await project.run(node, "--version")).trim().slice(1);
    return use(project, node);
  };
  return [
    { name: `Node ${major}, import`, use: withNode((project, node) => project.outcomeOf(node, "main.mjs")) },
    {
      name: `Node ${major}, require`,
      files: { "main.cjs": 'require("./program.cjs").say().then(console.log);\n' },
      use: withNode((project, node) => project.outcomeOf(node, "main.cjs")),
    },
  ];
});

/** The slim entry, by what init() is given. */
const slim = (name: string, source: string, threads: number): Consumer => ({
  name: `slim, ${name}`,
  threads,
  files: {
    "slim.mjs": PROGRAM.replace('"softmax-wasm"', '"softmax-wasm/slim"'),
    "main.mjs": `import { readFile } from "node:fs/promises";
import { init } from "softmax-wasm/slim";
import { say } from "./slim.mjs";
const bytes = await readFile(new URL(import.meta.resolve("softmax-wasm/wasm/softmax.wasm")));
await init(${source});
console.log(await say());
`,
  },
  use: (project) => project.outcomeOf(process.execPath, "main.mjs"),
});

const both: Consumer = {
  name: "require and import in one process",
  files: {
    "both.mjs": `import { createRequire } from "node:module";
import { say } from "./program.mjs";
const [imported, required] = await Promise.all([say(), createRequire(import.meta.url)("./program.cjs").say()]);
console.log(imported === required ? imported : imported + " by import, " + required + " by require");
`,
  },
  use: (project) => project.outcomeOf(process.execPath, "both.mjs"),
};

/** Under a limit of addresses. A worker takes almost one gigabyte of them. */
const limited = (gigabytes: number, threads: number): Consumer => ({
  name: `Node 24, ${gigabytes} GB of addresses`,
  threads,
  use: (project) => project.outcomeOf("bash", "-c", `ulimit -v ${gigabytes * 1e6} && exec "$0" main.mjs`, nodeOf("24")),
});

const frozen: Consumer = {
  name: "--frozen-intrinsics",
  use: (project) => project.outcomeOf(process.execPath, "--frozen-intrinsics", "main.mjs"),
};

const ses: Consumer = {
  name: "SES, lockdown before the import",
  packages: ["ses@1"],
  files: { "ses.mjs": 'import "ses";\nlockdown();\nconst { say } = await import("./program.mjs");\nconsole.log(await say());\n' },
  use: (project) => project.outcomeOf(process.execPath, "ses.mjs"),
};

export const NODE: readonly Consumer[] = [
  ...nodes,
  both,
  slim("bytes", "bytes", 2),
  slim("a response", "new Response(bytes)", 2),
  slim("a module", "new WebAssembly.Module(bytes)", 1),
  limited(2, 1),
  limited(4, 2),
  limited(8, 2),
  frozen,
  ses,
];
