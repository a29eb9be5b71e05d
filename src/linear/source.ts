// The source of the module of products: its binary as digits. The build for workerd puts source-workerd.ts in the place of this file.

import { compile } from "../wasm/compile.js";
import { BINARY_DIGIT_BITS, bytesOf } from "../wasm/digits.js";
import { linear } from "../wasm/linear.generated.js";

export const linearModule = (): WebAssembly.Module => compile(bytesOf(linear, BINARY_DIGIT_BITS), "WebAssembly SIMD");
