// The playground: a page of three independent parts.

import { startMeasure } from "./measure.js";
import { startCopying } from "./page.js";
import { startSee } from "./see.js";
import { startTrain } from "./train.js";

startSee();
startTrain();
startMeasure();
startCopying();
