// Trains softmax regression, or a network with a hidden layer, on the MNIST digits with softmax-wasm/linear, tests it, and compares the time of a step
// with that of the same step in plain JavaScript.

import { parseArgs } from "node:util";
import { SingleBar } from "cli-progress";
import Table from "cli-table3";
import chart from "simple-ascii-chart";
import { SoftmaxCrossEntropy } from "softmax-wasm";
import { seeded } from "../../reference/data.js";
import { median } from "../../reference/median.js";
import { numberOption } from "../number-option.js";
import { readDigits } from "./data.js";
import { CLASSES, PIXELS, shuffle } from "./digits.js";
import { accuracyOf, copyPixels, Network, type Samples, samplesOf } from "./network.js";
import { plainStep } from "./plain.js";

const USAGE = `Trains a softmax classifier on the MNIST digits.

  npm start -- [options]

  --hidden N      units of a hidden layer (default 0: none, softmax regression)
  --epochs N      passes over the 60,000 training digits (default 15; 10 with a hidden layer)
  --batch N       digits a step (default 100)
  --rate R        learning rate of the first epoch; the e-th has R/√e (default 0.5)
  --seed N        seed of the random order of the digits (default 1)
  --require P     exit with status 1 if less than P percent of the test digits are right
  --help          this text
`;

interface Options {
  hidden: number;
  epochs: number;
  batch: number;
  rate: number;
  seed: number;
  require: number;
}

function readOptions(): Options | undefined {
  const { values } = parseArgs({
    options: {
      hidden: { type: "string", default: "0" },
      epochs: { type: "string" },
      batch: { type: "string", default: "100" },
      rate: { type: "string", default: "0.5" },
      seed: { type: "string", default: "1" },
      require: { type: "string", default: "0" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return undefined;
  const isCount = (value: number) => Number.isInteger(value) && value >= 1 && value <= 60_000;
  const hidden = numberOption("hidden", values.hidden, (value) => value === 0 || isCount(value), "an integer from 0 to 60000");
  return {
    hidden,
    epochs: numberOption("epochs", values.epochs ?? (hidden ? "10" : "15"), isCount, "an integer from 1 to 60000"),
    batch: numberOption("batch", values.batch, isCount, "an integer from 1 to 60000"),
    rate: numberOption("rate", values.rate, (value) => value > 0 && value <= 1000, "a number above 0, up to 1000"),
    seed: numberOption("seed", values.seed, Number.isSafeInteger, "an integer"),
    require: numberOption("require", values.require, (value) => value >= 0 && value <= 100, "a percentage"),
  };
}

/** Each of so many steps is done once more in plain JavaScript. */
const COMPARED = 100;

/** Times of parts of a step in ms, of the steps that were compared. */
class Comparison {
  readonly #layer = new SoftmaxCrossEntropy({ shape: [0, CLASSES], dtype: "float32" });
  readonly #ofLoss: number[] = [];
  readonly #plainOfLoss: number[] = [];
  readonly #plainProducts: number[] = [];

  /** Computes loss and gradients of a batch, before the network does. */
  add(network: Network, samples: Samples, numbers: Uint32Array): void {
    const labels = Int32Array.from(numbers, (digit) => samples.labels[digit]);
    const pixels = new Float32Array(numbers.length * PIXELS);
    copyPixels(samples, numbers, pixels);
    const plain = plainStep(network.layers, pixels, labels);

    const layer = this.#layer;
    layer.resize([numbers.length, CLASSES]);
    layer.logits.set(network.logits(pixels));
    layer.labels.set(labels);
    // The second time finds the batch in the cache, as a step does.
    layer.forward();
    const started = performance.now();
    const loss = layer.forward();
    layer.backward();
    this.#ofLoss.push(performance.now() - started);
    if (Math.abs(plain.loss - loss) > 1e-4) throw new Error(`plain JavaScript has the loss ${plain.loss}, not ${loss}`);
    this.#plainOfLoss.push(plain.ofLoss);
    this.#plainProducts.push(plain.products);
  }

  /** A table of the parts of a step, with the times of all steps of the network. */
  table({ times }: Network, steps: number): string {
    const [ofLoss, plainOfLoss, plainProducts] = [this.#ofLoss, this.#plainOfLoss, this.#plainProducts].map(median);
    const products = times.layers / steps - ofLoss;
    const rest = times.rest / steps;
    const micros = (time: number) => `${(1000 * time).toFixed(1)} µs`;
    const table = new Table({
      head: ["a step", "softmax-wasm", "plain JavaScript", "times as long"],
      colAligns: ["left", "right", "right", "right"],
      style: { head: [], border: [], compact: true },
    });
    const row = (name: string, time: number, plain: number) => [name, micros(time), micros(plain), (plain / time).toFixed(1)];
    table.push(
      row("products of matrices", products, plainProducts),
      row("softmax and loss", ofLoss, plainOfLoss),
      ["pixels, change of weights", micros(rest), micros(rest), ""],
      row("in all", products + ofLoss + rest, plainProducts + plainOfLoss + rest),
    );
    return table.toString();
  }
}

function run({ hidden, epochs, batch, rate, seed, require }: Options): void {
  const training = samplesOf(readDigits("train"));
  const test = samplesOf(readDigits("t10k"));
  const name = hidden ? `A network with ${hidden} hidden units` : "Softmax regression";
  console.log(`${name} on ${training.count} digits, ${epochs} epochs of batches of ${batch}, rate ${rate}, seed ${seed}\n`);

  const random = seeded(seed);
  const network = new Network(Math.min(batch, training.count), hidden, random);
  const comparison = new Comparison();
  const order = Uint32Array.from({ length: training.count }, (_, i) => i);
  // The loss curve has about 60 points, each the mean loss of its part of the training.
  const curve: [epochs: number, loss: number][] = [];
  const stepsPerPoint = Math.max(1, Math.floor((epochs * Math.ceil(training.count / batch)) / 60));
  let pointSum = 0;
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
      const numbers = order.subarray(start, start + batch);
      if (steps % COMPARED === 0) comparison.add(network, training, numbers);
      const loss = network.step(training, numbers, rate / Math.sqrt(epoch));
      steps++;
      sum += loss * numbers.length;
      pointSum += loss;
      if (steps % stepsPerPoint === 0) {
        curve.push([epoch - 1 + (start + numbers.length) / training.count, pointSum / stepsPerPoint]);
        pointSum = 0;
      }
      bar.update(start + numbers.length, { loss: loss.toFixed(4) });
    }
    bar.stop();
    confusion = network.confusion(test);
    const mean = sum / training.count;
    const seconds = ((performance.now() - epochStarted) / 1000).toFixed(1);
    console.log(
      `epoch ${String(epoch).padStart(2)}   loss ${mean.toFixed(4)}   test accuracy ${(100 * accuracyOf(confusion)).toFixed(2)} %   ${seconds} s`,
    );
  }

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

  console.log(`\nTime of a step; 1 of ${COMPARED} was done in plain JavaScript, too\n${comparison.table(network, steps)}`);

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
