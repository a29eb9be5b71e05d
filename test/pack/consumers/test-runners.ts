// Test runners, as they are without options.

import { nodeOf } from "../../../scripts/nodes.js";
import type { Consumer, Project } from "../project.js";

/** A test that writes what the program says, as Jest changes what tests print. */
const TEST = 'test("says", async () => require("node:fs").writeFileSync("said", await require("./program.cjs").say()), 30_000);\n';

const COMMONJS = { "package.json": '{"private":true}' };

const jest = async (project: Project, node = process.execPath, ...flags: readonly string[]) => {
  await project.run(node, ...flags, "node_modules/jest/bin/jest.js");
  return project.outcomeOf("cat", "said");
};

export const TEST_RUNNERS: readonly Consumer[] = [
  ...["20", "24", "26"].map(
    (major): Consumer => ({
      name: `Jest, Node ${major}`,
      packages: ["jest@30"],
      files: { ...COMMONJS, "main.test.js": TEST },
      use: (project) => jest(project, nodeOf(major)),
    }),
  ),
  {
    name: "Jest with jsdom",
    packages: ["jest@30", "jest-environment-jsdom@30"],
    files: { ...COMMONJS, "main.test.js": `/** @jest-environment jsdom */\ndocument.title = "a page";\n${TEST}` },
    use: (project) => jest(project),
  },
  {
    name: "ts-jest",
    packages: ["ts-jest@29", "jest@30", "typescript@5.9", "@types/jest@30", "@types/node@20"],
    files: {
      ...COMMONJS,
      "jest.config.js": 'module.exports = { preset: "ts-jest" };\n',
      "tsconfig.json": '{ "compilerOptions": { "module": "commonjs", "target": "es2022", "strict": true, "esModuleInterop": true } }',
      "main.test.ts": `import { writeFileSync } from "node:fs";
import { softmax } from "softmax-wasm";
test("computes", async () => {
  const p: number[] = softmax([0, 0]);
  expect(p).toEqual([0.5, 0.5]);
  writeFileSync("said", await require("./program.cjs").say());
});
`,
    },
    use: (project) => jest(project),
  },
  {
    name: "Jest with ES modules",
    packages: ["jest@30"],
    files: {
      "main.test.mjs": `import { writeFileSync } from "node:fs";
import { say } from "./program.mjs";
test("says", async () => writeFileSync("said", await say()));
`,
      "jest.config.mjs": 'export default { testMatch: ["**/*.test.mjs"], transform: {} };',
    },
    use: (project) => jest(project, process.execPath, "--experimental-vm-modules"),
  },
  {
    name: "Vitest with jsdom",
    packages: ["vitest@4", "jsdom"],
    files: {
      "main.test.mjs": `// @vitest-environment jsdom
import { expect, it } from "vitest";
import { say } from "./program.mjs";
it("says", async () => {
  expect(document.title).toBe("");
  console.log(await say());
});
`,
    },
    use: (project) => project.outcomeOf("vitest", "run"),
  },
];
