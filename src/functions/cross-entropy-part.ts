// Rows whose classes lie in several places: crossEntropyPart() makes the part of each place, CrossEntropyPart merges them and has the loss.

import { checkInteger, checkOneOf, checkOptions, counted, isArray, rangeError, typeError, Verbatim } from "../errors.js";
import { type ByteKind, bytesOfDoubles, doublesOfBytes, hashOfDoubles } from "../loss/bytes.js";
import type { KernelOutput } from "../loss/kernel-outputs.js";
import type { CheckedLabels, Labels } from "../loss/labels.js";
import type { LogitsOptions, LossOptions } from "../loss/options.js";
import { checkOutputClasses, isFrom, type Loss, OUTPUTS, type Output } from "../loss/outputs.js";
import { METHODS, type PartMethods } from "../loss/part.js";
import {
  CLOSED,
  type ClassRange,
  checkState,
  FIELDS,
  type Head,
  mergeStates,
  PartState,
  RESULTS,
  type Result,
  STATE_TERMS,
  type StateTerms,
  VERSION,
} from "../loss/part-state.js";
import { addLosses, buffersOf, planOf } from "../loss/plan.js";
import { exactWeight, IGNORED, openClasses, type Weighing, weighRows } from "../loss/rows.js";
import type { Computed } from "../loss/summaries.js";
import { classTargets, needTargets, targetClassesOf } from "../loss/targets.js";
import { type Known, type LossTerms, type Reduction, readTerms, type Terms } from "../loss/terms.js";
import { ChunkBuffer, exp, forEachChunk } from "../memory/chunks.js";
import { allocate, type Tensor, toForm } from "../tensor/containers.js";
import { type Dtype, type FloatArray, zeros } from "../tensor/element.js";
import { type Layout, MAX_CLASSES, type ShapeOptions } from "../tensor/shape.js";
import { PLANES, SUM_LENGTH } from "../wasm/abi.js";
import { type Batch, evaluate, type KnownNames, readBatch, type Surroundings, stream, surroundingsOf, type Wanted } from "./batch.js";
import { type LossResult, type LossWithGradientOptions, withGradient } from "./cross-entropy.js";
import { type Outputs, withTotal } from "./loss-total.js";
import { forward, OUTPUT_OF, streamOutputs } from "./softmax.js";

/** What a part can tell beside its loss. */
export type PartOutput = Exclude<Output, "topK" | "topKAccuracy" | "scaleGradient" | "groups" | "probs" | "logProbs">;

const PART_OUTPUTS = /* @__PURE__ */ (() =>
  [
    ...["losses", "lse", "entropy", "argmax", "correct", "accuracy", "perplexity", "meanEntropy", "confidence"],
    ...["calibration", "confusion", "validCount", "totalWeight", "firstBadRow", "total"],
  ] as PartOutput[])();

/** The terms of a loss that its parts depend on. */
type PartTerms = Pick<LossTerms, "weights" | (typeof STATE_TERMS)[number]>;

/** The options of a part of a loss. */
export interface CrossEntropyPartOptions<O extends string = never>
  extends ShapeOptions,
    LogitsOptions,
    PartTerms,
    Pick<LossOptions, "sampleWeights"> {
  /** The number of all classes. */
  classes: number;
  /** The first class of the logits; 0 by default. */
  classOffset?: number;
  /** The outputs that the part will be asked for. */
  outputs?: readonly Known<O, PartOutput>[];
}

const PART_OPTIONS = /* @__PURE__ */ (() =>
  ["shape", "axis", "classes", "classOffset", "weights", ...STATE_TERMS, "sampleWeights", "mask", "outputs"] as const)();

/** The options of the loss of a part. */
export interface PartLossOptions<R extends string = Reduction, O extends string = never>
  extends Pick<LossTerms<R>, "reduction" | "divisor" | "emptyMean" | "bins"> {
  /** The names of what is returned besides the loss. */
  outputs?: readonly O[];
}

const LOSS_OF_PART_OPTIONS = ["reduction", "divisor", "emptyMean", "bins", "outputs"] as const;

