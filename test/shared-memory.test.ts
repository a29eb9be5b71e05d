// The shared memory of layers with threads: its module, its size, and layers where memory cannot be shared.

import { readFileSync } from "node:fs";
import { afterEach, describe, expect, it, vi } from "vitest";
import { Softmax } from "../src/index.js";
import { sharedMemory, wasm } from "../src/wasm/binary.generated.js";
import { instantiateShared, type ModuleInstance } from "../src/wasm/instantiate.js";
import { sharedMemory as ofLinear } from "../src/wasm/linear.generated.js";
import { unpack } from "../src/wasm/unpack.js";

describe("the module for shared memory", () => {
  it("has the bytes of the target with threads", () => {
    const own = Buffer.from(unpack(wasm));
    const { start, end, bytes } = sharedMemory;
    const target = readFileSync(new URL(`../build/${process.env.BUILD}-threads.wasm`, import.meta.url));
    expect(Buffer.concat([own.subarray(0, start), Buffer.from(bytes), own.subarray(end)]).equals(target)).toBe(true);
    expect(bytes.length).toBeLessThan(32);
  });

  it("of linear layers has the bytes of its target", () => {
    const { start, end, bytes } = ofLinear;
    const [own, target] = ["linear", "linear-threads"].map((name) => readFileSync(new URL(`../build/${name}.wasm`, import.meta.url)));
    expect(Buffer.concat([own.subarray(0, start), Buffer.from(bytes), own.subarray(end)]).equals(target)).toBe(true);
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
    const { memory } = instantiateShared(0) as ModuleInstance;
    expect(memory.buffer).toBeInstanceOf(SharedArrayBuffer);
    const layer = new Softmax({ shape: [2, 2], threads: 2 });
    expect(() => layer.resize([2 ** 10, 2 ** 17])).toThrow('"shape" expected a batch that fits in WebAssembly memory');
    layer.resize([1, 2]);
    expect(Array.from(layer.forward())).toEqual([0.5, 0.5]);
    layer.dispose();
  });

  it("is not used where the engine has hardly any addresses", async () => {
    vi.resetModules();
    const fresh = await import("../src/index.js");
    limitMemory(10);
    const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
    const layer = new fresh.Softmax({ shape: [1024, 300], threads: 2 });
    expect(layer.logits.buffer).toBeInstanceOf(ArrayBuffer);
    layer.forward();
    expect(layer.threads).toBe(1);
    expect(layer.threadsReason).toBe("there are no addresses for a shared memory");
    expect(warn.mock.calls).toEqual([["softmax-wasm: going on with one thread, as there are no addresses for a shared memory"]]);
    warn.mockRestore();
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

  it("a linear layer warns once if its products are large, and has one thread", async () => {
    const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
    vi.resetModules();
    const { LinearCrossEntropy } = await import("../src/linear.js");
    vi.stubGlobal("crossOriginIsolated", false);
    const small = new LinearCrossEntropy({ shape: [64, 64], classes: 100, threads: 2 });
    expect(warn).not.toHaveBeenCalled();
    const large = new LinearCrossEntropy({ shape: [256, 1024], classes: 100, threads: 2 });
    expect(warn.mock.calls).toEqual([[expect.stringContaining("cross-origin isolated (headers COOP and COEP)")]]);
    for (const layer of [small, large]) {
      expect(layer.weights.buffer).toBeInstanceOf(ArrayBuffer);
      expect(layer.forward()).toBeCloseTo(Math.log(100), 12);
      expect(layer.threads).toBe(1);
      expect(layer.threadsReason).toContain("cross-origin isolated");
    }
  });
});
