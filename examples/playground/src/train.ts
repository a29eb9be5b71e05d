// The part Train: a network that a worker trains, with its curves and weights; it reads a digit that the user draws.

import { CLASSES, type Digits, PIXELS } from "../../mnist/digits.js";
import { drawBars } from "./bars.js";
import { type CurvePoint, type CurveStyle, drawCurve } from "./curves.js";
import { loadDigits } from "./digits.js";
import { full, short } from "./format.js";
import { paintDigit, UnitImages } from "./images.js";
import { Pad } from "./pad.js";
import { announcer, atWidthOf, byId, digitsOf, make, onColorScheme } from "./page.js";
import { read } from "./reading.js";
import { loadRecorded, unpackLayer } from "./recorded.js";
import { imageOf } from "./strokes.js";
import type { TrainRequest } from "./train-worker.js";
import { HIDDEN, type Progress } from "./trainer.js";

const MOST_EPOCHS = 15;
/** The scale of errors has no 0. */
const LEAST_ERROR = 1e-3;

const percent = (share: number) => `${(100 * share).toFixed(1)} %`;

const LOSS: CurveStyle = { domain: [0.15, 2.5], ticks: [0.1, 0.2, 0.5, 1, 2, 5], color: "var(--accent)", format: full };
/** The share of wrong answers, named by that of right ones. */
const ERRORS: CurveStyle = {
  domain: [1, 0.02],
  ticks: [0.8, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01],
  color: "var(--marked-ink)",
  format: (errors) => `${Math.round(100 * (1 - errors))} %`,
};

