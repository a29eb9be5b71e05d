// What @assemblyscript/loader needs of a scope when it is loaded, else to fail without saying why: this comes before it.

if (typeof TextDecoder === "undefined") {
  throw new Error("softmax-wasm expected a scope with TextDecoder, which audio worklets have not: define globalThis.TextDecoder first");
}
if (Object.isFrozen(Object)) throw new Error("softmax-wasm expected to be imported before Object is frozen");
