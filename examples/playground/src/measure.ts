// The part Measure: times loss with gradient in this browser, a sample a frame, and draws ns per logit after each round.

import * as Plot from "@observablehq/plot";
import { median } from "../../../reference/median.js";
import { short } from "./format.js";
import { implementationsFor, SHAPES, type Shape } from "./implementations.js";
import { announcer, atWidthOf, byId, make, showChart, widthOf } from "./page.js";
import { clockStep, timeOf } from "./timing.js";

const ROUNDS = 15;
/** Rounds before the first one that counts, in which engines compile the code. */
const WARM_UP = 3;
/** A sample takes at least so many ms, and at least so many steps of the clock. */
const SAMPLE_MS = 12;
const SAMPLE_STEPS = 20;

const SHOWN = ["plain", "copying", "resident", "float32"] as const;
type Shown = (typeof SHOWN)[number];
/** ns per logit; undefined without a sample. */
type Times = Partial<Record<Shown, number>>;

const COLORS: Readonly<Record<Shown, string>> = {
  plain: "var(--plain)",
  copying: "var(--accent-soft)",
  resident: "var(--accent)",
  float32: "var(--accent)",
};

/** Resolves in the next frame, after the browser has drawn. */
const nextFrame = () => new Promise<void>((resolve) => requestAnimationFrame(() => setTimeout(resolve)));

/** The medians of the samples so far; "plain" has the smallest median of its forms. */
function timesOf(samples: ReadonlyMap<string, readonly number[]>): Times {
  const times: Times = {};
  for (const [name, values] of samples) {
    if (values.length === 0) continue;
    const shown = SHOWN.find((own) => own === name) ?? "plain";
    times[shown] = Math.min(times[shown] ?? Infinity, median(values));
  }
  return times;
}

/** The speeds of the library over that of plain JavaScript. */
function ratioText(times: Times): string {
  const { plain, copying, resident, float32 } = times;
  if (!plain || !copying || !resident || !float32) return "";
  const [ofResident, ofCopying, ofFloat32] = [resident, copying, float32].map((time) => (plain / time).toFixed(1));
  return `resident ${ofResident}× as fast as plain, copying ${ofCopying}×, float32 ${ofFloat32}×`;
}

/** Times one shape round by round; `report` gets the medians after each round. */
async function measureShape(shape: Shape, sampleMs: number, signal: AbortSignal, report: (times: Times) => void): Promise<void> {
  const implementations = implementationsFor(shape);
  try {
    const runs = Object.entries(implementations.runs);
    const size = shape.rows * shape.classes;
    const calls = new Map<string, number>(runs.map(([name]) => [name, 1]));
    const samples = new Map<string, number[]>(runs.map(([name]) => [name, []]));
    for (let round = -WARM_UP; round < ROUNDS; round++) {
      for (let turn = 0; turn < runs.length; turn++) {
        await nextFrame();
        if (signal.aborted) return;
        const [name, run] = runs[(turn + round + WARM_UP) % runs.length];
        let count = calls.get(name) ?? 1;
        let ms = timeOf(run, count);
        // Doubles the calls until they fill a sample; more calls do as the engine makes the code faster.
        while (round < 0 && ms < sampleMs) {
          count *= 2;
          ms = timeOf(run, count);
        }
        calls.set(name, count);
        if (round >= 0) samples.get(name)?.push((1e6 * ms) / (count * size));
      }
      report(timesOf(samples));
    }
  } finally {
    implementations.dispose();
  }
}

export function startMeasure(): void {
  const button = byId<HTMLButtonElement>("measure-run");
  const progress = byId("measure-progress");
  const say = announcer(byId("measure-status"));
  const results: Times[] = SHAPES.map(() => ({}));
  let controller: AbortController | undefined;

  const charts = SHAPES.map(({ rows, classes, title }) => {
    const chart = make("div", { class: "chart" });
    const ratio = make("p", { class: "ratio" });
    byId("measure-charts").append(make("h3", {}, `${rows}×${classes} `, make("span", { class: "hint" }, title)), chart, ratio);
    return { chart, ratio };
  });

  function draw(): void {
    const slowest = Math.max(5, ...results.flatMap((times) => Object.values(times)));
    charts.forEach(({ chart, ratio }, k) => {
      const bars = SHOWN.map((name) => ({ name, ns: results[k][name] }));
      const isLast = k === charts.length - 1;
      const text = bars.map(({ name, ns }) => `${name} ${ns === undefined ? "not measured" : short(ns)}`).join("; ");
      const plot = Plot.plot({
        width: widthOf(chart),
        height: isLast ? 154 : 116,
        marginLeft: 70,
        marginRight: 52,
        marginTop: 2,
        marginBottom: isLast ? 40 : 4,
        x: {
          domain: [0, slowest],
          axis: isLast ? "bottom" : null,
          label: "ns per logit; shorter is faster",
          labelAnchor: "center",
          labelArrow: "none",
          ticks: 5,
        },
        y: { domain: SHOWN, label: null, tickSize: 0, padding: 0.22 },
        marks: [
          Plot.gridX({ ticks: 5 }),
          Plot.barX(
            bars.filter(({ ns }) => ns !== undefined),
            { x: "ns", y: "name", fill: ({ name }) => COLORS[name as Shown], rx: 2 },
          ),
          Plot.text(bars, { x: ({ ns }) => ns ?? 0, y: "name", text: ({ ns }) => (ns ? short(ns) : "–"), textAnchor: "start", dx: 6 }),
          Plot.ruleX([0], { stroke: "var(--faint-ink)" }),
        ],
      });
      showChart(chart, plot, `ns per logit at ${SHAPES[k].rows}×${SHAPES[k].classes}: ${text}.`);
      ratio.textContent = ratioText(results[k]) || "–";
    });
  }

  async function run(signal: AbortSignal): Promise<void> {
    results.fill({});
    draw();
    const sampleMs = Math.max(SAMPLE_MS, SAMPLE_STEPS * clockStep());
    for (const [k, shape] of SHAPES.entries()) {
      progress.textContent = `Measuring ${shape.rows}×${shape.classes}: ${k + 1} of ${SHAPES.length} …`;
      await measureShape(shape, sampleMs, signal, (times) => {
        results[k] = times;
        draw();
      });
      if (signal.aborted) return;
    }
  }

  button.addEventListener("click", async () => {
    if (controller) {
      controller.abort();
      return;
    }
    controller = new AbortController();
    button.textContent = "Stop";
    try {
      await run(controller.signal);
      progress.textContent = controller.signal.aborted ? "Stopped." : `Done: medians of ${ROUNDS} rounds. All results agreed.`;
    } catch (error) {
      progress.textContent = `Stopped: ${(error as Error).message}`;
    }
    controller = undefined;
    button.textContent = "Run";
    say(
      `${progress.textContent} ${SHAPES.map(({ rows, classes }, k) => `${rows}×${classes}: ${charts[k].ratio.textContent}`).join("; ")}.`,
    );
  });

  byId("measure-environment").textContent = `${navigator.userAgent}; ${navigator.hardwareConcurrency} logical processors.`;
  atWidthOf(charts[0].chart, draw);
}
