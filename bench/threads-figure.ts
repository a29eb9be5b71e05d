// The figure of threads: the speed by the number of threads over that of one thread, a line a shape.

import { scaleLinear } from "d3-scale";
import { line } from "d3-shape";
import { escaped, FAINT, figure, INK, tag, text } from "../reference/svg.js";
import type { ThreadsRecord } from "./record.js";

const HEIGHT = 340;
const PLOT = { left: 60, top: 78, width: 580, height: 200 };
const COLORS = ["#8a5a00", "#0b5cb8", "#14532d"];
/** The least distance between the names of two lines. */
const LINE_HEIGHT = 17;

type Point = readonly [threads: number, speedup: number];

export function draw({ cpu, node, date, processors, shapes }: ThreadsRecord): string {
  const lines = shapes.map(({ title, speedups }, i) => ({
    title,
    color: COLORS[i % COLORS.length],
    points: Object.entries(speedups).map(([threads, speedup]): Point => [Number(threads), speedup]),
  }));
  const counts = lines[0].points.map(([threads]) => threads);
  const most = counts[counts.length - 1];
  const x = scaleLinear([1, most], [0, PLOT.width]);
  const y = scaleLinear([0, processors * 1.1], [PLOT.height, 0]);
  const path = line<Point>()
    .x(([threads]) => x(threads))
    .y(([, speedup]) => y(speedup))
    .digits(1);

  // The name of a line stands right of its last point. From the highest name to the lowest, each keeps its distance from the one above.
  let above = Number.NEGATIVE_INFINITY;
  const named = lines
    .map((each) => ({ ...each, end: each.points[each.points.length - 1][1] }))
    .sort((a, b) => b.end - a.end)
    .map((each) => {
      above = Math.max(y(each.end) + 4, above + LINE_HEIGHT);
      return { ...each, height: above };
    });

  return figure(
    "Speed of loss with gradient by the number of threads, relative to one thread",
    HEIGHT,
    text("Loss with gradient, times as fast as with one thread", [16, 29], { "font-size": 15, "font-weight": 600 }),
    text(escaped(`${cpu}, ${processors} processors; Node ${node}; ${date}`), [16, 48], { "font-size": 11.5 }),
    tag(
      "g",
      { transform: `translate(${PLOT.left},${PLOT.top})` },
      ...y
        .ticks(5)
        .flatMap((tick) => [
          tag("path", { d: `M0,${y(tick).toFixed(1)}H${PLOT.width}`, stroke: tick ? FAINT : INK }),
          text(`${tick}×`, [-10, y(tick) + 4], { "text-anchor": "end" }),
        ]),
      ...counts.map((threads) => text(String(threads), [x(threads), PLOT.height + 20], { "text-anchor": "middle" })),
      text("threads", [PLOT.width / 2, PLOT.height + 44], { "text-anchor": "middle" }),
      tag("path", {
        d:
          path([
            [1, 1],
            [processors, processors],
            [most, processors],
          ]) ?? "",
        fill: "none",
        stroke: "#9aa5b1",
        "stroke-dasharray": "5 4",
      }),
      text("a processor each", [x(most) - 8, y(processors) - 7], { "text-anchor": "end", fill: "#565d69" }),
      ...lines.flatMap(({ color, points }) => [
        tag("path", { d: path(points) ?? "", fill: "none", stroke: color, "stroke-width": 2.5, "stroke-linejoin": "round" }),
        ...points.map(([threads, speedup]) => tag("circle", { cx: x(threads), cy: y(speedup), r: 4, fill: color })),
      ]),
      ...named.map(({ title, color, height, points }) => {
        const [, speedup] = points.find(([threads]) => threads === processors) ?? points[0];
        const name = `${title}: ${speedup.toFixed(2)}× with ${processors}`;
        return text(name, [PLOT.width + 12, height], { fill: color, "font-weight": 600 });
      }),
    ),
  );
}
