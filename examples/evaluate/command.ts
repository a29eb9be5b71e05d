// The command npm run evaluate: its options, and where its results go.

import { renameSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { crossEntropy } from "softmax-wasm";
import { numberOption } from "../number-option.js";
import { fileErrorOf } from "./file-error.js";
import { type InputOptions, readInput } from "./files.js";
import { bytesOption, isCount, showBytes, showSeconds, threadsOption } from "./options.js";
import { bytesOf, type LossSettings, planOf } from "./pieces.js";
import { progressBar } from "./progress.js";
import { htmlReport, svgReport } from "./report.js";
import { type Evaluate, locally, run } from "./run.js";
import { jsonOf, summaryOf, terminalReport } from "./summary.js";

const USAGE = `Loss, perplexity, accuracy and calibration of logits in files of any size.

  npm run evaluate -- logits.npy labels.npy [options]

Logits are float64, float32 or float16, labels any integers: .npy of NumPy, or .safetensors. Both may be several files that follow one
another along the first axis: patterns, or a list with commas, as "logits-*.npy" "labels-*.npy". The order is that of the names; 2 is before 10.
With --shards, files of logits have some of the classes of their rows.

  --axis N            the class axis of the logits (default -1, the last one)
  --shards N          each N files of logits that follow one another have the classes of the same rows
  --ignore N          leaves out rows with this label, as -100
  --smoothing E       label smoothing, from 0 to 1
  --scale S           multiplies the logits: the inverse of a temperature
  --top-k K           for the top-k accuracy (default 5)
  --bins N            of the calibration (default 15)
  --tensor NAME       the logits in a .safetensors file of several tensors; --labels-tensor NAME the labels

  --threads N         or auto, one for each processor (default 1)
  --memory BYTES      the most memory for blocks of logits (default 256MB)
  --piece BYTES       the logits of a piece, which is evaluated by one thread or machine (default 64MB)
  --journal FILE      keeps the results of finished pieces in a file
  --resume            goes on with what the journal or the queue has of this run

  --redis URL         puts pieces on a queue for npm run evaluate:worker, as redis://127.0.0.1:6379
  --queue NAME        the name of the queue (default evaluate)
  --attempts N        to evaluate a piece, by any workers (default 5)
  --retry MS          before the second attempt, doubled for each further one (default 1000)

  --report FILE       writes a report: .svg or .html
  --json [FILE]       writes the result as JSON, to stdout without a FILE, which takes the place of the text
  --help              this text
`;

const OPTIONS = {
  axis: { type: "string" },
  shards: { type: "string", default: "1" },
  ignore: { type: "string" },
  smoothing: { type: "string" },
  scale: { type: "string" },
  "top-k": { type: "string" },
  bins: { type: "string" },
  tensor: { type: "string" },
  "labels-tensor": { type: "string" },
  threads: { type: "string", default: "1" },
  memory: { type: "string", default: "256MB" },
  piece: { type: "string", default: "64MB" },
  journal: { type: "string" },
  resume: { type: "boolean", default: false },
  redis: { type: "string" },
  queue: { type: "string", default: "evaluate" },
  attempts: { type: "string", default: "5" },
  retry: { type: "string", default: "1000" },
  report: { type: "string" },
  json: { type: "string" },
  help: { type: "boolean", default: false },
} as const;

/** The value of `--json` without a file. */
const STDOUT = "-";

/** Gives the options that take a negative number, or may have no value, the form that parseArgs understands. */
function joined(args: readonly string[]): string[] {
  const result: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const next = args[i + 1];
    if (args[i] === "--json" && (next === undefined || next.startsWith("--") || !next.endsWith(".json"))) result.push(`--json=${STDOUT}`);
    else if ((args[i] === "--ignore" || args[i] === "--axis") && /^-\d+$/.test(next ?? "")) result.push(`${args[i]}=${args[++i]}`);
    else result.push(args[i]);
  }
  return result;
}

type Values = ReturnType<typeof parsed>["values"];

const parsed = (args: readonly string[]) => parseArgs({ args: joined(args), options: OPTIONS, allowPositionals: true });

