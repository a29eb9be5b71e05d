// Draws by the inverse of the distribution function, in the order of the classes. Weights are integers, whose sums are exact: what is drawn
// does not depend on the order in which they are added.

/** The weight of p = 1. Sums of p that exceed 1 a little stay below 2^53. */
const ONE = 2 ** 52;

/** The weight of a probability. */
export const weightOf = (p: number): number => Math.floor(p * ONE);

/** The sum of the weights of probabilities; NaN if one of them is. */
function totalWeight(probs: Float64Array): number {
  let total = 0;
  for (let i = 0; i < probs.length; i++) total += weightOf(probs[i]);
  return total;
}

/** What was drawn. */
export interface Drawn {
  /** Its place; −1 where there is nothing to draw. */
  readonly at: number;
  /** (1 − p) / p, without cancellation. */
  readonly odds: number;
  /** Where in the share of what was drawn the random number lies, again in [0, 1). */
  readonly within: number;
}

export const NOTHING: Drawn = { at: -1, odds: 0, within: 0 };

/** Draws by a random number in [0, 1) from probabilities, which need not sum to 1. There is nothing to draw if one is NaN, or all are 0. */
export function draw(probs: Float64Array, random: number): Drawn {
  const total = totalWeight(probs);
  if (!(total > 0)) return NOTHING;
  // The product is below the total, as the random number is below 1.
  const target = Math.floor(random * total);
  let at = 0;
  let below = 0;
  for (let weight = weightOf(probs[0]); below + weight <= target; weight = weightOf(probs[at])) {
    below += weight;
    at++;
  }
  let others = 0;
  for (let i = 0; i < probs.length; i++) if (i !== at) others += probs[i];
  return { at, odds: others / probs[at], within: (target - below) / weightOf(probs[at]) };
}

/** A draw in what a first draw has drawn. */
export const thenDrawn = (first: Drawn, { at, odds, within }: Drawn, start: number): Drawn => ({
  at: start + at,
  odds: first.odds + odds + first.odds * odds,
  within,
});
