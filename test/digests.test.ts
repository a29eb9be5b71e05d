// The same bits in every way to get them, and as they were committed. `npm run test:matrix -- --write` takes new ones.

import { expect, it } from "vitest";
import { digestsOf, WAYS, type Way } from "./digests.js";
import committed from "./digests.json" with { type: "json" };

const seen = new Set<string>();

it.each(Object.keys(WAYS) as Way[])("%s give the committed bits", async (way) => {
  const digests = await digestsOf(way);
  expect(committed).toMatchObject(digests);
  for (const name of Object.keys(digests)) seen.add(name);
});

it("every digest is of something", () => {
  expect([...seen].sort()).toEqual(Object.keys(committed).sort());
});
