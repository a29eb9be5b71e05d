// A chart of a value by epoch, which grows as the model trains.

import * as Plot from "@observablehq/plot";
import { showChart } from "./page.js";

export interface CurvePoint {
  readonly epoch: number;
  readonly value: number;
}

export interface CurveStyle {
  readonly domain: readonly [least: number, most: number];
  readonly color: string;
  /** Formats the values at the axis. */
  readonly format: (value: number) => string;
}

/** The length of the axis at first; it doubles when the curve reaches its end. */
const FIRST_EPOCHS = 2;

export function drawCurve(place: HTMLElement, points: readonly CurvePoint[], description: string, style: CurveStyle): void {
  const last = points.at(-1);
  let epochs = FIRST_EPOCHS;
  while (last && last.epoch > epochs) epochs *= 2;
  const chart = Plot.plot({
    width: place.clientWidth,
    height: 170,
    marginLeft: 44,
    marginRight: 16,
    marginTop: 10,
    marginBottom: 38,
    x: { domain: [0, epochs], label: "epoch", ticks: 6, labelArrow: "none" },
    y: { domain: style.domain, label: null, grid: true, ticks: 4, tickFormat: style.format },
    marks: [
      Plot.lineY(points, { x: "epoch", y: "value", stroke: style.color, strokeWidth: 2, clip: true }),
      Plot.dot(last ? [last] : [], { x: "epoch", y: "value", fill: style.color, r: 4 }),
      Plot.ruleY([style.domain[0]], { stroke: "var(--faint-ink)" }),
    ],
  });
  showChart(place, chart, description);
}