/** Options of a loss that a part has not, and why. */
const REFUSED: Readonly<Record<string, string>> = {
  reduction: "to be an option of the part's loss()",
  divisor: "to be an option of the part's loss()",
  emptyMean: "to be an option of the part's loss()",
  bins: "to be an option of the part's loss()",
  topK: "to be left out with parts: the rank of a label needs the logits of all classes",
  groups: "to be left out with parts, which have the losses of all rows",
  ignoredLogProbs: "to be left out with parts: of ignored rows they have nothing",
};

const REFUSED_NAMES = /* @__PURE__ */ Object.keys(REFUSED);

function refuse(options: object, names: readonly string[]): void {
  for (const name of names) {
    const value = (options as Record<string, unknown>)[name];
    if (value !== undefined) throw rangeError(name, REFUSED[name], value);
  }
}

function checkOutputs<O extends Output>(outputs: unknown = [], allowed: readonly O[]): readonly O[] {
  if (!isArray(outputs)) throw typeError("outputs", "an array of names", outputs);
  return Array.from(outputs, (name, i) => checkOneOf(`outputs[${i}]`, name, allowed));
}

/** "SMCP". */
const KIND: ByteKind = { magic: 0x50434d53, version: VERSION, name: "CrossEntropyPart" };

const newArray = (length: number): Float64Array => allocate("shape", "float64", length);

const needsArgmax = (name: Output): boolean => ["argmax", "ranks"].some((array) => isFrom(name, array as KernelOutput));
const needsEntropy = (name: Output): boolean => isFrom(name, "entropy");

/** The kernel outputs of a part of all classes, besides its losses. */
function resultsOf({ hasEntropy, hasArgmax }: Head): readonly Result[] {
  return RESULTS.filter((name) => name !== "losses" && (name !== "entropy" || hasEntropy) && (name !== "argmax" || hasArgmax));
}

/** The names of the kernel's fields of a state that are there. */
function fieldsOf({ kind, labelSmoothing, hasEntropy }: Head): readonly string[] {
  const hasTargets = kind === "distribution" || labelSmoothing > 0;
  return FIELDS.slice(0, 10).filter((name) => {
    if (name === "stateLabel") return kind === "indices";
    if (name === "stateMeanGap") return hasEntropy;
    return hasTargets || !["stateMassHi", "stateMassLo", "stateGap"].includes(name);
  });
}

/** Class weights as a part keeps them. */
const hashOfWeights = (weights: Float64Array | undefined): number => (weights ? hashOfDoubles(weights) + 1 : 0);

/** A batch of a part of the classes as the kernel takes it: indices and weights count from the part's first class on. */
function ofPart(batch: Batch, classOffset: number, allClasses: number): { batch: Batch; targets: Surroundings["targets"] } {
  const { labels, layout, terms } = batch;
  const { classes } = layout;
  const sliced = (values: Float64Array): Float64Array => values.subarray(classOffset, classOffset + classes);
  const isHere = (y: number): boolean => y >= classOffset && y < classOffset + classes;
  const local: CheckedLabels =
    labels.kind === "indices" ? { kind: "indices", values: labels.values.map((y) => (isHere(y) ? y - classOffset : -1)) } : labels;
  const all = needTargets(labels.kind, terms) ? classTargets(terms, { ...layout, classes: allClasses }, batch.mask) : undefined;
  return {
    batch: { ...batch, labels: local, terms: { ...terms, weights: terms.weights && sliced(terms.weights) } },
    targets: all && { own: sliced(all.own), spread: sliced(all.spread), arePositive: all.arePositive },
  };
}

/** Nothing is divided: the state has no derivative. */
const UNWEIGHED: Weighing = { validCount: 0, totalWeight: 0, isEmpty: false, divisor: 1, unit: 1 };

const byRow = (name: string, from?: Float64Array, to?: Float64Array): ChunkBuffer => new ChunkBuffer(name, "float64", "rows", from, to);

/** Writes what the parts share about rows. */
function writeRows(state: PartState, { labels, layout, terms, sampleWeights }: Batch): void {
  const { rowWeights, labels: classes, labelWeights } = state;
  const indices = labels.kind === "indices" ? labels.values : undefined;
  for (let row = 0; row < layout.rows; row++) {
    const isIgnored = indices !== undefined && indices[row] === terms.ignoreIndex;
    rowWeights[row] = isIgnored ? IGNORED : (sampleWeights?.[row] ?? 1);
    classes[row] = indices && !isIgnored ? indices[row] : -1;
    labelWeights[row] = indices && terms.weights && !isIgnored ? terms.weights[indices[row]] : 1;
  }
}

