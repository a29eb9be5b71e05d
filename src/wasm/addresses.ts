// The addresses that the process may still take. Under a limit (ulimit -v) an engine gives a memory as many as it finds, and Node ends if a
// worker then finds none. So the library asks for less there.

import { builtin } from "./node-builtins.js";

type ReadFile = (path: string, encoding: "utf8") => string;

const PAGE_BYTES = 4096;

/** The bytes of addresses that are left under the limit; Infinity where there is none, or it can't be known. */
export function freeAddresses(): number {
  const read = builtin("node:fs")?.readFileSync as ReadFile | undefined;
  try {
    const [, limit] = /^Max address space +(\d+)/m.exec(read?.("/proc/self/limits", "utf8") ?? "") ?? [];
    if (limit === undefined) return Number.POSITIVE_INFINITY;
    return Number(limit) - PAGE_BYTES * Number.parseInt(read?.("/proc/self/statm", "utf8") ?? "", 10);
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
