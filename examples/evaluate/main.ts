// npm run evaluate: loss, accuracy and calibration of logits in files of any size.

import { command } from "./command.js";

try {
  process.stdout.write(await command(process.argv.slice(2)));
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}
