// Copies of digits that are turned, slanted, stretched and moved a little at random: training on them teaches more than the few digits of the page.

import { PIXELS } from "../../mnist/digits.js";

const SIDE = Math.sqrt(PIXELS);
const CENTER = (SIDE - 1) / 2;

/** The largest changes: an angle, a shift of x in units of y, a factor's logarithm, pixels. */
const ANGLE = 0.21;
const SLANT = 0.24;
const STRETCH = 0.12;
const MOVE = 1;

/** Writes an image (PIXELS), 0 … 255, as pixels 0 … 1, changed at random. */
export function warp(image: Uint8Array, random: () => number, pixels: Float32Array): void {
  const within = (most: number) => most * (2 * random() - 1);
  const [angle, slant] = [within(ANGLE), within(SLANT)];
  const [width, height] = [Math.exp(within(STRETCH)), Math.exp(within(STRETCH))];
  const [left, top] = [CENTER + within(MOVE), CENTER + within(MOVE)];
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  const [xx, xy, yx, yy] = [cos * width, cos * slant - sin * height, sin * width, sin * slant + cos * height];
  for (let pixel = 0; pixel < PIXELS; pixel++) {
    const column = (pixel % SIDE) - CENTER;
    const row = Math.floor(pixel / SIDE) - CENTER;
    // The place in the image that comes to this pixel, between four of its pixels.
    const x = left + xx * column + xy * row;
    const y = top + yx * column + yy * row;
    const [x0, y0] = [Math.floor(x), Math.floor(y)];
    if (x0 < 0 || y0 < 0 || x0 >= SIDE - 1 || y0 >= SIDE - 1) {
      pixels[pixel] = 0;
      continue;
    }
    const at = y0 * SIDE + x0;
    const upper = image[at] + (x - x0) * (image[at + 1] - image[at]);
    const lower = image[at + SIDE] + (x - x0) * (image[at + SIDE + 1] - image[at + SIDE]);
    pixels[pixel] = (upper + (y - y0) * (lower - upper)) / 255;
  }
}
