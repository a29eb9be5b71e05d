// Digests of results, in every way to get them: the bits of a row depend on that row and the options alone. Runs on any engine.

import { asFloat32, battery } from "../reference/battery.js";
import { distribution, ROWS, seeded } from "../reference/data.js";
import { positionIn } from "../reference/layout.js";
import {
  CrossEntropyPart,
  crossEntropy,
  crossEntropyHessianDiagonal,
  crossEntropyHvp,
  crossEntropyPart,
  crossEntropyWithGradient,
  jsDivergenceWithGradient,
  klDivergenceWithGradient,
  LossTotal,
  logSoftmax,
  logSoftmaxBackward,
  logSumExp,
  Softmax,
  SoftmaxCrossEntropy,
  softmax,
  softmaxBackward,
  softmaxJacobian,
} from "../src/index.js";
import { LinearCrossEntropy, linearCrossEntropyWithGradient } from "../src/linear.js";

type Dtype = "float64" | "float32";
type Floats = Float64Array | Float32Array;

const ARRAYS = { float64: Float64Array, float32: Float32Array } as const;

const zeros = (dtype: Dtype, length: number): Floats => new ARRAYS[dtype](length);

/** Logits (outer, classes, inner), and the other inputs of all operations. Tensors are of the dtype. */
interface Input {
  readonly dtype: Dtype;
  readonly outer: number;
  readonly classes: number;
  readonly inner: number;
  readonly x: Floats;
  readonly indices: Int32Array;
  readonly distributions: Floats;
  readonly upstream: Floats;
  readonly upstreamByRow: Float64Array;
}

/** Results by operation; each laid out like the input, or by row. */
type Results = Record<string, Floats>;

const DIVISOR = 7;

/** Shapes (outer, classes, inner) on both sides of every change of kernel, and of one and more than one chunk. */
const SHAPES = [
  [7, 1, 1],
  [5000, 2, 1],
  [5001, 3, 1],
  [700, 10, 1],
  [65, 16, 1],
  [65, 17, 1],
  [65, 40, 1],
  [1000, 41, 1],
  [64, 100, 1],
  [5, 1003, 1],
  [2, 40_000, 1],
  [1, 100_003, 1],
  [3, 21, 9],
  [1, 30, 7],
  [2, 3, 6001],
  [1, 33_001, 2],
] as const;

/** Fewer rows for float32, and none of a number of classes that tells nothing new. */
const FLOAT32_SHAPES = SHAPES.filter(([, classes]) => classes !== 33_001 && classes !== 100_003).map(
  ([outer, classes, inner]) => [Math.min(outer, 201), classes, Math.min(inner, 601)] as const,
);

/** Rows with infinities and NaN among finite rows. */
const BROKEN = [
  [1, 2, 3, 4],
  [-Infinity, -Infinity, -Infinity, -Infinity],
  [0.5, Number.NaN, 0.25, 1],
  [4, 3, 2, 1],
  [Infinity, 1, 2, 3],
  [-Infinity, 0.1, 0.2, -Infinity],
];

function inputs(dtype: Dtype): Input[] {
  const random = seeded(1789);
  const kinds = Object.values(ROWS);
  const inputOf = (rows: readonly ArrayLike<number>[], inner: number, indices?: ArrayLike<number>): Input => {
    const classes = rows[0].length;
    const size = rows.length * classes;
    const input = {
      dtype,
      outer: rows.length / inner,
      classes,
      inner,
      indices: Int32Array.from(indices ?? rows.map(() => Math.floor(random() * classes))),
      x: zeros(dtype, size),
      distributions: zeros(dtype, size),
      upstream: zeros(dtype, size).map(() => 2 * random() - 1),
      upstreamByRow: Float64Array.from(rows, () => 4 * random() - 2),
    };
    rows.forEach((row, r) => {
      scatter(input.x, row, input, r);
      scatter(input.distributions, distribution(random, classes, r), input, r);
    });
    return input;
  };
  // Of the battery in float32 every third group.
  const groups =
    dtype === "float64"
      ? battery()
      : battery()
          .filter((_, i) => i % 3 === 0)
          .map(asFloat32);
  return [
    ...(dtype === "float64" ? SHAPES : FLOAT32_SHAPES).map(([outer, classes, inner]) =>
      inputOf(
        Array.from({ length: outer * inner }, (_, r) => kinds[r % kinds.length](random, classes)),
        inner,
      ),
    ),
    ...groups.flatMap(({ logits, indices }) => [inputOf(logits, 1, indices), inputOf(logits, logits.length, indices)]),
    inputOf(BROKEN, 1),
    inputOf(BROKEN, 3),
  ];
}

