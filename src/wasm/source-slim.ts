// The source of the modules in the slim entry: its user gives them to init().

import { typeError, Verbatim } from "../errors.js";
import { feature, sharedMemory } from "./binary.generated.js";
import { compile, spliced } from "./compile.js";

/** WebAssembly.Module, where the types of the platform have it; as an empty interface it would take anything. */
type Module = typeof globalThis extends { WebAssembly: { Module: { prototype: infer M } } } ? M & object : never;

/** The module that init() was given, and its binary if init() was given one. */
interface Given {
  readonly module: Module;
  readonly binary?: Uint8Array<ArrayBuffer>;
}

let given: Given | undefined;

/** The bytes of `softmax-wasm/wasm/softmax.wasm`, a Response or Blob with them, or their WebAssembly.Module. */
export type WasmSource = ArrayBuffer | ArrayBufferView | { arrayBuffer(): Promise<ArrayBuffer> } | Module;

const MAGIC = [0, 0x61, 0x73, 0x6d];

const isModule = (value: unknown): value is Module => Object.prototype.toString.call(value) === "[object WebAssembly.Module]";

/** A copy of the bytes of a source, which its owner may change. */
async function copyOf(source: unknown): Promise<Uint8Array<ArrayBuffer>> {
  if (typeof (source as Response | undefined)?.arrayBuffer === "function") {
    const { ok, bodyUsed, status, url } = source as Response;
    if (ok === false) throw new Error(`"source" expected a response that is ok, got status ${status} of ${url}`);
    if (bodyUsed) throw typeError("source", "a response that has not been read", source);
    return new Uint8Array(await (source as Response).arrayBuffer());
  }
  if (ArrayBuffer.isView(source)) return new Uint8Array(source.buffer, source.byteOffset, source.byteLength).slice();
  if (Object.prototype.toString.call(source) === "[object ArrayBuffer]") return new Uint8Array(source as ArrayBuffer).slice();
  throw typeError("source", "bytes, a Response or a WebAssembly.Module", source);
}

async function read(source: unknown): Promise<Given> {
  if (isModule(source)) return { module: source };
  const binary = await copyOf(source);
  if (!MAGIC.every((byte, i) => binary[i] === byte)) {
    const start = JSON.stringify(String.fromCharCode(...binary.subarray(0, 16)));
    throw typeError("source", "a WebAssembly binary", new Verbatim(`bytes that begin with ${start}`));
  }
  return { module: compile(binary, feature), binary };
}

/**
 * Gives the library its kernels, which must be of the same version of the package. A call before that is an Error. Only the first kernels
 * count; later ones are ignored. Threads need the bytes; a module alone has no threads.
 *
 * @param source The file `softmax-wasm/wasm/softmax.wasm` in any form, or a promise of it.
 * @throws TypeError for anything else; Error for a response that is not ok, an engine without WebAssembly SIMD, or a policy against it.
 */
export async function init(source: WasmSource | PromiseLike<WasmSource>): Promise<void> {
  const found = await read(await source);
  if (!WebAssembly.Module.exports(found.module).some(({ name }) => name === "loss")) {
    throw typeError("source", "the kernels of softmax-wasm", found.binary ?? found.module);
  }
  given ??= found;
}

/** The tolerance of the self-test: the kernels may be those with relaxed SIMD, whose last bits differ. */
export const tolerance = 2 ** -51;

export function moduleFor(isShared: boolean): Module | undefined {
  if (!given) throw new Error("softmax-wasm/slim expected init() to be awaited first");
  if (!isShared) return given.module;
  const binary = given.binary && spliced(given.binary, sharedMemory);
  return binary && WebAssembly.validate(binary) ? compile(binary, feature) : undefined;
}
