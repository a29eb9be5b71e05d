// nllLoss(): the negative log-likelihood of log-probabilities, or of probabilities, that were computed elsewhere.

import { checkBoolean, checkOptions } from "../errors.js";
import { type Labels, readLabels } from "../loss/labels.js";
import { type LossOptions, readSampleWeights } from "../loss/options.js";
import type { Loss } from "../loss/outputs.js";
import { CompensatedSum, haveWeights, IGNORED, weighRows } from "../loss/rows.js";
import { classTargets, fillTargets, needTargets } from "../loss/targets.js";
import { checkClasses, type LossTerms, type Reduction, readTerms } from "../loss/terms.js";
import { log } from "../memory/chunks.js";
import { allocate, numbersOf, readTensor, type Tensor, toForm } from "../tensor/containers.js";
import { layoutOf, readAxis, rowShape, type ShapeOptions } from "../tensor/shape.js";
import type { KnownNames } from "./batch.js";
import type { GradientResult } from "./cross-entropy.js";

/** The terms of a loss that logits have no part in. */
type NllTerms<R extends string> = Pick<LossTerms<R>, "reduction" | "divisor" | "emptyMean" | "weights" | "ignoreIndex" | "labelSmoothing">;

/** The options of {@link nllLoss}. */
export interface NllLossOptions<R extends string = Reduction> extends ShapeOptions, NllTerms<R>, Pick<LossOptions, "sampleWeights"> {
  /** True if probabilities are given in the place of log-probabilities. */
  fromProbs?: boolean;
}

const NLL_OPTIONS = [
  "shape",
  "axis",
  "reduction",
  "divisor",
  "emptyMean",
  "weights",
  "ignoreIndex",
  "labelSmoothing",
  "sampleWeights",
  "fromProbs",
] as const;

function evaluate(x: unknown, y: unknown, options: unknown, hasGradient: boolean): { loss: unknown; gradient: unknown } {
  const checked = checkOptions(options as NllLossOptions<string> | undefined, NLL_OPTIONS);
  const axis = readAxis(checked.axis);
  const terms = readTerms(checked);
  const fromProbs = checkBoolean("fromProbs", checked.fromProbs);
  const input = readTensor("logProbs", x, checked.shape);
  const { dtype, form, shape } = input;
  const layout = layoutOf(shape, axis);
  const { classes, inner, rows, size } = layout;
  checkClasses(terms, layout, shape);
  const sampleWeights = checked.sampleWeights === undefined ? undefined : readSampleWeights(checked.sampleWeights, shape, axis, layout);
  const labels = readLabels(y, input, axis, layout, terms.ignoreIndex);
  const hasRowWeights = haveWeights(terms, sampleWeights !== undefined, false);
  const rowWeights = hasRowWeights ? allocate("shape", "float64", rows) : undefined;
  const { isEmpty, divisor, unit } = weighRows(terms, labels, layout, sampleWeights, undefined, rowWeights);

  const indices = labels.kind === "indices" ? labels.values : undefined;
  const q = labels.kind === "distribution" ? labels.values : undefined;
  const byClass = classTargets(terms, layout, undefined);
  const targets = q || needTargets("indices", terms) ? allocate("shape", "float64", size) : undefined;
  if (targets) fillTargets(targets, layout, terms, byClass, q, undefined);

  const values = numbersOf(input);
  const losses = terms.reduction === "none" ? allocate("shape", dtype, rows) : undefined;
  const gradient = hasGradient ? allocate("shape", dtype, size) : undefined;
  const sum = new CompensatedSum();
  for (let row = 0; row < rows; row++) {
    const weight = rowWeights ? rowWeights[row] : 1;
    if (Object.is(weight, IGNORED)) continue;
    const first = Math.floor(row / inner) * classes * inner + (row % inner);
    const factor = isEmpty ? 0 : (weight * unit) / divisor;
    const loss = new CompensatedSum();
    const visit = (k: number, target: number): void => {
      if (target === 0) return;
      loss.add(-target * (fromProbs ? log(values[k]) : values[k]));
      if (gradient && factor !== 0) gradient[k] = fromProbs ? (-target * factor) / values[k] : -target * factor;
    };
    const label = indices?.[row];
    if (targets) {
      for (let j = 0; j < classes; j++) {
        const k = first + j * inner;
        visit(k, j === label ? targets[k] + byClass.own[j] : targets[k]);
      }
    } else if (label !== undefined) {
      visit(first + label * inner, byClass.own[label]);
    }
    const weighted = weight * loss.value;
    if (losses) losses[row] = weighted;
    sum.add(weighted);
  }
  const mean = isEmpty ? terms.emptyMean : (sum.value / divisor) * unit;
  return {
    loss: losses ? toForm(form, losses, rowShape(shape, axis)) : mean,
    gradient: gradient && toForm(form, gradient, shape),
  };
}

/**
 * Negative log-likelihood −log p_y of log-probabilities that come from elsewhere, or −Σ q log p for label distributions q; of logits
 * {@link crossEntropy} is more exact. With `fromProbs` of probabilities, as the losses of Keras have them (its `from_logits: false`).
 *
 * @param logProbs Log-probabilities, or with `fromProbs` probabilities, of any shape with at least one axis, (N, C) say. They are used as they are.
 * @param labels Labels, as for {@link crossEntropy}.
 * @param options `fromProbs`, and of those of {@link crossEntropy} the ones that have nothing to do with logits.
 * @returns As {@link crossEntropy}. A class at p = 0 has the loss ∞.
 * @throws As {@link crossEntropy}.
 * @example
 * nllLoss([[-0.5, -1], [-3, -0.1]], [0, 1]); // → 0.3
 * nllLoss([[0.25, 0.75]], [0], { fromProbs: true }); // → 1.386294
 */
export function nllLoss<T extends Tensor, const R extends string = "mean">(
  logProbs: T,
  labels: Labels,
  options?: NllLossOptions<R> & Pick<KnownNames<R, never>, "reduction">,
): Loss<T, R> {
  return evaluate(logProbs, labels, options, false).loss as Loss<T, R>;
}

/**
 * {@link nllLoss} and its gradient with respect to what is given: −1 / N for the label's log-probability and the mean, or −1 / (N p) with
 * `fromProbs`.
 *
 * @param logProbs As for {@link nllLoss}.
 * @param labels As for {@link nllLoss}.
 * @param options As for {@link nllLoss}. With `reduction: "none"` the gradient is each row's own.
 * @returns The loss and the gradient, in the kind of container that `logProbs` is.
 * @throws As {@link nllLoss}.
 * @example
 * nllLossWithGradient([[-0.5, -1], [-3, -0.1]], [0, 1]).gradient; // → [[-0.5, 0], [0, -0.5]]
 */
export function nllLossWithGradient<T extends Tensor, const R extends string = "mean">(
  logProbs: T,
  labels: Labels,
  options?: NllLossOptions<R> & Pick<KnownNames<R, never>, "reduction">,
): GradientResult<T, R> {
  return evaluate(logProbs, labels, options, true) as GradientResult<T, R>;
}
