// The source of the module of decoding: its binary as digits. The build for workerd puts source-workerd.ts in the place of this file.

import { compile } from "../wasm/compile.js";
import { decode } from "../wasm/decode.generated.js";
import { BINARY_DIGIT_BITS, bytesOf } from "../wasm/digits.js";

export const decodeModule = (): WebAssembly.Module => compile(bytesOf(decode, BINARY_DIGIT_BITS), "WebAssembly SIMD");