type Layout = Pick<Input, "classes" | "inner">;

function scatter(tensor: Floats, row: ArrayLike<number>, { classes, inner }: Layout, r: number): void {
  const at = positionIn(classes, inner);
  for (let j = 0; j < classes; j++) tensor[at(r, j)] = row[j];
}

function gather(tensor: Floats, { classes, inner }: Layout, r: number): Float64Array {
  const at = positionIn(classes, inner);
  return Float64Array.from({ length: classes }, (_, j) => tensor[at(r, j)]);
}

const layoutOf = ({ outer, classes, inner }: Input) => ({ shape: [outer, classes, inner], axis: 1 });

/** All terms of the loss at once. */
const termsOf = ({ classes }: Input) => ({
  weights: Array.from({ length: classes }, (_, j) => (j % 5) / 2),
  labelSmoothing: 0.1,
  zLoss: 1e-3,
  scale: 0.75,
  divisor: DIVISOR,
});

/** Smoothing alone: kernels have loops of their own for targets above 0 that all rows share. */
const SMOOTHED = { labelSmoothing: 0.1, divisor: DIVISOR };

/** The options by row. They depend on the row, not on its place. */
const rowOptionsOf = ({ upstream, upstreamByRow }: Input) => ({
  sampleWeights: upstreamByRow.map((u) => Math.max(u, 0)),
  mask: Uint8Array.from(upstream, (u) => Number(u > -0.8)),
});

const ROW_OUTPUTS = ["losses", "lse", "entropy", "confidence"] as const;
const TENSOR_OUTPUTS = ["probs", "logProbs"] as const;
const OUTPUTS = [...ROW_OUTPUTS, ...TENSOR_OUTPUTS, "argmax"] as const;

type Outputs = Record<(typeof ROW_OUTPUTS)[number] | (typeof TENSOR_OUTPUTS)[number], Floats> & { argmax: Int32Array };

/** The results of a loss with options, by the names of digests. */
function named(prefix: string, gradient: Floats, outputs: Outputs): Results {
  const rest = Object.fromEntries([...ROW_OUTPUTS, ...TENSOR_OUTPUTS].map((name) => [`${prefix}.${name}`, outputs[name].slice()]));
  return { [`${prefix}.gradient`]: gradient.slice(), ...rest, [`${prefix}.argmax`]: Float64Array.from(outputs.argmax) };
}

/** Scale and mask of softmax and its like. */
const changesOf = (input: Input) => ({ scale: 0.75, mask: rowOptionsOf(input).mask });

/** The results of the loss with options by functions. */
function optionsByFunctions(input: Input): Results {
  const { x, indices, distributions, upstream } = input;
  const soft = { ...layoutOf(input), ...termsOf(input), ...rowOptionsOf(input) };
  const options = { ...soft, ignoreIndex: 0 };
  const hard = crossEntropyWithGradient(x, indices, { ...options, outputs: OUTPUTS });
  const ofSoft = crossEntropyWithGradient(x, distributions, { ...soft, outputs: OUTPUTS, labelGradient: true });
  const smoothed = crossEntropyWithGradient(x, indices, { ...layoutOf(input), ...SMOOTHED, outputs: ["losses"] });
  return {
    ...named("options", hard.gradient, hard),
    ...named("softOptions", ofSoft.gradient, ofSoft),
    "softOptions.labelGradient": ofSoft.labelGradient,
    "smoothed.gradient": smoothed.gradient,
    "smoothed.losses": smoothed.losses,
    "options.hessianProduct": crossEntropyHvp(x, indices, upstream, options),
    "softOptions.hessianDiagonal": crossEntropyHessianDiagonal(x, distributions, soft),
  };
}

/** Divergences of near and far logits. Elements of float32 lie further apart than those of float64. */
function divergencesByFunctions(input: Input): Results {
  const { x, upstream } = input;
  const options = { ...layoutOf(input), scale: 0.75, reduction: "none" } as const;
  const kl = klDivergenceWithGradient(x, upstream, options);
  const js = jsDivergenceWithGradient(
    x.map((value, k) => value + upstream[k] / 16),
    x,
    options,
  );
  return {
    kl: kl.loss,
    "kl.teacherGradient": kl.teacherGradient,
    "kl.studentGradient": kl.studentGradient,
    js: js.loss,
    "js.teacherGradient": js.teacherGradient,
    "js.studentGradient": js.studentGradient,
  };
}

