// transformers.js: `softmax` and `log_softmax` of one array, called row by row, as it has no batches, other axes or gradients.

import type { Task } from "../task.js";
import { load, type Work } from "./packages.js";

interface Transformers {
  softmax(row: Float64Array): Float64Array;
  log_softmax(row: Float64Array): Float64Array;
}

export async function transformers({ op, outer, classes, inner, logits, labels }: Task): Promise<Work | string> {
  if (op === "gradient") return "it has no gradients";
  if (inner > 1) return "it has rows only";
  const { softmax, log_softmax: logSoftmax } = await load<Transformers>("@huggingface/transformers");
  const rows = Array.from({ length: outer }, (_, row) => logits.subarray(row * classes, (row + 1) * classes));
  if (op === "softmax") {
    let probs: Float64Array[] = [];
    const run = () => {
      probs = rows.map(softmax);
    };
    return { run, result: () => probs.flatMap((row) => [...row]) };
  }
  let loss = 0;
  const run = () => {
    let sum = 0;
    for (let row = 0; row < outer; row++) sum -= logSoftmax(rows[row])[labels[row]];
    loss = sum / outer;
  };
  return { run, result: () => [loss] };
}