/** Writes the results of a part of all classes: losses as those of a call without outputs. */
function writeResults(state: PartState, batch: Batch): void {
  const { rowWeights: weights, labels, head } = state;
  const surroundings = surroundingsOf(batch);
  const { rowWeights } = surroundings;
  if (rowWeights) weights.set(rowWeights);
  if (batch.labels.kind === "distribution" && head.hasArgmax) labels.set(targetClassesOf(batch.labels.values, batch.layout));
  const write = (names: readonly Result[], visited: readonly KernelOutput[] = names): void => {
    const { results } = stream(batch, surroundings, visited, names);
    for (const name of names) state.result(name).set(results[name] as Float64Array);
  };
  write(["losses"]);
  write(resultsOf(head));
}

/** Writes the states of rows over some of the classes. */
function writeStates(state: PartState, whole: Batch): void {
  const { head, ranges } = state;
  const [{ classOffset }] = ranges;
  const { batch, targets } = ofPart(whole, classOffset, head.classes);
  const { layout, mask } = whole;
  const buffers = fieldsOf(head).map((name) => byRow(name, undefined, state.field(0, name as (typeof FIELDS)[number])));
  if (head.kind === "indices") buffers.push(byRow("labelWeights", state.labelWeights));
  // The mask of a part does not tell if a row is ignored.
  const surroundings = { rowWeights: state.rowWeights.slice(), weighing: UNWEIGHED, targets, buffers };
  const outputs: readonly KernelOutput[] = head.hasArgmax ? ["argmax"] : [];
  const { results } = stream(batch, surroundings, outputs, outputs);
  if (results.argmax) {
    const argmax = state.field(0, "argmax");
    argmax.set(results.argmax as Int32Array);
    for (let row = 0; row < argmax.length; row++) if (argmax[row] >= 0) argmax[row] += classOffset;
  }
  if (mask) {
    const open = openClasses(mask, layout);
    const base = state.field(0, "stateBase");
    for (let row = 0; row < base.length; row++) if (open[row] === 0) base[row] = CLOSED;
  }
  const { labels } = batch;
  if (labels.kind === "distribution" && head.hasArgmax) {
    const classes = targetClassesOf(labels.values, layout);
    const [top, topClass] = [state.field(0, "topTarget"), state.field(0, "topTargetClass")];
    const { classes: count, inner } = layout;
    for (let row = 0; row < classes.length; row++) {
      const column = row % inner;
      top[row] = labels.values[((row - column) / inner) * count * inner + classes[row] * inner + column];
      topClass[row] = classes[row] + classOffset;
    }
  }
}

/** The results of all rows, and the state that each part is visited with once more. */
interface Merged extends Record<Result, Float64Array> {
  readonly rowWeights: Float64Array;
  readonly targetClasses: Int32Array;
  /** The fields of the state; none for a part of all classes. */
  readonly given: readonly ChunkBuffer[];
}

