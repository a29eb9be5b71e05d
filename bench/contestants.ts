// This library and plain JavaScript, ready to be timed.
//
//   resident    a layer's own memory, nothing copied
//   copying     a function on ordinary Float64Arrays, `out` given: the copies in and out are in the time
//   relaxed     resident, of the build with relaxed SIMD
//   plain       plain.ts by Math.exp, on ordinary arrays, in the form that is the fastest for this shape on this engine
//   plain-exp   the same by plain-exp.ts
//
// Outside the time: the choice of a form, the layer, `out`, and for `resident` the logits' and labels' way into the layer.

import * as library from "softmax-wasm";
import { crossEntropy, crossEntropyWithGradient, softmax } from "softmax-wasm";
import * as relaxedLibrary from "softmax-wasm/relaxed";
import { FORMS, type Forms } from "./plain.js";
import { FORMS as FORMS_BY_OWN_EXP } from "./plain-exp.js";
import { briefly, type Contestant, type Task } from "./timing.js";

/** What `result` gives for loss and gradient. */
export const withLoss = (loss: number, gradient: Float64Array) => {
  const result = new Float64Array(1 + gradient.length);
  result[0] = loss;
  result.set(gradient, 1);
  return result;
};

/** Contiguous rows have no third axis. */
const shapeOf = ({ outer, classes, inner }: Task) => (inner === 1 ? [outer, classes] : [outer, classes, inner]);

function resident(task: Task, { Softmax, SoftmaxCrossEntropy }: typeof library): Contestant | string {
  const options = { shape: shapeOf(task), axis: 1 };
  if (task.op === "softmax") {
    const layer = new Softmax(options);
    layer.logits.set(task.logits);
    return { dtype: "float64", run: () => layer.forward(), result: () => layer.probs };
  }
  if (task.op === "loss") return "no layer has the loss alone";
  const layer = new SoftmaxCrossEntropy(options);
  layer.logits.set(task.logits);
  layer.labels.set(task.labels);
  let loss = 0;
  const run = () => {
    loss = layer.forward();
    return layer.backward();
  };
  return { dtype: "float64", run, result: () => withLoss(loss, layer.gradient) };
}

function relaxed(task: Task): Contestant | string {
  try {
    return resident(task, relaxedLibrary);
  } catch (error) {
    const { message } = error as Error;
    if (message.includes("expected an engine")) return message;
    throw error;
  }
}

function copying(task: Task): Contestant {
  const { op, logits, labels } = task;
  const options = { shape: shapeOf(task), axis: 1 };
  if (op === "loss") return lossOf(() => crossEntropy(logits, labels, options));
  const out = new Float64Array(logits.length);
  const withOut = { ...options, out };
  if (op === "softmax") return { dtype: "float64", run: () => softmax(logits, withOut), result: () => out };
  return gradientOf(() => crossEntropyWithGradient(logits, labels, withOut).loss, out);
}

function lossOf(run: () => number): Contestant {
  let loss = 0;
  return {
    dtype: "float64",
    run: () => {
      loss = run();
      return loss;
    },
    result: () => [loss],
  };
}

/** Of what gives back the loss and leaves the gradient in an array. */
function gradientOf(run: () => number, gradient: Float64Array): Contestant {
  const { dtype, run: keeping, result } = lossOf(run);
  return { dtype, run: keeping, result: async () => withLoss((await result())[0], gradient) };
}

/** The fastest, by a short measurement. */
function fastest<T extends () => unknown>(forms: readonly T[]): T {
  if (forms.length === 1) return forms[0];
  const times = forms.map(briefly);
  return forms[times.indexOf(Math.min(...times))];
}

function byHand({ op, outer, classes, inner, logits, labels }: Task, forms: Forms): Contestant | string {
  if (inner > 1 && op !== "gradient") return `${op} along a strided axis is not written`;
  if (op === "loss") {
    return lossOf(fastest(Object.values(forms.crossEntropy).map((form) => () => form(logits, labels, outer, classes))));
  }
  const out = new Float64Array(logits.length);
  if (op === "softmax") {
    const run = fastest(Object.values(forms.softmax).map((form) => () => form(logits, out, outer, classes)));
    return { dtype: "float64", run, result: () => out };
  }
  const ways =
    inner === 1
      ? Object.values(forms.crossEntropyWithGradient).map((form) => () => form(logits, labels, out, outer, classes))
      : Object.values(forms.strided).map((form) => () => form(logits, labels, out, outer, classes, inner));
  return gradientOf(fastest(ways), out);
}

/** By name; a string says why one cannot. */
export const CONTESTANTS: Readonly<Record<string, (task: Task) => Contestant | string>> = {
  resident: (task) => resident(task, library),
  copying,
  relaxed,
  plain: (task) => byHand(task, FORMS),
  "plain-exp": (task) => byHand(task, FORMS_BY_OWN_EXP),
};
