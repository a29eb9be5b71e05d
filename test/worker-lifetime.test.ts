// The start and end of workers in a process of its own, which runs test/workers/program.mjs.

import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";

const PROGRAM = fileURLToPath(new URL("workers/program.mjs", import.meta.url));

interface Outcome {
  readonly code: number;
  readonly stderr?: string;
  readonly [name: string]: unknown;
}

/** The exit code of a command that runs test/workers/program.mjs, and the object that it prints. */
async function outcomeOfCommand(command: string, ...args: string[]): Promise<Outcome> {
  try {
    const { stdout } = await promisify(execFile)(command, args, { timeout: 30_000 });
    return { code: 0, ...JSON.parse(stdout) };
  } catch (error) {
    const { code, stderr } = error as { code: number; stderr: string };
    return { code, stderr };
  }
}

/** The same for one of the program's tasks. */
const outcomeOf = (task: string) => outcomeOfCommand(process.execPath, "--expose-gc", PROGRAM, task);

describe("a process with threads", () => {
  it("ends by itself while layers are alive", async () => {
    expect(await outcomeOf("end")).toMatchObject({ code: 0, alive: 3 });
  });

  it("ends by process.exit", async () => {
    expect(await outcomeOf("exit")).toMatchObject({ code: 3 });
  });

  it("uses no processor time between calls", async () => {
    const { busyMs, threads } = await outcomeOf("idle");
    expect(threads).toBeGreaterThan(1);
    expect(busyMs).toBeLessThan(100);
  });

  it("has as many workers for 200 layers as for one, and frees workers and memory when the layers are collected", async () => {
    const { started, mostAlive, alive, grownMiB } = await outcomeOf("drop");
    expect(started).toBeGreaterThan(1);
    expect(mostAlive).toBeLessThanOrEqual(4);
    expect(alive).toBe(0);
    expect(grownMiB).toBeLessThan(100);
  });

  it("ends its workers when the last layer is disposed", async () => {
    expect(await outcomeOf("dispose")).toMatchObject({ shared: 2, withOneLeft: 2, alive: 0 });
  });

  it("gives the memory of a layer that was disposed to the next one", async () => {
    const { memories, rssMiB } = await outcomeOf("reuse");
    expect(memories).toBe(1);
    expect(rssMiB).toBeLessThan(250);
  });

  it("keeps the memories of layers that are alive, and old views, apart", async () => {
    expect(await outcomeOf("apart")).toMatchObject({ firsts: Array.from({ length: 13 }, (_, i) => i + 1) });
  });

  it("may itself be a worker", async () => {
    expect(await outcomeOf("inside")).toMatchObject({ isMainThread: false, threads: 2, p: expect.closeTo(0.00307, 5) });
  });

  it('has as many threads as processors with "auto"', async () => {
    const { threads, expected } = await outcomeOf("auto");
    expect(threads).toBeGreaterThanOrEqual(expected as number);
  });
});

it("a process that may not start workers has one thread, and says why", async () => {
  const permission = process.allowedNodeEnvironmentFlags.has("--permission") ? "--permission" : "--experimental-permission";
  const { threads, reason } = await outcomeOfCommand(process.execPath, permission, "--allow-fs-read=*", PROGRAM, "few");
  expect(threads).toBe(1);
  expect(reason).toMatch(/^no worker can be started: Access to this API has been restricted/);
});

const nodeMajor = Number.parseInt(process.versions.node, 10);

// Before Node 24, V8 takes 10 GB of addresses for each memory unless it has no trap handler.
describe.runIf(process.platform === "linux")("a process with few addresses", () => {
  const withGigabytes = (gigabytes: number, ...flags: string[]) =>
    outcomeOfCommand("bash", "-c", `ulimit -v ${gigabytes * 1e6}; exec "$0" "$@"`, process.execPath, ...flags, PROGRAM, "few");

  it("has two threads if there are addresses for a worker", async () => {
    expect(await withGigabytes(4, "--disable-wasm-trap-handler")).toEqual({ code: 0, threads: 2, p: 1 / 512 });
  });

  it("else has one, and says why", async () => {
    const reason = "there are too few addresses for another thread (ulimit -v)";
    // Enough for the process, too few for a worker.
    const gigabytes = nodeMajor < 24 ? 1.5 : 2;
    expect(await withGigabytes(gigabytes, "--disable-wasm-trap-handler")).toEqual({ code: 0, threads: 1, reason, p: 1 / 512 });
  });

  it.runIf(nodeMajor < 24)("says what to do where there are none for a memory", async () => {
    const { code, stderr } = await withGigabytes(4);
    expect(code).toBe(1);
    expect(stderr).toMatch(/softmax-wasm expected addresses for a WebAssembly memory, .*ulimit -v.* --disable-wasm-trap-handler/);
  });
});
