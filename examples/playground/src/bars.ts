// A chart of p, a bar a class, with arrows from p to the target that the label gives.

import * as Plot from "@observablehq/plot";
import { short } from "./format.js";
import { showChart, widthOf } from "./page.js";

export interface Bar {
  readonly name: string;
  readonly p: number;
  /** Drawn in another colour: the label, or the answer. */
  readonly isMarked: boolean;
  /** The end of an arrow from p. */
  readonly target?: number;
}

/** Shorter arrows are left out, in units of p. */
const SHORTEST = 0.015;

export function drawBars(place: HTMLElement, bars: readonly Bar[], description: string, rowHeight = 32): void {
  const arrows = bars.filter(({ p, target }) => target !== undefined && Math.abs(target - p) > SHORTEST);
  const chart = Plot.plot({
    width: widthOf(place),
    height: bars.length * rowHeight + 34,
    marginLeft: 56,
    marginRight: 74,
    marginTop: 4,
    marginBottom: 30,
    x: { domain: [0, 1], ticks: 4, grid: true, label: null },
    y: { domain: bars.map(({ name }) => name), label: null, tickSize: 0, padding: 0.25 },
    marks: [
      Plot.barX(bars, { x: "p", y: "name", fill: ({ isMarked }: Bar) => (isMarked ? "var(--marked)" : "var(--accent)"), rx: 2 }),
      Plot.arrow(arrows, { x1: "p", x2: "target", y: "name", stroke: "var(--ink)", strokeWidth: 2, headLength: 9 }),
      Plot.text(bars, { y: "name", text: ({ p }: Bar) => short(p), frameAnchor: "right", textAnchor: "end", dx: 72 }),
      Plot.ruleX([0], { stroke: "var(--faint-ink)" }),
    ],
  });
  showChart(place, chart, description);
}