/** A third of the classes, and the others. */
function cutClasses(classes: number): readonly (readonly [first: number, end: number])[] {
  const cut = Math.floor(classes / 3);
  return cut === 0
    ? [[0, classes]]
    : [
        [cut, classes],
        [0, cut],
      ];
}

/** The results of rows whose classes lie in two places. */
function partsByFunctions(input: Input): Results {
  const { dtype, x, indices, distributions, outer, classes, inner, upstreamByRow } = input;
  const columnsOf = (tensor: Floats, first: number, end: number): Floats =>
    tensor.filter((_, k) => {
      const j = Math.floor(k / inner) % classes;
      return j >= first && j < end;
    }) as Floats;
  const { divisor, ...terms } = { ...termsOf(input), sampleWeights: upstreamByRow.map((u) => Math.max(u, 0)) };
  const results: Results = {};
  for (const [name, labels] of [
    ["parts", indices],
    ["softParts", distributions],
  ] as const) {
    const places = cutClasses(classes).map(([first, end]) => {
      const its = labels === indices ? labels : columnsOf(distributions, first, end);
      return {
        logits: columnsOf(x, first, end),
        its,
        first,
        end,
        options: { shape: [outer, end - first, inner], axis: 1, classOffset: first },
      };
    });
    const part = CrossEntropyPart.merge(
      places.map(({ logits, its, options }) => crossEntropyPart(logits, its, { ...terms, ...options, classes, outputs: ["entropy"] })),
    );
    const gradient = zeros(dtype, x.length);
    for (const { logits, its, first, end, options } of places) {
      const columns = crossEntropyWithGradient(logits, its, { ...terms, ...options, part, divisor }).gradient;
      let at = 0;
      for (let o = 0; o < outer; o++) {
        const count = (end - first) * inner;
        gradient.set(columns.subarray(at, at + count), (o * classes + first) * inner);
        at += count;
      }
    }
    results[`${name}.gradient`] = gradient;
    results[`${name}.losses`] = part.losses;
    results[`${name}.lse`] = part.lse;
    results[`${name}.entropy`] = part.loss({ outputs: ["entropy"] }).entropy;
  }
  return results;
}

/** A linear layer from the elements of a row to five classes, for contiguous rows. */
function linearOf({ dtype, outer, classes, indices }: Input) {
  const weights = zeros(dtype, 5 * classes).map((_, k) => (((7919 * k) % 1009) - 504) / 512);
  return { shape: [outer, classes], weights, bias: [0.5, 0, -0.25, 1, 2], labels: indices.map((label) => label % 5) };
}

/** The results of a linear layer by functions; those of its weights depend on the whole batch. */
function linearByFunctions(input: Input): Results {
  if (input.inner > 1) return {};
  const { shape, weights, bias, labels } = linearOf(input);
  const options = { shape, bias, divisor: DIVISOR, outputs: ["losses"] } as const;
  const { losses, inputGradient, weightsGradient, biasGradient } = linearCrossEntropyWithGradient(input.x, weights, labels, options);
  return {
    "linear.losses": losses,
    "linear.inputGradient": inputGradient,
    "linear.weightsGradient": weightsGradient,
    "linear.biasGradient": biasGradient,
  };
}

/** The results of a linear layer by the layer. */
function linearByLayer(input: Input, threads: number): Results {
  if (input.inner > 1) return {};
  const { shape, weights, bias, labels } = linearOf(input);
  const { dtype } = input;
  const layer = new LinearCrossEntropy({ shape, classes: 5, dtype, bias: true, divisor: DIVISOR, outputs: ["losses"], threads });
  layer.weights.set(weights);
  layer.bias.set(bias);
  layer.input.set(input.x);
  layer.labels.set(labels);
  layer.forward();
  const { input: inputGradient = zeros(dtype, 0), weights: weightsGradient, bias: biasGradient = zeros(dtype, 0) } = layer.backward();
  const results = { inputGradient, weightsGradient, biasGradient, losses: layer.outputs.losses };
  const copies = Object.fromEntries(Object.entries(results).map(([name, values]) => [`linear.${name}`, values.slice()]));
  layer.dispose();
  return copies;
}

