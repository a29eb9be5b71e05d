// What a process with threads does, by its argument; it prints what a test wants to know, as JSON.

import { availableParallelism } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { isMainThread, parentPort, Worker } from "node:worker_threads";
import { Softmax, SoftmaxCrossEntropy } from "../../dist/index.js";

const workerUrl = new URL("../../dist/softmax-wasm-worker.js", import.meta.url);
let started = 0;
let alive = 0;
function createWorker() {
  started++;
  alive++;
  return new Worker(workerUrl).on("exit", () => alive--);
}

const SHAPE = [1024, 256];

/** A layer whose calls have found a second hand. */
async function layerWithWorkers(threads) {
  const layer = new Softmax({ shape: SHAPE, threads, createWorker });
  while (layer.threads < 2) {
    await sleep(2);
    layer.forward();
  }
  return layer;
}

/** A layer that nothing holds once this has returned. */
function dropOne() {
  const layer = new SoftmaxCrossEntropy({ shape: SHAPE, threads: 3, createWorker });
  layer.logits.fill(1);
  layer.forward();
}

const tasks = {
  /** Nothing keeps the process: it ends by itself. */
  async end() {
    await layerWithWorkers(4);
    return { alive };
  },
  async exit() {
    await layerWithWorkers(4);
    process.exit(3);
  },
  /** Processor time of all threads over time in which nothing is called. */
  async idle() {
    const { threads } = await layerWithWorkers(4);
    await sleep(100);
    const before = process.cpuUsage();
    await sleep(1000);
    const { user, system } = process.cpuUsage(before);
    return { busyMs: (user + system) / 1000, threads };
  },
  /** 200 layers that are dropped, one after the other. */
  async drop() {
    for (let i = 0; i < 20; i++) dropOne();
    await sleep(50);
    const before = process.memoryUsage().rss;
    let mostAlive = 0;
    for (let i = 0; i < 200; i++) {
      dropOne();
      mostAlive = Math.max(mostAlive, alive);
      if (i % 10 === 9) {
        globalThis.gc();
        await sleep(10);
      }
    }
    globalThis.gc();
    await sleep(500);
    return { started, mostAlive, alive, grownMiB: (process.memoryUsage().rss - before) / 2 ** 20 };
  },
  /** Layers that are disposed, together and one after the other. */
  async dispose() {
    const layers = [await layerWithWorkers(3), new Softmax({ shape: SHAPE, threads: 3, createWorker })];
    const shared = started;
    layers[0].dispose();
    await sleep(100);
    const withOneLeft = alive;
    layers[1].forward();
    layers[1].dispose();
    layers[1].dispose();
    layers[0].dispose();
    await sleep(500);
    return { shared, withOneLeft, alive };
  },
  /** 300 layers that are disposed, one after the other. */
  async reuse() {
    let memories = 0;
    const { Memory } = WebAssembly;
    WebAssembly.Memory = class extends Memory {
      constructor(descriptor) {
        super(descriptor);
        if (descriptor.shared) memories++;
      }
    };
    for (let i = 0; i < 300; i++) {
      const layer = new Softmax({ shape: [512, 512], threads: 2 });
      if (!layer.logits.every((value) => value === 0)) throw new Error("the memory was not cleared");
      layer.logits.fill(i);
      layer.forward();
      layer.dispose();
    }
    return { memories, rssMiB: process.memoryUsage().rss / 2 ** 20 };
  },
  /** Two layers that are alive with others: their memories are kept apart. */
  async apart() {
    const staying = new Softmax({ shape: SHAPE, threads: 2 });
    const { logits } = staying;
    const moved = new Softmax({ shape: [2, 2], threads: 2 });
    const before = moved.logits;
    moved.resize(SHAPE);
    const others = Array.from({ length: 10 }, () => new Softmax({ shape: SHAPE, threads: 2 }));
    others[3].dispose();
    others[3] = new Softmax({ shape: SHAPE, threads: 2 });
    logits.fill(1);
    before.fill(2);
    moved.logits.fill(3);
    for (const [i, other] of others.entries()) other.logits.fill(4 + i);
    return { firsts: [logits, before, moved.logits, ...others.map((other) => other.logits)].map(([first]) => first) };
  },
  /** What one thread more meets: its layer's threads and reason. */
  async few() {
    const layer = new Softmax({ shape: SHAPE, threads: 2 });
    const end = performance.now() + 3000;
    while (layer.threads < 2 && layer.threadsReason === undefined && performance.now() < end) {
      await sleep(2);
      layer.forward();
    }
    const { threads, threadsReason: reason } = layer;
    layer.resize([2048, 512]);
    return { threads, reason, p: layer.forward()[0] };
  },
  /** The same use inside a worker. */
  async inside() {
    const worker = new Worker(new URL(import.meta.url), { argv: ["inner"] });
    return new Promise((resolve, reject) => worker.on("message", resolve).on("error", reject));
  },
  async inner() {
    const layer = await layerWithWorkers(2);
    const { threads } = layer;
    layer.logits.forEach((_, i, logits) => {
      logits[i] = Math.sin(i);
    });
    const [p] = layer.forward();
    return { isMainThread, threads, p };
  },
  /** Threads by default, in a program that says nothing of workers. */
  async auto() {
    const layer = new Softmax({ shape: [4096, 256], threads: "auto" });
    const expected = Math.min(2, availableParallelism());
    const end = performance.now() + 20_000;
    while (layer.threads < expected && performance.now() < end) {
      await sleep(2);
      layer.forward();
    }
    return { threads: layer.threads, expected };
  },
};

const answer = await tasks[process.argv[2]]();
if (isMainThread) console.log(JSON.stringify(answer));
else parentPort.postMessage(answer);
