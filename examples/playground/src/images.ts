// Small images on canvases: a digit in ink; weights in two colours, one for positive and one for negative.

import { PIXELS } from "../../mnist/digits.js";
import type { Layer } from "../../mnist/network.js";
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

/** Images of the weights of hidden units. */
export class UnitImages {
  readonly #place: HTMLElement;
  readonly #canvases: readonly HTMLCanvasElement[];
  #range = "not trained";

  constructor(place: HTMLElement, units: number) {
    this.#place = place;
    this.#canvases = Array.from({ length: units }, () => make("canvas", { width: String(SIDE), height: String(SIDE) }));
    place.role = "img";
    place.append(...this.#canvases);
  }

  draw({ weights }: Layer): void {
    const [positive, negative, ground] = ["--positive-end", "--negative-end", "--surface"].map(colorOf);
    const [most, least] = [weights.reduce((max, weight) => Math.max(max, weight)), weights.reduce((min, weight) => Math.min(min, weight))];
    const largest = Math.max(most, -least);
    this.#canvases.forEach((canvas, unit) => {
      paint(canvas, (pixel) => weights[unit * PIXELS + pixel] / largest, positive, negative, ground);
    });
    this.#range = `from ${short(least)} to ${short(most)}`;
  }

  /** Makes those units pale that are 0 for a drawing, if there is one. */
  mark(units: Float32Array | undefined): void {
    this.#canvases.forEach((canvas, unit) => {
      canvas.classList.toggle("off", units?.[unit] === 0);
    });
    const active = units ? `; ${units.filter((unit) => unit > 0).length} of the units are above 0 for the drawing` : "";
    this.#place.ariaLabel = `Weights of ${this.#canvases.length} hidden units, ${this.#range}${active}`;
  }
}
