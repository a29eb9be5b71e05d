// Who uses the package, and how each is made to.

import { BUNDLERS } from "./consumers/bundlers.js";
import { NODE } from "./consumers/node.js";
import { PACKAGE_MANAGERS } from "./consumers/package-managers.js";
import { RUNTIMES } from "./consumers/runtimes.js";
import { SERVERS } from "./consumers/servers.js";
import { TEST_RUNNERS } from "./consumers/test-runners.js";
import { TYPES } from "./consumers/types.js";
import type { Consumer } from "./project.js";

/** The consumers by the name of their group. */
export const GROUPS: Readonly<Record<string, readonly Consumer[]>> = {
  node: NODE,
  types: TYPES,
  bundlers: BUNDLERS,
  "test-runners": TEST_RUNNERS,
  runtimes: RUNTIMES,
  "package-managers": PACKAGE_MANAGERS,
  servers: SERVERS,
};