function merge(state: PartState): Merged {
  const { head, ranges, layout } = state;
  const { rows } = layout;
  if (state.missing !== "") throw rangeError("part", `all ${head.classes} classes`, new Verbatim(`none of the classes ${state.missing}`));
  const rowWeights = state.rowWeights.slice();
  const targetClasses = Int32Array.from(state.labels);
  if (state.isAll) {
    const results = Object.fromEntries(RESULTS.map((name) => [name, state.result(name)])) as Record<Result, Float64Array>;
    return { ...results, rowWeights, targetClasses, given: [] };
  }
  const results = Object.fromEntries(RESULTS.map((name) => [name, newArray(rows)])) as Record<Result, Float64Array>;
  const fields = (name: (typeof FIELDS)[number]): readonly Float64Array[] => ranges.map((_, i) => state.field(i, name));
  const [maxima, bases, argmax] = [fields("stateMax"), fields("stateBase"), fields("argmax")];
  const [tops, topClasses] = [fields("topTarget"), fields("topTargetClass")];
  for (let row = 0; row < rows; row++) {
    if (bases.every((base) => base[row] === CLOSED)) rowWeights[row] = IGNORED;
    let first = 0;
    let top = 0;
    for (let i = 1; i < ranges.length; i++) {
      if (maxima[i][row] > maxima[first][row]) first = i;
      if (tops[i][row] > tops[top][row]) top = i;
    }
    const isKnown = maxima.every((max) => max[row] < Number.POSITIVE_INFINITY) && !Number.isNaN(rowWeights[row]);
    results.argmax[row] = isKnown && maxima[first][row] > Number.NEGATIVE_INFINITY ? argmax[first][row] : -1;
    if (head.kind === "distribution") targetClasses[row] = topClasses[top][row];
  }
  const given = fieldsOf(head)
    .filter((name) => name !== "stateGap" && name !== "stateLabel")
    .map((name) => byRow(name, newArray(rows)));
  const terms = termsOf(head);
  const outputs: readonly KernelOutput[] = head.hasEntropy ? ["losses", "lse", "confidence", "entropy"] : ["losses", "lse", "confidence"];
  const sources = { rowWeights };
  const buffers = buffersOf({ dtype: "float64", terms, kinds: [], mask: undefined, hasRowWeights: true, outputs }, sources, results);
  for (const { name, from } of given) buffers.push(byRow(name, undefined, from as Float64Array));
  if (head.kind === "indices") buffers.push(byRow("labelWeights", state.labelWeights));
  buffers.push(new ChunkBuffer("parts", "float64", "tensor", state.fields));
  const classes = ranges.length * FIELDS.length;
  forEachChunk(
    { outer: 1, classes, inner: rows, rows, size: classes * rows },
    "float64",
    PLANES,
    buffers,
    (kernels, chunkBuffers, chunk) => {
      planOf(chunkBuffers, {
        dtype: "float64",
        classes: chunk.classes,
        inner: chunk.inner,
        terms,
        kind: undefined,
        mask: undefined,
        targets: undefined,
        outputs,
        derivative: undefined,
        labels: undefined,
        exps: "parts",
        partCount: ranges.length,
      }).run(kernels, chunk, UNWEIGHED);
    },
  );
  return { ...results, rowWeights, targetClasses, given };
}

/** The terms of a part, with the others as options have them. Whether a label has the rank 0 is all that is known of ranks. */
function termsOf(head: StateTerms, options: LossTerms<string> = {}): Terms {
  const terms = { ...readTerms(options), topK: 1 };
  return { ...terms, ...Object.fromEntries(STATE_TERMS.map((name) => [name, head[name]])) };
}

/** Terms and labels for the weights of rows: row numbers stand in the place of labels, as each row has the weight of its own label. */
function byNumber(state: PartState, rowWeights: Float64Array, terms: Terms): [Terms, CheckedLabels] {
  const values = Int32Array.from(rowWeights, (weight, row) => (Number.isNaN(weight) ? -1 : row));
  return [
    { ...terms, ignoreIndex: -1, weights: state.labelWeights },
    { kind: "indices", values },
  ];
}

/** The weighing of all rows. */
function weigh(state: PartState, rowWeights: Float64Array, terms: Terms): Weighing {
  return weighRows(...byNumber(state, rowWeights, terms), state.layout, state.rowWeights, undefined, rowWeights);
}

/** The sum of losses over a divisor, added up in the chunks of a batch of all classes. */
function meanOf(losses: Float64Array, layout: Layout, weighing: Weighing): number {
  const sum = zeros("float64", SUM_LENGTH);
  const buffers: ChunkBuffer[] = [byRow("losses", losses), new ChunkBuffer("sum", "float64", SUM_LENGTH, sum, sum)];
  let mean = 0;
  forEachChunk(layout, "float64", PLANES, buffers, (kernels, chunkBuffers, chunk) => {
    mean = addLosses(kernels, chunkBuffers, chunk.rows, weighing);
  });
  return mean;
}

const roundedTo = (values: Float64Array, dtype: Dtype): FloatArray => (dtype === "float32" ? Float32Array.from(values) : values.slice());