/** The results of the loss with options by layers. */
function optionsByLayers(input: Input, threads: number): Results {
  const { dtype, x, indices, distributions } = input;
  const rows = rowOptionsOf(input);
  const given = { dtype, ...layoutOf(input), ...termsOf(input), sampleWeights: true, mask: true as const, outputs: OUTPUTS, threads };
  const hard = new SoftmaxCrossEntropy({ ...given, ignoreIndex: 0 });
  const soft = new SoftmaxCrossEntropy({ ...given, labels: "distribution", labelGradient: true });
  const smoothed = new SoftmaxCrossEntropy({ dtype, ...layoutOf(input), ...SMOOTHED, threads });
  smoothed.logits.set(x);
  smoothed.labels.set(indices);
  smoothed.forward();
  for (const layer of [hard, soft]) {
    layer.logits.set(x);
    layer.labels.set(layer === hard ? indices : distributions);
    layer.sampleWeights.set(rows.sampleWeights);
    layer.mask.set(rows.mask);
    layer.forward();
  }
  const { scale, mask } = changesOf(input);
  const changed = new Softmax({ dtype, ...layoutOf(input), scale, mask: true, threads });
  changed.logits.set(x);
  changed.mask.set(mask);
  const results = {
    "changed.probs": changed.forward().slice(),
    ...named("options", hard.backward(), hard),
    ...named("softOptions", soft.backward(), soft),
    "softOptions.labelGradient": soft.labelGradient.slice(),
    "smoothed.gradient": smoothed.backward().slice(),
    "smoothed.losses": smoothed.losses.slice(),
  };
  for (const layer of [hard, soft, smoothed, changed]) layer.dispose();
  return results;
}

/** The results of functions for a batch; `outFor` gives an array to write to, or undefined. */
function byFunctions(input: Input, outFor: (x: Floats) => Floats | undefined): Results {
  const { x, indices, distributions, upstream } = input;
  const layout = layoutOf(input);
  const call = (array: Floats, use: (given: Floats, out: Floats | undefined) => Floats) => {
    const out = outFor(array);
    return use(out ?? array, out);
  };
  const gradientOf = (labels: Int32Array | Floats) =>
    call(x, (logits, out) => crossEntropyWithGradient(logits, labels, { ...layout, divisor: DIVISOR, out }).gradient);
  const probs = call(x, (logits, out) => softmax(logits, { ...layout, out }));
  const logProbs = call(x, (logits, out) => logSoftmax(logits, { ...layout, out }));
  return {
    probs,
    logProbs,
    lse: logSumExp(x, layout),
    losses: crossEntropy(x, indices, { ...layout, reduction: "none" }),
    softLosses: crossEntropy(x, distributions, { ...layout, reduction: "none" }),
    gradient: gradientOf(indices),
    softGradient: gradientOf(distributions),
    softmaxBackward: call(upstream, (g, out) => softmaxBackward(g, probs, { ...layout, out })),
    logSoftmaxBackward: call(upstream, (g, out) => logSoftmaxBackward(g, logProbs, { ...layout, out })),
    "changed.probs": call(x, (logits, out) => softmax(logits, { ...layout, ...changesOf(input), out })),
    "changed.logProbs": logSoftmax(x, { ...layout, ...changesOf(input) }),
    "changed.lse": logSumExp(x, { ...layout, ...changesOf(input) }),
    ...optionsByFunctions(input),
    ...divergencesByFunctions(input),
    ...partsByFunctions(input),
    ...ofRows(linearByFunctions(input)),
  };
}

/** The results that do not depend on the whole batch. */
function ofRows(results: Results): Results {
  return Object.fromEntries(Object.entries(results).filter(([name]) => !/weightsGradient|biasGradient/.test(name)));
}

/** The results of functions that depend on the whole batch, and the Jacobian. */
function wholeByFunctions(input: Input): Results {
  const { dtype, x, indices, distributions, outer, inner, classes } = input;
  const layout = layoutOf(input);
  const shape = [Math.min(outer, 3), classes];
  const few = x.subarray(0, shape[0] * classes);
  return {
    mean: Float64Array.of(crossEntropy(x, indices, layout)),
    sum: Float64Array.of(crossEntropy(x, indices, { ...layout, reduction: "sum" })),
    softMean: Float64Array.of(crossEntropy(x, distributions, layout)),
    total: Float64Array.from(new LossTotal().add(x, indices, layout).toBytes()),
    ...linearByFunctions(input),
    jacobian: inner === 1 && classes < 2000 ? softmaxJacobian(softmax(few, { shape }), { shape }) : zeros(dtype, 0),
  };
}

