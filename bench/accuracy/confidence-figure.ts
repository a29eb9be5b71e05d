// The figure of errors: the error of loss and gradient against the confidence of a row, a line an implementation.

import { scaleLog } from "d3-scale";
import { line } from "d3-shape";
import { LIMITS } from "../../reference/limits.js";
import { FAINT, figure, HALO, INK, tag, text, WIDTH } from "../../reference/svg.js";

/** An implementation's largest error around a confidence gap, in ulps. */
export interface Point {
  readonly gap: number;
  readonly error: number;
}

/** By implementation. */
export type Lines = Readonly<Record<string, readonly Point[]>>;

/** In drawing order: wide solid lines first, thin dashed ones on top, so that lines that coincide all show. */
const STYLES: Record<string, { stroke: string; text: string; width: number; dashes: string }> = {
  "TensorFlow.js": { stroke: "#6b7280", text: "#565d69", width: 2, dashes: "9 3 2 3" },
  "careful JavaScript": { stroke: "#f0b429", text: "#8a5a00", width: 6, dashes: "none" },
  "naive JavaScript": { stroke: "#c2410c", text: "#b23a0a", width: 2.5, dashes: "2 3" },
  PyTorch: { stroke: "#14532d", text: "#14532d", width: 1.8, dashes: "8 6" },
  "softmax-wasm": { stroke: "#0b62c4", text: "#0b5cb8", width: 2.5, dashes: "none" },
};

const HEIGHT = 430;
/** The place of a panel's plot in the figure, and the height of the band for results without a right digit, a lane an implementation. */
const PLOT = { left: 58, top: 44, width: 372, height: 322, gutter: 32, band: 52 };
const LANE = PLOT.band / 6;
export const FIRST_GAP = 0.25;
export const LAST_GAP = 745;
const GAP_TICKS = [0.3, 1, 3, 10, 30, 100, 300, LAST_GAP];
const ERROR_TICKS = [1, 1e3, 1e6, 1e9, 1e12, 1e15];
const FLOOR = 0.03;

/** The name of a line, at a place with room for it. */
interface Name {
  readonly of: keyof typeof STYLES;
  readonly text: string;
  readonly gap: number;
  readonly error: number;
}

const NAMES: readonly Name[] = [
  { of: "TensorFlow.js", text: "TensorFlow.js", gap: 0.32, error: 4e11 },
  { of: "TensorFlow.js", text: "(float32)", gap: 0.32, error: 3e10 },
  { of: "careful JavaScript", text: "careful JavaScript", gap: 17, error: 2e4 },
  { of: "PyTorch", text: "PyTorch", gap: 17, error: 1.5e3 },
  { of: "softmax-wasm", text: "softmax-wasm", gap: 0.32, error: 0.06 },
];
const PANELS = {
  loss: { title: "Loss", naive: { gap: 0.32, error: 2e6 } },
  gradient: { title: "Gradient at the label", naive: { gap: 17, error: 2.5e5 } },
};

const x = scaleLog([FIRST_GAP, LAST_GAP], [0, PLOT.width]);
const y = scaleLog([FLOOR, 2 ** 53], [PLOT.height, PLOT.band]);

const rule = (height: number, attributes: Record<string, string | number>) =>
  tag("path", { d: `M0,${height.toFixed(1)}H${PLOT.width}`, fill: "none", ...attributes });

const powerOf10 = (value: number) => {
  const exponent = Math.round(Math.log10(value));
  return exponent ? `10${tag("tspan", { dy: -5, "font-size": 11 }, String(exponent))}` : "1";
};

function panel(quantity: keyof typeof PANELS, lines: Lines, index: number): string {
  const { title, naive } = PANELS[quantity];
  const names: Name[] = [...NAMES, { of: "naive JavaScript", text: "naive JavaScript", ...naive }];
  const height = (implementation: string, error: number) =>
    error === Infinity ? (Object.keys(STYLES).indexOf(implementation) + 0.75) * LANE : y(Math.max(error, FLOOR));
  const limit = y(LIMITS.loss);
  return tag(
    "g",
    { transform: `translate(${PLOT.left + index * (PLOT.width + PLOT.gutter)},${PLOT.top})` },
    text(title, [PLOT.width / 2, -14], { "font-size": 15, "font-weight": 600, "text-anchor": "middle" }),
    tag("rect", { width: PLOT.width, height: PLOT.band, fill: "#fdecea" }),
    text("no digit right", [8, PLOT.band / 2 + 4], { fill: "#9b1c1c" }),
    ...ERROR_TICKS.map((error) => rule(y(error), { stroke: FAINT })),
    ...(index ? [] : ERROR_TICKS.map((error) => text(powerOf10(error), [-10, y(error) + 4], { "text-anchor": "end" }))),
    ...GAP_TICKS.map((gap) => tag("path", { d: `M${x(gap).toFixed(1)},${PLOT.height}v5`, stroke: INK })),
    ...GAP_TICKS.map((gap) => text(String(gap), [x(gap), PLOT.height + 19], { "text-anchor": "middle" })),
    rule(limit, { stroke: INK, "stroke-dasharray": "4 3" }),
    text(`${LIMITS.loss} ulp, the contract`, [PLOT.width - 8, limit - 6], { "text-anchor": "end" }),
    tag("rect", { width: PLOT.width, height: PLOT.height, fill: "none", stroke: "#9aa5b1" }),
    ...Object.entries(STYLES).map(([implementation, { stroke, width, dashes }]) => {
      const path = line<Point>()
        .x(({ gap }) => x(gap))
        .y(({ error }) => height(implementation, error))
        .digits(1);
      const d = path(lines[implementation] ?? []) ?? "";
      return tag("path", { d, fill: "none", stroke, "stroke-width": width, "stroke-dasharray": dashes, "stroke-linejoin": "round" });
    }),
    ...names
      .filter(({ of }) => of in lines)
      .map(({ of, text: name, gap, error }) => text(name, [x(gap), y(error)], { ...HALO, fill: STYLES[of].text, "font-weight": 600 })),
  );
}

export function draw(lines: Record<keyof typeof PANELS, Lines>): string {
  const middle = PLOT.top + PLOT.height / 2;
  return figure(
    "The error of loss and gradient against how confident a row is",
    HEIGHT,
    text("error in ulp", [16, middle], { transform: `rotate(-90 16 ${middle})`, "text-anchor": "middle" }),
    text("confidence gap g: two logits, 0 and g, of which g is the label's", [WIDTH / 2, HEIGHT - 16], { "text-anchor": "middle" }),
    panel("loss", lines.loss, 0),
    panel("gradient", lines.gradient, 1),
  );
}