/** The options of the loss, checked by the library itself. */
function settingsOf(values: Values): LossSettings {
  const isAny = (value: number) => !Number.isNaN(value);
  const given = (name: "ignore" | "smoothing" | "scale" | "top-k" | "bins") => {
    const text = values[name];
    return text === undefined ? undefined : numberOption(name, text, isAny, "a number");
  };
  const options = {
    ignoreIndex: given("ignore"),
    labelSmoothing: given("smoothing"),
    scale: given("scale"),
    topK: given("top-k"),
    bins: given("bins"),
  };
  crossEntropy([[0]], [0], options);
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

async function evaluateOf(values: Values): Promise<Evaluate> {
  const memory = bytesOption("memory", values.memory);
  const threads = threadsOption(values.threads);
  const attempts = numberOption("attempts", values.attempts, isCount, "an integer of at least 1");
  if (values.redis === undefined) return locally(threads, memory);
  const { onQueue } = await import("./queue.js");
  const retryDelay = numberOption("retry", values.retry, isCount, "a number of milliseconds");
  const keep = values.journal === undefined;
  return onQueue({ url: values.redis, name: values.queue, attempts, retryDelay, resume: values.resume, keep });
}

/** Writes a whole file or none. */
function writeWhole(path: string, content: string): void {
  const part = `${path}.part`;
  try {
    writeFileSync(part, content);
    renameSync(part, path);
  } catch (error) {
    throw fileErrorOf(path, error);
  }
}

async function evaluate(values: Values, positionals: readonly string[]): Promise<string> {
  const [logitsList, labelsList] = positionals;
  if (positionals.length !== 2)
    throw new RangeError(`expected two arguments, logits and labels, got ${positionals.length}; --help says more`);
  const { report, json } = values;
  if (report !== undefined && !/\.(svg|html)$/.test(report))
    throw new RangeError(`--report expected a .svg or .html file, got "${report}"`);
  if (values.resume && values.journal === undefined && values.redis === undefined) {
    throw new RangeError("--resume expected --journal or --redis, which keep results");
  }
  const settings = settingsOf(values);
  const axis = values.axis === undefined ? undefined : numberOption("axis", values.axis, Number.isInteger, "an integer");
  const shards = numberOption("shards", values.shards, isCount, "an integer of at least 1");
  if (shards > 1 && settings.topK !== undefined) {
    throw new RangeError("--top-k expected no --shards, which do not tell the rank of a label among all classes");
  }
  const input: InputOptions = { axis, tensor: values.tensor, labelsTensor: values["labels-tensor"], shards };
  const plan = planOf(await readInput(logitsList, labelsList, input), settings, bytesOption("piece", values.piece));
  const evaluatePieces = await evaluateOf(values);

  const bar = progressBar("read");
  const started = performance.now();
  let bytesBefore = 0;
  const total = await run(plan, {
    evaluate: evaluatePieces,
    journal: values.journal,
    resume: values.resume,
    watch: ({ total, note, ...progress }) => {
      bytesBefore = progress.bytesBefore;
      const loss = total.validCount > 0 ? `loss ${total.loss.toFixed(4)}` : "";
      bar.update(progress, [loss, note].filter((part) => part !== "").join(", "));
    },
  }).finally(() => bar.stop());
  const seconds = (performance.now() - started) / 1e3;
  const bytes = plan.pieces.reduce((sum, piece) => sum + bytesOf(piece), 0) - bytesBefore;
  const maxRSS = process.resourceUsage().maxRSS * 1024;
  const summary = summaryOf(total, plan);

  const title = `${logitsList} with ${labelsList}`;
  const time = `${showBytes(bytes)} in ${showSeconds(seconds)}, ${showBytes(Math.round(bytes / seconds))}/s`;
  const result = { ...summary, plan: plan.digest, shards, pieces: plan.pieces.length, bytes, seconds, maxRSS };
  if (report?.endsWith(".svg")) writeWhole(report, svgReport(title, summary));
  if (report?.endsWith(".html")) {
    const given = shards > 1 ? { shards, ...settings } : settings;
    const options = Object.entries(given).map(([name, value]) => [name, String(value)] as const);
    const facts = [["logits", logitsList], ["labels", labelsList], ...options, ["time", time], ["digest", summary.digest]] as const;
    writeWhole(report, htmlReport(title, summary, facts));
  }
  if (json !== undefined && json !== STDOUT) writeWhole(json, `${jsonOf(result, 2)}\n`);
  if (json === STDOUT) return `${jsonOf(result, 2)}\n`;
  const memory = `${showBytes(maxRSS)} of memory at most`;
  return `${terminalReport(summary)}\n\n${time}, ${memory}; ${plan.pieces.length} pieces, digest ${summary.digest}\n`;
}

/** Runs the command. @returns What it says on stdout. @throws Error whose message is for the user. */
export async function command(args: readonly string[]): Promise<string> {
  const { values, positionals } = parsed(args);
  return values.help ? USAGE : evaluate(values, positionals);
}
