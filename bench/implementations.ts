// The implementations in JavaScript, this library and plain JavaScript.
//
//   resident    a layer's own memory, nothing copied
//   copying     a function on ordinary Float64Arrays, `out` given: the time has the copies in and out
//   relaxed     resident, of the build with relaxed SIMD
//   plain       plain-javascript.ts by Math.exp, on ordinary arrays, in the form that is the fastest for this shape on this engine
//   plain-exp   the same by plain-exp.ts
//
// and `-float32` of them: the same on float32.
//
// Outside the time: the choice of a form, making the layer and `out`, and for `resident` copying logits and labels into the layer.

import * as library from "softmax-wasm";
import { crossEntropy, crossEntropyWithGradient, softmax } from "softmax-wasm";
import * as relaxedLibrary from "softmax-wasm/relaxed";
import { type Floats, FORMS, type Forms } from "../reference/plain-javascript.js";
import { FORMS as FORMS_BY_OWN_EXP } from "./plain-exp.js";
import { type Implementation, lossThenGradient, shapeOf, type Task } from "./task.js";
import { briefly } from "./timing.js";

type Dtype = Implementation["dtype"];

/** The same functions once more, so that the engine learns about them from float32 alone. */
const { FORMS: FORMS_OF_FLOAT32 }: { FORMS: Forms } = await import(`${import.meta.resolve("../reference/plain-javascript.js")}?float32`);

const inType = (dtype: Dtype, logits: Float64Array): Floats => (dtype === "float64" ? logits : Float32Array.from(logits));

function resident(task: Task, { Softmax, SoftmaxCrossEntropy }: typeof library, dtype: Dtype = "float64"): Implementation | string {
  const options = { shape: shapeOf(task.outer, task.classes, task.inner), axis: 1, dtype };
  if (task.op === "softmax") {
    const layer = new Softmax(options);
    layer.logits.set(task.logits);
    return { dtype, run: () => layer.forward(), result: () => layer.probs };
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
  return { dtype, run, result: () => lossThenGradient(loss, layer.gradient) };
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

function copying({ op, outer, classes, inner, logits, labels }: Task, dtype: Dtype): Implementation {
  // A Float32Array goes where the types say Float64Array: of the two, a call has one.
  const x = inType(dtype, logits) as Float64Array;
  const options = { shape: shapeOf(outer, classes, inner), axis: 1 };
  if (op === "loss") return lossOf(dtype, () => crossEntropy(x, labels, options));
  const out = x.slice();
  const withOut = { ...options, out };
  if (op === "softmax") return { dtype, run: () => softmax(x, withOut), result: () => out };
  return gradientOf(dtype, () => crossEntropyWithGradient(x, labels, withOut).loss, out);
}

function lossOf(dtype: Dtype, run: () => number): Implementation {
  let loss = 0;
  return {
    dtype,
    run: () => {
      loss = run();
      return loss;
    },
    result: () => [loss],
  };
}

/** `run` returns the loss and leaves the gradient in an array. */
function gradientOf(dtype: Dtype, run: () => number, gradient: Floats): Implementation {
  const { run: keeping, result } = lossOf(dtype, run);
  return { dtype, run: keeping, result: async () => lossThenGradient((await result())[0], gradient) };
}

/** The fastest form, by a short measurement. */
function fastest<T extends () => unknown>(forms: readonly T[]): T {
  if (forms.length === 1) return forms[0];
  const times = forms.map(briefly);
  return forms[times.indexOf(Math.min(...times))];
}

function plain({ op, outer, classes, inner, logits, labels }: Task, forms: Forms, dtype: Dtype = "float64"): Implementation | string {
  if (inner > 1 && op !== "gradient") return `${op} along a strided axis is not written`;
  const x = inType(dtype, logits);
  if (op === "loss") {
    return lossOf(dtype, fastest(Object.values(forms.crossEntropy).map((form) => () => form(x, labels, outer, classes))));
  }
  const out = x.slice();
  if (op === "softmax") {
    const run = fastest(Object.values(forms.softmax).map((form) => () => form(x, out, outer, classes)));
    return { dtype, run, result: () => out };
  }
  const runs =
    inner === 1
      ? Object.values(forms.crossEntropyWithGradient).map((form) => () => form(x, labels, out, outer, classes))
      : Object.values(forms.strided).map((form) => () => form(x, labels, out, outer, classes, inner));
  return gradientOf(dtype, fastest(runs), out);
}

/** By name: an implementation of a task, or the reason why there is none. */
export const IMPLEMENTATIONS: Readonly<Record<string, (task: Task) => Implementation | string>> = {
  resident: (task) => resident(task, library),
  copying: (task) => copying(task, "float64"),
  relaxed,
  plain: (task) => plain(task, FORMS),
  "plain-exp": (task) => plain(task, FORMS_BY_OWN_EXP),
  "resident-float32": (task) => resident(task, library, "float32"),
  "copying-float32": (task) => copying(task, "float32"),
  "plain-float32": (task) => plain(task, FORMS_OF_FLOAT32, "float32"),
};
