// Runs every example of README, docs/*.md and the public docblocks. A line that ends in `// → value` is checked against that value, each
// number to the digits that are written.

import ts from "typescript";
import { describe, expect, it } from "vitest";
import * as decode from "../src/decode.js";
import * as library from "../src/index.js";
import * as linear from "../src/linear.js";
import { inDocblocks, inDocuments, modulesInDocuments, read, root } from "./examples.js";

/** A call in place of an import, which must be of the form `import { a, b } from "module"` or `import "module"`. */
function callOf(statement: ts.ImportDeclaration): string {
  const call = `await $import(${statement.moduleSpecifier.getText()});`;
  if (!statement.importClause) return call;
  const { namedBindings } = statement.importClause;
  if (!namedBindings || !ts.isNamedImports(namedBindings)) throw new Error(`expected an import of names: ${statement.getText()}`);
  return `const ${namedBindings.getText()} = ${call}`;
}

/** The statements of an example, with calls in place of imports, and a call of $check after each statement that shows a value. */
function instrument(example: string): string {
  const source = ts.createSourceFile("example.ts", example, ts.ScriptTarget.Latest, true);
  const statements = source.statements.map((statement) => {
    if (ts.isImportDeclaration(statement)) return callOf(statement);
    const text = statement.getText();
    const [comment] = ts.getTrailingCommentRanges(example, statement.end) ?? [];
    const [, value] = /^\/\/ → (.*)$/.exec(comment ? example.slice(comment.pos, comment.end) : "") ?? [];
    if (value === undefined) return text;
    if (ts.isExpressionStatement(statement)) return `$check(${statement.expression.getText()}, ${value});`;
    if (ts.isVariableStatement(statement)) {
      return `${text}\n$check(${statement.declarationList.declarations[0].name.getText()}, ${value});`;
    }
    throw new Error(`no value to show: ${text}`);
  });
  return statements.join("\n").replaceAll("import.meta.resolve", "$resolve");
}

/** The module that an example imports. The main entry, decode and linear are the source, with the kernels of the build under test. */
async function load(specifier: string): Promise<object> {
  if (specifier === "softmax-wasm") return library;
  if (specifier === "softmax-wasm/decode") return decode;
  if (specifier === "softmax-wasm/linear") return linear;
  return import(specifier.startsWith("softmax-wasm/") ? resolve(specifier) : specifier);
}

/** The address of an entry of the package, as package.json exports it. */
function resolve(specifier: string): string {
  const entry = specifier.replace("softmax-wasm", ".");
  const { exports } = JSON.parse(read("package.json"));
  const target = entry.endsWith(".wasm") ? exports["./wasm/*.wasm"].replace("*.wasm", entry.split("/").pop()) : exports[entry].default;
  return new URL(target, root).href;
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

type Check = (got: unknown, want: unknown) => void;
const AsyncFunction = (async () => {}).constructor as new (...parameters: string[]) => (...args: unknown[]) => Promise<void>;

/** Runs an example and checks every value it shows. An example of a docblock imports nothing and knows all names. */
async function run(example: string): Promise<void> {
  let shown = 0;
  const { outputText, diagnostics } = ts.transpileModule(instrument(example), {
    compilerOptions: { target: ts.ScriptTarget.ESNext, module: ts.ModuleKind.ESNext },
    reportDiagnostics: true,
  });
  expect(diagnostics).toEqual([]);
  const count: Check = (got, want) => {
    check(got, want);
    shown++;
  };
  const known: Record<string, unknown> = { $import: load, $resolve: resolve, $check: count };
  if (!example.includes("import ")) Object.assign(known, library, decode, linear);
  await new AsyncFunction(...Object.keys(known), outputText)(...Object.values(known));
  expect(shown).toBe(example.split("// →").length - 1);
  expect(shown).toBeGreaterThan(0);
}

describe("examples", () => {
  it("are found", () => {
    expect(inDocuments.filter(([path]) => path === "README.md").length).toBe(3);
    expect(inDocuments.length).toBe(38);
    expect(inDocblocks.length).toBe(31);
    expect(modulesInDocuments.length).toBe(2);
  });

  it.each(inDocuments)("of %s are true: %s", async (_, example) => {
    await run(example);
  });

  it.each(inDocblocks)("of docblocks in %s are true: %s", async (_, example) => {
    await run(example);
  });

  it.each(modulesInDocuments)("of %s are modules that run: %s", async (_, module) => {
    await import(`data:text/javascript,${encodeURIComponent(module)}`);
  });
});
