// Small images on canvases: a digit in ink; weights in two colours, one for positive and one for negative.

import { CLASSES, PIXELS } from "../../mnist/digits.js";
import type { Weights } from "../../mnist/model.js";
import { short } from "./format.js";
import { make } from "./page.js";

const SIDE = Math.sqrt(PIXELS);
type Rgb = readonly number[];

const anyContext = make("canvas").getContext("2d") as CanvasRenderingContext2D;

/** A colour of the page. A canvas context converts each notation to #rrggbb. */
function colorOf(name: string): Rgb {
  anyContext.fillStyle = getComputedStyle(document.documentElement).getPropertyValue(name);
  const hex = anyContext.fillStyle;
  return [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16));
}

/** Paints each pixel between the ground (share 0) and the colour `positive` (share 1) or `negative` (share −1). */
function paint(canvas: HTMLCanvasElement, share: (pixel: number) => number, positive: Rgb, negative: Rgb, ground: Rgb): void {
  const image = new ImageData(SIDE, SIDE);
  for (let pixel = 0; pixel < PIXELS; pixel++) {
    const value = share(pixel);
    const color = value < 0 ? negative : positive;
    for (let c = 0; c < 3; c++) image.data[4 * pixel + c] = ground[c] + Math.abs(value) * (color[c] - ground[c]);
    image.data[4 * pixel + 3] = 255;
  }
  canvas.getContext("2d")?.putImageData(image, 0, 0);
}

/** An image (PIXELS), 0 … 255, in ink. */
export function paintDigit(canvas: HTMLCanvasElement, image: Uint8Array): void {
  const ink = colorOf("--ink");
  paint(canvas, (pixel) => image[pixel] / 255, ink, ink, colorOf("--surface"));
}

/** Images of the weights (PIXELS, CLASSES), one for each class. */
export class WeightImages {
  readonly #canvases: readonly HTMLCanvasElement[];

  constructor(place: HTMLElement) {
    this.#canvases = Array.from({ length: CLASSES }, () => make("canvas", { width: String(SIDE), height: String(SIDE), role: "img" }));
    place.append(...this.#canvases.map((canvas, digit) => make("figure", {}, canvas, make("figcaption", {}, String(digit)))));
  }

  draw(weights: Weights): void {
    const [positive, negative, ground] = ["--positive-end", "--negative-end", "--surface"].map(colorOf);
    const largest = weights.subarray(0, PIXELS * CLASSES).reduce((max, weight) => Math.max(max, Math.abs(weight)), 0);
    this.#canvases.forEach((canvas, digit) => {
      const at = (pixel: number) => weights[pixel * CLASSES + digit];
      paint(canvas, (pixel) => (largest === 0 ? 0 : at(pixel) / largest), positive, negative, ground);
      const all = Array.from({ length: PIXELS }, (_, pixel) => at(pixel));
      const [most, least] = [Math.max(...all), Math.min(...all)];
      const place = (value: number) => `row ${1 + Math.floor(all.indexOf(value) / SIDE)}, column ${1 + (all.indexOf(value) % SIDE)}`;
      canvas.ariaLabel =
        largest === 0
          ? `Weights of digit ${digit}: all 0`
          : `Weights of digit ${digit}: from ${short(least)} at ${place(least)} to ${short(most)} at ${place(most)}`;
    });
  }
}
