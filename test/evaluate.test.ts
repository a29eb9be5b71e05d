// The evaluation of files: what the readers take and refuse, the plan, and the command against one call of crossEntropy on everything.

import { mkdtempSync, readFileSync, rmSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { command } from "../examples/evaluate/command.js";
import { readInput } from "../examples/evaluate/files.js";
import { generate } from "../examples/evaluate/generate.js";
import { readNpyHead } from "../examples/evaluate/npy.js";
import { showBytes, showSeconds } from "../examples/evaluate/options.js";
import { type Piece, type Plan, planOf, rowsOf } from "../examples/evaluate/pieces.js";
import { type Evaluate, locally, run } from "../examples/evaluate/run.js";
import { seeded } from "../reference/data.js";
import { crossEntropy } from "../src/index.js";
import { npy, safetensors, writeNpy } from "./npy-files.js";

const folder = mkdtempSync(join(tmpdir(), "evaluate-"));
afterAll(() => rmSync(folder, { recursive: true }));

let files = 0;
const newPath = (ending = "npy") => join(folder, `${files++}.${ending}`);

function written(bytes: Uint8Array, ending?: string): string {
  const path = newPath(ending);
  writeFileSync(path, bytes);
  return path;
}

async function headOf(bytes: Uint8Array) {
  const path = written(bytes);
  const file = await open(path);
  const { type, shape, offset } = await readNpyHead(file, path).finally(() => file.close());
  return { type, shape, offset };
}

/** The message of a command that fails, without the paths before its files. */
async function failureOf(args: readonly string[]): Promise<string> {
  const message = await command(args).then(
    (text) => `no error: ${text}`,
    (error: Error) => error.message,
  );
  expect(message).not.toContain("\n");
  return message.replaceAll(`${folder}/`, "");
}

/** Runs the command, and gives its JSON. */
const resultOf = async (...args: string[]) => JSON.parse(await command([...args, "--json"]));

describe("a head of .npy", () => {
  const six = new Float32Array(6);

  it.each([1, 2, 3])("of version %i is read", async (version) => {
    const bytes = npy(six, [2, 3], { version });
    expect(await headOf(bytes)).toEqual({ type: "float32", shape: [2, 3], offset: bytes.length - 24 });
  });

  it.each([
    ["without padding", "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", [2, 3]],
    ["in another order, without the last comma", "{'shape': (2, 3), 'fortran_order': False, 'descr': '<f4'}\n", [2, 3]],
    ["with double quotes and no spaces", '{"descr":"<f4","fortran_order":False,"shape":(2,3)}\n', [2, 3]],
    ["of Python 2", "{'descr': '<f4', 'fortran_order': False, 'shape': (2L, 3L), }\n", [2, 3]],
    ["of one axis", "{'descr': '<f4', 'fortran_order': False, 'shape': (6,), }\n", [6]],
    ["in Fortran order with one long axis", "{'descr': '<f4', 'fortran_order': True, 'shape': (1, 6), }\n", [1, 6]],
  ])("%s is read", async (_, header, shape) => {
    expect((await headOf(npy(six, [], { header }))).shape).toEqual(shape);
  });

  it.each([
    ["an empty file", Buffer.alloc(0), "the file ends where 10 more bytes were expected (at byte 0)"],
    ["another file", Buffer.from("PK\x03\x04 and more"), "no .npy file: it does not begin with \\x93NUMPY (at byte 0)"],
    ["version 4", npy(six, [2, 3], { version: 4 }), "the version 4.0 of .npy is none of 1, 2 and 3 (at byte 6)"],
    ["a header that is cut off", npy(six, [2, 3]).subarray(0, 100), "the file ends where 28 more bytes were expected (at byte 100)"],
    [
      "a header that is too long",
      npy(six, [2, 3], { version: 2, header: " ".repeat(2 ** 20 + 1) }),
      "a header of 1048577 bytes is too long",
    ],
    ["Fortran order", npy(six, [2, 3], { fortranOrder: true }), "the elements are in Fortran order; np.ascontiguousarray(a) brings them"],
    ["big-endian elements", npy(six, [2, 3], { descr: ">f4" }), "the type '>f4' is big-endian"],
    ["complex elements", npy(six, [3], { descr: "<c8" }), "the type '<c8' is none of"],
    [
      "a record",
      npy(six, [3], { header: "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (6,), }\n" }),
      "no descr of a plain array",
    ],
    ["no shape", npy(six, [3], { header: "{'descr': '<f4', 'fortran_order': False}\n" }), "no shape of a plain array"],
    [
      "a negative length",
      npy(six, [3], { header: "{'descr': '<f4', 'fortran_order': False, 'shape': (-6,)}\n" }),
      "no shape of a plain array",
    ],
    ["a shape beyond all files", npy(six, [2 ** 40, 2 ** 40]), "is too large"],
    ["an array that is cut off", npy(six, [2, 3]).subarray(0, 150), "float32 [2, 3] ends at byte 152, but the file has only 150 bytes"],
    ["bytes behind the array", Buffer.concat([npy(six, [2, 3]), Buffer.of(0)]), "ends at byte 152, but the file has 153 bytes"],
  ])("of %s is refused with the file's name", async (_, bytes, message) => {
    const path = written(bytes);
    const failure = await failureOf([path, path]);
    expect(failure).toContain(message);
    expect(failure).toMatch(/^\d+\.npy: /);
  });
});

/** Logits (2, 3) and labels that fit, and those of the tests that do not. */
const twoRows = () => writeNpy(newPath(), Float32Array.of(1, 2, 3, 4, 5, 6), [2, 3]);
const twoLabels = () => writeNpy(newPath(), Int32Array.of(2, 0), [2]);

describe("a .safetensors file", () => {
  const tensors = safetensors({
    logits: ["F32", [2, 3], Float32Array.of(1, 2, 3, 4, 5, 6)],
    labels: ["I64", [2], BigInt64Array.of(2n, 0n)],
    half: ["BF16", [1], new Uint16Array(1)],
  });

  it("gives the tensors that are named", async () => {
    const path = written(tensors, "safetensors");
    const { loss } = await resultOf(path, path, "--tensor", "logits", "--labels-tensor", "labels");
    expect(loss).toBe((await resultOf(twoRows(), twoLabels())).loss);
    const single = written(safetensors({ x: ["F32", [2, 3], Float32Array.of(1, 2, 3, 4, 5, 6)] }), "safetensors");
    expect((await resultOf(single, twoLabels())).loss).toBe(loss);
  });

  it.each([
    ["no name among several", tensors, [], "a tensor must be named, one of logits, labels, half"],
    ["a name that it has not", tensors, ["--tensor", "toString"], "there is no tensor toString, but logits, labels, half"],
    ["a type without numbers here", tensors, ["--tensor", "half"], "the type BF16 of the tensor half is none of F64"],
    ["integers as logits", tensors, ["--tensor", "labels"], "logits of the type int64 are no floating-point numbers"],
    ["a header that does not fit", tensors.subarray(0, 50), [], "no .safetensors file: a header of"],
    ["another header", Buffer.from("\x02\0\0\0\0\0\0\0[}", "latin1"), [], "the header is not the JSON of a .safetensors file (at byte 8)"],
    ["tensors that are cut off", tensors.subarray(0, -30), ["--tensor", "logits"], "but the file has only"],
    [
      "a shape that differs from its bytes",
      safetensors({ x: ["F32", [7], new Float32Array(6)] }),
      [],
      "the tensor x has 24 bytes, but its shape needs 28",
    ],
  ])("with %s is refused", async (_, bytes, options, message) => {
    expect(await failureOf([written(bytes, "safetensors"), twoLabels(), ...options])).toContain(message);
  });
});

describe("files that do not fit together", () => {
  const other = (shape: number[]) => writeNpy(newPath(), new Float32Array(shape.reduce((a, b) => a * b)), shape);
  const labels = (shape: number[]) => writeNpy(newPath(), new Int32Array(shape.reduce((a, b) => a * b)), shape);

  it.each([
    ["too few labels", () => [twoRows(), labels([1])], "1 labels for 2 rows of logits"],
    ["labels of other axes", () => [other([2, 3, 4]), labels([4, 2])], "labels of the shape [4, 2] do not fit logits of [2, 3, 4], axis 2"],
    ["labels that are no integers", () => [twoRows(), twoRows()], "labels of the type float32 are no integers"],
    ["logits of other classes", () => [`${twoRows()},${other([1, 4])}`, labels([3])], "the shape [1, 4] does not continue [2, 3] of"],
    [
      "logits of another type",
      () => [`${twoRows()},${writeNpy(newPath(), new Float64Array(3), [1, 3])}`, labels([3])],
      "the type float64 differs from float32 in",
    ],
    ["an axis that there is not", () => [twoRows(), labels([2]), "--axis", "2"], "the shape [2, 3] has no axis 2"],
    ["several files with classes along axis 0", () => [`${twoRows()},${twoRows()}`, labels([3]), "--axis", "0"], "logits must be one file"],
    ["no rows", () => [writeNpy(newPath(), new Float32Array(0), [0, 3]), labels([2])], "has no rows"],
    ["no classes", () => [writeNpy(newPath(), new Float32Array(0), [2, 0]), labels([2])], "has no classes"],
    ["no file", () => [join(folder, "none.npy"), labels([2])], "none.npy: no such file"],
    ["a folder", () => [folder, labels([2])], "a directory, not a file"],
    ["a pattern without files", () => [join(folder, "none-*.npy"), labels([2])], "none-*.npy: no file has such a name"],
    [
      "a label that is no class",
      () => [twoRows(), writeNpy(newPath(), Int32Array.of(0, 3), [2])],
      "the label 3 of row 1 is not from 0 to 2; --ignore leaves rows out (at byte 132)",
    ],
    [
      "a label beyond all integers",
      () => [twoRows(), writeNpy(newPath(), BigUint64Array.of(0n, 2n ** 64n - 1n), [2])],
      "the label 18446744073709551615 of row 1",
    ],
    ["too little memory", () => [twoRows(), labels([2]), "--memory", "16"], "more than --memory allows"],
  ])("%s: the message names the file", async (_, args, message) => {
    const failure = await failureOf(args());
    expect(failure).toContain(message);
  });

  it.each([
    [[6, 3], "-1", "64"],
    [[3, 3, 2], "1", "128"],
  ])("of a later block of %j have the row and byte of the file", async (shape, axis, memory) => {
    const path = writeNpy(newPath(), new Float32Array(18), shape);
    const labels = writeNpy(newPath(), Int32Array.of(0, 0, 0, 0, 9, 0), [6]);
    const message = await failureOf([path, labels, "--axis", axis, "--memory", memory]);
    expect(message).toContain("the label 9 of row 4 is not from 0 to 2; --ignore leaves rows out (at byte 144)");
  });

  it("of the second file count rows from its beginning", async () => {
    const second = writeNpy(newPath(), Int32Array.of(0, 0, -100, -7), [4]);
    const message = await failureOf([
      `${twoRows()},${twoRows()},${twoRows()}`,
      `${twoLabels()},${second}`,
      "--ignore",
      "-100",
      "--piece",
      "12",
    ]);
    expect(`${folder}/${message}`).toBe(`${second}: the label -7 of row 3 is not from 0 to 2, nor -100 (at byte 140)`);
  });
});

describe("options", () => {
  it.each([
    [[], "expected two arguments, logits and labels, got 0"],
    [["--threads", "0"], '--threads expected an integer from 1 to 128, or "auto", got "0"'],
    [["--memory", "many"], '--memory expected a number of bytes such as 256MB, got "many"'],
    [["--smoothing", "2"], '"labelSmoothing" expected a number from 0 to 1, got 2'],
    [["--bins", "x"], '--bins expected a number, got "x"'],
    [["--report", "r.pdf"], '--report expected a .svg or .html file, got "r.pdf"'],
    [["--resume"], "--resume expected --journal or --redis, which keep results"],
    [["--no-such"], "Unknown option '--no-such'"],
  ])("%j are an error of one line", async (args, message) => {
    const paths = args.length === 0 ? [] : [twoRows(), twoLabels()];
    expect(await failureOf([...paths, ...args])).toContain(message);
  });

  it("have a text of help", async () => {
    expect(await command(["--help"])).toContain("npm run evaluate -- logits.npy labels.npy [options]");
  });

  it("show bytes and times", () => {
    expect([999, 1e3, 2.5e6, 4e9, 1e14].map(showBytes)).toEqual(["999 bytes", "1.00 kB", "2.50 MB", "4.00 GB", "100 TB"]);
    expect([0.04, 12.3, 600, 86_400].map(showSeconds)).toEqual(["0.0 s", "12 s", "10 min", "24 h 00"]);
  });
});

/** Logits (rows, classes, inner) with every row peaked somewhere, and labels; some are ignored. */
function data(rows: number, classes: number, inner: number) {
  const random = seeded(rows + classes);
  const logits = Float32Array.from({ length: rows * classes * inner }, () => 6 * random() ** 3);
  const labels = Int32Array.from({ length: rows * inner }, () => (random() < 0.2 ? -100 : Math.floor(random() * classes)));
  return { logits, labels };
}

/** Exact float16 bits of numbers that are multiples of 1/64 below 8. */
function float16Of(numbers: Float32Array): Uint16Array {
  return Uint16Array.from(numbers, (number) => {
    if (number === 0) return 0;
    const exponent = Math.floor(Math.log2(number));
    return ((exponent + 15) << 10) | ((number / 2 ** exponent - 1) * 1024);
  });
}

/** The plan of some files. */
async function planned(logits: string, labels: string, pieceBytes: number): Promise<Plan> {
  return planOf(await readInput(logits, labels), {}, pieceBytes);
}

describe("the plan", () => {
  const [a, b] = [data(7, 5, 1), data(9, 5, 1)];
  const logits = [writeNpy(newPath(), a.logits, [7, 5]), writeNpy(newPath(), b.logits, [9, 5])].join();
  const labels = [
    writeNpy(newPath(), new Int32Array(3), [3]),
    writeNpy(newPath(), new Int32Array(0), [0]),
    writeNpy(newPath(), new Int32Array(13), [13]),
  ].join();

  it.each([1, 40, 1e6])("of %i bytes a piece has each row once, in pieces of one file", async (pieceBytes) => {
    const { pieces } = await planned(logits, labels, pieceBytes);
    const at = (path: string, row: number, list: string, counts: number[]) => {
      const file = list.split(",").indexOf(path);
      return counts.slice(0, file).reduce((sum, count) => sum + count, 0) + row;
    };
    let next = 0;
    for (const [i, piece] of pieces.entries()) {
      expect(piece.index).toBe(i);
      expect(at(piece.logits.path, piece.logits.row, logits, [7, 9])).toBe(next);
      expect(at(piece.labels.path, piece.labels.row, labels, [3, 0, 13])).toBe(next);
      expect(piece.logits.offset).toBe(128 + piece.logits.row * 20);
      expect(piece.labels.offset).toBe(128 + piece.labels.row * 4);
      next += rowsOf(piece);
    }
    expect(next).toBe(16);
    expect(pieces.length).toBe(pieceBytes === 1 ? 16 : pieceBytes === 40 ? 9 : 3);
  });

  it("has a digest of its files, their times and the options", async () => {
    const { digest } = await planned(logits, labels, 40);
    expect((await planned(logits, labels, 59)).digest).toBe(digest);
    expect((await planned(logits, labels, 60)).digest).not.toBe(digest);
    expect(planOf(await readInput(logits, labels), { scale: 2 }, 40).digest).not.toBe(digest);
    utimesSync(labels.split(",")[0], 1, 1);
    expect((await planned(logits, labels, 40)).digest).not.toBe(digest);
  });
});

describe("the command", () => {
  const [rows, classes, inner] = [60, 11, 6];
  const { logits: numbers, labels } = data(rows, classes, inner);
  const logits = numbers.map((number) => Math.round(64 * number) / 64);
  const arrays = {
    float64: [Float64Array.from(logits), undefined],
    float32: [logits, undefined],
    float16: [float16Of(logits), "<f2"],
  } as const;

  /** Parts of logits or labels (rows, …) in files of their own. */
  function parts(
    array: Float64Array | Float32Array | Uint16Array | Int32Array | BigInt64Array,
    shape: readonly number[],
    cuts: number[],
    descr?: string,
  ): string {
    const size = array.length / shape[0];
    const ends = [...cuts, shape[0]];
    return ends
      .map((end, i) => {
        const start = ends[i - 1] ?? 0;
        return writeNpy(newPath(), array.slice(start * size, end * size) as Float32Array, [end - start, ...shape.slice(1)], { descr });
      })
      .join();
  }

  it.each([
    ["float64", [], [], []],
    ["float32", [], [], ["--scale", "0.5", "--top-k", "2"]],
    ["float16", [], [], ["--bins", "4"]],
    ["float32", [13, 40], [30], ["--smoothing", "0.1"]],
    ["float64", [1, 2], [1, 59], ["--piece", "1000", "--memory", "3kB"]],
    ["float16", [30], [], ["--piece", "700", "--memory", "3kB"]],
  ] as const)("of %s, cut at %j and %j, with %j, agrees with one call", async (dtype, cuts, labelCuts, options) => {
    const [array, descr] = arrays[dtype];
    const paths = [
      parts(array, [rows, classes, inner], [...cuts], descr),
      parts(BigInt64Array.from(labels, BigInt), [rows, inner], [...labelCuts]),
    ];
    const result = await resultOf(...paths, "--axis", "1", "--ignore", "-100", ...options);
    const value = (name: string) => {
      const i = (options as readonly string[]).indexOf(name);
      return i < 0 ? undefined : Number(options[i + 1]);
    };
    const whole = crossEntropy(arrays.float64[0], labels, {
      shape: [rows, classes, inner],
      axis: 1,
      ignoreIndex: -100,
      labelSmoothing: value("--smoothing") ?? 0,
      scale: value("--scale") ?? 1,
      topK: value("--top-k") ?? 5,
      bins: value("--bins") ?? 15,
      outputs: ["perplexity", "accuracy", "topKAccuracy", "meanEntropy", "validCount", "calibration"],
    });
    const { validCount, accuracy, topKAccuracy, calibration } = whole;
    expect(result).toMatchObject({ rows: rows * inner, classes, validCount, accuracy, topKAccuracy });
    expect(result.loss).toBeCloseTo(whole.loss, 13);
    expect(result.perplexity).toBeCloseTo(whole.perplexity, 12);
    expect(result.meanEntropy).toBeCloseTo(whole.meanEntropy, 13);
    expect(result.calibrationError).toBeCloseTo(calibration.error, 13);
    expect(result.bins.map((bin: { rows: number }) => bin.rows)).toEqual(Array.from(calibration.counts));
  });

  it("takes labels of any integers, patterns in the order of numbers, and classes along any axis", async () => {
    const small = Float32Array.from(logits.subarray(0, 24));
    const path = writeNpy(newPath(), small, [2, 3, 4]);
    const index = [0, 1, 2, 0, 1, 2, 0, 1];
    const digests = new Set<string>();
    for (const type of [Int8Array, Uint8Array, Int16Array, Uint16Array, Int32Array, Uint32Array]) {
      digests.add((await resultOf(path, writeNpy(newPath(), type.from(index), [8]), "--axis", "-2")).digest);
    }
    digests.add((await resultOf(path, writeNpy(newPath(), BigUint64Array.from(index, BigInt), [2, 1, 4]), "--axis", "1")).digest);
    expect(digests.size).toBe(1);

    const names = [2, 10].map((i) => join(folder, `part-${i}.npy`));
    writeNpy(names[0], small.subarray(0, 12), [1, 3, 4]);
    writeNpy(names[1], small.subarray(12), [1, 3, 4]);
    digests.add((await resultOf(join(folder, "part-*.npy"), writeNpy(newPath(), Int32Array.from(index), [8]), "--axis", "1")).digest);
    expect(digests.size).toBe(1);

    const first = await resultOf(writeNpy(newPath(), small, [3, 8]), writeNpy(newPath(), Int32Array.from(index), [8]), "--axis", "0");
    expect(first.loss).toBeCloseTo(crossEntropy(small, index, { shape: [3, 8], axis: 0 }), 6);
  });

  it("has the same digest for any pieces, memory and threads", async () => {
    const paths = [parts(logits, [rows, classes, inner], [20]), parts(labels, [rows, inner], []), "--axis", "1", "--ignore", "-100"];
    const { digest, pieces } = await resultOf(...paths);
    expect(pieces).toBe(2);
    expect((await resultOf(...paths, "--piece", "300")).digest).toBe(digest);
    expect((await resultOf(...paths, "--piece", "3000", "--memory", "2kB")).digest).toBe(digest);
    const threaded = await resultOf(...paths, "--piece", "500", "--threads", "2");
    expect(threaded.digest).toBe(digest);
    expect(threaded.pieces).toBeGreaterThan(20);
  });

  it("says in the terminal, in a picture and on a page what it says as JSON", async () => {
    const paths = [parts(logits, [rows, classes, inner], []), parts(labels, [rows, inner], []), "--axis", "1", "--ignore", "-100"];
    const [svg, html, json] = [newPath("svg"), newPath("html"), newPath("json")];
    const text = await command([...paths, "--report", svg]);
    expect(await command([...paths, "--report", html, "--json", json])).toContain("calibration error");
    const result = JSON.parse(readFileSync(json, "utf8"));
    for (const shown of [text, readFileSync(svg, "utf8"), readFileSync(html, "utf8")]) {
      expect(shown).toContain(result.loss.toPrecision(6));
      expect(shown).toContain(`${(100 * result.accuracy).toFixed(2)} %`);
    }
    expect(text.split("\n").filter((line) => line.includes("┃")).length).toBeGreaterThan(5);
    const used = result.bins.filter((bin: { rows: number }) => bin.rows > 0).length;
    const picture = readFileSync(svg, "utf8");
    expect(picture.match(/ rows, confidence /g)?.length).toBe(used);
    expect(unclosed(picture)).toEqual([]);
    expect(picture).not.toMatch(/NaN|undefined|Infinity/);
    expect(unclosed(readFileSync(html, "utf8").replace(/<(!doctype|meta|html|\/html)[^>]*>/g, ""))).toEqual([]);
  });

  it("writes no report where a piece cannot be evaluated", async () => {
    const bad = labels.slice();
    bad[359] = 11;
    const report = newPath("svg");
    const message = await failureOf([
      parts(logits, [rows, classes, inner], []),
      parts(bad, [rows, inner], []),
      "--axis",
      "1",
      "--ignore",
      "-100",
      "--piece",
      "300",
      "--report",
      report,
    ]);
    expect(message).toContain("the label 11 of row 359");
    expect(() => readFileSync(report)).toThrow(/ENOENT/);
  });
});

describe("shards of classes", () => {
  const [rows, classes, inner] = [50, 13, 4];
  const { logits: numbers, labels } = data(rows, classes, inner);
  const logits = numbers.map((number) => Math.round(64 * number) / 64);
  const arrays = { float64: [Float64Array.from(logits)], float32: [logits], float16: [float16Of(logits), "<f2"] } as const;
  const labelsPath = writeNpy(newPath(), labels, [rows, inner]);

  /** Logits cut at rows and at classes: the shards of the first rows, then those of the next ones. */
  function shards(dtype: keyof typeof arrays, rowCuts: readonly number[], classCuts: readonly number[]): string {
    const [array, descr] = arrays[dtype];
    const [ends, classEnds] = [
      [...rowCuts, rows],
      [...classCuts, classes],
    ];
    const paths = ends.flatMap((end, i) =>
      classEnds.map((classEnd, j) => {
        const [first, firstClass] = [ends[i - 1] ?? 0, classEnds[j - 1] ?? 0];
        const shape = [end - first, classEnd - firstClass, inner];
        const columns = array.filter((_, at) => {
          const [row, j] = [Math.floor(at / inner / classes), Math.floor(at / inner) % classes];
          return row >= first && row < end && j >= firstClass && j < classEnd;
        });
        return writeNpy(newPath(), columns as Float32Array, shape, { descr });
      }),
    );
    return paths.join();
  }

  const always = [labelsPath, "--axis", "1", "--ignore", "-100"];

  it.each([
    ["float64", [], [7], []],
    ["float32", [], [3, 4, 9], ["--piece", "300", "--bins", "4"]],
    ["float16", [20, 21], [6], ["--piece", "1000", "--smoothing", "0.1"]],
    ["float32", [13], [1, 12], ["--piece", "500", "--scale", "0.5"]],
  ] as const)("of %s, cut at rows %j and classes %j, with %j, agree with whole rows", async (dtype, rowCuts, classCuts, options) => {
    const [whole] = arrays[dtype];
    const path = writeNpy(newPath(), whole as Float32Array, [rows, classes, inner], { descr: arrays[dtype][1] });
    const want = await resultOf(path, ...always, ...options);
    const args = [shards(dtype, rowCuts, classCuts), ...always, ...options, "--shards", `${classCuts.length + 1}`];
    const got = await resultOf(...args);
    const { validCount, accuracy, totalWeight } = want;
    expect(got).toMatchObject({ rows: rows * inner, classes, validCount, accuracy, totalWeight, shards: classCuts.length + 1 });
    expect(got.bins.map((bin: { rows: number }) => bin.rows)).toEqual(want.bins.map((bin: { rows: number }) => bin.rows));
    expect(Math.abs(got.loss / want.loss - 1)).toBeLessThan(dtype === "float64" ? 2 ** -50 : 2 ** -40);
    expect(got.meanEntropy).toBeCloseTo(want.meanEntropy, 11);
    expect(got.calibrationError).toBeCloseTo(want.calibrationError, 11);
    expect(got).not.toHaveProperty("topKAccuracy");
    // The rows may be cut anywhere, and pieces come in any order.
    const other = [shards(dtype, [5, 31], classCuts), ...always, ...options, "--shards", `${classCuts.length + 1}`];
    expect((await resultOf(...other, "--piece", "900", "--threads", "2")).digest).toBe(got.digest);
  });

  it("of a confident row have its loss", async () => {
    const [first, second] = [[48], [0]].map((row) => writeNpy(newPath(), Float64Array.from(row), [1, 1]));
    const { loss } = await resultOf(`${first},${second}`, writeNpy(newPath(), Int32Array.of(0), [1]), "--shards", "2");
    expect(loss).toBe(crossEntropy([[48, 0]], [0]));
  });

  it("may be along the first axis, and the report says what they do not tell", async () => {
    const paths = [Float32Array.of(1, 2, 3), Float32Array.of(3, 0, 1, 0, 1, 2)].map((part) =>
      writeNpy(newPath(), part, [part.length / 3, 3]),
    );
    const its = writeNpy(newPath(), Int32Array.of(1, 0, 2), [3]);
    const text = await command([paths.join(), its, "--axis", "0", "--shards", "2"]);
    expect(text).toContain(
      crossEntropy(
        [
          [1, 3, 0],
          [2, 0, 1],
          [3, 1, 2],
        ].map((row) => Float32Array.from(row)),
        [1, 0, 2],
      ).toPrecision(6),
    );
    expect(text).toMatch(/^top-k accuracy +not known from shards$/m);
  });

  it("go on with a journal that has the rows of which all shards were finished", async () => {
    const list = shards("float32", [], [7]);
    const input = await readInput(list, labelsPath, { axis: 1, shards: 2 });
    const plan = planOf(input, { ignoreIndex: -100 }, 1000);
    expect([plan.pieces.length, plan.shards]).toEqual([14, 2]);
    expect(planOf(await readInput(list.split(",")[0], labelsPath, { axis: 1 }), plan.settings, 1000).digest).not.toBe(plan.digest);
    const all = locally(1, 1e6);
    const whole = await run(plan, { evaluate: all });
    const journal = newPath("journal");
    const some: Evaluate = async (pieces, its, take, say) => {
      await all(
        pieces.filter(({ index }) => ![3, 6, 7, 10].includes(index)),
        its,
        take,
        say,
      );
      throw new Error("the power failed");
    };
    await expect(run(plan, { evaluate: some, journal })).rejects.toThrow("the power failed");
    const asked: number[] = [];
    const rest: Evaluate = (pieces, its, take, say) => {
      asked.push(...pieces.map(({ index }) => index));
      return all(pieces.toReversed(), its, take, say);
    };
    expect((await run(plan, { evaluate: rest, journal, resume: true })).toBytes()).toEqual(whole.toBytes());
    expect(asked).toEqual([2, 3, 6, 7, 10, 11]);
  });

  const other = (shape: number[], Elements: ArrayConstructor = Float32Array) =>
    writeNpy(newPath(), new Elements(shape.reduce((a, b) => a * b)), shape);
  type ArrayConstructor = typeof Float32Array | typeof Float64Array;
  const labelsOf = (count: number) => writeNpy(newPath(), new Int32Array(count), [count]);

  it.each([
    [
      "of other rows",
      () => [`${twoRows()},${other([3, 2])}`, labelsOf(2)],
      /^\d+\.npy: the shape \[3, 2\] is of other rows than \[2, 3\] of \d+\.npy$/,
    ],
    [
      "of other axes",
      () => [`${twoRows()},${other([2])}`, labelsOf(2)],
      /^\d+\.npy: the shape \[2\] is of other rows than \[2, 3\] of \d+\.npy$/,
    ],
    [
      "of another type",
      () => [`${twoRows()},${other([2, 3], Float64Array)}`, labelsOf(2)],
      /^\d+\.npy: the type float64 differs from float32 in \d+\.npy$/,
    ],
    [
      "that do not continue those before",
      () => [`${twoRows()},${other([2, 2])},${other([1, 3])},${other([1, 3])}`, labelsOf(3)],
      /^\d+\.npy: the shape \[1, 3\] does not continue \[2, 2\] of \d+\.npy$/,
    ],
    ["without classes", () => [`${twoRows()},${other([2, 0])}`, labelsOf(2)], /^\d+\.npy: the shape \[2, 0\] has no classes$/],
    ["that are too few", () => [twoRows(), labelsOf(2)], /^--shards expected a divisor of 1, the number of files of logits, got 2$/],
    [
      "beside --top-k",
      () => [`${twoRows()},${twoRows()}`, labelsOf(2), "--top-k", "3"],
      /^--top-k expected no --shards, which do not tell/,
    ],
    [
      "with a label beyond all classes",
      () => [`${twoRows()},${twoRows()}`, writeNpy(newPath(), Int32Array.of(5, 6), [2])],
      /^\d+\.npy: the label 6 of row 1 is not from 0 to 5; --ignore leaves rows out \(at byte 132\)$/,
    ],
    ["that need more memory", () => [`${twoRows()},${twoRows()}`, labelsOf(2), "--memory", "100"], /more than --memory allows$/],
  ] as const)("%s are an error that names the files", async (_, args, message) => {
    expect((await failureOf([...args(), "--shards", "2"])).replaceAll(`${folder}/`, "")).toMatch(message);
  });
});

/** The elements of markup that are closed by another's end, or not at all. */
function unclosed(markup: string): string[] {
  const path: string[] = [];
  for (const [, end, name, isEmpty] of markup.matchAll(/<(\/?)([a-z]\w*)(?:\s+[\w:-]+="[^"<]*")*\s*(\/?)>/g)) {
    if (isEmpty) continue;
    if (!end) path.push(name);
    else if (path.pop() !== name) return [name];
  }
  const rest = markup.replaceAll(/<\/?[a-z]\w*(?:\s+[\w:-]+="[^"<]*")*\s*\/?>/g, "");
  return rest.includes("<") ? [...path, rest.slice(rest.indexOf("<"), 40)] : path;
}

describe("a journal", () => {
  const { logits, labels } = data(40, 8, 1);
  const paths = [writeNpy(newPath(), logits, [40, 8]), writeNpy(newPath(), labels, [40])];
  const planIt = async (pieceBytes = 160) => planOf(await readInput(paths[0], paths[1]), { ignoreIndex: -100 }, pieceBytes);
  const all = locally(1, 1e6);

  /** Evaluates the first pieces, and then fails. */
  const someOf =
    (count: number): Evaluate =>
    async (pieces, plan, take, say) => {
      await all(pieces.slice(0, count), plan, take, say);
      throw new Error("the power failed");
    };

  /** Notes what it is asked for. */
  function noting(asked: number[]): Evaluate {
    return (pieces, plan, take, say) => {
      asked.push(...pieces.map(({ index }: Piece) => index));
      return all(pieces, plan, take, say);
    };
  }

  /** The pieces of a journal, in the order of its lines. */
  const linesOf = (journal: string): number[] => {
    const [, ...lines] = readFileSync(journal, "utf8").trim().split("\n");
    return lines.map((line) => JSON.parse(line).piece);
  };
  const without = (kept: readonly number[]) => [0, 1, 2, 3, 4, 5, 6, 7].filter((piece) => !kept.includes(piece));

  it.each([
    ["as it was left", 0, 3],
    ["without the end of its last line", 1, 2],
    ["with half of its last line", 40, 2],
  ])("%s lets a run go on", async (_, cut, kept) => {
    const plan = await planIt();
    const whole = await run(plan, { evaluate: all });
    const journal = newPath("journal");
    await expect(run(plan, { evaluate: someOf(3), journal })).rejects.toThrow("the power failed");
    const pieces = linesOf(journal);
    expect(pieces.toSorted()).toEqual([0, 1, 2]);
    truncateSync(journal, readFileSync(journal).length - cut);
    const asked: number[] = [];
    const total = await run(plan, { evaluate: noting(asked), journal, resume: true });
    expect(asked).toEqual(without(pieces.slice(0, kept)));
    expect(total.toBytes()).toEqual(whole.toBytes());
    // A journal that is complete leaves nothing to do.
    const again: number[] = [];
    expect((await run(plan, { evaluate: noting(again), journal, resume: true })).toBytes()).toEqual(whole.toBytes());
    expect(again).toEqual([]);
  });

  it("with a line that was changed lets a run go on from there, and without --resume it begins anew", async () => {
    const plan = await planIt();
    const journal = newPath("journal");
    await run(plan, { evaluate: all, journal });
    const pieces = linesOf(journal);
    const lines = readFileSync(journal, "utf8").split("\n");
    lines[4] = lines[4].replace(/"bytes":"(.{40})./, '"bytes":"$1/');
    writeFileSync(journal, lines.join("\n"));
    const asked: number[] = [];
    await run(plan, { evaluate: noting(asked), journal, resume: true });
    expect(asked).toEqual(without(pieces.slice(0, 3)));
    await run(plan, { evaluate: noting(asked), journal });
    expect(asked.length).toBe(13);
  });

  it("of another plan, or another file, is refused", async () => {
    const journal = newPath("journal");
    await run(await planIt(), { evaluate: all, journal });
    const args = [...paths, "--ignore", "-100", "--resume", "--journal"];
    expect(await failureOf([...args, journal, "--piece", "320"])).toContain("the journal is of a run of other files or options");
    expect(await failureOf([...args, paths[0], "--piece", "160"])).toContain("no journal of an evaluation");
    expect(await command([...args, journal, "--piece", "160"])).toContain("40, ");
  });

  it("counts two results of a piece once", async () => {
    const plan = await planIt();
    const twice: Evaluate = (pieces, its, take, say) =>
      all(
        pieces,
        its,
        (piece, bytes) => {
          take(piece, bytes);
          take(piece, bytes);
        },
        say,
      );
    const total = await run(plan, { evaluate: twice });
    expect(total.toBytes()).toEqual((await run(plan, { evaluate: all })).toBytes());
  });

  it("does not hide that pieces have no result", async () => {
    const none: Evaluate = async () => {};
    await expect(run(await planIt(), { evaluate: none })).rejects.toThrow("8 pieces have no result");
  });
});

describe("generated files", () => {
  it("in shards have the logits of whole rows", async () => {
    const options = { rows: 300, classes: 50, dtype: "float32", files: 2, temperature: 1, ignored: 0, seed: 7 } as const;
    const [whole, cut] = [join(folder, "whole"), join(folder, "cut")];
    await generate({ ...options, folder: whole });
    await generate({ ...options, folder: cut, shards: 3 });
    const want = await resultOf(`${whole}/logits-*.npy`, `${whole}/labels-*.npy`);
    const got = await resultOf(`${cut}/logits-*.npy`, `${cut}/labels-*.npy`, "--shards", "3");
    expect([got.rows, got.accuracy]).toEqual([300, want.accuracy]);
    expect(got.loss).toBeCloseTo(want.loss, 11);
  });

  it.each([
    ["float32", 1],
    ["float64", 1],
    ["float16", 1],
    ["float32", 0.4],
    ["float32", 2.5],
  ] as const)("of %s at temperature %d are as calibrated as that", async (dtype, temperature) => {
    const at = join(folder, `generated-${dtype}-${temperature}`);
    await generate({ rows: 3000, classes: 50, dtype, folder: at, files: 3, temperature, ignored: 0.1, seed: 7 });
    const { rows, validCount, accuracy, calibrationError, bins } = await resultOf(
      `${at}/logits-*.npy`,
      `${at}/labels-*.npy`,
      "--ignore",
      "-100",
    );
    expect(rows).toBe(3000);
    expect(validCount / rows).toBeCloseTo(0.9, 1);
    const used = bins.filter((bin: { rows: number }) => bin.rows > 0);
    const confidence =
      used.reduce((sum: number, bin: { rows: number; confidence: number }) => sum + bin.rows * bin.confidence, 0) / validCount;
    if (temperature === 1) expect(calibrationError).toBeLessThan(0.03);
    else expect(Math.sign(confidence - accuracy)).toBe(temperature < 1 ? 1 : -1);
    if (temperature !== 1) expect(calibrationError).toBeGreaterThan(0.08);
  });
});
