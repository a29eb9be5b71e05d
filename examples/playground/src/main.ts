// The playground: three parts of a page, each on its own.

import { startMeasure } from "./measure.js";
import { startSee } from "./see.js";
import { startTrain } from "./train.js";

startSee();
startTrain();
startMeasure();
