// SVG for the figures: elements, text, and their common frame and colours.

export const WIDTH = 860;
export const INK = "#1f2933";
export const FAINT = "#e1e5ea";
/** Attributes of text over lines: a white outline. */
export const HALO = { stroke: "#ffffff", "stroke-width": 4, "stroke-linejoin": "round", "paint-order": "stroke" };

type Attributes = Record<string, string | number>;

export function tag(name: string, attributes: Attributes, ...content: string[]): string {
  const written = Object.entries(attributes).map(
    ([key, value]) => ` ${key}="${typeof value === "number" ? Number(value.toFixed(1)) : value}"`,
  );
  return `<${name}${written.join("")}${content.length ? `>${content.join("")}</${name}>` : "/>"}`;
}

/** `content` is markup; plain text goes through {@link escaped} first. */
export function text(content: string, [x, y]: readonly [x: number, y: number], attributes: Attributes = {}): string {
  return tag("text", { x, y, ...attributes }, content);
}

export const escaped = (content: string) => content.replaceAll("&", "&amp;").replaceAll("<", "&lt;");

/** A figure with a title, on a white ground. */
export function figure(title: string, height: number, ...content: string[]): string {
  return `${tag(
    "svg",
    {
      xmlns: "http://www.w3.org/2000/svg",
      viewBox: `0 0 ${WIDTH} ${height}`,
      width: WIDTH,
      height,
      "font-family": "system-ui, -apple-system, Segoe UI, DejaVu Sans, sans-serif",
      "font-size": 12.5,
      fill: INK,
      role: "img",
    },
    tag("title", {}, title),
    tag("rect", { width: WIDTH, height, rx: 8, fill: "#ffffff" }),
    ...content,
  )}\n`;
}