/**
 * The softmax cross-entropy loss of rows over some of their classes: what {@link crossEntropyPart} makes of each place that has classes, and what
 * merges to the loss of all. It is one Float64Array, which can be transferred, and has bytes.
 *
 * @example
 * const labels = [0, 3];
 * const first = crossEntropyPart([[48, 0], [1, 2]], labels, { classes: 4 });
 * const second = crossEntropyPart([[0, 0], [3, 4]], labels, { classes: 4, classOffset: 2 });
 * const part = CrossEntropyPart.merge([second, first]);
 * Array.from(part.losses); // → [4.275492e-21, 0.44019]
 * part.loss(); // → 0.220095
 * crossEntropyWithGradient([[0, 0], [3, 4]], labels, { part, classOffset: 2 }).gradient; // → [[7.12582e-22, 7.12582e-22], [0.118441, -0.178043]]
 */
export class CrossEntropyPart {
  /** All that the part has, in one array of an ArrayBuffer of its own: to be sent to another thread, or transferred there. */
  readonly state: Float64Array;
  #read: PartState | undefined;
  #merged: Merged | undefined;

  private constructor(state: Float64Array) {
    this.state = state;
    METHODS.set(this, { forward: (...args) => this.#forward(...args), gradient: (...args) => this.#gradient(...args) });
  }

  /** The part whose state has come from elsewhere, as a message, say; it keeps the array. */
  static fromState(state: Float64Array): CrossEntropyPart {
    const part = new CrossEntropyPart(checkState(state));
    part.#read = new PartState(part.state);
    return part;
  }

  /**
   * The part of the bytes that {@link CrossEntropyPart.toBytes} wrote.
   *
   * @throws RangeError for bytes that are cut off, changed, of another version, or of something else.
   */
  static fromBytes(bytes: Uint8Array): CrossEntropyPart {
    return CrossEntropyPart.fromState(doublesOfBytes(KIND, bytes));
  }

  /**
   * The part of all classes that some parts of one batch have. They come in any order, and may be merged before: the bits are the same.
   *
   * @throws RangeError for parts that overlap, or that differ in rows, labels, terms or element type.
   */
  static merge(parts: readonly CrossEntropyPart[]): CrossEntropyPart {
    if (!isArray(parts)) throw typeError("parts", "an array of CrossEntropyPart", parts);
    const states = Array.from(parts, (part, i) => {
      if (!(part instanceof CrossEntropyPart)) throw typeError(`parts[${i}]`, "a CrossEntropyPart", part);
      return part.#state;
    });
    return CrossEntropyPart.fromState(mergeStates(states, newArray).array);
  }

  get #state(): PartState {
    if (this.#read === undefined || this.state.length === 0) this.#read = new PartState(this.state);
    return this.#read;
  }

  get #all(): Merged {
    const state = this.#state;
    this.#merged ??= merge(state);
    return this.#merged;
  }

  /** The number of all classes. */
  get classes(): number {
    return this.#state.head.classes;
  }

  /** The classes that the part has, in their order. */
  get ranges(): readonly ClassRange[] {
    return this.#state.ranges.map((range) => ({ ...range }));
  }

  /** The loss of each row, times its weight. @throws RangeError if classes are missing, as all results. */
  get losses(): Float64Array | Float32Array {
    return roundedTo(this.#all.losses, this.#state.head.dtype);
  }

  /** log Σ exp(x) of each row over all classes; −∞ for ignored rows. */
  get lse(): Float64Array | Float32Array {
    return roundedTo(this.#all.lse, this.#state.head.dtype);
  }

  /**
   * The loss, as {@link crossEntropy} has it.
   *
   * @param options `reduction`, `divisor`, `emptyMean`, and `outputs`, those that the parts were made for; `bins`. The output `total` is like that
   *   of a call with `topK: 1`.
   * @returns The mean of the rows' losses, their sum, or an array of them; with `outputs` an object of it, `loss`, and them.
   */
  loss<const R extends string = "mean">(options?: PartLossOptions<R> & KnownNames<R, never>): Loss<Float64Array | Float32Array, R>;
  loss<const O extends string, const R extends string = "mean">(
    options: PartLossOptions<R, O> & { outputs: readonly Known<O, PartOutput>[] },
  ): LossResult<Float64Array | Float32Array, R> & Outputs<Float64Array | Float32Array, O>;
  loss(options?: PartLossOptions<string, string>): unknown {
    const checked = checkOptions(options, LOSS_OF_PART_OPTIONS);
    const outputs = checkOutputs(checked.outputs, PART_OUTPUTS);
    this.#checkOutputs(outputs);
    const result = this.#evaluate(termsOf(this.#state.head, checked), outputs);
    return outputs.length > 0 ? withTotal(result) : result.loss;
  }

  /** The bytes of the part, the same on every machine, with a version. */
  toBytes(): Uint8Array<ArrayBuffer> {
    return bytesOfDoubles(KIND, this.#state.array);
  }

  #checkOutputs(outputs: readonly Output[]): void {
    const { hasEntropy, hasArgmax } = this.#state.head;
    for (const name of outputs) {
      if ((hasEntropy || !needsEntropy(name)) && (hasArgmax || !needsArgmax(name))) continue;
      throw rangeError("outputs", "those that the parts were made for, with their option outputs", name);
    }
  }

  #evaluate(
    terms: Terms,
    outputs: readonly Output[],
    inForm = (values: FloatArray | Int32Array): unknown => values,
  ): Record<string, unknown> {
    const state = this.#state;
    const { head, layout } = state;
    const { dtype } = head;
    const merged = this.#all;
    const { losses, targetClasses } = merged;
    const rowWeights = merged.rowWeights.slice();
    const weighing = weigh(state, rowWeights, terms);
    const argmax = Int32Array.from(outputs.some(needsArgmax) ? merged.argmax : []);
    const ranks = argmax.map((top, row) => (top < 0 ? -1 : Number(top !== targetClasses[row])));
    const none = newArray(0);
    const computed: Computed = {
      ...{ losses, entropy: merged.entropy, confidence: merged.confidence, scaleGradients: none, scaleCurvatures: none },
      ...{ argmax, ranks, dtype, terms, weighing, classes: head.classes, targetClasses, rowWeights, groups: undefined, exp, outputs },
      get weight() {
        return exactWeight(...byNumber(state, rowWeights, terms), layout, rowWeights);
      },
    };
    const rounded = (values: Float64Array): unknown => inForm(roundedTo(values, dtype));
    const isByRow = terms.reduction === "none";
    const loss = isByRow ? rounded(losses) : weighing.isEmpty ? terms.emptyMean : meanOf(losses, layout, weighing);
    const result: Record<string, unknown> = { loss };
    for (const name of outputs) {
      const output = OUTPUTS[name];
      if (output.type === "value") result[name] = output.compute(computed);
      else result[name] = name === "argmax" ? inForm(argmax) : rounded(merged[name as Result]);
    }
    return result;
  }

  /** Checks that a call is for one of the parts. */
  #checkRange(argument: string, { dtype, layout }: { dtype: Dtype; layout: Layout }, classOffset = 0): void {
    const { head, ranges } = this.#state;
    if (dtype !== head.dtype) throw typeError(argument, `${head.dtype}, the element type of "part"`, new Verbatim(dtype));
    if (layout.outer !== head.outer || layout.inner !== head.inner) {
      throw rangeError(argument, `${counted(head.outer * head.inner, "row")}, those of "part"`, new Verbatim(counted(layout.rows, "row")));
    }
    const range = ranges.find((given) => given.classOffset === classOffset);
    if (!range)
      throw rangeError("classOffset", `one of ${ranges.map((given) => given.classOffset).join(", ")}, where parts begin`, classOffset);
    if (range.classes !== layout.classes) {
      throw rangeError(
        argument,
        `${counted(range.classes, "class", "classes")}, those of the part from class ${classOffset} on`,
        new Verbatim(counted(layout.classes, "class", "classes")),
      );
    }
  }

  /** Checks that terms among options are those of the part. */
  #checkTerms(options: LossTerms<string>): void {
    const { head } = this.#state;
    for (const name of STATE_TERMS) {
      if (options[name] === undefined) continue;
      const given = readTerms({ [name]: options[name] })[name];
      if (given !== head[name]) throw rangeError(name, `${head[name]}, as in "part"`, given);
    }
  }

