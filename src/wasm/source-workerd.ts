// The source of the module in Cloudflare's workerd, which compiles .wasm files when a worker is deployed, and no bytes at run time. There
// are no threads.

import module from "./wasm/softmax.wasm";

export const tolerance = 0;

export function moduleFor(isShared: boolean): WebAssembly.Module | undefined {
  return isShared ? undefined : module;
}
