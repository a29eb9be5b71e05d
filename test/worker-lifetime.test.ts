// The start and end of workers in a process of its own, which runs test/workers/program.mjs.

import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";

/** The exit code of test/workers/program.mjs for a task, and the object that it prints. */
async function outcomeOf(task: string): Promise<{ code: number; [name: string]: unknown }> {
  const program = fileURLToPath(new URL("workers/program.mjs", import.meta.url));
  try {
    const { stdout } = await promisify(execFile)(process.execPath, ["--expose-gc", program, task], { timeout: 30_000 });
    return { code: 0, ...JSON.parse(stdout) };
  } catch (error) {
    return { code: (error as { code: number }).code };
  }
}

describe("a process with threads", () => {
  it("ends by itself while layers are alive", async () => {
    expect(await outcomeOf("end")).toMatchObject({ code: 0, alive: 3 });
  });

  it("ends by process.exit", async () => {
    expect(await outcomeOf("exit")).toEqual({ code: 3 });
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

  it("may itself be a worker", async () => {
    expect(await outcomeOf("inside")).toMatchObject({ isMainThread: false, threads: 2, p: expect.closeTo(0.00307, 5) });
  });

  it('has as many threads as processors with "auto"', async () => {
    const { threads, expected } = await outcomeOf("auto");
    expect(threads).toBeGreaterThanOrEqual(expected as number);
  });
});
