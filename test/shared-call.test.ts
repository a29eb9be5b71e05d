// Calls that workers share, one row at a time: many calls, and workers that fail in many ways.

import { Worker } from "node:worker_threads";
import { afterEach, describe, expect, it, vi } from "vitest";
import { seeded } from "../reference/data.js";
import { crossEntropyWithGradient, SoftmaxCrossEntropy, type WorkerLike } from "../src/index.js";
import { type Message, SharedCall, Word } from "../src/threads/shared-call.js";
import { instantiateShared, type ModuleInstance } from "../src/wasm/instantiate.js";
import { MOST_GRAIN_MS } from "./small-grain.js";
import { startWorkers, untilHelped } from "./start-workers.js";
import { expectSameBits } from "./verify.js";

vi.mock("../src/threads/grain.js", () => import("./small-grain.js"));

const workerUrl = new URL("../dist/softmax-wasm-worker.js", import.meta.url);
const saboteurUrl = new URL("workers/saboteur.mjs", import.meta.url);

const random = seeded(7);
const SHAPE = [200, 50];
const logits = Float64Array.from({ length: SHAPE[0] * SHAPE[1] }, () => 10 * random());
const labels = Int32Array.from({ length: SHAPE[0] }, (_, r) => (r * 3) % SHAPE[1]);
const expected = crossEntropyWithGradient(logits, labels, { shape: SHAPE });

const layers: SoftmaxCrossEntropy[] = [];

/** A layer with the batch in its memory. */
function layerOf(threads: number, createWorker?: () => WorkerLike): SoftmaxCrossEntropy {
  const layer = new SoftmaxCrossEntropy({ shape: SHAPE, threads, createWorker });
  layers.push(layer);
  layer.logits.set(logits);
  layer.labels.set(labels);
  return layer;
}

