// The Jacobian as a heatmap: a grid of cells with their values; arrow keys move through it.

import { full } from "./format.js";
import { ARROWS, make } from "./page.js";

/** The largest element that the Jacobian of softmax can have: p (1 − p) at p = 1/2. */
const LARGEST = 0.25;

const MOVES: typeof ARROWS = { ...ARROWS, Home: [-Infinity, 0], End: [Infinity, 0], PageUp: [0, -Infinity], PageDown: [0, Infinity] };

const subscript = (n: number) => Array.from(String(n), (digit) => "₀₁₂₃₄₅₆₇₈₉"[Number(digit)]).join("");

/** The text of a cell, with two decimals at most, and without the 0 before them: a phone has room for ten cells. */
const inCell = (value: number) => (Math.abs(value) < 0.005 ? "0" : full(Number(value.toFixed(2))).replace("0.", "."));

export class Heatmap {
  readonly #table = make("table", {
    class: "jacobian",
    role: "grid",
    "aria-labelledby": "see-jacobian-title",
    "aria-describedby": "see-jacobian-hint",
  });
  readonly #readout: HTMLElement;
  #values: readonly (readonly number[])[] = [];
  #cells: HTMLElement[][] = [];
  /** The cell that the tab key focuses. */
  #row = 0;
  #column = 0;

  constructor(place: HTMLElement, readout: HTMLElement) {
    this.#readout = readout;
    place.append(this.#table);
    this.#table.addEventListener("pointerover", ({ target }) => this.#tell(target));
    this.#table.addEventListener("focusin", ({ target }) => {
      this.#tell(target);
      this.#stopAt(target);
    });
    this.#table.addEventListener("keydown", (event) => this.#move(event));
  }

  show(values: readonly (readonly number[])[]): void {
    if (values.length !== this.#values.length) this.#layOut(values.length);
    this.#values = values;
    values.forEach((row, i) => {
      row.forEach((value, j) => {
        const cell = this.#cells[i][j];
        cell.textContent = inCell(value);
        cell.style.setProperty("--share", `${Math.min(100, (100 * Math.abs(value)) / LARGEST).toFixed(1)}%`);
        cell.classList.toggle("negative", value < 0);
      });
    });
    this.#readout.textContent = this.#describe(this.#row, this.#column);
  }

  #describe(i: number, j: number): string {
    return `∂p${subscript(i + 1)}/∂x${subscript(j + 1)} = ${full(this.#values[i][j])}`;
  }

  #layOut(classes: number): void {
    this.#row = Math.min(this.#row, classes - 1);
    this.#column = Math.min(this.#column, classes - 1);
    const numbers = Array.from({ length: classes }, (_, j) => subscript(j + 1));
    this.#cells = numbers.map((_, i) =>
      numbers.map((_, j) => {
        const isStop = i === this.#row && j === this.#column;
        return make("td", { role: "gridcell", tabindex: isStop ? "0" : "-1", "aria-describedby": this.#readout.id });
      }),
    );
    const head = make("tr", { role: "row" }, make("td", { role: "presentation" }));
    head.append(...numbers.map((n) => make("th", { scope: "col", role: "columnheader" }, `x${n}`)));
    const rows = this.#cells.map((cells, i) =>
      make("tr", { role: "row" }, make("th", { scope: "row", role: "rowheader" }, `p${numbers[i]}`), ...cells),
    );
    this.#table.style.setProperty("--classes", String(classes));
    this.#table.replaceChildren(make("thead", { role: "rowgroup" }, head), make("tbody", { role: "rowgroup" }, ...rows));
  }

  #positionOf(target: EventTarget | null): [row: number, column: number] | undefined {
    const row = this.#cells.findIndex((cells) => cells.includes(target as HTMLElement));
    return row < 0 ? undefined : [row, this.#cells[row].indexOf(target as HTMLElement)];
  }

  #tell(target: EventTarget | null): void {
    const position = this.#positionOf(target);
    if (position) this.#readout.textContent = this.#describe(...position);
  }

  #stopAt(target: EventTarget | null): void {
    const position = this.#positionOf(target);
    if (!position) return;
    this.#cells[this.#row][this.#column].tabIndex = -1;
    [this.#row, this.#column] = position;
    this.#cells[this.#row][this.#column].tabIndex = 0;
  }

  #move(event: KeyboardEvent): void {
    const move = MOVES[event.key];
    if (!move) return;
    event.preventDefault();
    const within = (index: number) => Math.max(0, Math.min(this.#values.length - 1, index));
    this.#cells[within(this.#row + move[1])][within(this.#column + move[0])].focus();
  }
}
