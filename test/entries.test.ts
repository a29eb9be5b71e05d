// Entries that get their kernels elsewhere, and what is checked of kernels wherever they come from.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { packed } from "../scripts/embed.js";
import { softmax } from "../src/index.js";
import { PAGE_BYTES } from "../src/wasm/abi.js";
import { unpack } from "../src/wasm/unpack.js";
import { untilHelped } from "./start-workers.js";

const bytes = readFileSync(new URL("../dist/wasm/softmax.wasm", import.meta.url));
const LOGITS = [0.1, -2, 3.5, 0];

beforeEach(() => vi.resetModules());
afterEach(() => {
  vi.doUnmock("../src/wasm/source.js");
  vi.doUnmock("../src/wasm/binary.generated.js");
  vi.restoreAllMocks();
});

describe("softmax-wasm/slim", () => {
  async function slim(): Promise<typeof import("../src/slim.js")> {
    vi.doMock("../src/wasm/source.js", () => import("../src/wasm/source-slim.js"));
    return import("../src/slim.js");
  }

  const response = (body: BodyInit | null, init?: ResponseInit) => new Response(body, init);
  const readResponse = response(bytes);
  beforeAll(() => readResponse.arrayBuffer());

  it.each([
    ["a Buffer", () => bytes],
    ["an ArrayBuffer", () => Uint8Array.from(bytes).buffer],
    ["a view of a part", () => new DataView(Uint8Array.from([0, ...bytes, 0]).buffer, 1, bytes.length)],
    ["a response", () => response(bytes)],
    ["a response of another type", () => response(bytes, { headers: { "Content-Type": "text/plain" } })],
    ["a Blob", () => new Blob([bytes])],
    ["a promise of a response", () => Promise.resolve(response(bytes))],
    ["a module", () => new WebAssembly.Module(bytes)],
  ])("takes %s", async (_, source) => {
    const library = await slim();
    expect(() => library.softmax(LOGITS)).toThrow("softmax-wasm/slim expected init() to be awaited first");
    await library.init(source());
    expect(library.softmax(LOGITS)).toEqual(softmax(LOGITS));
    expect(new library.Softmax().forward(LOGITS)).toEqual(softmax(LOGITS));
  });

  it.each([
    ["nothing", undefined, TypeError, '"source" expected bytes, a Response or a WebAssembly.Module, got undefined'],
    ["an address", "softmax.wasm", TypeError, '"source" expected bytes, a Response or a WebAssembly.Module, got "softmax.wasm"'],
    ["another response", response(null, { status: 404 }), Error, '"source" expected a response that is ok, got status 404'],
    [
      "a page",
      response("<!doctype html>"),
      TypeError,
      '"source" expected a WebAssembly binary, got bytes that begin with "<!doctype html>"',
    ],
    ["a response that has been read", readResponse, TypeError, '"source" expected a response that has not been read'],
    ["no bytes", new Uint8Array(), TypeError, '"source" expected a WebAssembly binary, got bytes that begin with ""'],
    ["half a binary", bytes.subarray(0, 1000), Error, "softmax-wasm expected an engine that has WebAssembly SIMD"],
    ["another binary", Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0), TypeError, '"source" expected the kernels of softmax-wasm'],
  ])("refuses %s, and takes another", async (_, source, kind, message) => {
    const library = await slim();
    const refused = library.init(source as never);
    await expect(refused).rejects.toThrow(message);
    await expect(refused).rejects.toBeInstanceOf(kind);
    expect(() => library.softmax(LOGITS)).toThrow("softmax-wasm/slim expected init() to be awaited first");
    await library.init(bytes);
    expect(library.softmax(LOGITS)).toEqual(softmax(LOGITS));
  });

  it("keeps what it was given first", async () => {
    const library = await slim();
    await library.init(bytes);
    await library.init(Buffer.from(bytes.toString("hex").replaceAll("fdf201", "fdf001"), "hex"));
    expect(library.softmax(LOGITS)).toEqual(softmax(LOGITS));
  });

  // The binary is that of the release build, as must be what is known of its memory import.
  it.runIf(process.env.BUILD === "release")("has threads of bytes, one of a module", async () => {
    const library = await slim();
    await library.init(bytes);
    const layer = new library.Softmax({ shape: [512, 512], threads: 2 });
    await untilHelped(layer);
    layer.dispose();
    vi.resetModules();
    const other = await slim();
    await other.init(new WebAssembly.Module(bytes));
    const alone = new other.Softmax({ shape: [512, 512], threads: 2 });
    expect(alone.forward()[0]).toBe(1 / 512);
    expect(alone.threads).toBe(1);
  });
});

