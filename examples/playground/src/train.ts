// The part Train: softmax regression, a few steps a frame, with its curves and weights; it reads a digit that the user draws.

import { CLASSES, type Digits, PIXELS } from "../../mnist/digits.js";
import { drawBars } from "./bars.js";
import { type CurvePoint, type CurveStyle, drawCurve } from "./curves.js";
import { loadDigits } from "./digits.js";
import { full, short } from "./format.js";
import { paintDigit, WeightImages } from "./images.js";
import { Pad } from "./pad.js";
import { announcer, atWidthOf, byId, digitsOf, make, onColorScheme } from "./page.js";
import { imageOf } from "./strokes.js";
import { Trainer } from "./trainer.js";

/** Digits trained on in a frame: about two epochs a second, slow enough to watch. */
const DIGITS_PER_FRAME = 200;
const MOST_EPOCHS = 50;
/** The number of points that an epoch adds to the curves; all is drawn with each. */
const POINTS_PER_EPOCH = 6;
/** Progress is announced after so many epochs. */
const ANNOUNCED_EPOCHS = 10;

const percent = (share: number) => `${(100 * share).toFixed(1)} %`;

const LOSS: CurveStyle = { domain: [0, 2.4], color: "var(--accent)", format: full };
const ACCURACY: CurveStyle = { domain: [0, 1], color: "var(--marked-ink)", format: (value) => `${Math.round(100 * value)} %` };

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
  const weightImages = new WeightImages(byId("train-weights"));
  const say = announcer(byId("train-status"));

  let digits: Record<"training" | "test", Digits> | undefined;
  let trainer: Trainer | undefined;
  let losses: CurvePoint[] = [];
  let accuracies: CurvePoint[] = [];
  let isRunning = false;
  let scheduled = 0;
  /** The image on the pad, and its number if it is a test digit. */
  let image: Uint8Array | undefined;
  let shownDigit = -1;
  let isTestDigit = false;

  function settings(): void {
    byId("train-rate-value").textContent = full(rate.valueAsNumber);
    if (!trainer) return;
    trainer.rate = rate.valueAsNumber;
    trainer.batch = Number(batch.value);
  }

  function drawCurves(): void {
    const [loss, accuracy] = [losses.at(-1), accuracies.at(-1)];
    const told = (what: string, point: string | undefined) => (point ? `${what}: ${point}` : `${what}: no point yet`);
    drawCurve(lossPlace, losses, told("Training loss by epoch", loss && `${short(loss.value)} after epoch ${loss.epoch.toFixed(1)}`), LOSS);
    drawCurve(
      accuracyPlace,
      accuracies,
      told("Test accuracy by epoch", accuracy && `${percent(accuracy.value)} after epoch ${accuracy.epoch.toFixed(1)}`),
      ACCURACY,
    );
  }

  function drawReading(): void {
    const { logits, probs } = trainer && image ? trainer.read(image) : { logits: undefined, probs: new Float64Array(CLASSES) };
    const best = probs.indexOf(Math.max(...probs));
    const truth = isTestDigit && digits ? ` It is a ${digits.test.labels[shownDigit]}.` : "";
    let answer = "Nothing is drawn.";
    if (image && !trainer?.steps) answer = `Not trained yet: every p is 0.1.${truth}`;
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
    const lines = logits
      ? Array.from(logits, (logit, digit) =>
          make(
            "tr",
            {},
            make("th", { scope: "row" }, String(digit)),
            make("td", {}, ...digitsOf(logit)),
            make("td", {}, ...digitsOf(probs[digit])),
          ),
        )
      : [];
    byId<HTMLTableElement>("train-probs").tBodies[0].replaceChildren(...lines);
  }

  function drawAll(): void {
    if (!trainer) return;
    byId("train-epoch").textContent = trainer.epochs.toFixed(1);
    byId("train-step").textContent = full(trainer.steps);
    byId("train-loss").textContent = losses.length ? losses[losses.length - 1].value.toFixed(4) : "–";
    byId("train-accuracy").textContent = accuracies.length ? percent(accuracies[accuracies.length - 1].value) : "–";
    drawCurves();
    weightImages.draw(trainer.weights);
    drawReading();
  }

  function progress(): string {
    return `Epoch ${byId("train-epoch").textContent}: training loss ${byId("train-loss").textContent}, test accuracy ${byId("train-accuracy").textContent}.`;
  }

  function pause(): void {
    isRunning = false;
    cancelAnimationFrame(scheduled);
    start.textContent = "Start";
    say(progress());
  }

  let lossSum = 0;
  let stepsInPoint = 0;
  function frame(): void {
    if (!trainer) return;
    for (let left = DIGITS_PER_FRAME; left > 0; left -= trainer.batch) {
      const before = trainer.epochs;
      lossSum += trainer.step();
      stepsInPoint++;
      const after = trainer.epochs;
      if (Math.floor(after * POINTS_PER_EPOCH) > Math.floor(before * POINTS_PER_EPOCH)) {
        losses.push({ epoch: after, value: lossSum / stepsInPoint });
        accuracies.push({ epoch: after, value: trainer.accuracy() });
        lossSum = stepsInPoint = 0;
        drawAll();
      }
      if (Math.floor(after / ANNOUNCED_EPOCHS) > Math.floor(before / ANNOUNCED_EPOCHS)) say(progress());
      if (after >= MOST_EPOCHS) {
        start.disabled = true;
        pause();
        return;
      }
    }
    scheduled = requestAnimationFrame(frame);
  }

  function begin(): void {
    if (!digits) return;
    trainer?.dispose();
    trainer = new Trainer(digits.training, digits.test);
    settings();
    losses = [];
    accuracies = [{ epoch: 0, value: trainer.accuracy() }];
    lossSum = stepsInPoint = 0;
    start.disabled = reset.disabled = example.disabled = false;
    drawAll();
  }

  start.addEventListener("click", () => {
    if (isRunning) return pause();
    isRunning = true;
    start.textContent = "Pause";
    scheduled = requestAnimationFrame(frame);
  });
  reset.addEventListener("click", () => {
    if (isRunning) pause();
    begin();
    say("Reset: all weights are 0.");
  });
  rate.addEventListener("input", settings);
  batch.addEventListener("change", settings);

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
  example.addEventListener("click", () => {
    if (!digits) return;
    shownDigit = (shownDigit + 1) % digits.test.count;
    isTestDigit = true;
    image = digits.test.images.subarray(shownDigit * PIXELS, (shownDigit + 1) * PIXELS);
    pad.show(image);
    drawReading();
    say(byId("train-answer").textContent ?? "");
  });

  atWidthOf(lossPlace, drawCurves);
  atWidthOf(barsPlace, drawReading);
  onColorScheme(() => {
    pad.draw();
    drawAll();
  });
  loadDigits().then(
    (loaded) => {
      digits = loaded;
      begin();
    },
    (error: Error) => {
      byId("train-failure").hidden = false;
      byId("train-failure").textContent = `The digits could not be loaded: ${error.message}`;
    },
  );
}