  #forward(...[name, input, layout, mask, options, result]: Parameters<PartMethods["forward"]>): void {
    const state = this.#state;
    this.#checkTerms(options as LossTerms);
    this.#checkRange("x", { dtype: input.dtype, layout }, options.classOffset);
    const { rowWeights, given } = this.#all;
    const changes = { terms: termsOf(state.head), mask };
    if (!state.isAll) {
      streamOutputs(input, layout, changes, { [OUTPUT_OF[name]]: result }, undefined, { buffers: given, rowWeights });
      return;
    }
    forward(name, input, layout, changes, result);
    // As in the other parts, ignored rows have nothing.
    const { classes, inner } = layout;
    for (let row = 0; row < rowWeights.length; row++) {
      if (!Number.isNaN(rowWeights[row])) continue;
      const first = row - (row % inner);
      for (let j = 0; j < classes; j++)
        result[first * classes + j * inner + (row - first)] = name === "softmax" ? 0 : Number.NEGATIVE_INFINITY;
    }
  }

  #gradient(...[logits, labels, options]: Parameters<PartMethods["gradient"]>): Record<string, unknown> {
    const checked = options as Partial<LossWithGradientOptions<string, string>>;
    const state = this.#state;
    const { head } = state;
    refuse(checked, ["topK", "groups", "ignoredLogProbs"]);
    this.#checkTerms(checked);
    const outputs = checkOutputs(checked.outputs, [...PART_OUTPUTS, "probs", "logProbs"]);
    this.#checkOutputs(outputs);
    const terms = termsOf(head, checked);
    const isNeeded = head.weights !== 0 && (state.isAll || head.kind === "distribution" || head.labelSmoothing > 0);
    if ((isNeeded || terms.weights) && hashOfWeights(terms.weights) !== head.weights) {
      throw rangeError("weights", 'those of "part"', checked.weights);
    }
    const { classOffset = 0 } = checked;
    const whole = readBatch(logits, labels, { ...checked, outputs: undefined }, terms, head.classes);
    this.#checkRange("logits", { dtype: whole.logits.dtype, layout: whole.layout }, classOffset);
    this.#checkRows(whole);
    const merged = this.#all;
    if (state.isAll) {
      const weights = state.rowWeights.map((weight) => (Number.isNaN(weight) ? 1 : weight));
      const sampleWeights = whole.sampleWeights ?? (weights.some((weight) => weight !== 1) ? weights : undefined);
      return withGradient({ ...whole, sampleWeights, outputs }, checked, evaluate);
    }
    return withGradient(whole, checked, (batch, wanted) => {
      const { form } = batch.logits;
      const result = this.#evaluate(
        terms,
        outputs.filter((name) => name !== "probs" && name !== "logProbs"),
        (values) => toForm(form, values, batch.rowShape),
      );
      return Object.assign(result, this.#visit(batch, wanted, classOffset, merged, outputs));
    });
  }

  /** Checks that labels and weights of rows are those of the part. */
  #checkRows(batch: Batch): void {
    const { head, rowWeights, labels } = this.#state;
    if (batch.labels.kind !== head.kind) throw rangeError("labels", `${head.kind}, as in "part"`, new Verbatim(batch.labels.kind));
    for (let row = 0; row < rowWeights.length; row++) {
      const isIgnored = head.kind === "indices" && batch.labels.values[row] === head.ignoreIndex;
      const label = head.kind === "distribution" || isIgnored ? labels[row] : batch.labels.values[row];
      if (label !== labels[row]) throw rangeError("labels", `${labels[row]} at row ${row}, as in "part"`, label);
      const weight = batch.sampleWeights?.[row];
      if (weight !== undefined && !isIgnored && weight !== rowWeights[row] && !Number.isNaN(rowWeights[row])) {
        throw rangeError(`sampleWeights[${row}]`, `${rowWeights[row]}, as in "part"`, weight);
      }
    }
  }

  /** The derivative at the classes of one place, and the outputs by class. */
  #visit(
    whole: Batch,
    wanted: Wanted,
    classOffset: number,
    { given, rowWeights: all }: Merged,
    outputs: readonly Output[],
  ): Record<string, unknown> {
    const state = this.#state;
    const rowWeights = all.slice();
    const weighing = weigh(state, rowWeights, whole.terms);
    const names = (["probs", "logProbs"] as const).filter((name) => outputs.includes(name)) as KernelOutput[];
    if (wanted.labelGradient) names.push("labelGradient");
    const { batch, targets } = ofPart(whole, classOffset, state.head.classes);
    const buffers = [...given];
    if (state.head.kind === "indices") buffers.push(byRow("labelWeights", state.labelWeights));
    const { results } = stream(batch, { rowWeights, weighing, targets, buffers, stateIsGiven: true }, names, names, wanted);
    const { form, shape } = whole.logits;
    return Object.fromEntries(names.map((name) => [name, toForm(form, results[name] as FloatArray, shape)]));
  }
}

