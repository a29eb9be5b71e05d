// The source of the module of products in Cloudflare's workerd, which compiles .wasm files when a worker is deployed.

import module from "./wasm/linear.wasm";

export const linearModule = (): WebAssembly.Module => module;