export function startTrain(): void {
  const start = byId<HTMLButtonElement>("train-start");
  const reset = byId<HTMLButtonElement>("train-reset");
  const example = byId<HTMLButtonElement>("train-example");
  const rate = byId<HTMLInputElement>("train-rate");
  const batch = byId<HTMLSelectElement>("train-batch");
  const lossPlace = byId("train-loss-curve");
  const accuracyPlace = byId("train-accuracy-curve");
  const barsPlace = byId("train-bars");
  const seen = byId<HTMLCanvasElement>("train-seen");
  const unitImages = new UnitImages(byId("train-units"), HIDDEN);
  const say = announcer(byId("train-status"));
  const worker = new Worker(new URL("./train-worker.ts", import.meta.url), { type: "module" });

  let digits: Record<"training" | "test", Digits> | undefined;
  let progress: Progress | undefined;
  let losses: CurvePoint[] = [];
  let errors: CurvePoint[] = [];
  let isRunning = false;
  /** The image on the pad, and its number if it is a test digit. */
  let image: Uint8Array | undefined;
  let shownDigit = -1;
  let isTestDigit = false;

  /** Asks the worker; only one request at a time. */
  const ask = (request: TrainRequest) =>
    new Promise<Progress>((resolve, reject) => {
      worker.onmessage = ({ data }) => resolve(data);
      worker.onerror = ({ message }) => reject(new Error(message));
      worker.postMessage(request);
    });

  function drawCurves(): void {
    const [loss, error] = [losses.at(-1), errors.at(-1)];
    const told = (what: string, point: string | undefined) => (point ? `${what}: ${point}` : `${what}: no point yet`);
    drawCurve(lossPlace, losses, told("Training loss by epoch", loss && `${short(loss.value)} after epoch ${loss.epoch.toFixed(1)}`), LOSS);
    drawCurve(
      accuracyPlace,
      errors,
      told("Test accuracy by epoch", error && `${percent(1 - error.value)} after epoch ${error.epoch.toFixed(1)}`),
      ERRORS,
    );
  }

  function drawReading(): void {
    const reading = progress && image && read(progress.layers, image);
    const probs = reading?.probs ?? new Float64Array(CLASSES);
    const best = probs.indexOf(Math.max(...probs));
    const truth = isTestDigit && digits ? ` It is a ${digits.test.labels[shownDigit]}.` : "";
    let answer = "Nothing is drawn.";
    if (image && !progress?.steps) answer = `Not trained yet.${truth}`;
    else if (image) answer = `Read as ${best}, p = ${short(probs[best])}.${truth}`;
    byId("train-answer").textContent = answer;
    seen.ariaLabel = image ? "The image that is read, 28 × 28 pixels" : "Nothing is drawn";
    paintDigit(seen, image ?? new Uint8Array(PIXELS));
    drawBars(
      barsPlace,
      Array.from(probs, (p, digit) => ({ name: String(digit), p, isMarked: image !== undefined && digit === best })),
      image ? `Bars of p: ${Array.from(probs, (p, digit) => `digit ${digit} ${short(p)}`).join("; ")}.` : "Bars of p: nothing is drawn.",
      22,
    );
    const lines = reading
      ? Array.from(reading.logits, (logit, digit) =>
          make(
            "tr",
            {},
            make("th", { scope: "row" }, String(digit)),
            make("td", {}, ...digitsOf(full(logit))),
            make("td", {}, ...digitsOf(full(probs[digit]))),
          ),
        )
      : [];
    byId<HTMLTableElement>("train-probs").tBodies[0].replaceChildren(...lines);
    unitImages.mark(reading?.units);
  }

  function drawAll(): void {
    if (!progress) return;
    const { epochs, steps, seconds, loss, accuracy, layers } = progress;
    byId("train-epoch").textContent = epochs.toFixed(1);
    byId("train-step").textContent = full(steps);
    byId("train-seconds").textContent = `${seconds.toFixed(1)} s`;
    byId("train-loss").textContent = steps ? loss.toFixed(4) : "–";
    byId("train-accuracy").textContent = percent(accuracy);
    drawCurves();
    unitImages.draw(layers[0]);
    drawReading();
  }

  function add(reached: Progress): void {
    progress = reached;
    const { epochs, steps, loss, accuracy } = reached;
    if (steps) losses.push({ epoch: epochs, value: loss });
    errors.push({ epoch: epochs, value: Math.max(1 - accuracy, LEAST_ERROR) });
  }

  function show(reached: Progress): void {
    add(reached);
    drawAll();
  }

  const told = () =>
    `Epoch ${byId("train-epoch").textContent}: training loss ${byId("train-loss").textContent}, test accuracy ${byId("train-accuracy").textContent}.`;

  function setRunning(to: boolean): void {
    isRunning = to;
    start.textContent = to ? "Pause" : "Start";
  }

  async function begin(): Promise<void> {
    if (!digits) return;
    byId("train-recorded").hidden = true;
    losses = [];
    errors = [];
    show(await ask(digits));
    start.disabled = false;
  }

  /** Shows the recorded training, and what its network makes of a test digit. */
  async function beginRecorded(): Promise<void> {
    const { machine, training, layers } = await loadRecorded();
    byId("train-recorded").hidden = false;
    byId("train-recorded").textContent = `Recorded when this page was built: ${machine}. Start trains in this browser.`;
    const [hidden, head] = layers.map(unpackLayer);
    for (const point of training) add({ ...point, layers: [hidden, head] });
    takeExample();
    drawAll();
    start.disabled = reset.disabled = example.disabled = false;
  }

  async function run(): Promise<void> {
    while (isRunning) {
      show(await ask({ rate: rate.valueAsNumber, batch: Number(batch.value) }));
      if (progress && progress.epochs < MOST_EPOCHS) continue;
      start.disabled = true;
      setRunning(false);
    }
    if (progress?.steps) say(told());
  }

  /** The work of the worker, of which each piece waits for the one before. */
  let work = Promise.resolve();
  function then(next: () => Promise<void>): void {
    work = work.then(next).catch((error: Error) => {
      setRunning(false);
      byId("train-failure").hidden = false;
      byId("train-failure").textContent = error.message;
    });
  }

  start.addEventListener("click", () => {
    setRunning(!isRunning);
    if (!isRunning) return;
    if (!byId("train-recorded").hidden) then(begin);
    then(run);
  });
  reset.addEventListener("click", () => {
    setRunning(false);
    then(begin);
    say("Reset: the weights are random.");
  });
  rate.addEventListener("input", () => {
    byId("train-rate-value").textContent = full(rate.valueAsNumber);
  });

  const pad = new Pad(byId("train-pad"), {
    drawn: (strokes) => {
      isTestDigit = false;
      image = strokes.length ? imageOf(strokes) : undefined;
      drawReading();
      if (image) say(byId("train-answer").textContent ?? "");
    },
    said: say,
  });
  byId("train-clear").addEventListener("click", () => pad.clear());
  function takeExample(): void {
    if (!digits) return;
    shownDigit = (shownDigit + 1) % digits.test.count;
    isTestDigit = true;
    image = digits.test.images.subarray(shownDigit * PIXELS, (shownDigit + 1) * PIXELS);
    pad.show(image);
  }
  example.addEventListener("click", () => {
    takeExample();
    drawReading();
    say(byId("train-answer").textContent ?? "");
  });

  atWidthOf(lossPlace, drawCurves);
  atWidthOf(barsPlace, drawReading);
  onColorScheme(() => {
    pad.draw();
    drawAll();
  });
  then(async () => {
    digits = await loadDigits().catch((error: Error) => {
      throw new Error(`The digits could not be loaded: ${error.message}`);
    });
    await beginRecorded();
  });
}
