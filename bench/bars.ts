// Bars in panels side by side: a bar for each implementation, and a panel for each of some shapes, with one scale.

import { scaleLinear } from "d3-scale";
import { escaped, FAINT, figure, HALO, INK, tag, text, WIDTH } from "../reference/svg.js";

/** An implementation: its name, and the colours of its bar and of its text. */
export interface Row {
  readonly title: string;
  readonly fill: string;
  readonly text: string;
}

interface Panel {
  readonly title: string;
  readonly note: string;
  /** A value for each row, as far as there is one. */
  readonly values: readonly (number | undefined)[];
}

export interface Bars {
  /** What the figure shows, for those who cannot see it. */
  readonly description: string;
  readonly title: string;
  readonly machine: string;
  readonly unit: string;
  /** From top to bottom. */
  readonly rows: readonly Row[];
  readonly panels: readonly Panel[];
}

const LEFT = 208;
const RIGHT = 16;
const TOP = 84;
const GUTTER = 18;
const ROW = 25;
const BAR = 15;
/** The room right of a panel's longest bar, for its number. */
const NUMBER = 34;

export function drawBars({ description, title, machine, unit, rows, panels }: Bars): string {
  const bottom = TOP + rows.length * ROW + 4;
  const width = (WIDTH - LEFT - RIGHT - (panels.length - 1) * GUTTER) / Math.max(1, panels.length);
  const longest = Math.max(1, ...panels.flatMap(({ values }) => values.map((value) => value ?? 0)));
  const x = scaleLinear([0, longest], [0, width - NUMBER]);
  const ticks = x.ticks(4);
  const middle = (row: number) => TOP + row * ROW + ROW / 2;

  const bar = ({ fill, text: ink }: Row, row: number, value: number | undefined) => {
    if (value === undefined) return text("–", [6, middle(row) + 4], { fill: ink });
    const number = text(value.toFixed(value < 100 ? 1 : 0), [x(value) + 5, middle(row) + 4], { ...HALO, fill: ink, "font-weight": 600 });
    return tag("rect", { y: middle(row) - BAR / 2, width: x(value), height: BAR, fill }) + number;
  };
  const panel = ({ title, note, values }: Panel, index: number) =>
    tag(
      "g",
      { transform: `translate(${(LEFT + index * (width + GUTTER)).toFixed(1)},0)` },
      text(title, [0, TOP - 27], { "font-size": 14, "font-weight": 600 }),
      text(note, [0, TOP - 10], { "font-size": 11.5 }),
      ...ticks.map((tick) => tag("path", { d: `M${x(tick).toFixed(1)},${TOP}V${bottom}`, stroke: tick ? FAINT : INK, fill: "none" })),
      ...ticks.map((tick) => text(String(tick), [x(tick), bottom + 16], { "font-size": 11, "text-anchor": "middle" })),
      ...rows.map((row, i) => bar(row, i, values[i])),
    );

  return figure(
    description,
    bottom + 56,
    text(title, [16, 29], { "font-size": 15, "font-weight": 600 }),
    text(escaped(machine), [WIDTH - RIGHT, 29], { "font-size": 11.5, "text-anchor": "end" }),
    ...rows.map((row, i) =>
      text(escaped(row.title), [LEFT - 10, middle(i) + 4], { fill: row.text, "text-anchor": "end", "font-weight": 600 }),
    ),
    ...panels.map(panel),
    text(unit, [LEFT + (WIDTH - LEFT - RIGHT) / 2, bottom + 40], { "text-anchor": "middle" }),
  );
}
