// The files of a run: patterns to paths, paths to arrays, and whether the arrays fit together.

import { glob, isDynamicPattern } from "tinyglobby";
import { FileError } from "./file-error.js";
import { readNpyHead } from "./npy.js";
import { readSafetensorsHead } from "./safetensors.js";
import { isFloat, openFile, type StoredArray, sizeOf } from "./stored-array.js";

/** Files of logits whose rows follow one another, and the number of their classes. */
export interface Shard {
  readonly files: readonly StoredArray[];
  readonly classes: number;
}

/**
 * Logits (outer, classes, inner) in one or several files, and a label for each row, an (outer, inner), in as many files or in others. Files may have
 * all classes of their rows, which is one shard, or some of them: then each shard has the classes that follow those of the shard before it, and
 * is cut at the same rows.
 */
export interface Input {
  readonly shards: readonly Shard[];
  readonly labels: readonly StoredArray[];
  /** The number of classes of all shards. */
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

/** @throws FileError that names the first file of logits which does not fit to those before it. */
function shardsOf(logits: readonly StoredArray[], axis: number, count: number): Shard[] {
  if (logits.length % count !== 0) {
    throw new RangeError(`--shards expected a divisor of ${logits.length}, the number of files of logits, got ${count}`);
  }
  const [first] = logits;
  const { type, shape } = first;
  for (const [i, array] of logits.entries()) {
    const { path } = array;
    const [before, sameRows] = [logits[i % count], logits[i - (i % count)]];
    if (!isFloat(array.type)) throw new FileError(path, `logits of the type ${array.type} are no floating-point numbers`);
    if (array.type !== type) throw new FileError(path, `the type ${array.type} differs from ${type} in ${first.path}`);
    if (axis === 0 && before !== array)
      throw new FileError(path, "with classes along axis 0, logits must be one file, or one of each shard");
    if (show(array.shape.slice(1)) !== show(before.shape.slice(1))) {
      throw new FileError(path, `the shape ${show(array.shape)} does not continue ${show(before.shape)} of ${before.path}`);
    }
    if (array.shape.length !== shape.length || show(without(array.shape, axis)) !== show(without(sameRows.shape, axis))) {
      throw new FileError(path, `the shape ${show(array.shape)} is of other rows than ${show(sameRows.shape)} of ${sameRows.path}`);
    }
    if (array.shape[axis] === 0) throw new FileError(path, `the shape ${show(array.shape)} has no classes`);
  }
  return Array.from({ length: count }, (_, shard) => ({
    files: logits.filter((_, i) => i % count === shard),
    classes: logits[shard].shape[axis],
  }));
}

export interface InputOptions {
  readonly axis?: number;
  readonly tensor?: string;
  readonly labelsTensor?: string;
  /** So many files that follow one another have the classes of the same rows; 1 by default. */
  readonly shards?: number;
}

/**
 * Reads the heads of all files. Logits of several files follow one another along the first axis, unless they are shards, and so do labels.
 *
 * @param logitsList Paths and patterns, separated by commas; `labelsList` likewise.
 * @throws FileError that names the first file which does not fit.
 */
export async function readInput(logitsList: string, labelsList: string, options: InputOptions = {}): Promise<Input> {
  const { axis: given = -1, tensor, labelsTensor, shards: count = 1 } = options;
  const logits = await readHeads(logitsList, tensor);
  const labels = await readHeads(labelsList, labelsTensor);
  const [first] = logits;
  const { shape } = first;
  const axis = given < 0 ? given + shape.length : given;
  if (axis < 0 || axis >= shape.length) throw new FileError(first.path, `the shape ${show(shape)} has no axis ${given}`);
  const shards = shardsOf(logits, axis, count);
  const classes = shards.reduce((sum, shard) => sum + shard.classes, 0);
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
  const rows = shards[0].files.reduce((sum, array) => sum + sizeOf(without(array.shape, axis)), 0);
  const labelCount = labels.reduce((sum, array) => sum + sizeOf(array.shape), 0);
  if (rows === 0) throw new FileError(first.path, `the shape ${show(shape)} has no rows`);
  if (rows !== labelCount) throw new FileError(labels[labels.length - 1].path, `${labelCount} labels for ${rows} rows of logits`);
  return { shards, labels, classes, inner };
}
