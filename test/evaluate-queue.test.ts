// The evaluation by workers on a queue in Redis, and what may go wrong there: results stay those of one process, to the bit. The tests share a
// Redis and a queue, and each leaves its workers to the next.

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Queue } from "bullmq";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { command } from "../examples/evaluate/command.js";
import { readInput } from "../examples/evaluate/files.js";
import { generate } from "../examples/evaluate/generate.js";
import { type Plan, planOf, type Take } from "../examples/evaluate/pieces.js";
import { onQueue, type QueueOptions } from "../examples/evaluate/queue.js";
import { type Evaluate, locally, run } from "../examples/evaluate/run.js";
import { writeNpy } from "./npy-files.js";
import { end, freePort, hasRedis, startRedis, untilSaid } from "./redis-server.js";

const root = fileURLToPath(new URL("..", import.meta.url));
const NAME = "evaluate-test";
/** A worker that shows no sign of life for so long, in ms, loses its pieces. */
const LOCK = 1000;

describe.runIf(hasRedis)("evaluation on a queue", () => {
  let folder: string;
  const processes = new Set<ChildProcess>();
  let port = 0;
  let redis: ChildProcess;
  let plan: Plan;
  let files: [logits: string, labels: string];
  let expected: Uint8Array;

  function start(args: readonly string[]): ChildProcess {
    const child = spawn(process.execPath, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
    processes.add(child);
    child.on("exit", () => processes.delete(child));
    return child;
  }

  async function startWorkers(count: number, ...options: string[]): Promise<ChildProcess[]> {
    const program = join(root, "examples/evaluate/worker.ts");
    const args = ["--import", "tsx", program, "--redis", url(), "--queue", NAME, "--lock", `${LOCK}`, ...options];
    const workers = Array.from({ length: count }, () => start(args));
    await Promise.all(workers.map((worker) => untilSaid(worker, "takes pieces")));
    return workers;
  }

  const url = () => `redis://127.0.0.1:${port}`;
  const queued = (options: Partial<QueueOptions> = {}): Evaluate =>
    onQueue({ url: url(), name: NAME, attempts: 3, retryDelay: 100, resume: false, keep: true, ...options });
  const bytesOf = async (evaluate: Evaluate, of = plan) => (await run(of, { evaluate })).toBytes();

  /** Calls `action` once, when a piece has been done, and then lets the run go on. */
  function amid(evaluate: Evaluate, action: () => Promise<void>): Evaluate {
    return async (pieces, its, take, say) => {
      let acted: Promise<void> | undefined;
      const takeAndAct: Take = (piece, bytes) => {
        take(piece, bytes);
        acted ??= action();
      };
      await evaluate(pieces, its, takeAndAct, say);
      await acted;
    };
  }

  /** Stops a worker, the only one, when it next has a piece, in the middle of it. */
  async function stopAtWork(worker: ChildProcess): Promise<void> {
    const queue = new Queue(NAME, { connection: { port, host: "127.0.0.1" } });
    for (;;) {
      worker.kill("SIGSTOP");
      if ((await queue.getActiveCount()) > 0) break;
      worker.kill("SIGCONT");
      await delay(1);
    }
    await queue.close();
  }

  /** The jobs of the plan, of any state. */
  async function jobsLeft({ digest } = plan): Promise<number> {
    const queue = new Queue(NAME, { connection: { port, host: "127.0.0.1" } });
    const jobs = await queue.getJobs();
    await queue.close();
    return jobs.filter(({ id }) => id?.startsWith(digest)).length;
  }

  let workers: ChildProcess[] = [];

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "evaluate-queue-"));
    port = await freePort();
    await generate({ rows: 1200, classes: 4000, dtype: "float32", folder, files: 3, temperature: 0.7, ignored: 0.1, seed: 3 });
    files = [relative(process.cwd(), join(folder, "logits-*.npy")), relative(process.cwd(), join(folder, "labels-*.npy"))];
    plan = planOf(await readInput(...files), { ignoreIndex: -100 }, 250_000);
    expected = await bytesOf(locally(1, 1e7));
    redis = await startRedis(port, folder);
    workers = await startWorkers(5);
  }, 60_000);

  afterAll(async () => {
    const ends = [redis, ...processes].map((child) => end(child, "SIGKILL"));
    await Promise.all(ends);
    rmSync(folder, { recursive: true });
  });

  it.each(["its log", "nothing"])("goes on where Redis is killed and started again with %s", async (rest) => {
    let isBack = false;
    const restart = async () => {
      await end(redis, "SIGKILL");
      if (rest === "nothing") rmSync(join(folder, "appendonlydir"), { recursive: true });
      await delay(200);
      redis = await startRedis(port, folder);
      isBack = true;
    };
    expect(await bytesOf(amid(queued(), restart))).toEqual(expected);
    expect(isBack).toBe(true);
    expect(await jobsLeft()).toBe(0);
  });

  it("serves two commands with the same pieces", async () => {
    expect(await Promise.all([bytesOf(queued()), bytesOf(queued({ resume: true }))])).toEqual([expected, expected]);
  });

  it("ends at once for a label that is no class, which no attempt can mend", async () => {
    const bad = writeNpy(join(folder, "bad.npy"), new Int32Array(1200).fill(4000, 700), [1200]);
    const ofBad = planOf(await readInput(files[0], relative(process.cwd(), bad)), {}, 250_000);
    await expect(bytesOf(queued(), ofBad)).rejects.toThrow(/bad\.npy: the label 4000 of row 7\d\d is not from 0 to 3999.*was tried once$/);
  });

  it("by 5, 2 and 1 workers, by threads and by the command has the same bits", async () => {
    expect(plan.pieces.length).toBe(81);
    const threads = bytesOf(locally(2, 1e7));
    for (const count of [5, 2, 1]) {
      await Promise.all(workers.splice(count).map((worker) => end(worker, "SIGTERM")));
      expect(await bytesOf(queued())).toEqual(expected);
      expect(await jobsLeft()).toBe(0);
    }
    expect(await threads).toEqual(expected);
    const options = ["--ignore", "-100", "--piece", "250kB", "--json"];
    const { digest } = JSON.parse(await command([...files, ...options]));
    expect(JSON.parse(await command([...files, ...options, "--redis", url(), "--queue", NAME])).digest).toBe(digest);
  });

  it("of shards of classes has the same bits, and nothing stays on the queue", async () => {
    const at = join(folder, "shards");
    await generate({
      rows: 300,
      classes: 1000,
      dtype: "float32",
      folder: at,
      files: 1,
      shards: 3,
      temperature: 0.7,
      ignored: 0.1,
      seed: 3,
    });
    const lists = ["logits-*.npy", "labels-*.npy"].map((name) => relative(process.cwd(), join(at, name))) as [string, string];
    const ofShards = planOf(await readInput(...lists, { shards: 3 }), { ignoreIndex: -100 }, 50_000);
    expect(ofShards.pieces.length).toBe(27);
    const want = await bytesOf(locally(1, 1e7), ofShards);
    expect(await bytesOf(queued(), ofShards)).toEqual(want);
    expect(await jobsLeft(ofShards)).toBe(0);
  });

  it("is continued where the command was killed: what workers have done since is not done again", async () => {
    const main = join(root, "examples/evaluate/main.ts");
    const args = [...files, "--ignore", "-100", "--piece", "250kB", "--redis", url(), "--queue", NAME];
    const killed = start(["--import", "tsx", main, ...args]);
    const queue = new Queue(NAME, { connection: { port, host: "127.0.0.1" } });
    await queue.clean(0, 0, "completed");
    while ((await queue.getCompletedCount()) === 0) await delay(5);
    await end(killed, "SIGKILL");
    while ((await queue.getCompletedCount()) < plan.pieces.length) await delay(20);
    await queue.close();
    // Nobody is there to work.
    workers[0].kill("SIGSTOP");
    expect(await bytesOf(queued({ resume: true }))).toEqual(expected);
    expect(await jobsLeft()).toBe(0);
    workers[0].kill("SIGCONT");
  });

  it("gives the pieces of a worker that is killed to another", async () => {
    const [only] = workers;
    const isStopped = stopAtWork(only);
    const bytes = bytesOf(queued());
    await isStopped;
    await end(only, "SIGKILL");
    workers = await startWorkers(1);
    expect(await bytes).toEqual(expected);
  });

  it("gives the pieces of a worker that stalls to another, and takes no result twice", async () => {
    const [stalled] = workers;
    const isStopped = stopAtWork(stalled);
    const bytes = bytesOf(queued());
    await isStopped;
    workers.push(...(await startWorkers(1)));
    expect(await bytes).toEqual(expected);
    // It wakes up and brings the results of pieces that another has done. Then it works as before.
    stalled.kill("SIGCONT");
    await end(workers[1], "SIGTERM");
    workers = [stalled];
    expect(await bytesOf(queued())).toEqual(expected);
    expect(await jobsLeft()).toBe(0);
  });

  it("names the file that workers do not have, and succeeds where one of them has it", async () => {
    await end(workers[0], "SIGTERM");
    // Paths lead up from this folder, wherever it is. From one that is deeper they lead to nothing.
    const elsewhere = join(folder, relative("/", process.cwd()), "elsewhere");
    const [lost] = await startWorkers(1, "--directory", elsewhere);
    const nearby = files.map((list) => list.replace("*", "0")) as [string, string];
    const settings = { ignoreIndex: -100 };
    const ofNearby = planOf(await readInput(...nearby), settings, 1e6);
    await expect(bytesOf(queued({ attempts: 2 }), ofNearby)).rejects.toThrow(
      /logits-0\.npy: no such file \[.*process \d+\]; piece \d was tried 2 times$/,
    );
    workers = await startWorkers(1);
    const ofAll = planOf(await readInput(...files), settings, 1e6);
    expect(await bytesOf(queued({ attempts: 20, retryDelay: 50 }), ofAll)).toEqual(expected);
    await end(lost, "SIGTERM");
  });
});
