// The library without its binary, which init() brings.

export * from "./index.js";
export { init, type WasmSource } from "./wasm/source-slim.js";
