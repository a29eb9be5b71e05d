// What a thread of a crew runs: its workerData is the memory of its blocks, in bytes.

import { workerData } from "piscina";
import { type Outcome, outcomeOf } from "./crew.js";
import { Evaluator } from "./evaluator.js";
import type { LossSettings, Piece } from "./pieces.js";

const evaluator = new Evaluator(workerData);

export default ({ piece, settings }: { piece: Piece; settings: LossSettings }): Promise<Outcome> => outcomeOf(evaluator, piece, settings);
