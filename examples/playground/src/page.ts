// Elements of the page: found by their id, made, and told of their width.

import { full } from "./format.js";

export function byId<T extends HTMLElement = HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found as T;
}

/** An element with attributes and what it contains. */
export function make<K extends keyof HTMLElementTagNameMap>(
  name: K,
  attributes: Readonly<Record<string, string>> = {},
  ...content: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...content);
  return element;
}

/** A number in full, which a narrow place may break before its exponent. */
export function digitsOf(value: number): (Node | string)[] {
  const [mantissa, exponent] = full(value).split("e");
  return exponent === undefined ? [mantissa] : [mantissa, make("wbr"), `e${exponent}`];
}

/** Where arrow keys lead. */
export const ARROWS: Readonly<Record<string, readonly [right: number, down: number]>> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

/** Draws at the width that an element has, and again when that changes. */
export function atWidthOf(element: HTMLElement, draw: () => void): void {
  let width = 0;
  new ResizeObserver(() => {
    if (element.clientWidth === width) return;
    width = element.clientWidth;
    draw();
  }).observe(element);
}

/** Shows a chart in its place: an image to assistive technology, described in words and numbers. */
export function showChart(place: HTMLElement, chart: Element, description: string): void {
  place.role = "img";
  place.ariaLabel = description;
  chart.ariaHidden = "true";
  place.replaceChildren(chart);
}

/** How long a text must have stayed what it is before it is announced, in ms: who drags a slider hears its last position. */
const SETTLED = 700;

/** Says things in a live region. */
export function announcer(region: HTMLElement): (text: string) => void {
  let timer: number | undefined;
  return (text) => {
    clearTimeout(timer);
    timer = window.setTimeout(() => {
      region.textContent = text;
    }, SETTLED);
  };
}

/** Calls back when the colours of the page have changed. */
export function onColorScheme(listen: () => void): void {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", listen);
}
