// npm run rehearse: rehearses a release, and stops before it is published. It checks version, changelog and tarball, and lets npm do all but the
// upload.

import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const read = (path: string) => readFileSync(join(root, path), "utf8");
const run = (command: string, ...args: readonly string[]) => execFileSync(command, args, { cwd: root, encoding: "utf8" });

const FLAGS = ["--access", "public", "--provenance"];
/** What a tarball may have. */
const PACKED = /^(dist\/[\w.-]+|dist\/wasm\/[\w.-]+\.wasm|package\.json|README\.md|CHANGELOG\.md|LICENSE)$/;

interface Packed {
  readonly filename: string;
  readonly size: number;
  readonly integrity: string;
  readonly files: readonly { readonly path: string }[];
}

const manifest = JSON.parse(read("package.json"));
const { version } = manifest;
const changelog = read("CHANGELOG.md");
const [, newest, date, notes] = /^## (\S+)(?:, (.*))?\n([\s\S]*?)(?=^## |$(?![\s\S]))/m.exec(changelog) ?? [];
const folder = mkdtempSync(join(tmpdir(), "rehearsal-"));

let failures = 0;
function check(what: string, isRight: boolean, otherwise = ""): void {
  if (!isRight) failures++;
  console.log(`${isRight ? "✓" : "✗"} ${what}${isRight || otherwise === "" ? "" : `: ${otherwise}`}`);
}

try {
  const changed = run("git", "status", "--porcelain");
  check("all changes are committed", changed === "", changed.trim());
  check(`version ${version}`, /^\d+\.\d+\.\d+$/.test(version));
  check("package-lock.json has this version", JSON.parse(read("package-lock.json")).version === version);
  const tags = run("git", "tag", "--list", `v${version}`).trim();
  check(`there is no tag v${version} yet`, tags === "");
  check("CHANGELOG.md begins with this version", newest === version, `it begins with ${newest}`);
  check("its release has a date", /^\d{4}-\d\d-\d\d$/.test(date ?? ""), String(date));
  check("its release has upgrade notes", /^### Upgrading/m.test(notes ?? ""));

  const [packed]: Packed[] = JSON.parse(run("npm", "pack", "--json", "--pack-destination", folder));
  const strange = packed.files.map(({ path }) => path).filter((path) => !PACKED.test(path));
  check(`tarball of ${packed.files.length} files, ${Math.round(packed.size / 1e3)} kB`, strange.length === 0, strange.join(", "));
  console.log(`  ${packed.integrity}`);

  const { status, stderr } = spawnSync("npm", ["publish", join(folder, packed.filename), "--dry-run", ...FLAGS], {
    cwd: root,
    encoding: "utf8",
  });
  check(`npm publish ${FLAGS.join(" ")}, without the upload`, status === 0, stderr.split("\n").filter((line) => line.includes("error"))[0]);
  check("package.json names a repository, which provenance needs", manifest.repository !== undefined, "there is none yet");
} finally {
  rmSync(folder, { recursive: true });
}
console.log(
  failures === 0
    ? `\nReady to be tagged v${version} and published with these flags.`
    : `\n${failures} to repair before ${version} can be published.`,
);
process.exitCode = failures === 0 ? 0 : 1;
