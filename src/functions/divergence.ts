// klDivergence() and jsDivergence(): divergences between the distributions of two logits, with both gradients. Functions without state.

import { checkOptions } from "../errors.js";
import { fillClosed, type LogitsOptions, type LossOptions, readMask, readSampleWeights } from "../loss/options.js";
import type { Loss } from "../loss/outputs.js";
import { addLosses } from "../loss/plan.js";
import { haveWeights, weighRows } from "../loss/rows.js";
import { checkClasses, type LossTerms, type Reduction, readTerms } from "../loss/terms.js";
import { ChunkBuffer, forEachChunk } from "../memory/chunks.js";
import {
  allocate,
  checkSameShape,
  checkSameType,
  type Elements,
  numbersOf,
  readTensor,
  type SameAxes,
  type Tensor,
  toForm,
} from "../tensor/containers.js";
import { zeros } from "../tensor/element.js";
import { layoutOf, readAxis, rowShape, type ShapeOptions } from "../tensor/shape.js";
import { PLANES, SUM_LENGTH } from "../wasm/abi.js";
import type { KnownNames } from "./batch.js";

/** The options of a divergence. `scale` and `mask` are those of both logits. */
export interface DivergenceOptions<R extends string = Reduction>
  extends ShapeOptions,
    Pick<LossTerms<R>, "reduction" | "divisor" | "emptyMean">,
    Pick<LogitsOptions, "scale" | "mask">,
    Pick<LossOptions, "sampleWeights"> {}

const DIVERGENCE_OPTIONS = ["shape", "axis", "reduction", "divisor", "emptyMean", "scale", "mask", "sampleWeights"] as const;

/** A divergence with its gradients. */
export interface DivergenceResult<T extends Tensor, S extends Tensor, R extends string | undefined> {
  /** The divergence. */
  loss: Loss<T, R>;
  /** The gradient with respect to the teacher's logits. */
  teacherGradient: SameAxes<T>;
  /** The gradient with respect to the student's logits. */
  studentGradient: SameAxes<S>;
}

function diverge(
  isSymmetric: boolean,
  teacherLogits: unknown,
  studentLogits: unknown,
  options: unknown,
  writesGradients: boolean,
): unknown {
  const checked = checkOptions(options as DivergenceOptions<string> | undefined, DIVERGENCE_OPTIONS);
  const { shape, sampleWeights } = checked;
  const axis = readAxis(checked.axis);
  const terms = readTerms(checked);
  const teacher: Elements = readTensor("teacherLogits", teacherLogits, shape);
  const student: Elements = readTensor("studentLogits", studentLogits, shape);
  const { dtype } = teacher;
  checkSameType("studentLogits", student, "teacherLogits", dtype);
  checkSameShape("studentLogits", student, "teacherLogits", teacher);
  const layout = layoutOf(teacher.shape, axis);
  checkClasses(terms, layout, teacher.shape);
  const weights = sampleWeights === undefined ? undefined : readSampleWeights(sampleWeights, teacher.shape, axis, layout);
  const mask = checked.mask === undefined ? undefined : readMask(checked.mask, teacher.shape, layout);
  const hasRowWeights = haveWeights(terms, weights !== undefined, mask !== undefined);
  const rowWeights = hasRowWeights ? allocate("shape", "float64", layout.rows) : undefined;
  const weighing = weighRows(terms, undefined, layout, weights, mask, rowWeights);
  const { isEmpty, divisor, unit } = weighing;

  const isByRow = terms.reduction === "none";
  const losses = isByRow ? allocate("shape", dtype, layout.rows) : undefined;
  const gradients = writesGradients ? [teacher, student].map(() => allocate("shape", dtype, layout.size)) : [];
  const sum = zeros("float64", SUM_LENGTH);
  // Whatever the elements are, the kernel has doubles.
  const buffers: ChunkBuffer[] = [
    new ChunkBuffer("teacher", "float64", "tensor", numbersOf(teacher), gradients[0]),
    new ChunkBuffer("student", "float64", "tensor", numbersOf(student), gradients[1]),
    new ChunkBuffer("losses", "float64", "rows", undefined, losses),
    new ChunkBuffer("sum", "float64", SUM_LENGTH, sum, sum),
    new ChunkBuffer("row", "float64", 4 * (layout.classes + (layout.classes % 2))),
  ];
  if (rowWeights) buffers.push(new ChunkBuffer("rowWeights", "float64", "rows", rowWeights));
  if (mask) buffers.push(new ChunkBuffer("mask", "uint8", mask.isShared ? "classes" : "tensor", mask.values));
  let loss = 0;
  forEachChunk(layout, "float64", PLANES, buffers, (kernels, chunkBuffers, chunk) => {
    const { classes, inner, outer } = chunk;
    if (mask) {
      const chunkMask = { values: chunkBuffers.uint8("mask"), isShared: mask.isShared };
      for (const name of ["teacher", "student"]) fillClosed(chunkBuffers.float(name), chunkMask, chunk, Number.NEGATIVE_INFINITY);
    }
    kernels.divergence(
      Number(isSymmetric),
      Number(writesGradients),
      chunkBuffers.ptr("teacher"),
      chunkBuffers.ptr("student"),
      chunkBuffers.ptrIfAny("rowWeights"),
      chunkBuffers.ptr("losses"),
      classes,
      inner,
      terms.scale,
      isEmpty ? 0 : (terms.scale * unit) / divisor,
      0,
      outer * inner,
      chunkBuffers.ptr("row"),
      chunkBuffers.ptr("scratch"),
    );
    loss = addLosses(kernels, chunkBuffers, chunk.rows, weighing);
  });

  const { form } = teacher;
  const value = losses ? toForm(form, losses, rowShape(teacher.shape, axis)) : isEmpty ? terms.emptyMean : loss;
  if (!writesGradients) return value;
  const [teacherGradient, studentGradient] = gradients;
  return {
    loss: value,
    teacherGradient: toForm(form, teacherGradient, teacher.shape),
    studentGradient: toForm(student.form, studentGradient, student.shape),
  };
}

