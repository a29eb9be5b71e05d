// Modules of Node, without an import that browsers and bundlers would stumble over.

declare const process: { getBuiltinModule?(name: string): Record<string, unknown> | undefined } | undefined;

/** A module of Node's own, where there is one. */
export function builtin(name: "node:os" | "node:worker_threads"): Record<string, unknown> | undefined {
  return typeof process === "object" ? process.getBuiltinModule?.(name) : undefined;
}
