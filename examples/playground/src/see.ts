// The part See softmax: p, Jacobian, loss and gradient of a row of logits that the user moves, beside the results of naive code.

import { crossEntropyWithGradient, softmax, softmaxJacobian } from "softmax-wasm";
import { drawBars } from "./bars.js";
import { full, fullOfFloat32, short } from "./format.js";
import { Heatmap } from "./jacobian.js";
import { explain, isWrong, naiveRow, type RowResult } from "./naive.js";
import { announcer, atWidthOf, byId, digitsOf, make } from "./page.js";
import { codeOf, FEWEST, isSame, LARGEST, linkOf, lossOptions, MOST, type Row, rowOf, rowOfLink, softmaxOptions } from "./row.js";

/** The range of the sliders at first; it becomes {@link LARGEST} when a logit exceeds it. */
const SLIDER = 10;

const PRESETS: readonly (readonly [name: string, row: Row])[] = [
  ["Ordinary", rowOf({ logits: [-1.2, 1.6, 0.9], label: 1 })],
  ["Confident", rowOf({ logits: [0, 50, 0], label: 1 })],
  ["Ties", rowOf({ logits: [2, 2, 2, -1, -1] })],
  ["500", rowOf({ logits: [500, 499, 498, 497], label: 1, temperature: 0.5 })],
  ["−500", rowOf({ logits: [-500, -501, -502, -503], label: 1, temperature: 0.5 })],
  ["500 and −500", rowOf({ logits: [500, -500, 0] })],
  [
    "Options",
    rowOf({
      logits: [90, 60, 30, 0],
      label: 1,
      labelSmoothing: 0.1,
      softcap: 30,
      weights: [1, 2, 1, 1],
      mask: [true, true, true, false],
      isFloat32: true,
    }),
  ],
];

function resultsOf(row: Row): RowResult {
  const logits = row.isFloat32 ? Float32Array.from(row.logits) : [...row.logits];
  const { loss, gradient } = crossEntropyWithGradient(logits, row.label, lossOptions(row));
  return { probs: Array.from(softmax(logits, softmaxOptions(row))), loss, gradient: Array.from(gradient) };
}