describe("kernels", () => {
  it("that compute something else are an Error, and no wrong number", async () => {
    const generated = await import("../src/wasm/binary.generated.js");
    // Every f64x2.mul is an f64x2.add.
    const digits = Buffer.from(unpack(generated.wasm)).toString("hex");
    const wasm = packed(Buffer.from(digits.replaceAll("fdf201", "fdf001"), "hex"));
    expect(wasm.text).not.toBe(generated.wasm.text);
    vi.resetModules();
    vi.doMock("../src/wasm/binary.generated.js", () => ({ ...generated, wasm }));
    const library = await import("../src/index.js");
    for (let time = 0; time < 2; time++) {
      expect(() => library.softmax(LOGITS)).toThrow("softmax-wasm expected an engine that computes WebAssembly SIMD right");
      expect(() => new library.Softmax({ shape: [1, 4] })).toThrow("softmax-wasm expected an engine that computes WebAssembly SIMD right");
    }
  });

  it("are checked on a memory that is left as it was", async () => {
    const { instantiate } = await import("../src/wasm/instantiate.js");
    const { kernels, memory } = instantiate();
    expect(memory.buffer.byteLength).toBe(PAGE_BYTES);
    expect(new Uint8Array(memory.buffer, kernels.heapBase()).every((byte) => byte === 0)).toBe(true);
  });

  it("that a policy forbids are an Error that names the directive", async () => {
    vi.spyOn(WebAssembly, "Module").mockImplementation(function refuse() {
      throw new WebAssembly.CompileError("blocked by CSP");
    });
    const library = await import("../src/index.js");
    const message = "a Content-Security-Policy needs script-src 'wasm-unsafe-eval', got: blocked by CSP";
    expect(() => library.softmax(LOGITS)).toThrow(message);
  });

  it("are not to be had from an engine without SIMD", async () => {
    vi.spyOn(WebAssembly, "validate").mockReturnValue(false);
    const library = await import("../src/index.js");
    expect(() => library.softmax(LOGITS)).toThrow("softmax-wasm expected an engine that has WebAssembly SIMD");
  });
});

describe.each(["index.js", "index.cjs", "softmax-wasm.min.js"])("%s", (name) => {
  /** What a fresh process prints that does something first, imports the entry and computes. */
  const outcomeOf = (first: string, ...flags: string[]) => {
    const address = JSON.stringify(new URL(`../dist/${name}`, import.meta.url).href);
    const say = `import(${address}).then(({ softmax }) => console.log(softmax([0, 0]))).catch(({ message }) => console.log(message))`;
    const args = [...flags, "--input-type=module", "-e", `${first}; ${say}`];
    return execFileSync(process.execPath, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  };

  it.each([
    ["TextDecoder", "delete globalThis.TextDecoder"],
    ["an Object that can be changed", "Object.freeze(Object)"],
    ["performance", "delete globalThis.performance"],
  ])("computes in a scope without %s", (_, first) => {
    expect(outcomeOf(first)).toBe("[ 0.5, 0.5 ]");
  });

  it("computes with frozen intrinsics", () => {
    expect(outcomeOf("", "--frozen-intrinsics")).toContain("0.5");
  });

  it("says at the first call that there is no WebAssembly", () => {
    expect(outcomeOf("", "--jitless")).toBe(
      "softmax-wasm expected an engine with WebAssembly; Node has none with --jitless, and iOS none in Lockdown Mode",
    );
  });
});