function expectRight(layer: SoftmaxCrossEntropy): void {
  expect(layer.forward()).toBe(expected.loss);
  expectSameBits(layer.backward(), expected.gradient);
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

// Layers share workers. Each test begins without layers, and so without workers.
afterEach(() => {
  for (const layer of layers.splice(0)) layer.dispose();
});

describe("workers", () => {
  it("give the same bits in 10,000 calls by one to eight threads", async () => {
    layers.push((await startWorkers(8)) as never);
    const byThreads = Array.from({ length: 8 }, (_, i) => layerOf(i + 1));
    const mostThreads = byThreads.map(() => 0);
    for (let call = 0; call < 10_000; call++) {
      const layer = byThreads[call % 8];
      // No result of the call before may be left.
      layer.gradient.fill(Number.NaN);
      layer.losses.fill(Number.NaN);
      if (layer.forward() !== expected.loss) throw new Error(`call ${call} has another loss`);
      const gradient = layer.backward();
      if (Buffer.compare(Buffer.from(gradient.slice().buffer), Buffer.from(expected.gradient.buffer)) !== 0) {
        throw new Error(`call ${call} has another gradient`);
      }
      mostThreads[call % 8] = Math.max(mostThreads[call % 8], layer.threads);
      if (call % 1000 === 0) await sleep(1);
    }
    expect(mostThreads[0]).toBe(1);
    mostThreads.forEach((threads, i) => {
      expect(threads).toBeLessThanOrEqual(i + 1);
    });
    expect(Math.max(...mostThreads)).toBeGreaterThan(1);
  });

  it("work for layers that come and go", async () => {
    layers.push((await startWorkers(3)) as never);
    let most = 0;
    // On a busy machine workers may come late.
    const end = performance.now() + 30_000;
    for (let i = 0; i < 200 || (most === 1 && performance.now() < end); i++) {
      const layer = layerOf(3);
      expectRight(layer);
      await sleep(0);
      expectRight(layer);
      most = Math.max(most, layer.threads);
      layers.pop()?.dispose();
    }
    expect(most).toBeGreaterThan(1);
  });

  it("work for the last layer when 100 others are disposed", async () => {
    const staying = await startWorkers(3);
    layers.push(staying as never);
    for (const layer of Array.from({ length: 100 }, () => layerOf(3))) layer.dispose();
    staying.forward();
    await untilHelped(staying);
  });
});

/** Calls forward for 10 s, or until it throws. */
function callForSeconds(layer: SoftmaxCrossEntropy): void {
  for (const end = performance.now() + 10_000; performance.now() < end; ) layer.forward();
}

const LOST = "softmax-wasm: a worker has stopped in the middle of a call of this layer, which can't go on";

describe("a worker that", () => {
  const brokenWorkers: Record<string, () => WorkerLike> = {
    "can't be created": () => {
      throw new Error("forbidden");
    },
    "throws at start": () => new Worker("throw new Error('at start')", { eval: true }),
    "ends at start": () => new Worker("process.exit(1)", { eval: true }),
    "never says anything": () => new Worker("require('node:worker_threads').parentPort.on('message', () => {})", { eval: true }),
    "does nothing": () => ({ postMessage: () => {}, terminate: () => {} }),
    "has no script": () => new Worker(new URL("nothing.mjs", import.meta.url)),
  };

  it.each(Object.keys(brokenWorkers))("%s leaves the call to one thread", async (how) => {
    const layer = layerOf(4, brokenWorkers[how]);
    for (let i = 0; i < 10; i++) {
      expectRight(layer);
      expect(layer.threads).toBe(1);
      await sleep(10);
    }
  });

  it("is terminated while it sleeps leaves the call to one thread until another starts", async () => {
    const workers: Worker[] = [];
    const createWorker = () => {
      workers.push(new Worker(workerUrl));
      return workers[workers.length - 1];
    };
    const layer = layerOf(2, createWorker);
    await untilHelped(layer);
    await sleep(10);
    await workers[0].terminate();
    expectRight(layer);
    expect(layer.threads).toBe(1);
    const next = layerOf(2, createWorker);
    await untilHelped(next);
    expectRight(next);
    expect(workers.length).toBe(2);
  });

  it("is terminated at any time leaves right results or causes a clear Error, within seconds", async () => {
    for (let i = 0; i < 20; i++) {
      const workers: Worker[] = [];
      const layer = layerOf(2, () => {
        workers.push(new Worker(workerUrl));
        return workers[workers.length - 1];
      });
      await untilHelped(layer);
      const ended = workers.map((worker) => worker.terminate());
      const start = performance.now();
      try {
        for (let call = 0; call < 20; call++) expectRight(layer);
      } catch (error) {
        expect((error as Error).message).toBe(LOST);
      }
      expect(performance.now() - start).toBeLessThan(MOST_GRAIN_MS + 5000);
      await Promise.all(ended);
      layers.pop()?.dispose();
    }
  });

  it("ends in the middle of a call causes an Error in bounded time, and the layer refuses further use", async () => {
    const layer = layerOf(2, () => new Worker(saboteurUrl, { workerData: { act: "exit", Word } }));
    const other = layerOf(2);
    layer.forward();
    await sleep(200);
    const start = performance.now();
    expect(() => callForSeconds(layer)).toThrow(LOST);
    expect(performance.now() - start).toBeLessThan(MOST_GRAIN_MS + 5000);
    for (const use of [
      () => layer.forward(),
      () => layer.backward(),
      () => layer.gradient,
      () => layer.losses,
      () => layer.resize([1, 2]),
    ]) {
      expect(use).toThrow(LOST);
    }
    // Other layers go on, with new workers.
    expectRight(other);
    const next = layerOf(2);
    await untilHelped(next);
    expectRight(next);
  });

  it("fails in a call makes that call fail, and no other", async () => {
    const layer = layerOf(2, () => new Worker(saboteurUrl, { workerData: { act: "fail", Word } }));
    await sleep(200);
    expect(() => callForSeconds(layer)).toThrow("softmax-wasm: a kernel has failed in a worker");
    expect(() => layer.backward()).toThrow("backward() expected a call of forward() first");
    expectRight(layer);
  });
});

// In about 1 of 100 runs, a worker of Node 20, 22 and 24 does not notice that a memory has grown while its message was on the way.
it("a worker refreshes its memory for a call that knows a larger size", async () => {
  let receive = (_message: Message): void => {};
  const parentPort = { on: (_event: string, listen: typeof receive) => (receive = listen) };
  vi.doMock("../src/wasm/node-builtins.js", () => ({ builtin: () => ({ parentPort }) }));
  await import("../src/threads/worker.js");
  vi.doUnmock("../src/wasm/node-builtins.js");

  const { module, memory } = instantiateShared(0) as ModuleInstance;
  const call = new SharedCall();
  const grow = vi.spyOn(memory, "grow").mockImplementation(() => Atomics.add(call.words, Word.MESSAGE_COUNT, 1));
  const rows = { first: 0, end: 0, leastRows: 1, scratchPtr: 0, scratchBytes: 0, mostThreads: 2 };
  call.open({ instance: 1, memoryBytes: 2 * memory.buffer.byteLength, kernel: "add", args: [0, 0], ...rows });
  Atomics.store(call.words, Word.MESSAGE_COUNT, 1);
  receive({ kind: "start", call: call.memory, messageCount: 0 });
  // The worker serves until its message count changes. `grow` changes it; if it is not called, another thread does so after 2 s.
  const script =
    "const { workerData: { words, wake, messageCount } } = require('worker_threads');" +
    "setTimeout(() => { Atomics.add(words, messageCount, 1); Atomics.add(words, wake, 1); Atomics.notify(words, wake); }, 2000);";
  const other = new Worker(script, { eval: true, workerData: { words: call.words, wake: Word.WAKE, messageCount: Word.MESSAGE_COUNT } });
  receive({ kind: "attach", instance: 1, module, memory });
  await other.terminate();
  expect(grow).toHaveBeenCalledExactlyOnceWith(0);
});