/**
 * Kullback–Leibler divergence Σ q log(q / p) of a student's p = softmax(studentLogits) from a teacher's q = softmax(teacherLogits), the loss of
 * distillation (Hinton, Vinyals and Dean, 2015), exact where p ≈ q, too: Σ q φ(d − c) has no terms of either sign, φ(x) = e^x − 1 − x, d the
 * differences of the logits, and c near their mean (Schulman, "Approximating KL divergence", 2020).
 *
 * @param teacherLogits Logits of any shape with at least one axis. A class at −∞ adds nothing.
 * @param studentLogits Logits of the same shape and element type. Where only the student has a class at −∞, the result is ∞.
 * @param options Shape and axis; `scale`, the inverse of a temperature T, and `mask`, which both logits share; `reduction`, `sampleWeights` and
 *   `emptyMean` as in {@link crossEntropy}. To multiply by T², as Hinton does, divide the `divisor` by T²: N / T² for N rows.
 * @returns As {@link crossEntropy}: of a row within 4 ulp.
 * @throws As {@link crossEntropy}.
 * @example
 * klDivergence([[2, 1, 0]], [[1, 1, 1]]); // → 0.266217
 * klDivergence([[0, 1]], [[0, 1 + 1e-9]]); // → 9.830598e-20
 */
export function klDivergence<T extends Tensor, const R extends string = "mean">(
  teacherLogits: T,
  studentLogits: Tensor,
  options?: DivergenceOptions<R> & Pick<KnownNames<R, never>, "reduction">,
): Loss<T, R> {
  return diverge(false, teacherLogits, studentLogits, options, false) as Loss<T, R>;
}

/**
 * {@link klDivergence} with its gradients: (p − q) / N with respect to the student's logits, and q (log(q / p) − KL) / N with respect to the
 * teacher's, for the mean over N rows and the scale 1.
 *
 * @param teacherLogits As for {@link klDivergence}.
 * @param studentLogits As for {@link klDivergence}.
 * @param options As for {@link klDivergence}. With `reduction: "none"` the gradients are each row's own.
 * @returns The divergence and both gradients. Where it is ∞, the gradient of the teacher is NaN.
 * @throws As {@link klDivergence}.
 * @example
 * const { loss, studentGradient } = klDivergenceWithGradient([[2, 1, 0]], [[1, 1, 1]]);
 * loss; // → 0.266217
 * studentGradient; // → [[-0.331908, 0.088605, 0.243303]]
 */
export function klDivergenceWithGradient<T extends Tensor, S extends Tensor, const R extends string = "mean">(
  teacherLogits: T,
  studentLogits: S,
  options?: DivergenceOptions<R> & Pick<KnownNames<R, never>, "reduction">,
): DivergenceResult<T, S, R> {
  return diverge(false, teacherLogits, studentLogits, options, true) as DivergenceResult<T, S, R>;
}

/**
 * Jensen–Shannon divergence ½ KL(q ‖ m) + ½ KL(p ‖ m), m = (p + q) / 2, of the distributions of two logits, at most log 2 (Lin, 1991). It is
 * symmetric, and finite whatever classes are excluded.
 *
 * @param teacherLogits As for {@link klDivergence}.
 * @param studentLogits As for {@link klDivergence}.
 * @param options As for {@link klDivergence}.
 * @returns As {@link klDivergence}: of a row within 4 ulp.
 * @throws As {@link klDivergence}.
 * @example
 * jsDivergence([[2, 1, 0]], [[1, 1, 1]]); // → 0.068712
 */
export function jsDivergence<T extends Tensor, const R extends string = "mean">(
  teacherLogits: T,
  studentLogits: Tensor,
  options?: DivergenceOptions<R> & Pick<KnownNames<R, never>, "reduction">,
): Loss<T, R> {
  return diverge(true, teacherLogits, studentLogits, options, false) as Loss<T, R>;
}

/**
 * {@link jsDivergence} with its gradients.
 *
 * @param teacherLogits As for {@link klDivergence}.
 * @param studentLogits As for {@link klDivergence}.
 * @param options As for {@link klDivergenceWithGradient}.
 * @returns The divergence and both gradients.
 * @throws As {@link klDivergence}.
 * @example
 * jsDivergenceWithGradient([[2, 1, 0]], [[1, 1, 1]]).studentGradient; // → [[-0.078041, 0.013067, 0.064975]]
 */
export function jsDivergenceWithGradient<T extends Tensor, S extends Tensor, const R extends string = "mean">(
  teacherLogits: T,
  studentLogits: S,
  options?: DivergenceOptions<R> & Pick<KnownNames<R, never>, "reduction">,
): DivergenceResult<T, S, R> {
  return diverge(true, teacherLogits, studentLogits, options, true) as DivergenceResult<T, S, R>;
}
