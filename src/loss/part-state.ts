// The state of a part as it lies in one Float64Array:
//
//   head        what the parts of a batch have in common (HEAD)
//   parts       for each part its first class and the number of its classes
//   rows        for each row its weight (NaN if it is ignored), the class of its label (−1 for a distribution), the weight of that class
//   (parts, fields, rows)   for each part, in the order of classes, the fields of its rows
//
// A part of all classes has no need of a state: in the place of it are the results of its rows.

import { rangeError, typeError, Verbatim } from "../errors.js";
import type { Dtype } from "../tensor/element.js";
import type { Layout } from "../tensor/shape.js";
import { plainView } from "../tensor/typed-array.js";
import type { LabelKind } from "./labels.js";
import type { Terms } from "./terms.js";

/** The fields of the state of a row; the first ten are those of assembly/loss/plan.ts, and assembly/loss/parts.ts has the same order. */
export const FIELDS = [
  "stateMax",
  "stateBase",
  "stateTop",
  "stateRestHi",
  "stateRestLo",
  "stateMassHi",
  "stateMassLo",
  "stateGap",
  "stateLabel",
  "stateMeanGap",
  "argmax",
  "topTarget",
  "topTargetClass",
] as const;
export type Field = (typeof FIELDS)[number];

/** The results of the rows of a part of all classes. */
export const RESULTS = ["losses", "lse", "entropy", "confidence", "argmax"] as const;
export type Result = (typeof RESULTS)[number];

/** stateBase of a row none of whose classes takes part, which is never a base otherwise. */
export const CLOSED = Number.NEGATIVE_INFINITY;

/** The terms that the state depends on. */
export const STATE_TERMS = ["ignoreIndex", "labelSmoothing", "zLoss", "entropyWeight", "softcap", "scale"] as const;
export type StateTerms = Pick<Terms, (typeof STATE_TERMS)[number]>;

/** What the parts of a batch have in common. */
export interface Head extends StateTerms {
  readonly outer: number;
  readonly inner: number;
  /** The number of all classes. */
  readonly classes: number;
  readonly dtype: Dtype;
  readonly kind: LabelKind;
  /** True if the state has what these need. */
  readonly hasEntropy: boolean;
  readonly hasArgmax: boolean;
  /** A hash of the class weights above 0, or 0 if there are none. */
  readonly weights: number;
}

/** The classes of a part. */
export interface ClassRange {
  /** The first class. */
  readonly classOffset: number;
  /** The number of classes. */
  readonly classes: number;
}

const HEAD = [
  "mark",
  "version",
  "outer",
  "inner",
  "classes",
  "dtype",
  "kind",
  "hasEntropy",
  "hasArgmax",
  "weights",
  ...STATE_TERMS,
  "parts",
] as const;
const MARK = 0x534d5857;
export const VERSION = 1;
const DTYPES = { float64: 64, float32: 32 } as const;
/** The numbers for each row that the parts share. */
const BY_ROW = 3;

/** Says if a part is the only one there can be. */
const isAll = (ranges: readonly ClassRange[], classes: number): boolean => ranges.length === 1 && ranges[0].classes === classes;

function headOf(head: Head, parts: number): number[] {
  const numbers: Record<(typeof HEAD)[number], number> = {
    mark: MARK,
    version: VERSION,
    outer: head.outer,
    inner: head.inner,
    classes: head.classes,
    dtype: DTYPES[head.dtype],
    kind: head.kind === "indices" ? 0 : 1,
    hasEntropy: Number(head.hasEntropy),
    hasArgmax: Number(head.hasArgmax),
    weights: head.weights,
    ignoreIndex: head.ignoreIndex ?? Number.NaN,
    labelSmoothing: head.labelSmoothing,
    zLoss: head.zLoss,
    entropyWeight: head.entropyWeight,
    softcap: head.softcap ?? 0,
    scale: head.scale,
    parts,
  };
  return HEAD.map((name) => numbers[name]);
}

