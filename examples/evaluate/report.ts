// The report as a picture (SVG) and as a page (HTML) that contains the picture.

import { escaped, FAINT, figure, INK, tag, text } from "../../reference/svg.js";
import { type Bin, linesOf, type Summary } from "./summary.js";

const BLUE = "#2f6fb0";
const RED = "#d1495b";
const GREY = "#616e7c";

/** A plot's place. */
interface Frame {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

const RELIABILITY: Frame = { left: 70, top: 76, width: 380, height: 380 };
const HISTOGRAM: Frame = { left: 530, top: 326, width: 290, height: 130 };
const HEIGHT = 520;

const TICKS = [0, 0.2, 0.4, 0.6, 0.8, 1];

/** Lines and numbers of the x axis, and its title. */
function xAxis({ left, top, width, height }: Frame, title: string): string[] {
  const y = top + height;
  const numbers = TICKS.map((tick) => text(String(tick), [left + tick * width, y + 18], { "text-anchor": "middle", fill: GREY }));
  return [...numbers, text(title, [left + width / 2, y + 40], { "text-anchor": "middle" })];
}

/** Horizontal lines at some parts of the height, with what they are. */
function grid({ left, top, width, height }: Frame, lines: readonly (readonly [part: number, name: string])[]): string[] {
  return lines.flatMap(([part, name]) => {
    const y = top + height * (1 - part);
    const line = tag("line", { x1: left, x2: left + width, y1: y, y2: y, stroke: part === 0 ? INK : FAINT });
    return [line, text(name, [left - 8, y + 4], { "text-anchor": "end", fill: GREY })];
  });
}

/** The bar of a bin: its accuracy, and in red the way from there to its mean confidence. */
function reliabilityBar({ from, to, rows, confidence, accuracy }: Bin): string[] {
  if (rows === 0) return [];
  const { left, top, width, height } = RELIABILITY;
  const [x, wide] = [left + from * width + 1, (to - from) * width - 2];
  const y = (part: number) => top + height * (1 - part);
  const title = tag("title", {}, `${rows.toLocaleString("en")} rows, confidence ${confidence.toFixed(4)}, accuracy ${accuracy.toFixed(4)}`);
  const [low, high] = [Math.min(confidence, accuracy), Math.max(confidence, accuracy)];
  return [
    tag("rect", { x, width: wide, y: y(accuracy), height: height * accuracy, fill: BLUE, "fill-opacity": 0.8 }, title),
    tag("rect", { x, width: wide, y: y(high), height: height * (high - low), fill: RED, "fill-opacity": 0.35, stroke: RED }),
  ];
}

function reliability({ bins }: Summary): string[] {
  const { left, top, width, height } = RELIABILITY;
  const title = text("Accuracy by confidence", [left, top - 14], { "font-weight": 600 });
  const legend = text("red: from there to the confidence", [left + width, top - 14], { "text-anchor": "end", fill: RED });
  const diagonal = { x1: left, y1: top + height, x2: left + width, y2: top, stroke: INK, "stroke-dasharray": "5 4" };
  return [
    title,
    legend,
    ...grid(
      RELIABILITY,
      TICKS.map((tick) => [tick, String(tick)] as const),
    ),
    ...bins.flatMap(reliabilityBar),
    tag("line", diagonal),
    ...xAxis(RELIABILITY, "confidence: the probability of the most probable class"),
  ];
}

/** The next number of 1, 2 and 5 times a power of ten. */
function roundUp(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return ([1, 2, 5].find((digit) => digit * power >= value) ?? 10) * power;
}

function histogram({ bins, validCount }: Summary): string[] {
  const { left, top, width, height } = HISTOGRAM;
  const title = text("Part of the rows by confidence", [left, top - 14], { "font-weight": 600 });
  const part = ({ rows }: Bin) => (validCount === 0 ? 0 : rows / validCount);
  const most = roundUp(Math.max(0.01, ...bins.map(part)));
  const bars = bins.map((bin) => {
    const tall = (height * part(bin)) / most;
    const x = left + bin.from * width + 0.5;
    return tag("rect", {
      x,
      width: (bin.to - bin.from) * width - 1,
      y: top + height - tall,
      height: tall,
      fill: BLUE,
      "fill-opacity": 0.8,
    });
  });
  const lines = [0, 0.5, 1].map((tick) => [tick, `${Number((100 * tick * most).toPrecision(3))} %`] as const);
  return [title, ...grid(HISTOGRAM, lines), ...bars, ...xAxis(HISTOGRAM, "confidence")];
}

function numbers(summary: Summary): string[] {
  const left = 500;
  return linesOf(summary).flatMap(([name, value], i) => {
    const y = 76 + 26 * i;
    return [text(name, [left, y], { fill: GREY }), text(escaped(value), [820, y], { "text-anchor": "end", "font-weight": 600 })];
  });
}

/** @param title What was evaluated. */
export function svgReport(title: string, summary: Summary): string {
  const heading = text(escaped(title.length > 90 ? `${title.slice(0, 90)}…` : title), [30, 36], { "font-size": 16, "font-weight": 600 });
  return figure(escaped(title), HEIGHT, heading, ...reliability(summary), ...numbers(summary), ...histogram(summary));
}

const cells = (name: "td" | "th", values: readonly string[]) => `<tr>${values.map((value) => tag(name, {}, escaped(value))).join("")}</tr>`;

const CSS = `body { font: 15px/1.5 system-ui, sans-serif; color: ${INK}; max-width: 860px; margin: 2rem auto; padding: 0 1rem; }
svg { max-width: 100%; height: auto; } table { border-collapse: collapse; margin: 1rem 0; }
th, td { padding: 0.2rem 0.9rem 0.2rem 0; text-align: right; border-bottom: 1px solid ${FAINT}; } th:first-child, td:first-child, .run td { text-align: left; }`;

const shown = (part: number) => (Number.isNaN(part) ? "–" : part.toFixed(6));

/** @param facts Names and values of the run: files, options, time. */
export function htmlReport(title: string, summary: Summary, facts: readonly (readonly [name: string, value: string])[]): string {
  const bins = summary.bins.map(({ from, to, rows, confidence, accuracy }) =>
    cells("td", [`${from.toFixed(3)} to ${to.toFixed(3)}`, rows.toLocaleString("en"), shown(confidence), shown(accuracy)]),
  );
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escaped(title)}</title>
<style>${CSS}</style>
${svgReport(title, summary)}
<h2>Bins</h2>
<table>${cells("th", ["confidence", "rows", "mean confidence", "accuracy"])}${bins.join("\n")}</table>
<h2>Run</h2>
<table class="run">${facts.map((fact) => cells("td", fact)).join("\n")}</table>
</html>
`;
}
