// npm run test:pack: packs the library, installs it into fresh projects and runs the same program in each: all must give the digest that it
// gives here. `-- --only vite,deno` takes the consumers whose name has one of these in it, `-- --group servers` those of a group.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import Table from "cli-table3";
import { GROUPS } from "./consumers.js";
import { digest } from "./program.mjs";
import { type Consumer, MAIN, NotHere, PROGRAM, Project, REQUIRING } from "./project.js";

const { values: options } = parseArgs({
  options: { only: { type: "string", default: "" }, group: { type: "string", default: Object.keys(GROUPS).join(",") } },
});
const only = options.only.toLowerCase().split(",");
const groups = options.group.split(",");
const unknown = groups.filter((group) => !(group in GROUPS));
if (unknown.length > 0) throw new Error(`no group ${unknown}; there are ${Object.keys(GROUPS)}`);
const chosen = groups.flatMap((group) => GROUPS[group]).filter(({ name }) => only.some((part) => name.toLowerCase().includes(part)));

const root = fileURLToPath(new URL("../..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "softmax-wasm-"));
const [{ filename }] = JSON.parse(execFileSync("npm", ["pack", "--json", "--pack-destination", folder], { cwd: root, encoding: "utf8" }));
const tarball = join(folder, filename);

const expected = digest();
let agreements = 0;
let differences = 0;

async function rowOf({ name, packages = [], threads: wanted = 2, files = {}, install, use }: Consumer, index: number): Promise<string[]> {
  const project = new Project(join(folder, String(index)));
  const fail = (reason: string) => {
    differences++;
    return [name, project.version, "", reason];
  };
  const manifest = '{"private":true,"type":"module"}';
  project.write({ "package.json": manifest, "program.mjs": PROGRAM, "program.cjs": REQUIRING, "main.mjs": MAIN, ...files });
  const npmInstall = async (...what: readonly string[]) => {
    await project.run("npm", "install", "--no-audit", "--no-fund", "--prefer-offline", ...what);
  };
  const reasonOf = ({ stderr, stdout, message }: Error & { stderr?: string; stdout?: string }) =>
    (stderr?.trim() || stdout?.trim() || message).slice(0, 400);
  try {
    if (packages.length > 0) await npmInstall(...packages);
  } catch (error) {
    return [name, "", "", `not tested, as it can't be installed: ${reasonOf(error as Error)}`];
  }
  if (packages.length > 0) {
    const [main] = packages[0].split(/(?<!^)@/);
    project.version = JSON.parse(readFileSync(join(project.folder, "node_modules", main, "package.json"), "utf8")).version;
  }
  try {
    await (install ? install(project, tarball) : npmInstall(tarball));
    const { digest: got, threads, reason } = await use(project);
    if (got !== expected) return fail(`${got}, not ${expected}`);
    if (threads !== wanted) return fail(`${threads} threads, not ${wanted}${reason === undefined ? "" : `: ${reason}`}`);
    agreements++;
    return [name, project.version, String(threads), got];
  } catch (error) {
    if (error instanceof NotHere) return [name, project.version, "", `not tested: ${error.message}`];
    return fail(reasonOf(error as Error));
  }
}

const rows: string[][] = [];
const queue = [...chosen.entries()];
const work = async () => {
  for (let next = queue.shift(); next; next = queue.shift()) {
    const [index, consumer] = next;
    rows[index] = await rowOf(consumer, index);
    rmSync(join(folder, String(index)), { recursive: true, force: true });
    if (process.stdout.isTTY) console.log(rows[index].join("  "));
  }
};
await Promise.all([work(), work()]);
rmSync(folder, { recursive: true, force: true });

const table = new Table({
  head: ["consumer", "version", "threads", "digest"],
  style: { head: [], border: [], compact: true },
  wordWrap: true,
  colWidths: [34, 12, 9, 70],
});
table.push(...rows);
console.log(table.toString());
console.log(`${agreements} agree, ${differences} do not, ${chosen.length - agreements - differences} are not tested`);
process.exitCode = agreements === 0 || differences > 0 ? 1 : 0;
