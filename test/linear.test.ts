// The entry softmax-wasm/linear: products against exact dot products, the loss and its outputs against those of the logits, gradients against
// exact products with the gradient of the logits, and that the bits of a row depend on that row alone.

import { describe, expect, it } from "vitest";
import { seeded } from "../reference/data.js";
import { exactDot } from "../reference/dot-products.js";
import { productBound, usualProductError } from "../reference/limits.js";
import { crossEntropyWithGradient, type LossTotal, type Output, softmax } from "../src/index.js";
import { classesOfBlock, rowsOfChunk } from "../src/linear/blocks.js";
import { linearModule } from "../src/linear/source.js";
import { LinearCrossEntropy, linear, linearBackward, linearCrossEntropy, linearCrossEntropyWithGradient } from "../src/linear.js";
import { sharedStream } from "../src/memory/chunks.js";

const DTYPES = ["float64", "float32"] as const;
type Dtype = (typeof DTYPES)[number];
type Floats = Float64Array | Float32Array;
const ARRAYS = { float64: Float64Array, float32: Float32Array };
const BYTES = { float64: 8, float32: 4 };

const random = seeded(20);
const randoms = (dtype: Dtype, length: number, scale = 1): Floats =>
  new ARRAYS[dtype](length).map(() => scale * (2 * random() - 1)) as Floats;

/** Elements i, i + step, … */
const every = (array: ArrayLike<number>, first: number, count: number, step = 1) =>
  Float64Array.from({ length: count }, (_, k) => array[first + k * step]);

/** Checks a result against the exact sum of products. */
function expectDot(name: string, dtype: Dtype, got: number, a: ArrayLike<number>, b: ArrayLike<number>, bound: number, start = 0): void {
  const { errorOf, magnitude } = exactDot(a, b, start);
  const error = errorOf(got);
  if (error > bound * magnitude || error > usualProductError(dtype) * magnitude) {
    throw new Error(`${name}: got ${got}, whose error ${error} is ${error / magnitude} of Σ |products|, more than ${bound}`);
  }
}

interface Kernels {
  packRows(...args: number[]): void;
  packColumns(...args: number[]): void;
  product(...args: number[]): void;
  addProduct(...args: number[]): void;
  transposedProduct(...args: number[]): void;
  writeSums(...args: number[]): void;
  sumsBytes(...args: number[]): number;
  packedBytes(...args: number[]): number;
  tilesOf(...args: number[]): number;
  scratchBytes(...args: number[]): number;
}

const module = linearModule(false);

/** A memory of the kernels in which each buffer ends at its last byte, between canaries. */
class Arena {
  readonly memory: WebAssembly.Memory;
  readonly kernels: Kernels;
  #end = 64;
  readonly #gaps: [start: number, end: number][] = [];

  constructor(pages: number) {
    this.memory = new WebAssembly.Memory({ initial: pages });
    this.kernels = new WebAssembly.Instance(module, { env: { memory: this.memory } }).exports as unknown as Kernels;
    new Uint8Array(this.memory.buffer).fill(0xa5);
  }

