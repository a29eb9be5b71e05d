// How two halves get the bytes of one another's parts.

import type { Redis } from "ioredis";

/** Sends the bytes of a part, and waits for those of the other half. */
export type Exchange = (bytes: Uint8Array) => Promise<Uint8Array>;

/** The end of a channel: a MessagePort, a Worker, a process. */
interface Channel {
  on(event: "message", listener: (message: Uint8Array) => void): unknown;
}

/** By messages. Those that come early wait until they are asked for. */
export function byMessages(channel: Channel, send: (bytes: Uint8Array) => void): Exchange {
  const received: Uint8Array[] = [];
  let wake = (): void => {};
  channel.on("message", (bytes) => {
    received.push(bytes);
    wake();
  });
  return async (bytes) => {
    send(bytes);
    while (received.length === 0) await new Promise<void>((resolve) => (wake = resolve));
    return received.shift() as Uint8Array;
  };
}

/** The other half may keep this one waiting for so long, in ms. */
const PATIENCE = 600_000;
/** Streams are forgotten after so long, in s. */
const KEPT = 3600;

/** By two streams in Redis, one for each half. The halves of a run may be on any machines, and begin at any time; its name must be new. */
export function byStreams(redis: Redis, run: string, half: number): Exchange {
  const [mine, others] = [half, 1 - half].map((k) => `sharded:${run}:${k}`);
  let last: Buffer | string = "0";
  return async (bytes) => {
    await redis.xadd(mine, "*", "part", Buffer.from(bytes));
    await redis.expire(mine, KEPT);
    const streams = await redis.xreadBuffer("COUNT", 1, "BLOCK", PATIENCE, "STREAMS", others, last);
    if (!streams) throw new Error(`half ${1 - half} of ${run} has sent nothing for ${PATIENCE / 60_000} minutes`);
    const [[, [[id, [, part]]]]] = streams;
    last = id;
    return part;
  };
}
