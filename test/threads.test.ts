// Threads as users see them: options, sizes, start and end of workers. shared-call.test.ts tests calls that workers share.

import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterEach, describe, expect, it, vi } from "vitest";
import { seeded } from "../reference/data.js";
import { Softmax, SoftmaxCrossEntropy, softmax } from "../src/index.js";
import { sharedMemory, wasm } from "../src/wasm/binary.generated.js";
import { instantiateShared } from "../src/wasm/instantiate.js";
import { startWorkers, untilHelped } from "./start-workers.js";
import { expectSameBits } from "./verify.js";

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

const random = seeded(6);
const noise = (length: number) => Float64Array.from({ length }, () => 20 * random());

describe("threads", () => {
  it.each([0, -1, 1.5, 129, 10_000, Number.NaN, Infinity])("can't be %d", (threads) => {
    const expected = new RangeError(`"threads" expected an integer from 1 to 128, got ${threads}`);
    expect(() => new Softmax({ threads })).toThrow(expected);
    expect(() => new SoftmaxCrossEntropy({ threads })).toThrow(expected);
  });

  it.each(["2", null, true, [2]])("can't be %j", (threads) => {
    expect(() => new Softmax({ threads: threads as never })).toThrow(TypeError);
  });

  it("need a createWorker that is a function", () => {
    expect(() => new Softmax({ createWorker: 1 as never })).toThrow('"createWorker" expected a function, got 1');
  });

  it("are one before a call, after a call with a small batch, and with the option 1", async () => {
    const two = await startWorkers(2);
    expect(two.threads).toBe(2);
    two.resize([64, 10]);
    expect(two.threads).toBe(1);
    two.forward();
    expect(two.threads).toBe(1);
    two.dispose();
    const one = new Softmax({ shape: [1024, 1000], threads: 1 });
    one.forward();
    expect(one.threads).toBe(1);
  });

  it.each([
    { outer: 1024, classes: 300, inner: 1 },
    { outer: 16, classes: 32_000, inner: 1 },
    { outer: 40_000, classes: 10, inner: 1 },
    { outer: 100_000, classes: 2, inner: 1 },
    { outer: 1, classes: 21, inner: 20_001 },
    { outer: 3, classes: 1000, inner: 100 },
  ])("change no bit at $outer×$classes×$inner", async ({ outer, classes, inner }) => {
    const logits = noise(outer * classes * inner);
    const upstream = noise(outer * inner);
    const layerOf = (threads: number) => {
      const layer = new SoftmaxCrossEntropy({ shape: [outer, classes, inner], axis: 1, threads, reduction: "none" });
      layer.logits.set(logits);
      layer.labels.forEach((_, r, labels) => {
        labels[r] = (r * 7) % classes;
      });
      return layer;
    };
    const [one, three] = [layerOf(1), layerOf(3)];
    await untilHelped(three);
    const resultsOf = (layer: SoftmaxCrossEntropy<"none">) =>
      [layer.forward(), layer.backward(), layer.probs, layer.backward(upstream)].map((result) => result.slice());
    const expected = resultsOf(one);
    resultsOf(three).forEach((result, i) => {
      expectSameBits(result, expected[i]);
    });
    three.dispose();
  });

  it("give the same loss as one thread, with and without options", async () => {
    const workers = await startWorkers(4);
    const shape = [2000, 100];
    const logits = noise(200_000);
    const weights = noise(100).map(Math.abs);
    for (const options of [
      {},
      { reduction: "sum" },
      { weights, labelSmoothing: 0.1, zLoss: 0.01, scale: 0.5, mask: weights.map((w) => Number(w > 1)) },
    ] as const) {
      const losses = [1, 2, 4].map((threads) => {
        const layer = new SoftmaxCrossEntropy({ shape, threads, accumulate: true, ...options });
        layer.logits.set(logits);
        const loss = layer.forward();
        layer.backward();
        const sum = layer.backward(2).reduce((a, b) => a + b);
        layer.dispose();
        return [loss, sum];
      });
      expect(losses[1]).toEqual(losses[0]);
      expect(losses[2]).toEqual(losses[0]);
    }
    workers.dispose();
  });

  it("read input from the layer's own memory, also from a view of before it grew", () => {
    const layer = new Softmax({ shape: [2, 3], threads: 2 });
    const before = layer.logits;
    before.set([1, 2, 3, 4, 5, 6]);
    layer.resize([300, 400]);
    const x = { data: before, shape: [3, 2] };
    const expected = softmax(before.slice(), { shape: [3, 2] });
    expectSameBits(layer.forward(x).data, expected);
    layer.dispose();
  });

  it("refuse a batch that is too large for memory, as one thread does", () => {
    expect(() => new Softmax({ shape: [2 ** 15, 2 ** 15], threads: 2 })).toThrow(
      '"shape" expected a batch that fits in WebAssembly memory',
    );
  });
});

