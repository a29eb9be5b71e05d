// Vitest in a page: its runner and its expect, without its server. Bundles of tests import this file in place of vitest.

import { getState, JestAsymmetricMatchers, JestChaiExpect, JestExtend, setState } from "@vitest/expect";
import { type File, startTests, type Test, type VitestRunner } from "@vitest/runner";
import { getTests } from "@vitest/runner/utils";
import * as chai from "chai";

export { afterAll, afterEach, beforeAll, beforeEach, describe, it } from "@vitest/runner";

for (const plugin of [JestExtend, JestChaiExpect, JestAsymmetricMatchers]) chai.use(plugin);

type Expect = typeof import("vitest")["expect"];

const asymmetricMatchers = (globalThis as never)[Symbol.for("asymmetric-matchers-object")] as object;
export const expect = Object.assign(
  (value: unknown, message?: string) => chai.expect(value, message),
  chai.expect,
  asymmetricMatchers,
) as unknown as Expect;
setState({ ...getState(expect), assertionCalls: 0 }, expect);

const runnerOf = (files: Readonly<Record<string, () => Promise<unknown>>>): VitestRunner => ({
  config: {
    root: "",
    setupFiles: [],
    passWithNoTests: false,
    testNamePattern: undefined,
    sequence: { seed: 0, hooks: "list", setupFiles: "list" },
    chaiConfig: undefined,
    maxConcurrency: 1,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    retry: 0,
    includeTaskLocation: false,
    tags: [],
    strictTags: false,
  } as unknown as VitestRunner["config"],
  importFile: (path) => files[path](),
});

/** The outcome of a page's tests. */
export interface Outcome {
  readonly passed: number;
  readonly failures: readonly string[];
}

function outcomeOf(files: readonly File[]): Outcome {
  const tests: Test[] = files.flatMap((file) => getTests(file) as Test[]);
  const failures = [...files, ...tests].flatMap(({ name, result }) =>
    (result?.errors ?? []).map(({ message, stack }) => `${name}: ${message}\n${stack ?? ""}`),
  );
  return { passed: tests.filter(({ result }) => result?.state === "pass").length, failures };
}

/** Runs tests, by the name of their file. */
export async function run(files: Readonly<Record<string, () => Promise<unknown>>>): Promise<Outcome> {
  return outcomeOf(await startTests(Object.keys(files), runnerOf(files)));
}