/** The number of doubles of a state. */
function lengthOf({ outer, inner, classes }: Head, ranges: readonly ClassRange[]): number {
  const fields = isAll(ranges, classes) ? RESULTS.length : ranges.length * FIELDS.length;
  return HEAD.length + 2 * ranges.length + (BY_ROW + fields) * outer * inner;
}

/** A state, and where its numbers are. */
export class PartState {
  readonly array: Float64Array;
  readonly head: Head;
  readonly ranges: readonly ClassRange[];
  /** The rows over all classes. */
  readonly layout: Layout;

  /** Reads a state, of which everything but the rows is checked. */
  constructor(array: Float64Array) {
    if (array.length === 0)
      throw rangeError("state", "the state of a CrossEntropyPart; one that was transferred is with its receiver", array);
    const get = (name: (typeof HEAD)[number]): number => array[HEAD.indexOf(name)];
    if (get("mark") !== MARK || get("version") !== VERSION)
      throw rangeError("state", `the state of a CrossEntropyPart, version ${VERSION}`, array);
    const [outer, inner, classes, parts] = [get("outer"), get("inner"), get("classes"), get("parts")];
    const ignoreIndex = get("ignoreIndex");
    const softcap = get("softcap");
    this.array = array;
    this.head = {
      outer,
      inner,
      classes,
      dtype: get("dtype") === DTYPES.float32 ? "float32" : "float64",
      kind: get("kind") === 0 ? "indices" : "distribution",
      hasEntropy: get("hasEntropy") === 1,
      hasArgmax: get("hasArgmax") === 1,
      weights: get("weights"),
      ignoreIndex: Number.isNaN(ignoreIndex) ? undefined : ignoreIndex,
      labelSmoothing: get("labelSmoothing"),
      zLoss: get("zLoss"),
      entropyWeight: get("entropyWeight"),
      softcap: softcap === 0 ? undefined : softcap,
      scale: get("scale"),
    };
    const rows = outer * inner;
    this.layout = { outer, classes, inner, rows, size: rows * classes };
    const isCount = (count: number): boolean => Number.isSafeInteger(count) && count >= 0;
    const mayHold = parts >= 1 && HEAD.length + 2 * parts <= array.length;
    const areCounts = [outer, inner, classes, parts, this.layout.size].every(isCount);
    this.ranges =
      areCounts && mayHold
        ? Array.from({ length: parts }, (_, i) => ({ classOffset: array[HEAD.length + 2 * i], classes: array[HEAD.length + 2 * i + 1] }))
        : [];
    let next = 0;
    const areInOrder = this.ranges.every(({ classOffset, classes: count }) => {
      const isGood = isCount(classOffset) && isCount(count) && count > 0 && classOffset >= next;
      next = classOffset + count;
      return isGood;
    });
    if (this.ranges.length === 0 || !areInOrder || next > classes || lengthOf(this.head, this.ranges) !== array.length) {
      throw rangeError("state", "the state of a CrossEntropyPart, as it was", array);
    }
  }

  /** A state of a head and the ranges of its parts, in their order, whose rows are all 0. */
  static of(head: Head, ranges: readonly ClassRange[], allocate: (length: number) => Float64Array): PartState {
    const array = allocate(lengthOf(head, ranges));
    array.set([...headOf(head, ranges.length), ...ranges.flatMap(({ classOffset, classes }) => [classOffset, classes])]);
    return new PartState(array);
  }

  /** True if it has results in the place of states. */
  get isAll(): boolean {
    return isAll(this.ranges, this.head.classes);
  }

