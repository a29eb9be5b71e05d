// A chart of a value by epoch, which grows as the model trains. Its scale is logarithmic, so that later epochs can be told apart, too.

import * as Plot from "@observablehq/plot";
import { showChart, widthOf } from "./page.js";

export interface CurvePoint {
  readonly epoch: number;
  readonly value: number;
}

export interface CurveStyle {
  /** The ends of the axis, from its foot; it becomes longer for values beyond them. */
  readonly domain: readonly [foot: number, head: number];
  readonly ticks: readonly number[];
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
  const values = points.map(({ value }) => value);
  const beyond = (end: number, other: number) => (end < other ? Math.min(end, ...values) : Math.max(end, ...values));
  const foot = beyond(style.domain[0], style.domain[1]);
  const head = beyond(style.domain[1], style.domain[0]);
  const ticks = style.ticks.filter((tick) => tick >= Math.min(foot, head) && tick <= Math.max(foot, head));
  const chart = Plot.plot({
    width: widthOf(place),
    height: 170,
    marginLeft: 44,
    marginRight: 16,
    marginTop: 10,
    marginBottom: 38,
    x: { domain: [0, epochs], label: "epoch", ticks: 6, labelArrow: "none" },
    y: { type: "log", domain: [foot, head], label: null, grid: true, ticks, tickFormat: style.format },
    marks: [
      Plot.lineY(points, { x: "epoch", y: "value", stroke: style.color, strokeWidth: 2, clip: true }),
      Plot.dot(last ? [last] : [], { x: "epoch", y: "value", fill: style.color, r: 4 }),
      Plot.ruleY([foot], { stroke: "var(--faint-ink)" }),
    ],
  });
  showChart(place, chart, description);
}
