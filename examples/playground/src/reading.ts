// What a network makes of an image.

import { softmax } from "softmax-wasm";
import { linear } from "softmax-wasm/linear";
import { unitsOf } from "../../mnist/network.js";
import type { Progress } from "./trainer.js";

export interface Reading {
  /** The units of the hidden layer. */
  readonly units: Float32Array;
  readonly logits: Float64Array;
  readonly probs: Float64Array;
}

/** Reads an image (PIXELS), 0 … 255. */
export function read([hidden, head]: Progress["layers"], image: Uint8Array): Reading {
  const units = unitsOf(
    hidden,
    Float32Array.from(image, (value) => value / 255),
  );
  const logits = Float64Array.from(linear(units, head.weights, { shape: [1, units.length], bias: head.bias }));
  return { units, logits, probs: softmax(logits) };
}
