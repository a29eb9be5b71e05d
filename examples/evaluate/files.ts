// The files of a run: patterns to paths, paths to arrays, and whether the arrays fit together.

import { glob, isDynamicPattern } from "tinyglobby";
import { FileError } from "./file-error.js";
import { readNpyHead } from "./npy.js";
import { readSafetensorsHead } from "./safetensors.js";
import { isFloat, openFile, type StoredArray, sizeOf } from "./stored-array.js";

/** Logits (outer, classes, inner) in one or several files, and a label for each row, an (outer, inner), in as many files or in others. */
export interface Input {
  readonly logits: readonly StoredArray[];
  readonly labels: readonly StoredArray[];
  readonly classes: number;
  readonly inner: number;
}

/** part-2 comes before part-10. */
const inOrder = new Intl.Collator("en", { numeric: true }).compare;

/** The paths of a list of paths and patterns, separated by commas. @throws FileError for a pattern without files. */
async function pathsOf(list: string): Promise<string[]> {
  const paths: string[] = [];
  for (const pattern of list.split(",").filter((part) => part !== "")) {
    if (!isDynamicPattern(pattern)) {
      paths.push(pattern);
      continue;
    }
    const found = await glob(pattern, { expandDirectories: false, onlyFiles: true });
    if (found.length === 0) throw new FileError(pattern, "no file has such a name");
    paths.push(...found.sort(inOrder));
  }
  return paths;
}

async function readHead(path: string, tensor: string | undefined): Promise<StoredArray> {
  const file = await openFile(path);
  try {
    return await (path.endsWith(".safetensors") ? readSafetensorsHead(file, path, tensor) : readNpyHead(file, path));
  } finally {
    await file.close();
  }
}

async function readHeads(list: string, tensor: string | undefined): Promise<StoredArray[]> {
  const arrays: StoredArray[] = [];
  for (const path of await pathsOf(list)) arrays.push(await readHead(path, tensor));
  return arrays;
}

const show = (shape: readonly number[]) => `[${shape.join(", ")}]`;
const without = (shape: readonly number[], axis: number) => shape.filter((_, i) => i !== axis);

export interface InputOptions {
  readonly axis?: number;
  readonly tensor?: string;
  readonly labelsTensor?: string;
}

/**
 * Reads the heads of all files. Logits of several files follow one another along the first axis, and so do labels.
 *
 * @param logitsList Paths and patterns, separated by commas; `labelsList` likewise.
 * @throws FileError that names the first file which does not fit.
 */
export async function readInput(logitsList: string, labelsList: string, options: InputOptions = {}): Promise<Input> {
  const { axis: given = -1, tensor, labelsTensor } = options;
  const logits = await readHeads(logitsList, tensor);
  const labels = await readHeads(labelsList, labelsTensor);
  const [first] = logits;
  const { shape, type } = first;
  const axis = given < 0 ? given + shape.length : given;
  if (axis < 0 || axis >= shape.length) throw new FileError(first.path, `the shape ${show(shape)} has no axis ${given}`);
  if (axis === 0 && logits.length > 1) throw new FileError(logits[1].path, "with classes along axis 0, logits must be one file");
  const rest = shape.slice(1);
  for (const array of logits) {
    if (!isFloat(array.type)) throw new FileError(array.path, `logits of the type ${array.type} are no floating-point numbers`);
    if (array.type !== type) throw new FileError(array.path, `the type ${array.type} differs from ${type} in ${first.path}`);
    if (array.shape.length !== shape.length || show(array.shape.slice(1)) !== show(rest)) {
      throw new FileError(array.path, `the shape ${show(array.shape)} does not continue ${show(shape)} of ${first.path}`);
    }
  }
  const classes = shape[axis];
  if (classes === 0) throw new FileError(first.path, `the shape ${show(shape)} has no classes`);
  const rowShapes = [without(shape, axis), shape.map((length, i) => (i === axis ? 1 : length))];
  const inner = sizeOf(shape.slice(axis + 1));
  for (const array of labels) {
    if (isFloat(array.type)) throw new FileError(array.path, `labels of the type ${array.type} are no integers`);
    // The first axis may be cut at other places, and a class axis may have the length 1.
    const fits = rowShapes.some((rowShape) => show(rowShape.slice(1)) === show(array.shape.slice(1)));
    if (array.shape.length > 1 && !fits) {
      throw new FileError(array.path, `labels of the shape ${show(array.shape)} do not fit logits of ${show(shape)}, axis ${axis}`);
    }
    if (inner > 0 && sizeOf(array.shape) % inner !== 0)
      throw new FileError(array.path, `labels must be a multiple of ${inner}, got ${sizeOf(array.shape)}`);
  }
  const rows = logits.reduce((sum, array) => sum + sizeOf(array.shape) / classes, 0);
  const labelCount = labels.reduce((sum, array) => sum + sizeOf(array.shape), 0);
  if (rows === 0) throw new FileError(first.path, `the shape ${show(shape)} has no rows`);
  if (rows !== labelCount) throw new FileError(labels[labels.length - 1].path, `${labelCount} labels for ${rows} rows of logits`);
  return { logits, labels, classes, inner };
}
