// Other versions of Node, from npm.

import { execFileSync } from "node:child_process";

/** The path of a Node of some major version: this one, or npm's. */
export function nodeOf(major: string): string {
  if (process.versions.node.startsWith(`${major}.`)) return process.execPath;
  const command = ["-y", "-p", `node@${major}`, "node", "-p", "process.execPath"];
  return execFileSync("npx", command, { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] }).trim();
}
