// The implementations in JavaScript, this library and plain JavaScript.
//
//   resident    a layer's own memory, nothing copied
//   copying     a function on ordinary Float64Arrays, `out` given: the time has the copies in and out
//   relaxed     resident, of the build with relaxed SIMD
//   plain       plain-javascript.ts by Math.exp, on ordinary arrays, in the form that is the fastest for this shape on this engine
//   plain-exp   the same by plain-exp.ts
//
// Outside the time: the choice of a form, making the layer and `out`, and for `resident` copying logits and labels into the layer.

import * as library from "softmax-wasm";
import { crossEntropy, crossEntropyWithGradient, softmax } from "softmax-wasm";
import * as relaxedLibrary from "softmax-wasm/relaxed";
import { FORMS, type Forms } from "../reference/plain-javascript.js";
import { FORMS as FORMS_BY_OWN_EXP } from "./plain-exp.js";
import { type Implementation, lossThenGradient, shapeOf, type Task } from "./task.js";
import { briefly } from "./timing.js";

function resident(task: Task, { Softmax, SoftmaxCrossEntropy }: typeof library): Implementation | string {
  const options = { shape: shapeOf(task.outer, task.classes, task.inner), axis: 1 };
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
  return { dtype: "float64", run, result: () => lossThenGradient(loss, layer.gradient) };
}

function relaxed(task: Task): Implementation | string {
  try {
    return resident(task, relaxedLibrary);
  } catch (error) {
    const { message } = error as Error;
    if (message.includes("expected an engine")) return message;
    throw error;
  }
}

function copying(task: Task): Implementation {
  const { op, logits, labels } = task;
  const options = { shape: shapeOf(task.outer, task.classes, task.inner), axis: 1 };
  if (op === "loss") return lossOf(() => crossEntropy(logits, labels, options));
  const out = new Float64Array(logits.length);
  const withOut = { ...options, out };
  if (op === "softmax") return { dtype: "float64", run: () => softmax(logits, withOut), result: () => out };
  return gradientOf(() => crossEntropyWithGradient(logits, labels, withOut).loss, out);
}

function lossOf(run: () => number): Implementation {
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

/** `run` returns the loss and leaves the gradient in an array. */
function gradientOf(run: () => number, gradient: Float64Array): Implementation {
  const { dtype, run: keeping, result } = lossOf(run);
  return { dtype, run: keeping, result: async () => lossThenGradient((await result())[0], gradient) };
}

/** The fastest form, by a short measurement. */
function fastest<T extends () => unknown>(forms: readonly T[]): T {
  if (forms.length === 1) return forms[0];
  const times = forms.map(briefly);
  return forms[times.indexOf(Math.min(...times))];
}

function plain({ op, outer, classes, inner, logits, labels }: Task, forms: Forms): Implementation | string {
  if (inner > 1 && op !== "gradient") return `${op} along a strided axis is not written`;
  if (op === "loss") {
    return lossOf(fastest(Object.values(forms.crossEntropy).map((form) => () => form(logits, labels, outer, classes))));
  }
  const out = new Float64Array(logits.length);
  if (op === "softmax") {
    const run = fastest(Object.values(forms.softmax).map((form) => () => form(logits, out, outer, classes)));
    return { dtype: "float64", run, result: () => out };
  }
  const runs =
    inner === 1
      ? Object.values(forms.crossEntropyWithGradient).map((form) => () => form(logits, labels, out, outer, classes))
      : Object.values(forms.strided).map((form) => () => form(logits, labels, out, outer, classes, inner));
  return gradientOf(fastest(runs), out);
}

/** By name: an implementation of a task, or the reason why there is none. */
export const IMPLEMENTATIONS: Readonly<Record<string, (task: Task) => Implementation | string>> = {
  resident: (task) => resident(task, library),
  copying,
  relaxed,
  plain: (task) => plain(task, FORMS),
  "plain-exp": (task) => plain(task, FORMS_BY_OWN_EXP),
};
