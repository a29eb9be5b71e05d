// A worker that joins the first call it sees and then does what workerData says: "exit" ends it with its part undone, "fail" says that
// its kernel has failed.

import { parentPort, workerData } from "node:worker_threads";
import { Control, ControlBlock } from "../../dist/threads/shared-call.js";

parentPort.once("message", ({ control }) => {
  const { words } = new ControlBlock(control);
  while (!Atomics.load(words, Control.CALL));
  Atomics.add(words, Control.ACTIVE, 1);
  if (workerData === "exit") process.exit();
  Atomics.store(words, Control.FAILED, 1);
  Atomics.sub(words, Control.ACTIVE, 1);
  Atomics.notify(words, Control.ACTIVE);
});
