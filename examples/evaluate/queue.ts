// Pieces on a queue in Redis (BullMQ), for workers on any machine. Each piece is a job whose name is the plan's digest and the piece's number:
// it is on the queue once however often it is added, and its result counts once however often it comes.

import { setTimeout } from "node:timers/promises";
import { Job, Queue } from "bullmq";
import type { LossSettings, Piece } from "./pieces.js";
import { connect } from "./redis.js";
import type { Evaluate } from "./run.js";

/** What a worker gets, and returns: the bytes of a LossTotal in base64. */
export interface JobData {
  readonly piece: Piece;
  readonly settings: LossSettings;
}
export type PieceJob = Job<JobData, string>;

/** The most pieces on the queue at a time. */
const WINDOW = 256;
/** Results are asked for once in so many ms. */
const POLL = 200;
/** Workers are counted once in so many ms. */
const COUNT = 2000;

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

const times = (count = 0) => (count === 1 ? "once" : `${count} times`);

/** Has pieces evaluated by the workers of a queue. */
export function onQueue({ url, name, attempts, retryDelay, resume, keep }: QueueOptions): Evaluate {
  return async (pieces, { digest, settings }, take, say) => {
    const redis = await connect(url);
    const queue = new Queue<JobData, string>(name, { connection: redis });
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

    let next = 0;
    let waiting: Piece[] = [];
    try {
      let countedAt = Number.NEGATIVE_INFINITY;
      for (;;) {
        const fresh = pieces.slice(next, next + WINDOW - waiting.length);
        next += fresh.length;
        // Jobs of an earlier run that are in the way: all of them, or those that failed.
        const old = resume ? await jobsOf(fresh) : [];
        await remove(resume ? fresh.filter((_, i) => stateOf(old[i]) === "failed") : fresh);
        await add(fresh);
        waiting.push(...fresh);
        if (waiting.length === 0) break;

        if (performance.now() - countedAt > COUNT) {
          const workers = await queue.getWorkersCount();
          say(workers === 0 ? `no worker on the queue ${name}` : `${workers} worker${workers === 1 ? "" : "s"}`);
          countedAt = performance.now();
        }
        const jobs = await jobsOf(waiting);
        const done = waiting.filter((piece, i) => {
          const job = jobs[i];
          const state = stateOf(job);
          if (state === "failed") throw new Error(`${job?.failedReason}; piece ${piece.index} was tried ${times(job?.attemptsMade)}`);
          if (state === "done") take(piece.index, Buffer.from(job?.returnvalue as string, "base64"));
          return state === "done";
        });
        // Redis may have forgotten some, if it was restarted without its log.
        await add(waiting.filter((_, i) => !jobs[i]));
        if (!keep) await remove(done);
        const gone = new Set(done);
        waiting = waiting.filter((piece) => !gone.has(piece));
        if (done.length === 0) await setTimeout(POLL);
      }
      if (keep) for (let i = 0; i < pieces.length; i += WINDOW) await remove(pieces.slice(i, i + WINDOW));
    } catch (error) {
      // Workers need not evaluate what nobody waits for. Those that are at work stay.
      if (redis.status === "ready") await remove(waiting);
      throw error;
    } finally {
      await queue.close();
      redis.disconnect();
    }
  };
}
