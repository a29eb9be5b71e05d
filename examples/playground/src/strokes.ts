// Turns strokes of a pen into an image as MNIST has them: scaled to a box of 20 × 20 pixels, proportions kept, and moved so that the centre
// of mass of the ink is the centre of the 28 × 28 pixels.

import { PIXELS } from "../../mnist/digits.js";

export interface Point {
  readonly x: number;
  readonly y: number;
}
/** The points of a stroke of the pen, in any unit; y points downwards. */
export type Stroke = Point[];

const SIDE = Math.sqrt(PIXELS);
const BOX = 20;
/** Half the width of MNIST's pen, in its pixels. */
const PEN = 1.2;
/** The smallest size, in units of the strokes, that is scaled to the whole box, so that a dot stays a dot. */
const SMALLEST = 0.15;

/** The distance from (x, y) to the segment from a to b. */
function distance(x: number, y: number, a: Point, b: Point): number {
  const [dx, dy] = [b.x - a.x, b.y - a.y];
  const length2 = dx * dx + dy * dy;
  const along = length2 === 0 ? 0 : Math.max(0, Math.min(1, ((x - a.x) * dx + (y - a.y) * dy) / length2));
  return Math.hypot(x - a.x - along * dx, y - a.y - along * dy);
}

/** The ink in each pixel, from 0 to 1, of strokes in units of pixels. Edges are one pixel wide. */
function inkOf(strokes: readonly Stroke[]): Float64Array {
  const ink = new Float64Array(PIXELS);
  for (const stroke of strokes) {
    for (let k = 0; k < stroke.length; k++) {
      const [a, b] = [stroke[Math.max(0, k - 1)], stroke[k]];
      const reach = PEN + 1;
      for (let row = Math.max(0, Math.floor(Math.min(a.y, b.y) - reach)); row < Math.min(SIDE, Math.max(a.y, b.y) + reach); row++) {
        for (
          let column = Math.max(0, Math.floor(Math.min(a.x, b.x) - reach));
          column < Math.min(SIDE, Math.max(a.x, b.x) + reach);
          column++
        ) {
          const value = Math.max(0, Math.min(1, PEN + 0.5 - distance(column + 0.5, row + 0.5, a, b)));
          const pixel = row * SIDE + column;
          if (value > ink[pixel]) ink[pixel] = value;
        }
      }
    }
  }
  return ink;
}

const mapped = (strokes: readonly Stroke[], map: (point: Point) => Point) => strokes.map((stroke) => stroke.map(map));

/** The image (PIXELS), 0 … 255, of strokes. */
export function imageOf(strokes: readonly Stroke[]): Uint8Array {
  const points = strokes.flat();
  if (points.length === 0) return new Uint8Array(PIXELS);
  const [xs, ys] = [points.map(({ x }) => x), points.map(({ y }) => y)];
  const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const scale = (BOX - 2 * PEN) / Math.max(right - left, bottom - top, SMALLEST);
  const boxed = mapped(strokes, ({ x, y }) => ({
    x: SIDE / 2 + scale * (x - (left + right) / 2),
    y: SIDE / 2 + scale * (y - (top + bottom) / 2),
  }));
  let [mass, massX, massY] = [0, 0, 0];
  inkOf(boxed).forEach((value, pixel) => {
    mass += value;
    massX += value * ((pixel % SIDE) + 0.5);
    massY += value * (Math.floor(pixel / SIDE) + 0.5);
  });
  const [shiftX, shiftY] = [SIDE / 2 - massX / mass, SIDE / 2 - massY / mass];
  return Uint8Array.from(inkOf(mapped(boxed, ({ x, y }) => ({ x: x + shiftX, y: y + shiftY }))), (value) => Math.round(255 * value));
}
