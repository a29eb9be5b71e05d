// The part Measure: times loss with gradient in this browser, a sample a frame, and draws ns per logit after each round.

import * as Plot from "@observablehq/plot";
import { short } from "./format.js";
import { SHAPES } from "./implementations.js";
import { measureShape, ROUNDS, SAMPLE_MS, SHOWN, type Shown, type Times } from "./measure-shape.js";
import { announcer, atWidthOf, byId, make, showChart, widthOf } from "./page.js";
import { loadRecorded } from "./recorded.js";
import { clockStep } from "./timing.js";

/** A sample takes at least so many steps of the clock. */
const SAMPLE_STEPS = 20;

const COLORS: Readonly<Record<Shown, string>> = {
  plain: "var(--plain)",
  copying: "var(--accent-soft)",
  resident: "var(--accent)",
  float32: "var(--accent)",
};

/** Resolves in the next frame, after the browser has drawn. */
const nextFrame = () => new Promise<void>((resolve) => requestAnimationFrame(() => setTimeout(resolve)));

/** The speeds of the library over that of plain JavaScript. */
function ratioText(times: Times): string {
  const { plain, copying, resident, float32 } = times;
  if (!plain || !copying || !resident || !float32) return "";
  const [ofResident, ofCopying, ofFloat32] = [resident, copying, float32].map((time) => (plain / time).toFixed(1));
  return `resident ${ofResident}× as fast as plain, copying ${ofCopying}×, float32 ${ofFloat32}×`;
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
      const next = async () => {
        await nextFrame();
        return !signal.aborted;
      };
      await measureShape(shape, sampleMs, next, (times) => {
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

  loadRecorded().then(({ machine, times }) => {
    if (controller || results.some(({ plain }) => plain)) return;
    progress.textContent = `Recorded when this page was built: ${machine}. Run takes some 10 seconds; close what else is busy.`;
    times.forEach((ofShape, k) => {
      results[k] = ofShape;
    });
    draw();
  });
  byId("measure-environment").textContent = `${navigator.userAgent}; ${navigator.hardwareConcurrency} logical processors.`;
  atWidthOf(charts[0].chart, draw);
}
