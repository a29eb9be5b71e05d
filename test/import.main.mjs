// Prints how long an import of the package takes in a fresh process, as a part of the time that Node took to start.

const start = performance.now();
await import("softmax-wasm");
console.log((performance.now() - start) / start);