  get #rowsAt(): number {
    return HEAD.length + 2 * this.ranges.length;
  }

  #vector(at: number): Float64Array {
    const { rows } = this.layout;
    return this.array.subarray(this.#rowsAt + at * rows, this.#rowsAt + (at + 1) * rows);
  }

  /** The weights of the rows; NaN for those that are ignored. */
  get rowWeights(): Float64Array {
    return this.#vector(0);
  }

  /** The classes of the labels; −1 where a label is a distribution over several parts. */
  get labels(): Float64Array {
    return this.#vector(1);
  }

  /** The weights of these classes. */
  get labelWeights(): Float64Array {
    return this.#vector(2);
  }

  /** What the parts share about rows. */
  get byRow(): Float64Array {
    return this.array.subarray(this.#rowsAt, this.#rowsAt + BY_ROW * this.layout.rows);
  }

  /** The states of all parts, or the results. */
  get fields(): Float64Array {
    return this.array.subarray(this.#rowsAt + BY_ROW * this.layout.rows);
  }

  /** A field of part i. */
  field(i: number, name: Field): Float64Array {
    return this.#vector(BY_ROW + i * FIELDS.length + FIELDS.indexOf(name));
  }

  /** Results of a part of all classes. */
  result(name: Result): Float64Array {
    return this.#vector(BY_ROW + RESULTS.indexOf(name));
  }

  /** The classes that no part has, as a message shows them; "" if there are none. */
  get missing(): string {
    const gaps: string[] = [];
    let next = 0;
    for (const { classOffset, classes } of [...this.ranges, { classOffset: this.head.classes, classes: 0 }]) {
      if (classOffset > next) gaps.push(classOffset - next === 1 ? `${next}` : `${next} to ${classOffset - 1}`);
      next = classOffset + classes;
    }
    return gaps.join(", ");
  }
}

const HEAD_NAMES: Readonly<Partial<Record<keyof Head, string>>> = {
  hasEntropy: "outputs",
  hasArgmax: "outputs",
  kind: "labels",
  outer: "rows",
  inner: "rows",
};

/** Merges states; a RangeError if they are not of one batch, or if they overlap. */
export function mergeStates(states: readonly PartState[], allocate: (length: number) => Float64Array): PartState {
  if (states.length === 0) throw rangeError("parts", "at least one part", states);
  const [first] = states;
  states.forEach(({ head, byRow }, i) => {
    for (const name of Object.keys(first.head) as (keyof Head)[]) {
      if (head[name] === first.head[name]) continue;
      throw rangeError(
        `parts[${i}]`,
        `the ${HEAD_NAMES[name] ?? name} of parts[0]`,
        new Verbatim(`${name} ${head[name]} beside ${first.head[name]}`),
      );
    }
    const other = byRow.findIndex((value, k) => !Object.is(value, first.byRow[k]));
    if (other < 0) return;
    const { rows } = first.layout;
    const what = ["sampleWeights or ignored rows", "labels", "weights"][Math.floor(other / rows)];
    throw rangeError(
      `parts[${i}]`,
      `the ${what} of parts[0]`,
      new Verbatim(`${byRow[other]} beside ${first.byRow[other]} at row ${other % rows}`),
    );
  });
  const pieces = states.flatMap((state) => state.ranges.map((range, i) => ({ range, state, i })));
  pieces.sort((a, b) => a.range.classOffset - b.range.classOffset);
  pieces.forEach(({ range }, i) => {
    if (i === 0) return;
    const { classOffset, classes } = pieces[i - 1].range;
    if (classOffset + classes <= range.classOffset) return;
    const got = `one from class ${range.classOffset} on beside one of classes ${classOffset} to ${classOffset + classes - 1}`;
    throw rangeError("parts", "parts that do not overlap", new Verbatim(got));
  });
  const merged = PartState.of(
    first.head,
    pieces.map(({ range }) => range),
    allocate,
  );
  merged.byRow.set(first.byRow);
  if (merged.isAll) merged.fields.set(first.fields);
  else {
    const length = FIELDS.length * merged.layout.rows;
    for (const [k, { state, i }] of pieces.entries()) merged.fields.set(state.fields.subarray(i * length, (i + 1) * length), k * length);
  }
  return merged;
}

/** Checks that a value is the array of a state. */
export function checkState(state: unknown): Float64Array {
  const array = plainView(state);
  if (!(array instanceof Float64Array)) throw typeError("state", "a Float64Array", state);
  return array;
}
