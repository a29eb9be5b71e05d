// The part See softmax: p, Jacobian, loss and gradient of a row of logits that the user moves, beside the results of naive code.

import { crossEntropyWithGradient, softmax, softmaxJacobian } from "softmax-wasm";
import { drawBars } from "./bars.js";
import { short } from "./format.js";
import { Heatmap } from "./jacobian.js";
import { explain, isWrong, naiveRow, type RowResult } from "./naive.js";
import { announcer, atWidthOf, byId, digitsOf, make } from "./page.js";

const FEWEST = 2;
const MOST = 10;
/** The largest absolute value that number fields take. */
const LARGEST = 1000;
/** The range of the sliders at first; it becomes {@link LARGEST} when a logit exceeds it. */
const SLIDER = 10;

interface Row {
  logits: number[];
  label: number;
  temperature: number;
}

const PRESETS: readonly (readonly [name: string, row: Row])[] = [
  ["Ordinary", { logits: [-1.2, 1.6, 0.9], label: 1, temperature: 1 }],
  ["Confident", { logits: [0, 50, 0], label: 1, temperature: 1 }],
  ["Ties", { logits: [2, 2, 2, -1, -1], label: 0, temperature: 1 }],
  ["500", { logits: [500, 499, 498, 497], label: 1, temperature: 0.5 }],
  ["−500", { logits: [-500, -501, -502, -503], label: 1, temperature: 0.5 }],
  ["500 and −500", { logits: [500, -500, 0], label: 0, temperature: 1 }],
];

/** The library's results. Its loss takes logits and computes x = scale · logits. */
function resultsOf(logits: readonly number[], x: readonly number[], label: number, scale: number): RowResult {
  const { loss, gradient } = crossEntropyWithGradient([...logits], label, { scale });
  return { probs: softmax([...x]), loss, gradient };
}

export function startSee(): void {
  const row: Row = { logits: [], label: 0, temperature: 1 };
  let range = SLIDER;
  const list = byId("see-logits");
  const bars = byId("see-bars");
  const temperature = byId<HTMLInputElement>("see-temperature");
  const temperatureNumber = byId<HTMLInputElement>("see-temperature-number");
  const heatmap = new Heatmap(byId("see-jacobian"), byId("see-jacobian-value"));
  const say = announcer(byId("see-status"));

  function fill(id: string, got: readonly number[], naive: readonly number[]): void {
    const lines = got.map((value, j) =>
      make(
        "tr",
        j === row.label ? { class: "label" } : {},
        make("th", { scope: "row" }, String(j + 1)),
        make("td", {}, ...digitsOf(value)),
        make("td", isWrong(naive[j], value) ? { class: "wrong" } : {}, ...digitsOf(naive[j])),
      ),
    );
    byId<HTMLTableElement>(id).tBodies[0].replaceChildren(...lines);
  }

  function draw(): void {
    const { logits, label } = row;
    const scale = 1 / row.temperature;
    const x = logits.map((logit) => logit * scale);
    const truth = resultsOf(logits, x, label, scale);
    const naive = naiveRow(x, label, scale);

    const probs = truth.probs.map((p, j) => `class ${j + 1}${j === label ? ", the label," : ""} ${short(p)}`).join("; ");
    drawBars(
      bars,
      truth.probs.map((p, j) => ({
        name: j === label ? `label ${j + 1}` : String(j + 1),
        p,
        isMarked: j === label,
        target: Number(j === label),
      })),
      `Bars of p: ${probs}. Arrows against the gradient, which is ${truth.gradient.map(short).join(", ")}.`,
    );
    byId("see-loss").replaceChildren(...digitsOf(truth.loss));
    const naiveLoss = byId("see-naive-loss");
    naiveLoss.replaceChildren(...digitsOf(naive.loss));
    naiveLoss.classList.toggle("wrong", isWrong(naive.loss, truth.loss));
    byId("see-why").textContent = explain(x, naive, truth, label);
    fill("see-probs", truth.probs, naive.probs);
    fill("see-gradient", truth.gradient, naive.gradient);
    heatmap.show(softmaxJacobian([...truth.probs]));
    say(`p: ${probs}. Loss ${short(truth.loss)}, naive ${short(naive.loss)}.`);
  }

  /** The controls of a class. */
  function controls(j: number): HTMLElement {
    const name = String(j + 1);
    const pick = make("input", { type: "radio", name: "see-label", value: String(j), "aria-label": `Class ${name} is the label` });
    const slider = make("input", { type: "range", step: "0.1", id: `see-logit-${name}` });
    const number = make("input", { type: "number", step: "any", required: "", "aria-label": `Logit ${name}, as a number` });
    pick.checked = j === row.label;
    number.min = String(-LARGEST);
    number.max = String(LARGEST);
    slider.min = String(-range);
    slider.max = String(range);
    slider.value = number.value = String(row.logits[j]);
    pick.addEventListener("change", () => {
      row.label = j;
      draw();
    });
    slider.addEventListener("input", () => {
      row.logits[j] = slider.valueAsNumber;
      number.value = slider.value;
      draw();
    });
    number.addEventListener("input", () => {
      if (!number.validity.valid) return;
      row.logits[j] = number.valueAsNumber;
      if (Math.abs(row.logits[j]) > range) widen(LARGEST);
      slider.value = number.value;
      draw();
    });
    return make("div", { class: "logit" }, pick, make("label", { for: slider.id }, `Logit ${name}`), slider, number);
  }

  function widen(to: number): void {
    range = to;
    byId("see-range").textContent = `−${range} … ${range}`;
    for (const slider of list.querySelectorAll<HTMLInputElement>("input[type=range]")) {
      slider.min = String(-range);
      slider.max = String(range);
    }
  }

  function layOut(): void {
    list.replaceChildren(...row.logits.map((_, j) => controls(j)));
    widen(range);
    temperature.value = temperatureNumber.value = String(row.temperature);
    byId("see-count").textContent = String(row.logits.length);
    byId<HTMLButtonElement>("see-fewer").disabled = row.logits.length === FEWEST;
    byId<HTMLButtonElement>("see-more").disabled = row.logits.length === MOST;
    draw();
  }

  function take(preset: Row): void {
    Object.assign(row, preset, { logits: [...preset.logits] });
    range = Math.max(...row.logits.map(Math.abs)) > SLIDER ? LARGEST : SLIDER;
    layOut();
  }

  byId("see-presets").append(
    ...PRESETS.map(([name, preset]) => {
      const button = make("button", { type: "button" }, name);
      button.addEventListener("click", () => take(preset));
      return button;
    }),
  );
  byId("see-fewer").addEventListener("click", () => {
    row.logits.pop();
    row.label = Math.min(row.label, row.logits.length - 1);
    layOut();
  });
  byId("see-more").addEventListener("click", () => {
    row.logits.push(0);
    layOut();
  });
  for (const [from, to] of [
    [temperature, temperatureNumber],
    [temperatureNumber, temperature],
  ]) {
    from.addEventListener("input", () => {
      if (!from.validity.valid) return;
      row.temperature = from.valueAsNumber;
      to.value = from.value;
      draw();
    });
  }

  take(PRESETS[0][1]);
  atWidthOf(bars, draw);
}
