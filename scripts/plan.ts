// Writes src/loss/plan.generated.ts from assembly/loss/plan.ts, so that the fields of a plan and their order are written once.

import { readFileSync, writeFileSync } from "node:fs";

const input = new URL("../assembly/loss/plan.ts", import.meta.url);
const output = new URL("../src/loss/plan.generated.ts", import.meta.url);

const source = readFileSync(input, "utf8").replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, ""));
const numbers: string[] = [];
const integers: string[] = [];
const derivatives: string[] = [];
let isInPlan = false;
let isInFunction = false;

for (const [i, line] of source.split("\n").entries()) {
  const fail = (problem: string): never => {
    throw new Error(`assembly/loss/plan.ts:${i + 1}: ${problem}: ${line}`);
  };
  const text = line.replace(/\/\/.*/, "").trim();
  if (text === "") continue;
  if (isInFunction) {
    isInFunction = line !== "}";
    continue;
  }
  if (isInPlan) {
    if (text === "}") {
      isInPlan = false;
      continue;
    }
    const [, name, type] = /^(\w+): (f64|i32|u32|usize);$/.exec(text) ?? fail("this is no field of a type that a plan may have");
    if (numbers.includes(name) || integers.includes(name)) fail("this field is there twice");
    if (type !== "f64") integers.push(name);
    else if (integers.length === 0) numbers.push(name);
    else fail("64-bit fields must come before 32-bit ones");
    continue;
  }
  const constant = /^export const (\w+): i32 = (\d+);$/.exec(text);
  if (text === "export class Plan {") {
    if (numbers.length > 0) fail("this is a second plan");
    isInPlan = true;
  } else if (constant) derivatives.push(`${constant[1]}: ${constant[2]}`);
  else if (/^export function \w+\(.*\{$/.test(text)) isInFunction = true;
  else if (text !== "@unmanaged") fail("this line can't be understood");
}
if (isInPlan || isInFunction || numbers.length === 0 || integers.length === 0 || derivatives.length === 0) {
  throw new Error("assembly/loss/plan.ts lacks the fields of a plan or the derivatives");
}

const list = (names: readonly string[]) => `[${names.map((name) => `"${name}"`).join(", ")}] as const`;

writeFileSync(
  output,
  `// Written by scripts/plan.ts from assembly/loss/plan.ts; not in git.

/** The fields of a plan in their order, by type: 64-bit floats first, then 32-bit integers. */
export const PLAN_NUMBERS = ${list(numbers)};
export const PLAN_INTEGERS = ${list(integers)};
export const DERIVATIVES = { ${derivatives.join(", ")} } as const;
`,
);
