// Compiles a binary to a module, or throws an Error that names the reason.

/** The difference of the binary for shared memory: it has `bytes` in the place of [start, end). */
export interface Splice {
  readonly start: number;
  readonly end: number;
  readonly bytes: readonly number[];
}

/** The binary with a splice. */
export function spliced(binary: Uint8Array<ArrayBuffer>, { start, end, bytes }: Splice): Uint8Array<ArrayBuffer> {
  const result = new Uint8Array(binary.length + bytes.length - (end - start));
  result.set(binary.subarray(0, start));
  result.set(bytes, start);
  result.set(binary.subarray(end), start + bytes.length);
  return result;
}

/** The module of a binary. An engine without `feature` can't have it. */
export function compile(binary: BufferSource, feature: string): WebAssembly.Module {
  if (typeof WebAssembly === "undefined") {
    throw new Error("softmax-wasm expected an engine with WebAssembly; Node has none with --jitless, and iOS none in Lockdown Mode");
  }
  if (!WebAssembly.validate(binary)) throw new Error(`softmax-wasm expected an engine that has ${feature}`);
  try {
    return new WebAssembly.Module(binary);
  } catch (cause) {
    // The binary is valid, so the reason is most often a policy.
    const expected = "to be allowed to compile WebAssembly, for which a Content-Security-Policy needs script-src 'wasm-unsafe-eval'";
    throw new Error(`softmax-wasm expected ${expected}, got: ${(cause as Error).message}`, { cause });
  }
}
