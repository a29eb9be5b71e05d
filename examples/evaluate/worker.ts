// npm run evaluate:worker: evaluates the pieces that commands with --redis put on a queue, until it is ended.

import { hostname } from "node:os";
import { resolve } from "node:path";
import { setTimeout } from "node:timers/promises";
import { parseArgs } from "node:util";
import { UnrecoverableError, Worker } from "bullmq";
import { numberOption } from "../number-option.js";
import { connect } from "../redis.js";
import { crewOf, type Lane, type Outcome } from "./crew.js";
import { bytesOption, isCount, threadsOption } from "./options.js";
import type { Extract, LossSettings, Piece } from "./pieces.js";
import type { JobData, PieceJob } from "./queue.js";

const USAGE = `Evaluates pieces for npm run evaluate -- … --redis URL, on any number of machines.

  npm run evaluate:worker -- --redis redis://127.0.0.1:6379

  --redis URL         the Redis that has the queue
  --queue NAME        the name of the queue (default evaluate)
  --directory FOLDER  where paths begin that the command was given without a folder from the root (default: this one)
  --threads N         or auto, one for each processor (default 1)
  --memory BYTES      the most memory for blocks of logits (default 256MB)
  --lock MS           after so long without a sign of life, a worker's pieces go to another (default 30000)
  --help              this text

SIGTERM and SIGINT let it finish the pieces that it has.
`;

/** A piece that has been recovered from so many workers is at fault itself. */
const MAX_STALLED_COUNT = 10;

/** What nobody asks for goes after a week, in seconds. */
const KEPT = 7 * 24 * 3600;

async function start(): Promise<void> {
  const { values } = parseArgs({
    options: {
      redis: { type: "string" },
      queue: { type: "string", default: "evaluate" },
      directory: { type: "string", default: "." },
      threads: { type: "string", default: "1" },
      memory: { type: "string", default: "256MB" },
      lock: { type: "string", default: "30000" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return;
  }
  if (values.redis === undefined) throw new RangeError("--redis expected an address such as redis://127.0.0.1:6379");
  const lockDuration = numberOption("lock", values.lock, isCount, "a number of milliseconds");
  const crew = await crewOf(threadsOption(values.threads), bytesOption("memory", values.memory));
  const redis = await connect(values.redis);

  const here = (extract: Extract): Extract => ({ ...extract, path: resolve(values.directory, extract.path) });
  const free = [...crew.lanes];
  const evaluate = async (piece: Piece, settings: LossSettings): Promise<Outcome> => {
    const lane = free.shift() as Lane;
    try {
      return await lane.evaluate(piece, settings);
    } finally {
      free.push(lane);
    }
  };
  const name = `${hostname()}, process ${process.pid}`;
  const worker = new Worker<JobData, string>(
    values.queue,
    async ({ data: { piece, settings }, opts }: PieceJob) => {
      const local: Piece = { ...piece, logits: here(piece.logits), labels: here(piece.labels) };
      const outcome = await evaluate(local, settings);
      if ("bytes" in outcome) return Buffer.from(outcome.bytes).toString("base64");
      const problem = `${outcome.problem} [${name}]`;
      if (outcome.isLasting) throw new UnrecoverableError(problem);
      // A worker without the files fails fast. While it waits, others take the piece.
      await setTimeout((opts.backoff as { delay: number }).delay);
      throw new Error(problem);
    },
    {
      connection: redis,
      concurrency: crew.lanes.length,
      lockDuration,
      stalledInterval: lockDuration,
      maxStalledCount: MAX_STALLED_COUNT,
      removeOnComplete: { age: KEPT },
      removeOnFail: { age: KEPT },
    },
  );
  worker.on("error", () => {});
  worker.on("failed", (_, error) => console.error(error.message));
  const stop = async () => {
    await worker.close();
    await crew.close();
    redis.disconnect();
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, stop);
  await worker.waitUntilReady();
  console.log(`${name}: takes pieces of the queue ${values.queue}`);
}

try {
  await start();
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}
