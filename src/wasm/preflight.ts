// Checks what @assemblyscript/loader needs of a scope. It is imported before the loader, which would fail there without naming the cause.

if (typeof TextDecoder === "undefined") {
  throw new Error("softmax-wasm expected a scope with TextDecoder, which audio worklets have not: define globalThis.TextDecoder first");
}
if (Object.isFrozen(Object)) throw new Error("softmax-wasm expected to be imported before Object is frozen");