  put<A extends Floats | Float64Array>(array: A): { ptr: number; view: A } {
    const ptr = Math.ceil(this.#end / 64) * 64 + 64;
    this.#gaps.push([this.#end, ptr]);
    this.#end = ptr + array.byteLength;
    const view = new (array.constructor as new (...args: unknown[]) => A)(this.memory.buffer, ptr, array.length);
    view.set(array as Float64Array);
    return { ptr, view };
  }

  bytes(count: number): number {
    return this.put(new Float64Array(Math.ceil(count / 8))).ptr;
  }

  check(): void {
    const bytes = new Uint8Array(this.memory.buffer);
    for (const [start, end] of [...this.#gaps, [this.#end, this.#end + 4096]]) {
      expect(bytes.subarray(start, end).every((byte) => byte === 0xa5)).toBe(true);
    }
  }
}

describe.each(DTYPES)("products of %s", (dtype) => {
  const bytes = BYTES[dtype];
  const block = 256;
  const LENGTHS = [1, 2, 3, 4, 5, 7, 8, 9, 11, 16, 19];

  /**
   * A Bᵀ by every kernel, with the operands in either order and packed in either way. Each takes its work in two parts, the first of `cut` of it.
   * Sums of columns of A are added to columnSums.
   */
  function products(a: Floats, b: Floats, rows: number, columns: number, depth: number, bias?: Float64Array, cut = 0.5): Floats[] {
    const arena = new Arena(depth > 100 ? 50 : 8);
    const { kernels } = arena;
    const transposeOf = (m: Floats, lines: number) =>
      new ARRAYS[dtype](m.length).map((_, i) => m[(i % lines) * depth + Math.floor(i / lines)]) as Floats;
    const [x, y, xT, yT] = [a, b, transposeOf(a, rows), transposeOf(b, columns)].map((matrix) => arena.put(matrix));
    const biasPtr = bias ? arena.put(bias).ptr : 0;
    const outs = Array.from({ length: 5 }, () => arena.put(new ARRAYS[dtype](rows * columns) as Floats));
    const packed = arena.bytes(kernels.packedBytes(bytes, columns, depth));
    const scratch = arena.bytes(kernels.scratchBytes(bytes));
    const sums = arena.put(new Float64Array(kernels.sumsBytes(bytes, rows, columns) / 8));
    const sumsOfLines = arena.put(new Float64Array(rows));
    const [step, xStep, yStep] = [depth * bytes, rows * bytes, columns * bytes];
    const inParts = (kernel: (...args: number[]) => void, count: number, ...args: number[]): void => {
      const middle = Math.floor(cut * count);
      kernel(...args, middle, count, scratch);
      kernel(...args, 0, middle, scratch);
    };
    kernels.packRows(bytes, y.ptr, step, columns, depth, packed);
    inParts(kernels.product, rows, bytes, x.ptr, step, packed, columns, depth, block, biasPtr, 0, outs[0].ptr, yStep, bytes, 0);
    const tiles = kernels.tilesOf(bytes, columns);
    inParts(kernels.addProduct, tiles, bytes, x.ptr, step, rows, yT.ptr, yStep, columns, depth, block, 0, sums.ptr);
    kernels.writeSums(bytes, sums.ptr, rows, columns, outs[1].ptr, yStep);
    kernels.packColumns(bytes, yT.ptr, yStep, columns, depth, packed);
    inParts(kernels.product, rows, bytes, x.ptr, step, packed, columns, depth, block, biasPtr, 0, outs[2].ptr, yStep, bytes, 1);
    // It sums all of the depth in one block.
    if (depth <= block) {
      inParts(kernels.transposedProduct, rows, bytes, xT.ptr, xStep, depth, packed, columns, outs[4].ptr, yStep, 0, sumsOfLines.ptr);
      for (let i = 0; i < rows; i++) expect(sumsOfLines.view[i]).toBe(every(a, i * depth, depth).reduce((sum, value) => sum + value, 0));
    } else outs.pop();
    const packedX = arena.bytes(kernels.packedBytes(bytes, rows, depth));
    kernels.packRows(bytes, x.ptr, step, rows, depth, packedX);
    inParts(kernels.product, columns, bytes, y.ptr, step, packedX, rows, depth, block, biasPtr, 1, outs[3].ptr, bytes, yStep, 0);
    arena.check();
    for (const [operand, was] of [[x, a], [y, b]] as const) expect(operand.view).toEqual(was); // biome-ignore format: two elements
    return outs.map(({ view }) => view);
  }

  it("are those of exact arithmetic, and the same in each order, for every size of a tile", () => {
    for (const rows of LENGTHS) {
      for (const columns of LENGTHS) {
        const depth = 1 + ((7 * rows + 3 * columns) % 23);
        const [a, b] = [randoms(dtype, rows * depth), randoms(dtype, columns * depth)];
        const [first, ...others] = products(a, b, rows, columns, depth, undefined, random());
        for (const other of others) expect(other).toEqual(first);
        const bound = productBound(dtype, depth);
        for (const [i, j] of [[0, 0], [rows - 1, columns - 1], [rows >> 1, columns >> 1]]) // biome-ignore format: three elements
          expectDot(`(${i}, ${j}) of ${rows} × ${depth} × ${columns}`, dtype, first[i * columns + j], every(a, i * depth, depth), every(b, j * depth, depth), bound); // biome-ignore format: one line
      }
    }
  });

  it("have an error that does not grow with the depth", () => {
    for (const depth of [255, 256, 257, 1000, 5003]) {
      for (const scale of [(x: number) => x, Math.abs]) {
        const [a, b] = [randoms(dtype, 5 * depth).map(scale) as Floats, randoms(dtype, 2 * depth).map(scale) as Floats];
        const bias = Float64Array.of(0.5, -3);
        const [got, , , same] = products(a, b, 5, 2, depth, bias);
        expect(same).toEqual(got);
        got.forEach((value, k) => {
          const [i, j] = [k >> 1, k % 2];
          expectDot(
            `depth ${depth}`,
            dtype,
            value,
            every(a, i * depth, depth),
            every(b, j * depth, depth),
            productBound(dtype, depth),
            bias[j],
          );
        });
      }
    }
  });

  it.each([
    [5, 1500, 35],
    [50, 1500, 20],
    [150, 255, 150],
  ])("are right where rows and packed columns come in groups, as in %i × %i × %i", (rows, depth, columns) => {
    const [a, b] = [randoms(dtype, rows * depth), randoms(dtype, columns * depth)];
    const [got, ...others] = products(a, b, rows, columns, depth);
    for (const other of others) expect(other).toEqual(got);
    let worst = 0;
    got.forEach((value, k) => {
      const [i, j] = [Math.floor(k / columns), k % columns];
      let want = 0;
      for (let d = 0; d < depth; d++) want += a[i * depth + d] * b[j * depth + d];
      worst = Math.max(worst, Math.abs(value - want));
    });
    expect(worst).toBeLessThan(5e-4);
  });

  it("are summed in the order that is told: in the element type over blocks, and the blocks in double", () => {
    const round = dtype === "float32" ? Math.fround : (x: number) => x;
    const depth = 600;
    const [a, b] = [randoms(dtype, depth), randoms(dtype, depth)];
    let total = 0.25;
    for (let start = 0; start < depth; start += block) {
      let sum = 0;
      for (let k = start; k < Math.min(start + block, depth); k++) sum = round(sum + round(a[k] * b[k]));
      total += sum;
    }
    expect(products(a, b, 1, 1, depth, Float64Array.of(0.25))[0][0]).toBe(round(total));
  });

  it("read nothing behind operands that end at the last byte of memory", () => {
    for (const lines of LENGTHS) {
      for (const depth of [1, 2, 3, 5, 8]) {
        const arena = new Arena(5);
        const { kernels, memory } = arena;
        const step = depth * bytes;
        const from = memory.buffer.byteLength - lines * step;
        const matrix = new ARRAYS[dtype](memory.buffer, from, lines * depth);
        matrix.set(randoms(dtype, lines * depth));
        const packed = arena.bytes(Math.max(kernels.packedBytes(bytes, lines, depth), kernels.packedBytes(bytes, depth, lines)));
        const scratch = arena.bytes(kernels.scratchBytes(bytes));
        const out = arena.put(new ARRAYS[dtype](Math.max(lines, depth) ** 2) as Floats);
        const sums = arena.bytes(Math.max(kernels.sumsBytes(bytes, lines, depth), kernels.sumsBytes(bytes, lines, lines)));
        const columnSums = arena.bytes(8 * depth);
        kernels.packColumns(bytes, from, step, depth, lines, packed);
        kernels.transposedProduct(bytes, from, step, lines, packed, depth, out.ptr, step, 0, columnSums, 0, depth, scratch);
        const lastRow = memory.buffer.byteLength - lines * bytes;
        kernels.addProduct(bytes, lastRow, 0, 1, from, step, depth, lines, block, 0, sums, 0, kernels.tilesOf(bytes, depth), scratch);
        kernels.packRows(bytes, from, step, lines, depth, packed);
        kernels.product(bytes, from, step, packed, lines, depth, block, 0, 0, out.ptr, lines * bytes, bytes, 0, 0, lines, scratch);
        const last = matrix.subarray(-depth);
        expectDot("the last", dtype, out.view[lines * lines - 1], last, last, productBound(dtype, depth));
      }
    }
  });

  it("add to what is there, and leave rows that are not open out, whatever they hold", () => {
    const [rows, depth, columns] = [5, 7, 19];
    const [a, b] = [randoms(dtype, rows * depth), randoms(dtype, depth * columns)];
    const open = Uint8Array.from({ length: depth }, (_, k) => Number(k % 4 > 0));
    b.forEach((_, i) => {
      if (!open[Math.floor(i / columns)]) b[i] = i % 2 ? Number.NaN : Infinity;
    });
    const want = Float64Array.from({ length: rows * columns }, (_, i) => {
      const [row, column] = [Math.floor(i / columns), i % columns];
      return every(a, row * depth, depth).reduce((sum, x, k) => (open[k] ? sum + x * b[k * columns + column] : sum), 0);
    });
    const arena = new Arena(8);
    const { kernels } = arena;
    const [x, y] = [arena.put(a), arena.put(b)];
    const mask = arena.put(Float64Array.from({ length: 1 }));
    new Uint8Array(mask.view.buffer, mask.ptr).set(open);
    const sums = arena.put(new Float64Array(kernels.sumsBytes(bytes, rows, columns) / 8));
    const out = arena.put(new ARRAYS[dtype](rows * columns) as Floats);
    const [scratch, step, tiles] = [arena.bytes(kernels.scratchBytes(bytes)), columns * bytes, kernels.tilesOf(bytes, columns)];
    for (const times of [1, 2]) {
      const args = [bytes, x.ptr, depth * bytes, rows, y.ptr, step, columns, depth, 3, mask.ptr, sums.ptr];
      kernels.addProduct(...args, 0, tiles, scratch);
      kernels.writeSums(bytes, sums.ptr, rows, columns, out.ptr, step);
      out.view.forEach((value, i) => {
        expect(value).toBeCloseTo(times * want[i], 4);
      });
    }
    arena.check();
  });
});

/** A batch of a linear layer. */
function batchOf(dtype: Dtype, rows: number, depth: number, classes: number) {
  return {
    shape: [rows, depth],
    input: randoms(dtype, rows * depth),
    weights: randoms(dtype, classes * depth),
    bias: Float64Array.from(randoms(dtype, classes)),
    labels: Int32Array.from({ length: rows }, () => Math.floor(random() * classes)),
  };
}

/** The logits of a batch, by the layer. */
function logitsOf({ input, weights, bias, shape }: ReturnType<typeof batchOf>, dtype: Dtype): Floats {
  const layer = new LinearCrossEntropy({ shape: [1, shape[1]], classes: bias.length, bias: true, dtype });
  layer.weights.set(weights);
  layer.bias.set(bias);
  return layer.logits(input) as Floats;
}

/** Options with which the loss of a batch is computed, and labels of another kind where they need them. */
const CASES: readonly {
  isSoft?: boolean;
  isMasked?: string;
  hasWeights?: boolean;
  outputs?: readonly Output[];
  [term: string]: unknown;
}[] = [
  {},
  { labelSmoothing: 0.1, zLoss: 1e-3, scale: 0.75, outputs: ["losses", "lse", "entropy", "argmax", "correct", "total"] },
  { softcap: 3, entropyWeight: 0.01, reduction: "sum", outputs: ["probs", "logProbs", "confidence", "calibration"] },
  { reduction: "none", outputs: ["topK", "accuracy", "perplexity", "meanEntropy", "validCount", "totalWeight", "firstBadRow"] },
  { isSoft: true, labelSmoothing: 0.2 },
  { isMasked: "shared", hasWeights: true, ignoreIndex: 1, outputs: ["scaleGradient", "confusion"] },
  { isMasked: "by row", hasWeights: true, divisor: 3, outputs: ["groups"] },
];

describe.each(DTYPES)("linearCrossEntropyWithGradient of %s", (dtype) => {
  it.each([
    [1, 1, 1],
    [3, 5, 7],
    [37, 33, 10],
    [600, 17, 9],
    [300, 10, 301],
    [5, 600, 12],
  ])("has for %i × %i × %i the loss of the logits, and gradients of exact products", (rows, depth, classes) => {
    const batch = batchOf(dtype, rows, depth, classes);
    const { input, weights, bias, shape } = batch;
    const logits = logitsOf(batch, dtype);
    for (const { isSoft, isMasked, hasWeights, ...terms } of CASES) {
      const labels = isSoft ? softmax(randoms(dtype, rows * classes), { shape: [rows, classes] }) : batch.labels;
      const options = {
        ...terms,
        ...(hasWeights && { weights: bias.map(Math.abs), sampleWeights: Float64Array.from({ length: rows }, () => random()) }),
        ...(isMasked && {
          mask: Uint8Array.from({ length: isMasked === "shared" ? classes : rows * classes }, (_, k) =>
            Number(random() > 0.3 || k % classes === 0),
          ),
        }),
        ...(terms.outputs?.includes("groups") && {
          groups: Int32Array.from({ length: rows }, (_, r) => r % 3),
        }),
      };
      const { gradient, ...rest } = crossEntropyWithGradient(logits, labels, { ...options, shape: [rows, classes] });
      const got = linearCrossEntropyWithGradient(input, weights, labels, { ...options, shape, bias });
      const { inputGradient, weightsGradient, biasGradient, ...others } = got;
      const bytesOf = (result: { total?: LossTotal }) => ({ ...result, total: result.total?.toBytes() });
      expect(bytesOf(others)).toEqual(bytesOf(rest));
      const lossOnly: unknown = linearCrossEntropy(input, weights, labels, {
        ...options,
        outputs: undefined,
        groups: undefined,
        shape,
        bias,
      } as object);
      expect(lossOnly).toEqual(others.loss);
      const [r, c, d] = [rows >> 1, classes >> 1, depth - 1];
      for (const row of [0, r, rows - 1]) {
        const g = every(gradient, row * classes, classes);
        const bound = productBound(dtype, classes, classesOfBlock(dtype, depth));
        for (const k of [0, d]) expectDot(`input (${row}, ${k})`, dtype, inputGradient[row * depth + k], g, every(weights, k, classes, depth), bound); // biome-ignore format: one line
      }
      for (const j of [0, c, classes - 1]) {
        const g = every(gradient, j, rows, classes);
        const bound = productBound(dtype, rows, rowsOfChunk(dtype, classes, depth), true);
        for (const k of [0, d]) expectDot(`weights (${j}, ${k})`, dtype, weightsGradient[j * depth + k], g, every(input, k, rows, depth), bound); // biome-ignore format: one line
        expectDot(`bias ${j}`, dtype, biasGradient[j], g, new Float64Array(rows).fill(1), bound);
      }
    }
  });

  it("has bits of a row that depend on that row alone", () => {
    const [rows, depth, classes] = [70, 300, 23];
    const batch = batchOf(dtype, rows, depth, classes);
    const { input, weights, bias, labels, shape } = batch;
    const whole = linearCrossEntropyWithGradient(input, weights, labels, { shape, bias, divisor: 7, outputs: ["losses"] });
    for (let first = 0, count = 1; first < rows; first += count, count = Math.min(2 * count + 1, rows - first)) {
      const piece = linearCrossEntropyWithGradient(
        input.subarray(first * depth, (first + count) * depth),
        weights,
        labels.subarray(first, first + count),
        { shape: [count, depth], bias, divisor: 7, outputs: ["losses"] },
      );
      expect(piece.losses).toEqual(whole.losses.subarray(first, first + count));
      expect(piece.inputGradient).toEqual(whole.inputGradient.subarray(first * depth, (first + count) * depth));
    }
  });

  it("takes 12 MB at most for the head of a language model", () => {
    const [rows, depth, classes] = [70, 512, dtype === "float32" ? 32_000 : 16_000];
    const weights = new ARRAYS[dtype](classes * depth).fill(2 ** -10);
    const { loss } = linearCrossEntropyWithGradient(randoms(dtype, rows * depth), weights, new Int32Array(rows), { shape: [rows, depth] });
    expect(loss).toBeCloseTo(Math.log(classes), 5);
    expect(sharedStream().instance.byteLength).toBeLessThan(12e6);
  });
});

describe("special values", () => {
  const options = { shape: [3, 2], sampleWeights: [1, 1, 1] };
  const input = Float64Array.of(1, 2, 3, 4, 5, 6);
  const weights = Float64Array.of(1, 0, 0, 1, 1, 1);

  it("an ignored row has no gradient and no part in others, even if it holds NaN", () => {
    const withNaN = input.slice().fill(Number.NaN, 2, 4);
    const got = linearCrossEntropyWithGradient(withNaN, weights, [0, -1, 2], { ...options, ignoreIndex: -1 });
    const want = linearCrossEntropyWithGradient(Float64Array.of(1, 2, 5, 6), weights, [0, 2], { shape: [2, 2] });
    expect(got.loss).toBe(want.loss);
    expect(got.weightsGradient).toEqual(want.weightsGradient);
    expect(got.inputGradient).toEqual(Float64Array.of(...want.inputGradient.subarray(0, 2), 0, 0, ...want.inputGradient.subarray(2)));
  });

  it("a class that the mask excludes may have weights that are NaN", () => {
    const [broken, other] = [Number.NaN, 7].map((value) =>
      linearCrossEntropyWithGradient(input, weights.slice().fill(value, 2, 4), [0, 2, 2], { ...options, mask: [1, 0, 1] }),
    );
    expect(broken).toEqual(other);
    expect(broken.weightsGradient.subarray(2, 4)).toEqual(new Float64Array(2));
  });

  it("rows that all weigh 0 have the gradient 0, whatever the operands are", () => {
    const got = linearCrossEntropyWithGradient(input.slice().fill(Number.NaN), weights, [0, 1, 2], {
      ...options,
      bias: [1, 2, 3],
      sampleWeights: 0,
    });
    expect(got.loss).toBe(0);
    expect(got.inputGradient).toEqual(new Float64Array(6));
    expect(got.weightsGradient).toEqual(new Float64Array(6));
    expect(got.biasGradient).toEqual(new Float64Array(3));
  });

  it("NaN in a row of the input makes NaN of that row", () => {
    const { losses } = linearCrossEntropyWithGradient(input.slice().fill(Number.NaN, 2, 3), weights, [0, 1, 2], {
      ...options,
      outputs: ["losses"],
    });
    expect(Array.from(losses, Number.isNaN)).toEqual([false, true, false]);
  });

  it("NaN in a weight makes NaN of every row", () => {
    const { losses } = linearCrossEntropyWithGradient(input, weights.slice().fill(Number.NaN, 5), [0, 1, 0], {
      ...options,
      outputs: ["losses"],
    });
    expect(Array.from(losses, Number.isNaN)).toEqual([true, true, true]);
  });

  it("no rows have empty results, and zeros for the weights", () => {
    const got = linearCrossEntropyWithGradient(new Float64Array(0), weights, [], { shape: [0, 2], bias: [1, 2, 3] });
    expect(got).toEqual({
      loss: 0,
      inputGradient: new Float64Array(0),
      weightsGradient: new Float64Array(6),
      biasGradient: new Float64Array(3),
    });
  });
});

describe("containers", () => {
  const nested = { input: [[1, 2], [3, 4]], weights: [[1, 0], [0, 1], [1, 1]], labels: [0, 2] }; // biome-ignore format: one line

  it("results have the form of their operands", () => {
    const { input, weights, labels } = nested;
    const got = linearCrossEntropyWithGradient(input, weights, labels, { bias: [1, 0, 0], outputs: ["lse", "argmax"] });
    expect(got.inputGradient.map((row) => row.length)).toEqual([2, 2]);
    expect(got.weightsGradient.map((row) => row.length)).toEqual([2, 2, 2]);
    expect(got.biasGradient).toHaveLength(3);
    expect(got.lse).toHaveLength(2);
    const float32 = { data: Float32Array.from(input.flat()), dims: [2, 1, 2] };
    const rows = weights.map((line) => Float32Array.from(line));
    const typed = linearCrossEntropyWithGradient(float32, rows, [[0], [2]], { bias: [1, 0, 0], inputGradient: false, outputs: ["lse"] });
    expect(typed).not.toHaveProperty("inputGradient");
    expect(typed.weightsGradient[0]).toBeInstanceOf(Float32Array);
    typed.weightsGradient.forEach((line, j) => {
      for (const d of [0, 1]) expect(line[d]).toBeCloseTo(got.weightsGradient[j][d], 6);
    });
    expect(typed.lse).toMatchObject({ shape: [2, 1] });
    expect(typed.biasGradient).toBeInstanceOf(Float32Array);
  });

  it("float16 is widened", () => {
    const half = { data: Uint16Array.of(0x3c00, 0x4000), dims: [1, 2], type: "float16" };
    const { loss, inputGradient } = linearCrossEntropyWithGradient(half, Float32Array.of(1, 0, 0, 1), [1]);
    expect(loss).toBeCloseTo(Math.log1p(Math.exp(-1)), 12);
    expect(inputGradient).toMatchObject({ data: expect.any(Float32Array), shape: [1, 2] });
  });

  it.each([
    [
      { weights: new Float64Array(5) },
      '"weights" expected the shape [C, 2], as "input" has the shape [2, 2], a multiple of 2 elements, got a Float64Array of length 5',
    ],
    [{ weights: [[1, 2, 3]] }, '"weights" expected the shape [C, 2], as "input" has the shape [2, 2], got [1, 3]'],
    [{ weights: new Float32Array(4) }, '"weights" expected float64, the element type of "input", got float32'],
    [{ options: { bias: [1] } }, '"bias" expected 3 numbers, one for each class of "weights" [3, 2], got [1]'],
    [{ input: 5 }, '"input" expected at least one axis, of features, got []'],
    [{ input: [[], []] }, '"input" expected at least one feature on its last axis, got [2, 0]'],
    [{ labels: [0, 3] }, '"labels" expected an integer from 0 to 2 (C = 3) at row 1, got 3'],
    [{ options: { axis: 0 } }, '"options" expected only the names shape, reduction,'],
    [{ options: { inputGradient: 1 } }, '"inputGradient" expected true or false, got 1'],
    [{ options: { weights: [1, 2] } }, '"weights" expected 3 numbers, one for each class'],
    [{ weights: [] }, '"weights" expected the shape [C, 2]'],
  ])("%# bad arguments are named", (change, message) => {
    const { input, weights, labels, options } = { ...nested, options: {}, ...change } as unknown as { [name: string]: never };
    expect(() => linearCrossEntropyWithGradient(input, weights, labels, options)).toThrow(message);
  });
});

describe.each(DTYPES)("LinearCrossEntropy of %s", (dtype) => {
  const [rows, depth, classes] = [40, 19, 11];
  const batch = batchOf(dtype, rows, depth, classes);
  const { input, weights, bias, labels, shape } = batch;

  function layerOf(options: object) {
    const layer = new LinearCrossEntropy({ shape, classes, dtype, bias: true, ...options });
    layer.weights.set(weights);
    layer.bias.set(bias);
    layer.input.set(input);
    layer.labels.set(labels);
    return layer;
  }

  it("has the results of the function", () => {
    const terms = { labelSmoothing: 0.1, zLoss: 1e-3 };
    const want = linearCrossEntropyWithGradient(input, weights, labels, { shape, bias, ...terms, outputs: ["losses", "correct"] });
    const layer = layerOf({ ...terms, outputs: ["losses", "correct"] });
    expect(layer.forward()).toBe(want.loss);
    const got = layer.backward();
    expect(got).toEqual({ input: want.inputGradient, weights: want.weightsGradient, bias: want.biasGradient });
    expect(layer.outputs).toEqual({ losses: want.losses, correct: want.correct });
    expect(layer.backward(2).weights).toEqual(want.weightsGradient.map((g: number) => 2 * g));
    const other = new LinearCrossEntropy({ shape, classes, dtype, inputGradient: false });
    expect(other.forward(input, labels)).toBeCloseTo(Math.log(classes), 5);
    expect(Object.keys(other.backward())).toEqual(["weights"]);
  });

  it("adds the gradients of micro-batches to those of the whole batch", () => {
    const whole = layerOf({});
    whole.forward();
    const want = whole.backward();
    const micro = new LinearCrossEntropy({ shape: [8, depth], classes, dtype, bias: true, accumulate: true, divisor: rows });
    micro.weights.set(weights);
    micro.bias.set(bias);
    let loss = 0;
    const gradients: number[] = [];
    for (let first = 0; first < rows; first += 8) {
      loss += micro.forward(
        { data: input.subarray(first * depth, (first + 8) * depth), shape: [8, depth] },
        labels.subarray(first, first + 8),
      );
      gradients.push(...(micro.backward().input as Floats));
    }
    expect(loss).toBeCloseTo(whole.forward(), 12);
    expect(gradients).toEqual(Array.from(want.input as Floats));
    const g = crossEntropyWithGradient(logitsOf(batch, dtype), labels, { shape: [rows, classes] }).gradient;
    for (let j = 0; j < classes; j++) {
      const ofClass = every(g, j, rows, classes);
      const bound = productBound(dtype, rows, 8, true);
      for (let d = 0; d < depth; d++)
        expectDot("weights", dtype, micro.weightsGradient[j * depth + d], ofClass, every(input, d, rows, depth), bound);
      expectDot("bias", dtype, micro.biasGradient[j], ofClass, new Float64Array(rows).fill(1), bound);
    }
  });

  it("adds micro-batches of whole chunks to the bits of the whole batch", () => {
    const chunk = rowsOfChunk(dtype, 3, 2);
    const [x, y] = [randoms(dtype, 4 * chunk), Int32Array.from({ length: 2 * chunk }, (_, r) => r % 3)];
    const w = randoms(dtype, 6);
    const want = linearCrossEntropyWithGradient(x, w, y, { shape: [2 * chunk, 2] });
    const micro = new LinearCrossEntropy({ shape: [chunk, 2], classes: 3, dtype, accumulate: true, divisor: 2 * chunk });
    micro.weights.set(w);
    for (const part of [0, 1]) {
      micro.forward(x.subarray(2 * chunk * part, 2 * chunk * (part + 1)), y.subarray(chunk * part, chunk * (part + 1)));
      micro.backward();
    }
    expect(micro.weightsGradient).toEqual(want.weightsGradient);
  });

  it("predicts for any number of rows, with the bits of the loss", () => {
    const layer = layerOf({ scale: 0.5, softcap: 2 });
    const one = input.subarray(0, depth);
    const logits = layer.logits(input) as Floats;
    expect(layer.logits(one)).toEqual(logits.subarray(0, classes));
    const changed = softmax(logits, { shape: [rows, classes], scale: 0.5, softcap: 2 });
    expect(layer.probs(input)).toEqual(changed);
    const before = layer.forward();
    layer.logits(randoms(dtype, 1000 * depth));
    expect(layer.forward()).toBe(before);
  });

  it("has its views in one place, and no arrays of its own in a call", () => {
    const [rows, depth, classes] = [700, 300, 20];
    const terms = { labelSmoothing: 0.1, softcap: 5, ignoreIndex: 0, sampleWeights: true } as const;
    for (const options of [{ labels: "distribution" }, { ...terms, accumulate: true }, { ...terms, outputs: ["losses"] }] as const) {
      const layer = new LinearCrossEntropy({ shape: [rows, depth], classes, dtype, bias: true, ...options });
      const [views, byteLength] = [[layer.input, layer.weights, layer.biasGradient], layer.byteLength];
      const step = () => {
        layer.forward();
        layer.backward();
        layer.backward(2);
      };
      step();
      const before = process.memoryUsage().arrayBuffers;
      for (let i = 0; i < 4; i++) step();
      // The losses of the rows are handed out, as doubles that are rounded for float32.
      expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(4 * 12 * rows + 4000);
      layer.logits(randoms(dtype, 3 * rows * depth));
      expect([layer.input, layer.weights, layer.biasGradient].map((view, i) => view === views[i])).toEqual([true, true, true]);
      expect(layer.byteLength).toBe(byteLength);
    }
  });

  it("takes weights of rows, distributions and a mask", () => {
    const sampleWeights = Float64Array.from({ length: rows }, (_, r) => r % 3);
    const soft = softmax(randoms(dtype, rows * classes), { shape: [rows, classes] });
    const mask = Array.from({ length: classes }, (_, j) => j !== 4);
    const want = linearCrossEntropyWithGradient(input, weights, soft, { shape, bias, sampleWeights, mask });
    const layer = new LinearCrossEntropy({ shape, classes, dtype, bias: true, labels: "distribution", sampleWeights: true, mask });
    layer.weights.set(weights);
    layer.bias.set(bias);
    layer.sampleWeights.set(sampleWeights);
    expect(layer.forward(input, soft)).toBe(want.loss);
    expect(layer.backward().weights).toEqual(want.weightsGradient);
  });

  it("says what is wrong", () => {
    const make = (options: object) => () => new LinearCrossEntropy({ shape: [2, 3], classes: 4, dtype, ...options });
    expect(make({ shape: [2] })).toThrow('"shape" expected [N, D], rows and at least one feature, got [2]');
    expect(make({ classes: 0 })).toThrow('"classes" expected an integer from 1 to 2147483647, got 0');
    expect(make({ reduction: "none" })).toThrow('"reduction" expected one of "mean", "sum", got "none"');
    expect(make({ outputs: ["probs"] })).toThrow('"outputs" expected none of probs, logProbs, groups, got "probs"');
    expect(make({ mask: [1] })).toThrow('"mask" expected 4 entries, one for each class, got');
    expect(make({ axis: 1 })).toThrow('"options" expected only the names shape, classes,');
    expect(make({ classes: 2 ** 30 })).toThrow('"shape" expected a batch that fits in WebAssembly memory, got one that needs');
    const layer = make({})();
    expect(() => layer.backward()).toThrow("LinearCrossEntropy: backward() expected a call of forward() first");
    expect(() => layer.bias).toThrow("LinearCrossEntropy: bias expected the option bias: true");
    expect(() => layer.logits(new ARRAYS[dtype](4))).toThrow('"input" expected rows of 3 features, got');
    expect(() => layer.forward(new ARRAYS[dtype](3), [0])).toThrow('"input" expected the shape [2, 3], got [1, 3]');
    expect(() => layer.forward(new ARRAYS[dtype](6), [0, 4])).toThrow('"labels" expected an integer from 0 to 3');
    layer.labels[1] = -1;
    expect(() => layer.forward()).toThrow('"labels" expected an integer from 0 to 3 (C = 4) at row 1, got -1');
    layer.labels[1] = 0;
    layer.forward();
    expect(() => layer.backward("1" as never)).toThrow('"upstream" expected a number, got "1"');
    layer.dispose();
    layer.dispose();
    expect(() => layer.forward()).toThrow("LinearCrossEntropy expected no use after dispose()");
  });
});

describe.each(DTYPES)("the linear layer by itself, in %s", (dtype) => {
  // More rows than a chunk has.
  const [rows, depth, classes] = [600, 21, 13];
  const input = randoms(dtype, rows * depth);
  const weights = randoms(dtype, classes * depth);
  const bias = randoms(dtype, classes);
  const labels = Int32Array.from({ length: rows }, (_, r) => r % classes);
  const shape = [rows, depth];

  it("has the bits of the layer with a loss, forward and backward", () => {
    const logits = linear(input, weights, { shape, bias });
    const head = new LinearCrossEntropy({ shape, classes, dtype, bias: true });
    head.weights.set(weights);
    head.bias.set(bias);
    expect(logits).toEqual(head.logits(input));
    const { gradient } = crossEntropyWithGradient(logits, labels, { shape: [rows, classes] });
    const want = linearCrossEntropyWithGradient(input, weights, labels, { shape, bias });
    const got = linearBackward(gradient, input, weights, { shape });
    expect(got).toEqual({
      inputGradient: want.inputGradient,
      weightsGradient: want.weightsGradient,
      biasGradient: want.biasGradient,
    });
    expect(linearBackward(gradient, input, weights, { shape, inputGradient: false })).toEqual({
      weightsGradient: want.weightsGradient,
      biasGradient: want.biasGradient,
    });
  });

  it("takes no rows", () => {
    const none = new ARRAYS[dtype](0);
    expect(linear(none, weights, { shape: [0, depth] })).toEqual(none);
    const { weightsGradient, biasGradient } = linearBackward(none, none, weights, { shape: [0, depth] });
    expect([...weightsGradient, ...biasGradient].every((value) => value === 0)).toBe(true);
  });

  it("says what is wrong", () => {
    const upstream = new ARRAYS[dtype](rows * classes);
    const other = dtype === "float32" ? new Float64Array(rows * classes) : new Float32Array(rows * classes);
    expect(() => linear(input, weights, { shape, bias: [1] })).toThrow(
      '"bias" expected 13 numbers, one for each class of "weights" [13, 21]',
    );
    expect(() => linear(input, weights.subarray(1), { shape })).toThrow('"weights" expected the shape [C, 21], as "input" has');
    expect(() => linear(input, weights, { axis: 1 } as never)).toThrow('"options" expected only the names shape, bias');
    expect(() => linearBackward(upstream.subarray(1), input, weights, { shape })).toThrow(
      '"upstream" expected the shape [600, 13], that of the results, got [7799]',
    );
    expect(() => linearBackward(other, input, weights, { shape })).toThrow(TypeError);
    expect(() =>
      linearBackward(
        [[1]],
        [[1, 2]],
        [
          [1, 2],
          [3, 4],
        ],
      ),
    ).toThrow('"upstream" expected the shape [1, 2], that of the results, got [1, 1]');
  });
});