export function startSee(): void {
  let row = PRESETS[0][1];
  let range = SLIDER;
  const list = byId("see-logits");
  const bars = byId("see-bars");
  const classes = byId("see-classes");
  const temperature = byId<HTMLInputElement>("see-temperature");
  const temperatureNumber = byId<HTMLInputElement>("see-temperature-number");
  const smoothing = byId<HTMLInputElement>("see-smoothing");
  const softcap = byId<HTMLInputElement>("see-softcap");
  const float32 = byId<HTMLInputElement>("see-float32");
  const heatmap = new Heatmap(byId("see-jacobian"), byId("see-jacobian-value"));
  const say = announcer(byId("see-status"));

  /** A number as text, with the digits that its type has. */
  const textOf = (value: number) => (row.isFloat32 ? fullOfFloat32(Math.fround(value)) : full(value));

  function fill(id: string, got: readonly number[], naive: readonly number[]): void {
    const lines = got.map((value, j) =>
      make(
        "tr",
        j === row.label ? { class: "label" } : {},
        make("th", { scope: "row" }, String(j + 1)),
        make("td", {}, ...digitsOf(textOf(value))),
        make("td", isWrong(row, naive[j], value) ? { class: "wrong" } : {}, ...digitsOf(textOf(naive[j]), textOf(value))),
      ),
    );
    byId<HTMLTableElement>(id).tBodies[0].replaceChildren(...lines);
  }

  function draw(): void {
    const { label } = row;
    const truth = resultsOf(row);
    const naive = naiveRow(row);

    const probs = truth.probs.map((p, j) => `class ${j + 1}${j === label ? ", the label," : ""} ${short(p)}`).join("; ");
    drawBars(
      bars,
      truth.probs.map((p, j) => ({
        name: j === label ? `label ${j + 1}` : String(j + 1),
        p,
        isMarked: j === label,
        // y, where there are no options.
        target: Math.max(0, Math.min(1, p - row.temperature * truth.gradient[j])),
      })),
      `Bars of p: ${probs}. Arrows against the gradient, which is ${truth.gradient.map(short).join(", ")}.`,
    );
    // The loss of float32 logits is a float64.
    byId("see-loss").replaceChildren(...digitsOf(full(truth.loss)));
    const naiveLoss = byId("see-naive-loss");
    naiveLoss.replaceChildren(...digitsOf(textOf(naive.loss), textOf(truth.loss)));
    naiveLoss.classList.toggle("wrong", isWrong(row, naive.loss, truth.loss));
    byId("see-why").textContent = explain(row, naive, truth);
    fill("see-probs", truth.probs, naive.probs);
    fill("see-gradient", truth.gradient, naive.gradient);
    heatmap.show(softmaxJacobian([...truth.probs]));
    byId("see-code").textContent = codeOf(row);
    byId<HTMLAnchorElement>("see-link").href = `${linkOf(row)}#see`;
    buttons.forEach((button, k) => {
      button.ariaPressed = String(isSame(row, PRESETS[k][1]));
    });
    say(`p: ${probs}. Loss ${short(truth.loss)}, naive ${short(naive.loss)}.`);
  }

  function change(changed: Partial<Row>): void {
    row = { ...row, ...changed };
    draw();
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
    const take = (value: number) => change({ logits: row.logits.with(j, value) });
    pick.addEventListener("change", () => change({ label: j }));
    slider.addEventListener("input", () => {
      number.value = slider.value;
      take(slider.valueAsNumber);
    });
    number.addEventListener("input", () => {
      if (!number.validity.valid) return;
      if (Math.abs(number.valueAsNumber) > range) widen(LARGEST);
      slider.value = number.value;
      take(number.valueAsNumber);
    });
    return make("div", { class: "logit" }, pick, make("label", { for: slider.id }, `Logit ${name}`), slider, number);
  }

  /** The options of a class. */
  function classOptions(j: number): HTMLElement {
    const name = String(j + 1);
    const open = make("input", { type: "checkbox", "aria-label": `Class ${name} takes part` });
    const attributes = {
      type: "number",
      min: "0",
      max: String(LARGEST),
      step: "any",
      required: "",
      "aria-label": `Weight of class ${name}`,
    };
    const weight = make("input", attributes);
    open.checked = row.mask[j];
    weight.value = String(row.weights[j]);
    open.addEventListener("change", () => {
      const mask = row.mask.with(j, open.checked);
      if (mask.includes(true)) change({ mask });
      else open.checked = true;
    });
    weight.addEventListener("input", () => {
      if (weight.validity.valid) change({ weights: row.weights.with(j, weight.valueAsNumber) });
    });
    return make("tr", {}, make("th", { scope: "row" }, name), make("td", {}, open), make("td", {}, weight));
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
    classes.replaceChildren(...row.logits.map((_, j) => classOptions(j)));
    widen(range);
    smoothing.value = String(row.labelSmoothing);
    byId("see-smoothing-value").textContent = full(row.labelSmoothing);
    softcap.value = row.softcap ? String(row.softcap) : "";
    float32.checked = row.isFloat32;
    temperature.value = temperatureNumber.value = String(row.temperature);
    byId("see-count").textContent = String(row.logits.length);
    byId<HTMLButtonElement>("see-fewer").disabled = row.logits.length === FEWEST;
    byId<HTMLButtonElement>("see-more").disabled = row.logits.length === MOST;
    draw();
  }

  function take(other: Row): void {
    row = other;
    range = Math.max(...row.logits.map(Math.abs)) > SLIDER ? LARGEST : SLIDER;
    layOut();
  }

  const buttons = PRESETS.map(([name, preset]) => {
    const button = make("button", { type: "button" }, name);
    button.addEventListener("click", () => take(preset));
    return button;
  });
  byId("see-presets").append(...buttons);
  byId("see-fewer").addEventListener("click", () => {
    const [logits, weights] = [row.logits.slice(0, -1), row.weights.slice(0, -1)];
    const mask = row.mask.slice(0, -1);
    row = { ...row, logits, weights, mask: mask.includes(true) ? mask : mask.fill(true), label: Math.min(row.label, logits.length - 1) };
    layOut();
  });
  byId("see-more").addEventListener("click", () => {
    row = { ...row, logits: [...row.logits, 0], weights: [...row.weights, 1], mask: [...row.mask, true] };
    layOut();
  });
  for (const [from, to] of [
    [temperature, temperatureNumber],
    [temperatureNumber, temperature],
  ]) {
    from.addEventListener("input", () => {
      if (!from.validity.valid) return;
      to.value = from.value;
      change({ temperature: from.valueAsNumber });
    });
  }
  smoothing.addEventListener("input", () => {
    byId("see-smoothing-value").textContent = smoothing.value;
    change({ labelSmoothing: smoothing.valueAsNumber });
  });
  softcap.addEventListener("input", () => {
    if (softcap.validity.valid) change({ softcap: softcap.valueAsNumber || 0 });
  });
  float32.addEventListener("change", () => change({ isFloat32: float32.checked }));

  take(rowOfLink(location.search) ?? row);
  atWidthOf(bars, draw);
}
