// Images of digits and their labels, and their random order.

export const PIXELS = 28 * 28;
export const CLASSES = 10;

export interface Digits {
  readonly count: number;
  /** (count, PIXELS), 0 … 255 */
  readonly images: Uint8Array;
  /** (count) */
  readonly labels: Uint8Array;
}

/** Shuffles in place, after Fisher and Yates. */
export function shuffle(order: Uint32Array, random: () => number): void {
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
}
