// A worker that joins the first call it sees and then spoils it. workerData.act says how: "exit" ends the worker with its rows undone, "fail"
// says that its kernel has failed. workerData.Word has the places of the words, with which the memory of a call begins.

import { parentPort, workerData } from "node:worker_threads";

const { act, Word } = workerData;

parentPort.once("message", ({ call }) => {
  const words = new Int32Array(call);
  Atomics.add(words, Word.STARTED, 1);
  // As a worker does: ACTIVE is raised before IS_OPEN is read, so the call can't end in between.
  for (;;) {
    Atomics.add(words, Word.ACTIVE, 1);
    if (Atomics.load(words, Word.IS_OPEN)) break;
    Atomics.sub(words, Word.ACTIVE, 1);
    Atomics.notify(words, Word.ACTIVE);
  }
  if (act === "exit") process.exit();
  Atomics.store(words, Word.FAILED, 1);
  Atomics.sub(words, Word.ACTIVE, 1);
  Atomics.notify(words, Word.ACTIVE);
});
