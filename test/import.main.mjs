// Prints how many milliseconds an import of the package takes in a fresh process.

const start = performance.now();
await import("softmax-wasm");
console.log(performance.now() - start);