describe("the module for shared memory", () => {
  it("has the bytes of the target with threads", () => {
    const own = Buffer.from(wasm, "hex");
    const { start, end, bytes } = sharedMemory;
    const target = readFileSync(new URL(`../build/${process.env.BUILD}-threads.wasm`, import.meta.url));
    expect(Buffer.concat([own.subarray(0, start), Buffer.from(bytes), own.subarray(end)]).equals(target)).toBe(true);
    expect(bytes.length).toBeLessThan(32);
  });

  const { Memory } = WebAssembly;
  afterEach(() => {
    WebAssembly.Memory = Memory;
  });

  /** Lets the engine reserve shared memories of up to `most` pages only. */
  const limitMemory = (most: number) => {
    WebAssembly.Memory = class extends Memory {
      constructor(descriptor: WebAssembly.MemoryDescriptor) {
        if (descriptor.shared && (descriptor.maximum ?? 0) > most) throw new RangeError("could not allocate memory");
        super(descriptor);
      }
    };
  };

  it("reserves fewer addresses where the engine has no more", () => {
    limitMemory(5000);
    const { memory } = instantiateShared() as NonNullable<ReturnType<typeof instantiateShared>>;
    expect(memory.buffer).toBeInstanceOf(SharedArrayBuffer);
    const layer = new Softmax({ shape: [2, 2], threads: 2 });
    expect(() => layer.resize([2 ** 10, 2 ** 17])).toThrow('"shape" expected a batch that fits in WebAssembly memory');
    layer.resize([1, 2]);
    expect(Array.from(layer.forward())).toEqual([0.5, 0.5]);
    layer.dispose();
  });

  it("is not used where the engine has hardly any addresses", () => {
    limitMemory(10);
    const layer = new Softmax({ shape: [1024, 300], threads: 2 });
    expect(layer.logits.buffer).toBeInstanceOf(ArrayBuffer);
    layer.forward();
    expect(layer.threads).toBe(1);
  });
});

describe("where memory can't be shared", () => {
  afterEach(() => {
    vi.unstubAllGlobals();
    vi.restoreAllMocks();
    vi.resetModules();
  });

  it.each([
    ["a page that is not cross-origin isolated", () => vi.stubGlobal("crossOriginIsolated", false)],
    ["an engine without SharedArrayBuffer", () => vi.stubGlobal("SharedArrayBuffer", undefined)],
  ])("as in %s, layers warn once and have one thread", async (_, stub) => {
    const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
    vi.resetModules();
    const fresh = await import("../src/index.js");
    stub();
    for (let i = 0; i < 3; i++) {
      const layer = new fresh.Softmax({ shape: [1024, 300], threads: "auto" });
      expect(layer.forward()[0]).toBe(1 / 300);
      expect(layer.threads).toBe(1);
    }
    expect(warn.mock.calls).toEqual([[expect.stringContaining("cross-origin isolated (headers COOP and COEP)")]]);
    new fresh.Softmax({ threads: 1 });
    expect(warn).toHaveBeenCalledTimes(1);
  });
});

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
