// Connections to Redis that outlive a restart of it.

import { Redis } from "ioredis";

/** Redis may be away for so long, in ms, before a run gives up. */
const PATIENCE = 300_000;

/** Connects to Redis. Commands wait while it is away. @throws Error if it cannot be reached at first. */
export async function connect(url: string): Promise<Redis> {
  let lostAt: number | undefined;
  const retryStrategy = (times: number) => {
    lostAt ??= performance.now();
    return performance.now() - lostAt < PATIENCE ? Math.min(1000, 50 * times) : null;
  };
  const redis = new Redis(url, { lazyConnect: true, maxRetriesPerRequest: null, retryStrategy });
  let problem = "";
  redis.on("error", ({ message, code }: NodeJS.ErrnoException) => {
    problem ||= message || code || "";
  });
  redis.on("ready", () => {
    lostAt = undefined;
  });
  try {
    await redis.connect();
  } catch (error) {
    redis.disconnect();
    throw new Error(`${url}: Redis cannot be reached: ${problem || (error as Error).message}`);
  }
  return redis;
}