/**
 * The part that one place has of the loss of rows whose classes lie in several places: vocabularies that are sharded over processes, or too large to
 * be in memory at once. The parts of all places merge to one, which has the loss, and with which {@link crossEntropyWithGradient},
 * {@link softmax} and {@link logSoftmax} give each place its columns.
 *
 * @param logits The logits of all rows over the classes of this place, at least one.
 * @param labels The labels of the rows: class indices among all classes, the same in each place; or distributions over the classes of this place.
 * @param options `classes`, the number of all classes, and `classOffset`, the first one of this place; shape and axis; the terms of the loss, the
 *   same in each place, with `weights` of all classes; `sampleWeights`; the `mask` of this place. `outputs` names what the loss will be asked for
 *   besides, of which entropy and argmax need a sum or a search. With a mask there is no `labelSmoothing`: no place knows how many classes take part.
 * @returns The part. Its state grows with the rows, 16 numbers for each, not with the classes; that of a merged part with the parts in it, too. A
 *   part of all classes has the bits of {@link crossEntropy}.
 * @throws As {@link crossEntropy}; RangeError for options that are none of a part, as `topK`, the rank among all logits.
 * @example
 * const first = crossEntropyPart([[48, 0]], [0], { classes: 4 });
 * const second = crossEntropyPart([[0, 0]], [0], { classes: 4, classOffset: 2 });
 * CrossEntropyPart.merge([first, second]).loss(); // → 4.275492e-21
 */
