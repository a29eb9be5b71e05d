// Prints the instructions of the release build's loops, as JSON; `--write` commits to them. The build must be there.

import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { type Figures, releaseLoops } from "./instructions.js";

const { values: options } = parseArgs({ options: { write: { type: "boolean", default: false } } });
const figures: Figures = Object.fromEntries(releaseLoops().map(({ name, instructions }) => [name, instructions]));
const json = JSON.stringify(figures, null, 2);
if (options.write) writeFileSync(new URL("instructions.json", import.meta.url), `${json}\n`);
else console.log(json);
