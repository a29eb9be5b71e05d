// npm run bench:evaluate: the numbers of an evaluation, from float32 logits of a language model with padding: by one call of this library,
// and by a loop in plain JavaScript. They take turns; times are medians.
//
//   --rows 512 --classes 151936   the shape of the logits
//   --record                      writes results/evaluate-node-<major>.json, and what documents say of it
//
// The memory is the growth of the process's peak in the first call, which starts the library too.

import { parseArgs } from "node:util";
import { crossEntropy } from "softmax-wasm";
import { seeded } from "../reference/data.js";
import { median } from "../reference/median.js";
import { writeDocuments } from "./documents.js";
import { type EvaluateRecord, writeRecord } from "./record.js";
import { provenance } from "./versions.js";

const { values } = parseArgs({
  options: {
    rows: { type: "string", default: "512" },
    classes: { type: "string", default: "151936" },
    record: { type: "boolean", default: false },
  },
});
const [rows, classes] = [Number(values.rows), Number(values.classes)];
if (values.record && (rows !== 512 || classes !== 151_936)) throw new RangeError("--record expected the shape that the documents show");
const ROUNDS = 5;
const PADDING = -100;

/** The numbers of an evaluation. */
interface Evaluation {
  readonly loss: number;
  readonly correct: number;
  readonly meanEntropy: number;
}

function byLibrary(): Evaluation {
  const { loss, validCount, correct, entropy } = crossEntropy(logits, labels, {
    shape: [rows, classes],
    ignoreIndex: PADDING,
    outputs: ["validCount", "correct", "entropy"],
  });
  return { loss, correct, meanEntropy: entropy.reduce((sum, nats) => sum + nats, 0) / validCount };
}

/** One pass for the maximum, one for the sums; two rows at once, as in plain-javascript.ts. */
function byLoop(): Evaluation {
  let [loss, correct, entropy] = [0, 0, 0];
  const read = Array.from(labels, Number).flatMap((label, r) => (label === PADDING ? [] : [r]));
  const finish = (r: number, best: number, max: number, sum: number, moment: number) => {
    const start = r * classes;
    const label = Number(labels[r]);
    loss += max + Math.log(sum) - logits[start + label];
    entropy += Math.log(sum) - moment / sum;
    correct += best === start + label ? 1 : 0;
  };
  for (let pair = 0; pair < read.length; pair += 2) {
    const [r0, r1 = r0] = read.slice(pair, pair + 2);
    const end = (r0 + 1) * classes;
    let [max0, max1, best0, best1] = [-Infinity, -Infinity, 0, 0];
    for (let i = r0 * classes, k = r1 * classes; i < end; i++, k++) {
      if (logits[i] > max0) {
        max0 = logits[i];
        best0 = i;
      }
      if (logits[k] > max1) {
        max1 = logits[k];
        best1 = k;
      }
    }
    let [sum0, sum1, moment0, moment1] = [0, 0, 0, 0];
    for (let i = r0 * classes, k = r1 * classes; i < end; i++, k++) {
      const v0 = logits[i] - max0;
      const v1 = logits[k] - max1;
      const e0 = Math.exp(v0);
      const e1 = Math.exp(v1);
      sum0 += e0;
      sum1 += e1;
      moment0 += e0 * v0;
      moment1 += e1 * v1;
    }
    finish(r0, best0, max0, sum0, moment0);
    if (r1 !== r0) finish(r1, best1, max1, sum1, moment1);
  }
  const count = read.length;
  return { loss: loss / count, correct, meanEntropy: entropy / count };
}

function timed<T>(run: () => T): { seconds: number; result: T } {
  const start = performance.now();
  const result = run();
  return { seconds: (performance.now() - start) / 1e3, result };
}

const random = seeded(rows);
const logits = new Float32Array(rows * classes);
for (let i = 0; i < logits.length; i++) logits[i] = 10 * random() - 5;
const labels = BigInt64Array.from({ length: rows }, () => BigInt(random() < 0.2 ? PADDING : Math.floor(random() * classes)));

const peakMB = () => process.resourceUsage().maxRSS / 1e3;
const peak = peakMB();
const first = timed(byLibrary);
const besideMB = peakMB() - peak;

const plain = timed(byLoop);
for (const key of ["loss", "correct", "meanEntropy"] as const) {
  const [got, want] = [first.result[key], plain.result[key]];
  // Entropies come in float32.
  if (Math.abs(got - want) > 1e-7 * Math.abs(want)) throw new Error(`${key}: ${got} by the library, ${want} by the loop`);
}
const seconds = { library: [] as number[], plain: [] as number[] };
for (let round = 0; round < ROUNDS; round++) {
  seconds.library.push(timed(byLibrary).seconds);
  seconds.plain.push(timed(byLoop).seconds);
}
const record: EvaluateRecord = {
  ...provenance(),
  shape: [rows, classes],
  rounds: ROUNDS,
  seconds: { first: first.seconds, library: median(seconds.library), plain: median(seconds.plain) },
  inputMB: logits.byteLength / 1e6,
  besideMB,
};
const { library, plain: byPlain } = record.seconds;
console.log(`${rows}×${classes} float32 logits, ${record.inputMB.toFixed(0)} MB: loss, accuracy and mean entropy of the rows that are not padding
  softmax-wasm      ${library.toFixed(3)} s, the first call ${first.seconds.toFixed(3)} s with ${besideMB.toFixed(1)} MB beside the input
  plain JavaScript  ${byPlain.toFixed(3)} s, ${(byPlain / library).toFixed(1)} times as long
${record.cpu}, Node ${record.node}; medians of ${ROUNDS} rounds`);
if (values.record) {
  writeRecord("evaluate-", record);
  writeDocuments();
}