export function crossEntropyPart<const O extends string = never>(
  logits: Tensor,
  labels: Labels,
  options: CrossEntropyPartOptions<O>,
): CrossEntropyPart {
  const checked = checkOptions(options, [...PART_OPTIONS, ...REFUSED_NAMES] as never) as Partial<CrossEntropyPartOptions>;
  refuse(checked, REFUSED_NAMES);
  const classes = checkInteger("classes", checked.classes, 1, MAX_CLASSES);
  const outputs = checkOutputs(checked.outputs, PART_OUTPUTS);
  const terms = readTerms(checked);
  const batch = readBatch(logits, labels, { ...checked, outputs: undefined } as Partial<LossOptions<string, string>>, terms, classes);
  const { layout, mask } = batch;
  if (layout.classes > classes) throw rangeError("classes", `at least ${layout.classes}, as the logits have`, classes);
  const classOffset = checkInteger("classOffset", checked.classOffset ?? 0, 0, classes - layout.classes);
  if (outputs.includes("confusion")) checkOutputClasses(outputs, { ...layout, classes }, batch.logits.shape);
  if (mask && terms.labelSmoothing > 0 && layout.classes < classes) {
    throw rangeError("labelSmoothing", "0 beside a mask, as no part knows how many classes take part", terms.labelSmoothing);
  }
  if (!Number.isSafeInteger(layout.rows * classes)) throw rangeError("classes", "a countable number of logits", classes);
  const { outer, inner } = layout;
  const head: Head = {
    ...{ outer, inner, classes, dtype: batch.logits.dtype, kind: batch.labels.kind, weights: hashOfWeights(terms.weights) },
    hasEntropy: terms.entropyWeight !== 0 || outputs.some(needsEntropy),
    hasArgmax: outputs.some(needsArgmax),
    ...(Object.fromEntries(STATE_TERMS.map((name) => [name, terms[name]])) as StateTerms),
  };
  const state = PartState.of(head, [{ classOffset, classes: layout.classes }], newArray);
  writeRows(state, batch);
  if (state.isAll) writeResults(state, batch);
  else writeStates(state, batch);
  return CrossEntropyPart.fromState(state.array);
}
