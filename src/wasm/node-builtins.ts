// Node's built-in modules, got without an import statement, which browsers and bundlers could not resolve.

declare const process: { getBuiltinModule?(name: string): Record<string, unknown> | undefined } | undefined;

/** A built-in module of Node; undefined elsewhere. */
export function builtin(name: "node:fs" | "node:os" | "node:worker_threads"): Record<string, unknown> | undefined {
  return typeof process === "object" ? process.getBuiltinModule?.(name) : undefined;
}
