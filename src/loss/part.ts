// The options `part` and `classOffset` of functions of logits. What they do comes with the part itself, so that programs without parts have none of
// it.

import { rangeError, typeError } from "../errors.js";
import type { Elements } from "../tensor/containers.js";
import type { FloatArray } from "../tensor/element.js";
import type { Layout } from "../tensor/shape.js";
import type { Mask } from "./options.js";

/** A part of a loss, which is a `CrossEntropyPart`. */
export interface Part {
  /** All that the part has. */
  readonly state: Float64Array;
  /** The number of all classes. */
  readonly classes: number;
  /** The bytes of the part. */
  toBytes(): Uint8Array<ArrayBuffer>;
}

/** The options of logits whose rows have more classes in other places. */
export interface PartOptions {
  /** The merged part of all classes, a `CrossEntropyPart`: the results are those of whole rows, at the classes of the logits. */
  part?: Part;
  /** The first class of the logits, with `part`; 0 by default. */
  classOffset?: number;
}

/** What a part does for the functions that have it as an option. */
export interface PartMethods {
  /** Writes p or log p of logits over some of the classes. */
  forward(
    name: "softmax" | "logSoftmax",
    logits: Elements,
    layout: Layout,
    mask: Mask | undefined,
    options: PartOptions,
    result: FloatArray,
  ): void;
  /** The loss, and the gradient with respect to logits over some of the classes. */
  gradient(logits: unknown, labels: unknown, options: object): Record<string, unknown>;
}

/** The methods of all parts. */
export const METHODS = /* @__PURE__ */ new WeakMap<object, PartMethods>();

/** The methods of the option `part`, if it is there. */
export function readPart({ part, classOffset }: PartOptions): PartMethods | undefined {
  if (part === undefined) {
    if (classOffset !== undefined) throw rangeError("classOffset", '"part", the part of all classes', classOffset);
    return undefined;
  }
  const methods = METHODS.get(part);
  if (!methods) throw typeError("part", "a CrossEntropyPart", part);
  return methods;
}
