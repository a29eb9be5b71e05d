// What a thread of a crew runs: its workerData is the memory of its blocks, in bytes.

import { workerData } from "piscina";
import { type Outcome, outcomeOf, type ThreadTask } from "./crew.js";
import { Evaluator } from "./evaluator.js";

const evaluator = new Evaluator(workerData);

export default async (task: ThreadTask | undefined): Promise<Outcome | undefined> =>
  task && outcomeOf(evaluator, task.piece, task.settings);
