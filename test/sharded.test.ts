// Two places that train one classifier: as one place does, by any exchange.

import { type ChildProcess, execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { MessageChannel } from "node:worker_threads";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connect } from "../examples/redis.js";
import { byMessages, byStreams, type Exchange } from "../examples/sharded/exchanges.js";
import { CLASSES, FEATURES, logitsOf, problem, step } from "../examples/sharded/model.js";
import { train } from "../examples/sharded/train.js";
import { crossEntropyWithGradient } from "../src/index.js";
import { end, freePort, hasRedis, startRedis } from "./redis-server.js";

const STEPS = 3;

/** Losses and gradients of the steps of one place that has all classes. */
function unsharded() {
  const { inputs, labels } = problem();
  const weights = new Float64Array(CLASSES * FEATURES);
  return Array.from({ length: STEPS }, () => {
    const { loss, gradient } = crossEntropyWithGradient(logitsOf(inputs, weights), labels, { shape: [labels.length, CLASSES] });
    step(inputs, weights, gradient);
    return { loss, gradient };
  });
}

/** Expects of two halves that they train as one place does. */
async function expectSameSteps(exchanges: readonly Exchange[]): Promise<void> {
  const halves = await Promise.all(
    exchanges.map(async (exchange, half) => {
      const steps: { loss: number; gradient: Float64Array }[] = [];
      for await (const itsStep of train(half, STEPS, exchange)) steps.push(itsStep);
      return steps;
    }),
  );
  unsharded().forEach(({ loss, gradient }, i) => {
    halves.forEach((steps, half) => {
      expect(Math.abs(steps[i].loss / loss - 1)).toBeLessThan(2 ** -49);
      steps[i].gradient.forEach((value, k) => {
        const [row, j] = [Math.floor(k / (CLASSES / 2)), k % (CLASSES / 2)];
        expect(Math.abs(value / gradient[row * CLASSES + (half * CLASSES) / 2 + j] - 1)).toBeLessThan(2 ** -46);
      });
    });
  });
}

/** Expects of the command that both halves have the loss of one place at each step. */
async function expectCommand(...options: string[]): Promise<void> {
  const root = fileURLToPath(new URL("..", import.meta.url));
  const args = ["--import", "tsx", join(root, "examples/sharded/main.ts"), "--steps", `${STEPS}`, ...options];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: root });
  for (const half of [0, 1]) {
    const losses = Array.from(stdout.matchAll(new RegExp(`^half ${half}: loss (.*)$`, "gm")), ([, loss]) => Number(loss));
    expect(losses).toHaveLength(STEPS);
    unsharded().forEach(({ loss }, i) => {
      expect(Math.abs(losses[i] / loss - 1)).toBeLessThan(2 ** -49);
    });
  }
}

describe("two halves of the classes", () => {
  it("train by a MessagePort as one place does", async () => {
    const { port1, port2 } = new MessageChannel();
    await expectSameSteps([port1, port2].map((port) => byMessages(port, (bytes) => port.postMessage(bytes))));
    port1.close();
  });

  it.each([[[]], [["--threads"]]])("train in two processes or threads: %s", (options) => expectCommand(...options));
});

describe.runIf(hasRedis)("two halves of the classes, by streams in Redis", () => {
  let folder: string;
  let redis: ChildProcess;
  let url: string;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "sharded-"));
    const port = await freePort();
    redis = await startRedis(port, folder);
    url = `redis://127.0.0.1:${port}`;
  });

  afterAll(async () => {
    await end(redis, "SIGKILL");
    rmSync(folder, { recursive: true });
  });

  it("train as one place does", async () => {
    const connections = await Promise.all([connect(url), connect(url)]);
    await expectSameSteps(connections.map((connection, half) => byStreams(connection, "run", half)));
    for (const connection of connections) connection.disconnect();
  });

  it("train in two processes", () => expectCommand("--redis", url));
});
