// The instructions of the kernels' loops, counted from the binary: what they cost, as far as it can be told without a clock.

import { readFileSync } from "node:fs";
import binaryen from "assemblyscript/binaryen";

/** A loop with vector arithmetic. One around others or calls is "outer": only what is its own counts. */
export interface Loop {
  /** Where it is and what it does, as "row/storeExps: exp, 2 vectors": functions that the compiler inlined go by their caller's name. */
  readonly name: string;
  /** On both sides of a branch; per vector, of an outer loop per iteration. */
  readonly instructions: number;
  readonly unit: "vector" | "iteration";
  /** Where it begins in the compiler's text. */
  readonly line: number;
}

/** Instructions by the name of the loop. */
export type Figures = Record<string, number>;

/** Brackets, which compile to nothing. */
const BRACKETS = ["block", "loop", "else", "end"];

/** The arithmetic that names a loop, the first that it has. */
const KINDS = { exp: /^i64x2\.shl$/, divide: /^f64x2\.div$/, multiply: /^f64x2\.mul$/, add: /^f64x2\.(add|sub)$/, max: /^f64x2\.pmax$/ };

/** A loop as it is written, without the instructions of loops within it. */
interface Body {
  readonly function: string;
  readonly line: number;
  readonly instructions: string[];
  isInnermost: boolean;
}

const opcodeOf = (instruction: string): string => instruction.split(" ", 1)[0];

/** The loops in a text of one instruction a line. */
function bodiesIn(text: string): Body[] {
  const bodies: Body[] = [];
  let name = "";
  const open: (Body | undefined)[] = [];
  text.split("\n").forEach((indented, i) => {
    const instruction = indented.trim();
    const opcode = opcodeOf(instruction);
    if (opcode === "(func") name = instruction.split(" ")[1].replace(/^\$(assembly\/)?/, "");
    const around = open.findLast((body) => body !== undefined);
    if (!BRACKETS.includes(opcode)) around?.instructions.push(instruction);
    if (opcode === "end") open.pop();
    if (opcode === "block" || opcode === "if") open.push(undefined);
    if (opcode === "loop") {
      if (around) around.isInnermost = false;
      const body = { function: name, line: i + 1, instructions: [], isInnermost: true };
      bodies.push(body);
      open.push(body);
    }
  });
  return bodies;
}

/** The vectors of an iteration: as many as are loaded from 0, 16, 32, … bytes after its pointers. */
function vectorsOf(instructions: readonly string[]): number {
  const loads = instructions.filter((instruction) => opcodeOf(instruction) === "v128.load");
  const offsets = new Set(loads.map((load) => Number(/offset=(\d+)/.exec(load)?.[1] ?? 0)));
  let vectors = 1;
  while (offsets.has(16 * vectors)) vectors++;
  return vectors;
}

/** The loops of a binary. It has no names: `text`, the compiler's of the same module, has them. */
export function loopsOf(binary: Uint8Array, text: string): Loop[] {
  const module = binaryen.readBinary(binary);
  const bodies = bodiesIn(module.emitStackIR());
  module.dispose();
  const named = bodiesIn(text);
  if (named.length !== bodies.length) throw new Error(`${bodies.length} loops in the binary, ${named.length} in its text`);

  const loops: Loop[] = [];
  const seen = new Map<string, number>();
  bodies.forEach(({ instructions, isInnermost }, i) => {
    const opcodes = instructions.map(opcodeOf);
    const kind = Object.entries(KINDS).find(([, pattern]) => opcodes.some((opcode) => pattern.test(opcode)))?.[0];
    if (!kind) return;
    const isOuter = !isInnermost || opcodes.includes("call");
    const vectors = isOuter ? 1 : vectorsOf(instructions);
    const title = `${named[i].function}: ${isOuter ? "outer" : kind}${vectors > 1 ? `, ${vectors} vectors` : ""}`;
    const count = (seen.get(title) ?? 0) + 1;
    seen.set(title, count);
    loops.push({
      name: count > 1 ? `${title} (${count})` : title,
      instructions: Math.round((instructions.length / vectors) * 100) / 100,
      unit: isOuter ? "iteration" : "vector",
      line: named[i].line,
    });
  });
  return loops;
}

const built = (file: string) => readFileSync(new URL(`../build/${file}`, import.meta.url));

/** The loops of the release build. */
export function releaseLoops(): Loop[] {
  return loopsOf(built("release.wasm"), built("release.wat").toString());
}

/** What is wrong with loops, a line each: they have grown, or either side does not know them. */
export function complaintsAbout(loops: readonly Loop[], committed: Figures): string[] {
  const complaints: string[] = [];
  for (const { name, instructions, unit, line } of loops) {
    const figure = committed[name];
    if (instructions <= figure) continue;
    complaints.push(`${name} takes ${instructions} instructions per ${unit}, committed ${figure ?? "none"} (build/release.wat:${line})`);
  }
  for (const [name, figure] of Object.entries(committed)) {
    if (!loops.some((loop) => loop.name === name)) complaints.push(`${name} is no more, committed ${figure}`);
  }
  return complaints;
}
