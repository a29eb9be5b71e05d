// A Redis of a test's own: Debian's redis-server on a free port, with its log in a folder.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createServer } from "node:net";

const SERVER = "/usr/bin/redis-server";
export const hasRedis = existsSync(SERVER);
if (!hasRedis) console.warn(`not tested, as there is no ${SERVER} (Debian: apt-get install redis-server)`);

/** A port of 127.0.0.1 that nobody has. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Starts a Redis, and waits until it is ready. */
export async function startRedis(port: number, folder: string): Promise<ChildProcess> {
  const options = ["--port", `${port}`, "--bind", "127.0.0.1", "--dir", folder, "--appendonly", "yes", "--save", ""];
  const redis = spawn(SERVER, options, { stdio: ["ignore", "pipe", "inherit"] });
  await untilSaid(redis, "Ready to accept connections");
  return redis;
}

/** Waits until a process has printed a text. */
export async function untilSaid(child: ChildProcess, text: string): Promise<void> {
  let said = "";
  for await (const chunk of child.stdout ?? []) {
    said += chunk;
    if (said.includes(text)) break;
  }
  if (!said.includes(text)) throw new Error(`expected ${text}, got ${said}`);
  child.stdout?.resume();
}

/** Ends a process. */
export async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  const exit = once(child, "exit");
  child.kill(signal);
  await exit;
}
