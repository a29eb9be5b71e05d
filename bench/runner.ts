// The runner of implementations.ts, for npm run bench:all.

import { IMPLEMENTATIONS } from "./implementations.js";
import { serve } from "./runner-child.js";

await serve((task) => IMPLEMENTATIONS[task.implementation]?.(task) ?? `there is no ${task.implementation} here`);
