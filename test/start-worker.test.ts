// Scopes that start workers in another way than Node, or not at all.

import { Worker as NodeWorker } from "node:worker_threads";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { untilHelped } from "./start-workers.js";

const SHAPE = [1024, 300];

const warn = vi.spyOn(console, "warn").mockImplementation(() => {});

beforeEach(() => {
  vi.resetModules();
  warn.mockClear();
});
afterEach(() => {
  vi.doUnmock("../src/wasm/node-builtins.js");
  vi.unstubAllGlobals();
});

/** The library in a scope whose class of Node's workers is this one. */
async function withWorkers(Worker: unknown): Promise<typeof import("../src/index.js")> {
  vi.doMock("../src/wasm/node-builtins.js", () => ({
    builtin: (name: string) => (name === "node:worker_threads" && Worker ? { Worker } : undefined),
  }));
  return import("../src/index.js");
}

it("a scope without Worker has one thread, and one warning for large batches", async () => {
  const { Softmax } = await withWorkers(undefined);
  new Softmax({ shape: [2, 3], threads: 2 }).forward();
  expect(warn).not.toHaveBeenCalled();
  for (let i = 0; i < 2; i++) {
    const layer = new Softmax({ shape: SHAPE, threads: 2 });
    expect(layer.forward()[0]).toBe(1 / 300);
    expect([layer.threads, layer.threadsReason]).toEqual([1, "this scope has no Worker"]);
  }
  expect(warn.mock.calls).toEqual([["softmax-wasm: going on with one thread, as this scope has no Worker"]]);
});

it("a scope whose Node workers throw, as a renderer of Electron, has its web workers", async () => {
  const addresses: string[] = [];
  vi.stubGlobal(
    "Worker",
    class extends NodeWorker {
      constructor(url: URL) {
        addresses.push(url.pathname);
        super(url);
      }
    },
  );
  const { Softmax } = await withWorkers(
    class {
      constructor() {
        throw new Error("The V8 platform used by this instance of Node does not support creating Workers");
      }
    },
  );
  const layer = new Softmax({ shape: SHAPE, threads: 2 });
  await untilHelped(layer);
  expect(layer.threadsReason).toBe(undefined);
  expect(addresses).toEqual([expect.stringMatching(/\/softmax-wasm-worker\.js$/)]);
  expect(warn).not.toHaveBeenCalled();
  layer.dispose();
});

it.each([
  ["throws", "throw new Error('no modules here')", "no worker can be started: no modules here"],
  ["ends", "process.exit(7)", "a worker has ended at its start with the code 7"],
])("a worker that %s at its start is the reason for one thread", async (_, source, reason) => {
  const { Softmax } = await import("../src/index.js");
  const createWorker = () => new NodeWorker(source, { eval: true });
  const layer = new Softmax({ shape: SHAPE, threads: 2, createWorker });
  await vi.waitUntil(() => layer.threadsReason !== undefined, 10_000);
  expect(layer.threadsReason).toBe(reason);
  layer.forward();
  expect(layer.threads).toBe(1);
  expect(warn.mock.calls).toEqual([[`softmax-wasm: going on with one thread, as ${reason}`]]);
  layer.dispose();
});
