// A pad to draw on with a mouse, a finger, or keys.

import { PIXELS } from "../../mnist/digits.js";
import { ARROWS } from "./page.js";
import type { Point, Stroke } from "./strokes.js";

const SIDE = Math.sqrt(PIXELS);
/** The distance that an arrow key moves the pen, in units of the pad's width, as strokes are. */
const KEY_STEP = 1 / 28;
const LINE = 0.07;

interface Listener {
  /** Gets the strokes when they have changed; none after a clear. */
  drawn(strokes: readonly Stroke[]): void;
  /** Gets a description of each action by keys. */
  said(text: string): void;
}

export class Pad {
  readonly #frame: HTMLElement;
  readonly #canvas: HTMLCanvasElement;
  readonly #listener: Listener;
  #strokes: Stroke[] = [];
  /** An image that is shown in place of strokes. */
  #image: Uint8Array | undefined;
  #pen: Point = { x: 0.5, y: 0.25 };
  #isDown = false;

  /** `frame` takes the focus and contains a canvas. */
  constructor(frame: HTMLElement, listener: Listener) {
    const canvas = frame.querySelector("canvas");
    if (!canvas) throw new Error("the pad has no canvas");
    this.#frame = frame;
    frame.tabIndex = 0;
    this.#canvas = canvas;
    this.#listener = listener;
    const draw = () => this.draw();
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.#begin(this.#at(event));
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!canvas.hasPointerCapture(event.pointerId)) return;
      for (const part of event.getCoalescedEvents?.() ?? []) this.#extend(this.#at(part));
      this.#extend(this.#at(event));
      this.#changed();
    });
    frame.addEventListener("keydown", (event) => this.#type(event));
    frame.addEventListener("focus", draw);
    frame.addEventListener("blur", () => {
      this.#isDown = false;
      draw();
    });
    draw();
  }

  clear(): void {
    this.#isDown = false;
    this.#image = undefined;
    this.#strokes = [];
    this.#changed();
  }

  /** Shows an image (PIXELS) in place of the strokes. */
  show(image: Uint8Array): void {
    this.#isDown = false;
    this.#strokes = [];
    this.#image = image;
    this.draw();
  }

  #at({ clientX, clientY }: PointerEvent): Point {
    const { left, top, width, height } = this.#canvas.getBoundingClientRect();
    return { x: (clientX - left) / width, y: (clientY - top) / height };
  }

  #begin(point: Point): void {
    this.#image = undefined;
    this.#pen = point;
    this.#strokes.push([point]);
    this.#changed();
  }

  #extend(point: Point): void {
    this.#pen = point;
    this.#strokes.at(-1)?.push(point);
  }

  #changed(): void {
    this.draw();
    this.#listener.drawn(this.#strokes);
  }

  #type(event: KeyboardEvent): void {
    const arrow = ARROWS[event.key];
    if (!arrow && ![" ", "Delete", "Backspace"].includes(event.key)) return;
    event.preventDefault();
    if (event.key === "Delete" || event.key === "Backspace") {
      this.clear();
      this.#listener.said("Cleared.");
    } else if (event.key === " ") {
      this.#isDown = !this.#isDown;
      if (this.#isDown) this.#begin(this.#pen);
      else this.draw();
      this.#listener.said(`Pen ${this.#isDown ? "down" : "up"} at ${this.#place()}.`);
    } else {
      const within = (value: number) => Math.max(0, Math.min(1, value));
      const point = { x: within(this.#pen.x + arrow[0] * KEY_STEP), y: within(this.#pen.y + arrow[1] * KEY_STEP) };
      if (this.#isDown) {
        this.#extend(point);
        this.#changed();
      } else {
        this.#pen = point;
        this.draw();
      }
      this.#listener.said(`Pen ${this.#isDown ? "draws" : "is"} at ${this.#place()}.`);
    }
  }

  #place(): string {
    return `${Math.round(100 * this.#pen.x)} percent from the left, ${Math.round(100 * this.#pen.y)} from the top`;
  }

  draw(): void {
    const canvas = this.#canvas;
    const context = canvas.getContext("2d");
    if (!context) return;
    const { width } = canvas;
    const style = getComputedStyle(canvas);
    context.clearRect(0, 0, width, width);
    context.fillStyle = context.strokeStyle = style.color;
    const image = this.#image;
    if (image) {
      const side = width / SIDE;
      image.forEach((value, pixel) => {
        context.globalAlpha = value / 255;
        context.fillRect((pixel % SIDE) * side, Math.floor(pixel / SIDE) * side, side, side);
      });
      context.globalAlpha = 1;
    }
    context.lineWidth = LINE * width;
    context.lineCap = context.lineJoin = "round";
    for (const stroke of this.#strokes) {
      context.beginPath();
      context.moveTo(stroke[0].x * width, stroke[0].y * width);
      for (const { x, y } of stroke) context.lineTo(x * width, y * width);
      context.stroke();
    }
    if (!this.#frame.matches(":focus-visible")) return;
    context.lineWidth = 3;
    context.strokeStyle = style.getPropertyValue("--accent");
    context.beginPath();
    context.arc(this.#pen.x * width, this.#pen.y * width, (this.#isDown ? 0.5 : 0.8) * LINE * width, 0, 2 * Math.PI);
    context.stroke();
  }
}
