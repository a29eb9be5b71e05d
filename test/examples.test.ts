// Every example of README and of the public docblocks, run. A line that ends in `// → value` is checked against that value, each number
// to the digits that are written.

import { readFileSync } from "node:fs";
import ts from "typescript";
import { describe, expect, it } from "vitest";
import * as library from "../src/index.js";

const read = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url), "utf8");

/** The statements of an example, its imports left out, with a call of $check behind each that shows a value. */
function instrument(example: string): string {
  const source = ts.createSourceFile("example.ts", example, ts.ScriptTarget.Latest, true);
  return source.statements
    .filter((statement) => !ts.isImportDeclaration(statement))
    .map((statement) => {
      const text = statement.getText();
      const [comment] = ts.getTrailingCommentRanges(example, statement.end) ?? [];
      const [, value] = /^\/\/ → (.*)$/.exec(comment ? example.slice(comment.pos, comment.end) : "") ?? [];
      if (value === undefined) return text;
      if (ts.isExpressionStatement(statement)) return `$check(${statement.expression.getText()}, ${value});`;
      if (ts.isVariableStatement(statement))
        return `${text}\n$check(${statement.declarationList.declarations[0].name.getText()}, ${value});`;
      throw new Error(`no value to show: ${text}`);
    })
    .join("\n");
}

/** Compares as deep as arrays go; a number must round to the digits of the expected one. */
function check(got: unknown, want: unknown): void {
  if (typeof want === "number" && typeof got === "number") {
    const digits = (String(want).split("e")[0].split(".")[1] ?? "").length;
    expect(Math.abs(got - want)).toBeLessThanOrEqual(String(want).includes("e") ? 1e-6 * Math.abs(want) : 0.50001 * 10 ** -digits);
    return;
  }
  if (typeof want !== "object" || want === null) {
    expect(got).toBe(want);
    return;
  }
  expect(Object.getPrototypeOf(got)).toBe(Object.getPrototypeOf(want));
  expect(Object.keys(got as object)).toEqual(Object.keys(want));
  for (const [key, value] of Object.entries(want)) check((got as Record<string, unknown>)[key], value);
}

/** Runs an example and checks every value it shows. */
function run(example: string): void {
  let shown = 0;
  const { outputText, diagnostics } = ts.transpileModule(instrument(example), {
    compilerOptions: { target: ts.ScriptTarget.ESNext, module: ts.ModuleKind.ESNext },
    reportDiagnostics: true,
  });
  expect(diagnostics).toEqual([]);
  const names = Object.keys(library);
  new Function(...names, "$check", outputText)(...Object.values(library), (got: unknown, want: unknown) => {
    check(got, want);
    shown++;
  });
  expect(shown).toBe(example.split("// →").length - 1);
  expect(shown).toBeGreaterThan(0);
}

const readme = Array.from(read("README.md").matchAll(/```ts\n([\s\S]*?)```/g), ([, example]) => example);
const docblocks = ["cross-entropy", "functions", "layers"].flatMap((file) =>
  Array.from(read(`src/${file}.ts`).matchAll(/@example\n([\s\S]*?)\n \*\//g), ([, example]) => example.replace(/^ \* ?/gm, "")),
);

describe("examples", () => {
  it("are found", () => {
    expect(readme.length).toBe(5);
    expect(docblocks.length).toBe(13);
  });

  it.each(readme)("of README are true: %s", (example) => {
    run(example);
  });

  it.each(docblocks)("of docblocks are true: %s", (example) => {
    run(example);
  });
});
