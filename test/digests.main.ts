// Prints the digests of every way to get results, as JSON. scripts/matrix.ts bundles it and runs it on every engine.

import { digestsOf, WAYS, type Way } from "./digests.js";
import { startWorkers } from "./start-workers.js";

await startWorkers(3);
const ways: Record<string, Record<string, string>> = {};
for (const way of Object.keys(WAYS) as Way[]) ways[way] = await digestsOf(way);
console.log(JSON.stringify(ways));
