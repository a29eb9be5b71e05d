// A worker that joins the first call it sees and then does what workerData says: "exit" ends it with its part undone, "fail" says that
// its kernel has failed.

import { parentPort, workerData } from "node:worker_threads";
import { SharedCall, Word } from "../../dist/threads/shared-call.js";

parentPort.once("message", ({ call }) => {
  const { words } = new SharedCall(call);
  while (!Atomics.load(words, Word.IS_OPEN));
  Atomics.add(words, Word.ACTIVE, 1);
  if (workerData === "exit") process.exit();
  Atomics.store(words, Word.FAILED, 1);
  Atomics.sub(words, Word.ACTIVE, 1);
  Atomics.notify(words, Word.ACTIVE);
});
