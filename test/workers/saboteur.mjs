// A worker that joins the first call it sees and then acts as workerData.act says: "exit" ends it with its part undone, "fail" says that its
// kernel has failed. workerData.Control has the places of the words in the control block, whose memory begins with them.

import { parentPort, workerData } from "node:worker_threads";

const { act, Control } = workerData;

parentPort.once("message", ({ control }) => {
  const words = new Int32Array(control);
  while (!Atomics.load(words, Control.CALL));
  Atomics.add(words, Control.ACTIVE, 1);
  if (act === "exit") process.exit();
  Atomics.store(words, Control.FAILED, 1);
  Atomics.sub(words, Control.ACTIVE, 1);
  Atomics.notify(words, Control.ACTIVE);
});