const BY_ROW = new Set([
  "kl",
  "js",
  "lse",
  "changed.lse",
  "linear.losses",
  "losses",
  "softLosses",
  "smoothed.losses",
  ...["parts", "softParts"].flatMap((prefix) => ["losses", "lse", "entropy"].map((name) => `${prefix}.${name}`)),
  ...["options", "softOptions"].flatMap((prefix) => [...ROW_OUTPUTS, "argmax"].map((name) => `${prefix}.${name}`)),
]);

/** The results of functions for the given pieces of a batch, a call for each piece, put together in the order of the batch. */
function byPieces(input: Input, pieces: readonly (readonly number[])[]): Results {
  const { dtype, classes } = input;
  const results: Results = {};
  for (const piece of pieces) {
    const inner = input.inner === 1 ? 1 : piece.length;
    const tensor = (from: Floats) => {
      const part = zeros(dtype, piece.length * classes);
      piece.forEach((r, i) => {
        scatter(part, gather(from, input, r), { classes, inner }, i);
      });
      return part;
    };
    const part: Input = {
      dtype,
      outer: piece.length / inner,
      classes,
      inner,
      indices: Int32Array.from(piece, (r) => input.indices[r]),
      x: tensor(input.x),
      distributions: tensor(input.distributions),
      upstream: tensor(input.upstream),
      upstreamByRow: Float64Array.from(piece, (r) => input.upstreamByRow[r]),
    };
    for (const [name, values] of Object.entries(byFunctions(part, () => undefined))) {
      const length = BY_ROW.has(name) ? input.outer * input.inner : input.x.length;
      results[name] ??= name.endsWith("argmax") ? new Float64Array(length) : zeros(dtype, length);
      piece.forEach((r, i) => {
        if (BY_ROW.has(name)) results[name][r] = values[i];
        else scatter(results[name], gather(values, part, i), input, r);
      });
    }
  }
  return results;
}

/** Row numbers cut into pieces of the given sizes, again and again. On a strided axis a piece has at least two rows: one would be contiguous. */
function cut(rows: readonly number[], inner: number, sizes: readonly number[]): number[][] {
  const pieces: number[][] = [];
  for (let start = 0, i = 0; start < rows.length; i++) {
    const piece = rows.slice(start, start + Math.max(sizes[i % sizes.length], Math.min(inner, 2)));
    start += piece.length;
    pieces.push(inner > 1 && piece.length === 1 ? [...piece, rows[0]] : piece);
  }
  return pieces;
}

const rowsOf = ({ outer, inner }: Input) => Array.from({ length: outer * inner }, (_, r) => r);

function makeLayers(dtype: Dtype, threads: number) {
  const given = { dtype, axis: 1, threads };
  return {
    softmax: new Softmax(given),
    gradient: new SoftmaxCrossEntropy({ ...given, divisor: DIVISOR }),
    softGradient: new SoftmaxCrossEntropy({ ...given, divisor: DIVISOR, labels: "distribution" }),
    mean: new SoftmaxCrossEntropy(given),
    total: new SoftmaxCrossEntropy({ ...given, outputs: ["total"] }),
    sum: new SoftmaxCrossEntropy({ ...given, reduction: "sum" }),
    byRow: new SoftmaxCrossEntropy({ ...given, reduction: "none" }),
  };
}

const madeLayers = new Map<string, ReturnType<typeof makeLayers>>();

/** The layers of a dtype with a number of threads, which serve all inputs. */
function layersOf(dtype: Dtype, threads: number): ReturnType<typeof makeLayers> {
  const key = `${dtype}, ${threads}`;
  const layers = madeLayers.get(key) ?? makeLayers(dtype, threads);
  madeLayers.set(key, layers);
  return layers;
}

/** The results of layers for a batch in their memory. */
function byResidentLayers(input: Input, threads = 1): Results {
  const { shape } = layoutOf(input);
  const { softmax, gradient, softGradient, mean, total, sum, byRow } = layersOf(input.dtype, threads);
  softmax.resize(shape);
  softmax.logits.set(input.x);
  const probs = softmax.forward().slice();
  softmax.upstream.set(input.upstream);
  const lossOf = (
    layer: Pick<typeof gradient | typeof softGradient | typeof sum, "resize" | "logits" | "labels"> & { forward(): number },
    labels: Int32Array | Floats,
  ) => {
    layer.resize(shape);
    layer.logits.set(input.x);
    layer.labels.set(labels);
    return Float64Array.of(layer.forward());
  };
  lossOf(gradient, input.indices);
  lossOf(softGradient, input.distributions);
  byRow.resize(shape);
  byRow.logits.set(input.x);
  byRow.labels.set(input.indices);
  lossOf(total, input.indices);
  return {
    probs,
    softmaxBackward: softmax.backward().slice(),
    losses: byRow.forward().slice(),
    softLosses: softGradient.losses.slice(),
    gradient: gradient.backward().slice(),
    softGradient: softGradient.backward().slice(),
    mean: lossOf(mean, input.indices),
    sum: lossOf(sum, input.indices),
    total: Float64Array.from(total.total.toBytes()),
    upstreamGradient: byRow.backward(input.upstreamByRow).slice(),
    ...optionsByLayers(input, threads),
    ...linearByLayer(input, threads),
  };
}

