// Pieces on a queue in Redis (BullMQ), for workers on any machine. Each piece is a job whose name is the plan's digest and the piece's number:
// it is on the queue once however often it is added, and its result counts once however often it comes.

import { setTimeout } from "node:timers/promises";
import { Job, Queue, QueueEvents } from "bullmq";
import { connect } from "../redis.js";
import type { LossSettings, Piece } from "./pieces.js";
import type { Evaluate } from "./run.js";

/** What a worker gets; it returns the result in base64. */
export interface JobData {
  readonly piece: Piece;
  readonly settings: LossSettings;
}
export type PieceJob = Job<JobData, string>;

/** The most pieces on the queue at a time: more than all workers have at once. */
const WINDOW = 4096;
/** Jobs of one request. */
const BATCH = 256;
/** Events tell which jobs have ended. They may get lost, so all jobs are asked for where none has been heard of for so many ms. */
const QUIET = 2000;
const COUNT = 2000;
const TICK = 20;
/** The events that Redis keeps of a run with shards, as an event has the whole result. */
const SHARD_EVENTS = 500;

export interface QueueOptions {
  readonly url: string;
  readonly name: string;
  /** How often a piece is tried, and the ms before its second time, which double from time to time. */
  readonly attempts: number;
  readonly retryDelay: number;
  /** True to use the results that the queue has of this plan. */
  readonly resume: boolean;
  /** True if results stay in Redis until the end, for a run that goes on after this one was killed. */
  readonly keep: boolean;
}

/** Whether a job has ended. One that succeeds at its second attempt keeps the reason why the first one failed. */
function stateOf(job: PieceJob | undefined): "done" | "failed" | undefined {
  if (!job?.finishedOn) return undefined;
  return typeof job.returnvalue === "string" ? "done" : "failed";
}

function* batchesOf(pieces: readonly Piece[]): Generator<readonly Piece[]> {
  for (let i = 0; i < pieces.length; i += BATCH) yield pieces.slice(i, i + BATCH);
}

const times = (count = 0) => (count === 1 ? "once" : `${count} times`);

/** Has pieces evaluated by the workers of a queue. */
export function onQueue({ url, name, attempts, retryDelay, resume, keep }: QueueOptions): Evaluate {
  return async (pieces, { digest, settings, shards }, take, say) => {
    const redis = await connect(url);
    const queue = new Queue<JobData, string>(name, {
      connection: redis,
      ...(shards > 1 && { streams: { events: { maxLen: SHARD_EVENTS } } }),
    });
    queue.on("error", () => {});
    const idOf = ({ index }: Piece) => `${digest}-${index}`;
    const jobsOf = (some: readonly Piece[]) => Promise.all(some.map((piece) => Job.fromId<JobData, string>(queue, idOf(piece))));
    const remove = (some: readonly Piece[]) => Promise.all(some.map((piece) => queue.remove(idOf(piece))));
    const add = (some: readonly Piece[]) =>
      queue.addBulk(
        some.map((piece) => ({
          name: "piece",
          data: { piece, settings },
          opts: { jobId: idOf(piece), attempts, backoff: { type: "exponential", delay: retryDelay } },
        })),
      );

    const waiting = new Map<string, Piece>();
    /** The jobs that seem to have ended. */
    const ended = new Set<string>();
    const events = new QueueEvents(name, { connection: redis });
    events.on("error", () => {});
    for (const event of ["completed", "failed"] as const) events.on(event, ({ jobId }: { jobId: string }) => ended.add(jobId));

    /** Puts pieces on the queue. Jobs of an earlier run are in the way: all of them, or those that failed. */
    const begin = async (fresh: readonly Piece[]) => {
      const states = resume ? (await jobsOf(fresh)).map(stateOf) : [];
      await remove(resume ? fresh.filter((_, i) => states[i] === "failed") : fresh);
      for (const [i, piece] of fresh.entries()) {
        waiting.set(idOf(piece), piece);
        if (states[i] === "done") ended.add(idOf(piece));
      }
      await add(fresh);
    };

    /** Takes the results that there are. */
    const collect = async (asked: readonly Piece[]) => {
      const jobs = await jobsOf(asked);
      const done = asked.filter((piece, i) => {
        const job = jobs[i];
        const state = stateOf(job);
        if (state === "failed") throw new Error(`${job?.failedReason}; piece ${piece.index} was tried ${times(job?.attemptsMade)}`);
        if (state === "done") take(piece.index, Buffer.from(job?.returnvalue as string, "base64"));
        return state === "done" && waiting.delete(idOf(piece));
      });
      // Redis may have forgotten some, if it was restarted without its log.
      await add(asked.filter((_, i) => !jobs[i]));
      if (!keep) await remove(done);
    };

    const countWorkers = async () => {
      const workers = await queue.getWorkersCount();
      say(workers === 0 ? `no worker on the queue ${name}` : `${workers} worker${workers === 1 ? "" : "s"}`);
    };

    try {
      await events.waitUntilReady();
      let [heardAt, countedAt] = [performance.now(), Number.NEGATIVE_INFINITY];
      for (let next = 0; next < pieces.length || waiting.size > 0; ) {
        const now = performance.now();
        if (now - countedAt > COUNT) {
          await countWorkers();
          countedAt = now;
        }
        const fresh = pieces.slice(next, next + Math.min(BATCH, WINDOW - waiting.size));
        next += fresh.length;
        if (fresh.length > 0) await begin(fresh);
        const heard = Array.from(ended, (id) => waiting.get(id)).filter((piece) => piece !== undefined);
        ended.clear();
        const isQuiet = heard.length === 0 && now - heardAt > QUIET;
        for (const batch of batchesOf(isQuiet ? [...waiting.values()] : heard)) await collect(batch);
        if (heard.length > 0 || isQuiet) heardAt = performance.now();
        else if (fresh.length === 0) await setTimeout(TICK);
      }
      if (keep) for (const batch of batchesOf(pieces)) await remove(batch);
    } catch (error) {
      if (redis.status === "end") throw new Error(`${url}: Redis was away for too long; --resume goes on with the results that it has`);
      // Workers need not evaluate what nobody waits for. Those that are at work stay.
      if (redis.status === "ready") for (const batch of batchesOf([...waiting.values()])) await remove(batch);
      throw error;
    } finally {
      await events.close();
      await queue.close();
      redis.disconnect();
    }
  };
}
