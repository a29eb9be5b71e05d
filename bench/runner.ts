// The runner of contestants.ts for npm run bench:all. timing.ts has the protocol.

import { CONTESTANTS } from "./contestants.js";
import { serve } from "./timing.js";

await serve((task) => CONTESTANTS[task.contestant]?.(task) ?? `there is no ${task.contestant} here`);