/** The results of layers for arrays that they copy. */
function byCopyingLayers(input: Input): Results {
  const { shape } = layoutOf(input);
  const logits = { data: input.x, shape };
  type NdArray = typeof logits;
  const { softmax, gradient, softGradient, mean, sum, byRow } = layersOf(input.dtype, 1);
  gradient.forward(logits, input.indices);
  softGradient.forward(logits, input.distributions);
  return {
    probs: softmax.forward(logits).data,
    softmaxBackward: softmax.backward<NdArray>({ data: input.upstream, shape }).data,
    losses: byRow.forward(logits, input.indices).data,
    softLosses: softGradient.losses.slice(),
    gradient: gradient.backward<NdArray>().data,
    softGradient: softGradient.backward<NdArray>().data,
    mean: Float64Array.of(mean.forward(logits, input.indices)),
    sum: Float64Array.of(sum.forward(logits, input.indices)),
    softMean: Float64Array.of(mean.forward(logits, input.distributions)),
    upstreamGradient: byRow.backward<NdArray>(input.upstreamByRow).data,
  };
}

/** The ways to get results. */
export const WAYS = {
  functions: (input: Input) => ({ ...byFunctions(input, () => undefined), ...wholeByFunctions(input) }),
  "functions, in place": (input: Input) => byFunctions(input, (x) => x.slice()),
  "functions, row by row": (input: Input) => byPieces(input, cut(rowsOf(input), input.inner, [1])),
  "functions, in uneven batches": (input: Input) => byPieces(input, cut(rowsOf(input), input.inner, [3, 1, 7, 2, 300, 5])),
  "functions, rows in other places": (input: Input) => byPieces(input, [rowsOf(input).reverse()]),
  "layers, resident": (input: Input) => byResidentLayers(input),
  "layers, 3 threads": (input: Input) => byResidentLayers(input, 3),
  "layers, copying": byCopyingLayers,
} satisfies Record<string, (input: Input) => Results>;

export type Way = keyof typeof WAYS;

/** The bytes of numbers. All NaN have one bit pattern, as WebAssembly does not define their bits. */
function bytesOf(values: Floats): Uint8Array<ArrayBuffer> {
  const { buffer } = values.slice();
  const setNaN = (bits: { [i: number]: unknown }, nan: unknown) => {
    for (let i = 0; i < values.length; i++) if (Number.isNaN(values[i])) bits[i] = nan;
  };
  if (values instanceof Float64Array) setNaN(new BigUint64Array(buffer), 0x7ff8_0000_0000_0000n);
  else setNaN(new Uint32Array(buffer), 0x7fc0_0000);
  return new Uint8Array(buffer as ArrayBuffer);
}

/** Resident layers with another number of threads. */
export const byThreads = (threads: number) => (input: Input) => byResidentLayers(input, threads);

/** By element type and operation: SHA-256, in hexadecimal, of the bytes of its results for all inputs. Awaits `pause` before each input. */
export async function digestsOf(way: Way | ((input: Input) => Results), pause = async () => {}): Promise<Record<string, string>> {
  const resultsOf: (input: Input) => Results = typeof way === "string" ? WAYS[way] : way;
  const bytes = new Map<string, Uint8Array[]>();
  for (const input of [...inputs("float64"), ...inputs("float32")]) {
    await pause();
    const prefix = input.dtype === "float64" ? "" : "float32.";
    for (const [name, values] of Object.entries(resultsOf(input))) {
      const parts = bytes.get(prefix + name) ?? [];
      bytes.set(prefix + name, [...parts, bytesOf(values)]);
    }
  }
  const digests: Record<string, string> = {};
  for (const [name, parts] of bytes) {
    const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) {
      all.set(part, at);
      at += part.length;
    }
    const hash = await crypto.subtle.digest("SHA-256", all);
    digests[name] = Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, "0")).join("");
  }
  return digests;
}
