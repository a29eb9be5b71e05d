// Trains and measures as the page does, and prints the outcome as JSON, which the page shows before the first click.

import { readFileSync } from "node:fs";
import { cpus } from "node:os";
import { gunzipSync } from "node:zlib";
import { unpackDigits } from "./src/digits.js";
import { SHAPES } from "./src/implementations.js";
import { measureShape, SAMPLE_MS, type Times } from "./src/measure-shape.js";
import { packLayer, type Recorded } from "./src/recorded.js";
import { type Progress, Trainer } from "./src/trainer.js";

const EPOCHS = 6;
const SETTINGS = { rate: 0.5, batch: 50 };

const { training, test } = unpackDigits(gunzipSync(readFileSync(new URL("public/digits.bin", import.meta.url))));
const trainer = new Trainer(training, test);
const points: Progress[] = [trainer.progress];
while (points[points.length - 1].epochs < EPOCHS) {
  trainer.train(SETTINGS);
  points.push(trainer.progress);
}
const [hidden, head] = points[points.length - 1].layers;

const times: Times[] = [];
// The first time, engines compile the code.
for (const shape of [SHAPES[0], ...SHAPES]) {
  await measureShape(
    shape,
    SAMPLE_MS,
    async () => true,
    (medians) => {
      times[SHAPES.indexOf(shape)] = medians;
    },
  );
}

const recorded: Recorded = {
  machine: `${cpus()[0].model.trim()}, Node ${process.versions.node}`,
  training: points.map(({ layers, ...point }) => point),
  layers: [packLayer(hidden), packLayer(head)],
  times,
};
process.stdout.write(JSON.stringify(recorded));
