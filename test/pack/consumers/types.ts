// TypeScript: strict, with the declarations of every entry checked, for every way to find them.

import { type Consumer, MAIN, PROGRAM } from "../project.js";

const USES = `import { crossEntropy, type LossOptions, type SoftmaxCrossEntropy, softmax } from "softmax-wasm";
import { type SampleOptions, sample, topK } from "softmax-wasm/decode";
import { LinearCrossEntropy, type LinearOptions, linearCrossEntropyWithGradient } from "softmax-wasm/linear";
import { init, type WasmSource } from "softmax-wasm/slim";
import * as relaxed from "softmax-wasm/relaxed";

const nested: number[][] = softmax([[1, 2], [3, 4]]);
const flat: Float64Array = softmax(Float64Array.of(1, 2));
const losses: number[] = crossEntropy(nested, [0, 1], { reduction: "none" });
const { indices, logProbs }: { indices: Int32Array; logProbs: Float32Array } = sample(Float32Array.of(1, 2), { topP: 0.9 });
const best: number[][] = topK(nested, 1).indices;
export const decoded: readonly unknown[] = [indices, logProbs, best];
export const decoding: SampleOptions = { seed: 1 };
const { weightsGradient, biasGradient } = linearCrossEntropyWithGradient(nested, nested, [0, 1], { bias: [0, 1] });
const head = new LinearCrossEntropy({ shape: [2, 2], classes: 2, dtype: "float32" });
export const linear: [number[][], number[], Float32Array] = [weightsGradient, biasGradient, head.weights];
export const ofLinear: LinearOptions = { labelSmoothing: 0.1 };
export const options: LossOptions = { labelSmoothing: 0.1 };
export const start = (source: WasmSource): Promise<void> => init(source);
export const total = (layer: SoftmaxCrossEntropy<"sum">): number => layer.forward();
export const all = (): number[] => [flat.length, losses.length, relaxed.softmax([1, 2]).length];
// @ts-expect-error: no bytes
export const mistaken = () => init("./softmax.wasm");
// @ts-expect-error: no such option
export const wrong = () => crossEntropy(nested, [0, 1], { smoothing: 0.1 });
`;

const STRICT = ["--strict", "--skipLibCheck", "false", "--target", "es2022", "--types", "node"];

const typescript = (version: string): Consumer => ({
  name: `TypeScript ${version}`,
  packages: [`typescript@${version}`, "@types/node@20"],
  files: {
    "program.ts": PROGRAM,
    "uses.ts": USES,
    "out/package.json": '{"type":"module"}',
    "out/main.js": MAIN.replace("./program.mjs", "./program.js"),
    // A project of CommonJS finds the declarations of require().
    "commonjs/package.json": "{}",
    "commonjs/uses.ts": USES,
  },
  use: async (project) => {
    await project.run("tsc", ...STRICT, "--module", "esnext", "--moduleResolution", "bundler", "--noEmit", "uses.ts");
    await project.run("tsc", ...STRICT, "--lib", "es2022", "--module", "nodenext", "--noEmit", "uses.ts");
    await project.run("tsc", ...STRICT, "--module", "nodenext", "--noEmit", "commonjs/uses.ts");
    await project.run("tsc", ...STRICT, "--module", "nodenext", "--outDir", "out", "program.ts");
    return project.outcomeOf(process.execPath, "out/main.js");
  },
});

/** The way of old projects, which TypeScript 6 has given up. */
const node10: Consumer = {
  name: "TypeScript, moduleResolution node10",
  packages: ["typescript@5.9", "@types/node@20"],
  files: { "package.json": '{"private":true}', "program.ts": PROGRAM, "uses.ts": USES },
  use: async (project) => {
    const node10 = [...STRICT, "--module", "commonjs", "--moduleResolution", "node10"];
    await project.run("tsc", ...node10, "--noEmit", "uses.ts");
    await project.run("tsc", ...node10, "--outDir", "out", "program.ts");
    project.write({ "out/main.js": 'require("./program.js").say().then(console.log);\n' });
    return project.outcomeOf(process.execPath, "out/main.js");
  },
};

export const TYPES: readonly Consumer[] = [...["5.9", "6.0", "7"].map(typescript), node10];
