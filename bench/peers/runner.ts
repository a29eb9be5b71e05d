// One peer on one workload: node --import tsx bench/peers/runner.ts <contestant> <op> <outer> <classes> <inner> <folder>

import { serve } from "../timing.js";
import { contestantOf } from "./contestants.js";

await serve(contestantOf);
