// The source of the module of decoding in Cloudflare's workerd, which compiles .wasm files when a worker is deployed.

import module from "./wasm/decode.wasm";

export const decodeModule = (): WebAssembly.Module => module;
