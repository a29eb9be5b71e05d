// All ways to get results give the same bits, those in digests.json. `npm run test:matrix -- --write` writes new digests.

import { expect, it, vi } from "vitest";
import { byThreads, digestsOf, WAYS, type Way } from "./digests.js";
import committed from "./digests.json" with { type: "json" };
import { startWorkers } from "./start-workers.js";

vi.mock("../src/threads/grain.js", () => import("./small-grain.js"));

it.each([2, 4, 8])("%d threads give the committed bits", async (threads) => {
  const layer = await startWorkers(threads);
  expect(committed).toMatchObject(await digestsOf(byThreads(threads)));
  layer.dispose();
});

// On the debug build this takes half a minute, on a busy machine two.
it("all ways give the committed bits, and leave no digest out", { timeout: 240_000 }, async () => {
  const seen = new Set<string>();
  for (const way of Object.keys(WAYS) as Way[]) {
    const digests = await digestsOf(way);
    expect(committed, way).toMatchObject(digests);
    for (const name of Object.keys(digests)) seen.add(name);
  }
  expect([...seen].sort()).toEqual(Object.keys(committed).sort());
});
