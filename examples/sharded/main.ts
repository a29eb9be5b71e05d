// npm run sharded: trains one classifier in two places, each of which has half of the classes.

import { fork } from "node:child_process";
import { randomUUID } from "node:crypto";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { parentPort, Worker } from "node:worker_threads";
import { numberOption } from "../number-option.js";
import { connect } from "../redis.js";
import { byMessages, byStreams, type Exchange } from "./exchanges.js";
import { train } from "./train.js";

const PROGRAM = fileURLToPath(import.meta.url);

const USAGE = `Trains one classifier in two places, each of which has half of the classes.

  npm run sharded                       two processes, by the channel between them
  npm run sharded -- --threads          two threads, by a MessagePort
  npm run sharded -- --redis URL        two processes, by streams in Redis
  npm run sharded -- --redis URL --run NAME --half 0      one half here; and --half 1 on another machine

  --steps N   steps of gradient descent (default 20)
  --run NAME  a name that no run has had for an hour
  --help      this text
`;

/** To half 1, which this one starts. */
function toOther(isThread: boolean, options: string[]): Exchange {
  if (isThread) {
    // In a thread, tsx has to be asked for.
    const program = `import("tsx/esm/api").then(({ tsImport }) => tsImport(${JSON.stringify(import.meta.url)}, "file:///"))`;
    const other = new Worker(program, { eval: true, argv: options });
    return byMessages(other, (bytes) => other.postMessage(bytes));
  }
  const other = fork(PROGRAM, options, { serialization: "advanced" });
  return byMessages(other, (bytes) => other.send(bytes));
}

/** To half 0, which started this one. */
function toStarter(): Exchange {
  if (parentPort) {
    const port = parentPort;
    return byMessages(port, (bytes) => port.postMessage(bytes));
  }
  if (!process.send) throw new RangeError("--half expected --redis beside it");
  return byMessages(process, (bytes) => process.send?.(bytes));
}

async function start(): Promise<void> {
  const { values } = parseArgs({
    options: {
      threads: { type: "boolean", default: false },
      redis: { type: "string" },
      run: { type: "string", default: randomUUID() },
      half: { type: "string" },
      steps: { type: "string", default: "20" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return;
  }
  const steps = numberOption("steps", values.steps, (n) => Number.isSafeInteger(n) && n > 0, "a number above 0");
  const half = numberOption("half", values.half ?? "0", (n) => n === 0 || n === 1, "0 or 1");
  const redis = values.redis === undefined ? undefined : await connect(values.redis);
  const forOther = ["--half", "1", "--steps", values.steps];
  let exchange: Exchange;
  if (redis) {
    exchange = byStreams(redis, values.run, half);
    if (values.half === undefined) fork(PROGRAM, [...forOther, "--run", values.run, "--redis", values.redis as string]);
  } else exchange = half === 0 ? toOther(values.threads, forOther) : toStarter();

  // Both halves have the same loss, to the bit.
  for await (const { loss } of train(half, steps, exchange)) console.log(`half ${half}: loss ${loss}`);
  redis?.disconnect();
  parentPort?.close();
  process.disconnect?.();
}

try {
  await start();
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}
