// npm run evaluate:data: files of logits and labels, for tests and times of the evaluation.

import { parseArgs } from "node:util";
import { numberOption } from "../number-option.js";
import { type DataOptions, generate } from "./generate.js";
import { isCount, showBytes } from "./options.js";
import { progressBar } from "./progress.js";
import { ELEMENT_BYTES } from "./stored-array.js";

const USAGE = `Writes logits-0.npy, labels-0.npy and so on, of any size.

  npm run evaluate:data -- --rows 10000 --classes 1000 --out data

  --rows N          rows of all files
  --classes N       classes of a row
  --out FOLDER      the folder, which is made if need be
  --dtype TYPE      float32 (default), float64 or float16
  --files N         the number of files of logits, and of labels (default 1)
  --shards N        the files of logits for the classes of each row (default 1): logits-0-0.npy, logits-0-1.npy and so on
  --temperature T   1 (default) gives calibrated logits, 0.5 over-confident ones, 2 those that doubt too much
  --ignored P       the part of the rows whose label is -100 (default 0)
  --seed N          seed of all numbers (default 1)
  --help            this text
`;

function readOptions(): DataOptions | undefined {
  const { values } = parseArgs({
    options: {
      rows: { type: "string", default: "" },
      classes: { type: "string", default: "" },
      out: { type: "string", default: "" },
      dtype: { type: "string", default: "float32" },
      files: { type: "string", default: "1" },
      shards: { type: "string", default: "1" },
      temperature: { type: "string", default: "1" },
      ignored: { type: "string", default: "0" },
      seed: { type: "string", default: "1" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return undefined;
  const { dtype } = values;
  if (dtype !== "float64" && dtype !== "float32" && dtype !== "float16") {
    throw new RangeError(`--dtype expected float32, float64 or float16, got ${JSON.stringify(dtype)}`);
  }
  const count = (name: "rows" | "classes" | "files") => numberOption(name, values[name], isCount, "an integer of at least 1");
  if (values.out === "") throw new RangeError('--out expected a folder, got ""');
  const classes = count("classes");
  const isShards = (value: number) => isCount(value) && value <= classes;
  return {
    rows: count("rows"),
    classes,
    shards: numberOption("shards", values.shards, isShards, `an integer from 1 to ${classes}, the classes`),
    files: count("files"),
    dtype,
    folder: values.out,
    temperature: numberOption("temperature", values.temperature, (value) => value > 0 && value <= 1e3, "a number above 0, up to 1000"),
    ignored: numberOption("ignored", values.ignored, (value) => value >= 0 && value <= 1, "a number from 0 to 1"),
    seed: numberOption("seed", values.seed, Number.isSafeInteger, "an integer"),
  };
}

try {
  const options = readOptions();
  if (options) {
    const { rows, classes, dtype, folder, files, shards = 1 } = options;
    const bytesOfRow = classes * ELEMENT_BYTES[dtype];
    const bar = progressBar("written");
    await generate(options, (done) => bar.update({ bytes: done * bytesOfRow, ofBytes: rows * bytesOfRow }));
    bar.stop();
    console.log(
      `${rows} rows of ${classes} classes, ${showBytes(rows * bytesOfRow)} of ${dtype}, in ${files * shards} + ${files} files of ${folder}`,
    );
  } else {
    console.log(USAGE);
  }
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}
