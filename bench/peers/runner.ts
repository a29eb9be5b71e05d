// The runner of the libraries in this folder, for npm run bench:all.

import { serve } from "../runner-child.js";
import { implementPeer } from "./implementations.js";

await serve(implementPeer);
