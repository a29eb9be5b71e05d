// Trains softmax regression on the MNIST digits with the resident buffers of SoftmaxCrossEntropy, tests it, and compares the time of its
// softmax and loss with the time of the same steps in plain JavaScript.

import { parseArgs } from "node:util";
import { SingleBar } from "cli-progress";
import Table from "cli-table3";
import chart from "simple-ascii-chart";
import { SoftmaxCrossEntropy } from "softmax-wasm";
import { seeded } from "../../reference/data.js";
import { FORMS } from "../../reference/plain-javascript.js";
import { numberOption } from "../number-option.js";
import { readDigits } from "./data.js";
import { CLASSES, shuffle } from "./digits.js";
import { accuracyOf, confusionOf, descend, forward, zeroWeights } from "./model.js";

const USAGE = `Trains a softmax classifier on the MNIST digits.

  npm start -- [options]

  --epochs N      passes over the 60,000 training digits (default 15)
  --batch N       digits a step (default 100)
  --rate R        learning rate of the first epoch; the e-th has R/√e (default 0.5)
  --seed N        seed of the random order of the digits (default 1)
  --require P     exit with status 1 if less than P percent of the test digits are right
  --help          this text
`;

interface Options {
  epochs: number;
  batch: number;
  rate: number;
  seed: number;
  require: number;
}

function readOptions(): Options | undefined {
  const { values } = parseArgs({
    options: {
      epochs: { type: "string", default: "15" },
      batch: { type: "string", default: "100" },
      rate: { type: "string", default: "0.5" },
      seed: { type: "string", default: "1" },
      require: { type: "string", default: "0" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return undefined;
  const isCount = (value: number) => Number.isInteger(value) && value >= 1 && value <= 60_000;
  return {
    epochs: numberOption("epochs", values.epochs, isCount, "an integer from 1 to 60000"),
    batch: numberOption("batch", values.batch, isCount, "an integer from 1 to 60000"),
    rate: numberOption("rate", values.rate, (value) => value > 0 && value <= 1000, "a number above 0, up to 1000"),
    seed: numberOption("seed", values.seed, Number.isSafeInteger, "an integer"),
    require: numberOption("require", values.require, (value) => value >= 0 && value <= 100, "a percentage"),
  };
}

function run({ epochs, batch, rate, seed, require }: Options): void {
  const training = readDigits("train");
  const test = readDigits("t10k");
  console.log(`Softmax regression on ${training.count} digits, ${epochs} epochs of batches of ${batch}, rate ${rate}, seed ${seed}\n`);

  const weights = zeroWeights();
  const random = seeded(seed);
  const order = Uint32Array.from({ length: training.count }, (_, i) => i);
  const layer = new SoftmaxCrossEntropy({ shape: [Math.min(batch, training.count), CLASSES] });
  // The loss curve has about 60 points, each the mean loss of its part of the training.
  const curve: [epochs: number, loss: number][] = [];
  const stepsPerPoint = Math.max(1, Math.floor((epochs * Math.ceil(training.count / batch)) / 60));
  let pointSum = 0;
  const started = performance.now();
  let lossTime = 0;
  let plainTime = 0;
  let steps = 0;
  let confusion: number[][] = [];

  for (let epoch = 1; epoch <= epochs; epoch++) {
    const epochStarted = performance.now();
    const bar = new SingleBar({
      format: `epoch ${epoch}/${epochs} {bar} {value}/{total} digits  loss {loss}`,
      clearOnComplete: true,
      fps: 10,
    });
    bar.start(training.count, 0, { loss: "" });
    shuffle(order, random);
    let sum = 0;
    for (let start = 0; start < order.length; start += batch) {
      const chosen = order.subarray(start, start + batch);
      const rows = chosen.length;
      if (layer.shape?.[0] !== rows) layer.resize([rows, CLASSES]);
      const { logits, labels } = layer;
      forward(weights, training, chosen, logits);
      for (let i = 0; i < rows; i++) labels[i] = training.labels[chosen[i]];

      const before = performance.now();
      const loss = layer.forward();
      const gradient = layer.backward();
      lossTime += performance.now() - before;
      steps++;

      // The same step in plain JavaScript, on ordinary arrays.
      const [plainLogits, plainLabels, plainGradient] = [logits.slice(), Int32Array.from(labels), new Float64Array(logits.length)];
      const beforePlain = performance.now();
      FORMS.crossEntropyWithGradient.inPairs(plainLogits, plainLabels, plainGradient, rows, CLASSES);
      plainTime += performance.now() - beforePlain;

      descend(weights, training, chosen, gradient, rate / Math.sqrt(epoch));
      sum += loss * rows;
      pointSum += loss;
      if (steps % stepsPerPoint === 0) {
        curve.push([epoch - 1 + (start + rows) / training.count, pointSum / stepsPerPoint]);
        pointSum = 0;
      }
      bar.update(start + rows, { loss: loss.toFixed(4) });
    }
    bar.stop();
    confusion = confusionOf(weights, test);
    const mean = sum / training.count;
    const seconds = ((performance.now() - epochStarted) / 1000).toFixed(1);
    console.log(
      `epoch ${String(epoch).padStart(2)}   loss ${mean.toFixed(4)}   test accuracy ${(100 * accuracyOf(confusion)).toFixed(2)} %   ${seconds} s`,
    );
  }

  const total = performance.now() - started;
  const marks = Math.ceil(epochs / 10);
  const axis = {
    customXAxisTicks: Array.from({ length: Math.floor(epochs / marks) }, (_, i) => (i + 1) * marks),
    formatter: (value: number) => String(Number(value.toFixed(3))),
  };
  if (curve.length > 1) console.log(`\nTraining loss by epoch\n${chart(curve, { width: 60, height: 12, ...axis })}`);

  const table = new Table({
    head: ["true \\ as", ...Array.from({ length: CLASSES }, (_, j) => String(j))],
    colAligns: new Array(CLASSES + 1).fill("right"),
    style: { head: [], border: [], compact: true },
  });
  table.push(...confusion.map((row, digit) => ({ [digit]: row.map(String) })));
  console.log(`\nWhat the ${test.count} test digits were taken for\n${table}`);

  const each = (time: number) => `${((1000 * time) / steps).toFixed(1)} µs a step`;
  console.log(`
Softmax and loss: ${(lossTime / 1000).toFixed(2)} s of ${(total / 1000).toFixed(1)} s, ${each(lossTime)} with softmax-wasm;
the same steps in plain JavaScript: ${(plainTime / 1000).toFixed(2)} s, ${each(plainTime)}, ${(plainTime / lossTime).toFixed(1)} times as long.`);

  const accuracy = 100 * accuracyOf(confusion);
  console.log(`\nTest accuracy ${accuracy.toFixed(2)} %`);
  if (accuracy < require) {
    console.error(`less than the ${require} % required`);
    process.exitCode = 1;
  }
}

try {
  const options = readOptions();
  if (options) run(options);
  else console.log(USAGE);
} catch (error) {
  console.error(`${(error as Error).message}\n\n${USAGE}`);
  process.exitCode = 2;
}
