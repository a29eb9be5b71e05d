// Where the modules of the slim entry come from: its user.

import { typeError, Verbatim } from "./check.js";
import { compile, spliced } from "./compile.js";
import { feature, sharedMemory } from "./wasm.generated.js";

let binary: Uint8Array<ArrayBuffer> | undefined;
let module: WebAssembly.Module | undefined;

/** The bytes of `softmax-wasm/wasm/softmax.wasm`, a response with them, or their module. */
export type WasmSource = BufferSource | WebAssembly.Module | Response;

const MAGIC = [0, 0x61, 0x73, 0x6d];

const isModule = (value: unknown): value is WebAssembly.Module => Object.prototype.toString.call(value) === "[object WebAssembly.Module]";

async function bytesOf(source: unknown): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = await copyOf(source);
  if (MAGIC.every((byte, i) => bytes[i] === byte)) return bytes;
  const start = JSON.stringify(String.fromCharCode(...bytes.subarray(0, 16)));
  throw typeError("source", "a WebAssembly binary", new Verbatim(`bytes that begin with ${start}`));
}

async function copyOf(source: unknown): Promise<Uint8Array<ArrayBuffer>> {
  if (typeof (source as Response | undefined)?.arrayBuffer === "function") {
    const { ok, status, url } = source as Response;
    if (!ok) throw new Error(`"source" expected a response that is ok, got status ${status} of ${url}`);
    return new Uint8Array(await (source as Response).arrayBuffer());
  }
  if (ArrayBuffer.isView(source)) return new Uint8Array(source.buffer, source.byteOffset, source.byteLength).slice();
  if (Object.prototype.toString.call(source) === "[object ArrayBuffer]") return new Uint8Array(source as ArrayBuffer).slice();
  throw typeError("source", "bytes, a Response or a WebAssembly.Module", source);
}

/**
 * Gives the library its kernels. Whatever is called before is an Error. A module alone has no threads; bytes do.
 *
 * @param source What `softmax-wasm/wasm/softmax.wasm` is, in any form, or a promise of it.
 * @throws TypeError for anything else; Error for a response that is not ok, an engine without WebAssembly SIMD, or a policy against it.
 */
export async function init(source: WasmSource | PromiseLike<WasmSource>): Promise<void> {
  const given: unknown = await source;
  const bytes = isModule(given) ? undefined : await bytesOf(given);
  const compiled = bytes ? compile(bytes, feature) : (given as WebAssembly.Module);
  if (!WebAssembly.Module.exports(compiled).some(({ name }) => name === "lossWithOptions")) {
    throw typeError("source", "the kernels of softmax-wasm", given);
  }
  binary = bytes;
  module = compiled;
}

/** Last bits of the self-test: the kernels may be those with relaxed SIMD. */
export const tolerance = 2 ** -51;

export function moduleFor(isShared: boolean): WebAssembly.Module | undefined {
  if (!module) throw new Error("softmax-wasm/slim expected init() to be awaited first");
  if (!isShared) return module;
  const shared = binary && spliced(binary, sharedMemory);
  return shared && WebAssembly.validate(shared) ? compile(shared, feature) : undefined;
}
