// Elements of the page: finds and makes them, shows charts in them, reports changes of width and colours.

export function byId<T extends HTMLElement = HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found as T;
}

/** Makes an element with attributes and content. */
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

/**
 * A number with all its digits; a narrow place may break the line before its exponent.
 *
 * @param right The text of the right number, where this one may differ: digits from the first other one on are marked.
 */
export function digitsOf(text: string, right = text): (Node | string)[] {
  const [[mantissa, exponent], [ofRight, exponentOfRight]] = [text.split("e"), right.split("e")];
  let same = 0;
  while (same < mantissa.length && mantissa[same] === ofRight[same]) same++;
  if (text !== right) same = exponent === exponentOfRight ? Math.min(same, mantissa.length - 1) : 0;
  return [
    mantissa.slice(0, same),
    ...(same < mantissa.length ? [make("span", { class: "differs" }, mantissa.slice(same))] : []),
    ...(exponent === undefined ? [] : [make("wbr"), `e${exponent}`]),
  ];
}

/** Makes each button with the attribute data-copies copy the text of the element that it names, and say so for a while. */
export function startCopying(): void {
  for (const button of document.querySelectorAll<HTMLButtonElement>("button[data-copies]")) {
    const name = button.textContent;
    const tell = (outcome: string) => {
      button.textContent = outcome;
      setTimeout(() => {
        button.textContent = name;
      }, 2000);
    };
    button.addEventListener("click", () => {
      navigator.clipboard.writeText(byId(button.dataset.copies ?? "").textContent ?? "").then(
        () => tell("Copied"),
        () => tell("Not allowed"),
      );
    });
  }
}

/** The direction of each arrow key. */
export const ARROWS: Readonly<Record<string, readonly [right: number, down: number]>> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

/** No chart is drawn narrower than this, in pixels; a narrower place shows it smaller. */
const NARROWEST = 240;

/** The width at which a chart is drawn in its place. */
export const widthOf = (place: HTMLElement) => Math.max(NARROWEST, place.clientWidth);

/** Draws now, and again whenever the width of an element changes. */
export function atWidthOf(element: HTMLElement, draw: () => void): void {
  let width = 0;
  new ResizeObserver(() => {
    if (element.clientWidth === width) return;
    width = element.clientWidth;
    draw();
  }).observe(element);
}

/** Shows a chart in its place. To assistive technology it is an image with a description in words and numbers. */
export function showChart(place: HTMLElement, chart: Element, description: string): void {
  place.role = "img";
  place.ariaLabel = description;
  chart.ariaHidden = "true";
  place.replaceChildren(chart);
}

/** The time in ms that a text must stay the same before it is announced, so that dragging a slider announces its last position only. */
const SETTLED = 700;

/** A function that announces texts in a live region. */
export function announcer(region: HTMLElement): (text: string) => void {
  let timer: number | undefined;
  return (text) => {
    clearTimeout(timer);
    timer = window.setTimeout(() => {
      region.textContent = text;
    }, SETTLED);
  };
}

/** Calls `listen` when the colours of the page have changed. */
export function onColorScheme(listen: () => void): void {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", listen);
}
