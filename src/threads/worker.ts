// A worker: it takes part in the calls of every memory that it was told of, and sleeps between them. team.ts starts it. Of what both
// sides use it imports little, as it is a file of its own.

import { bareInstance } from "../wasm/bare-instance.js";
import { builtin } from "../wasm/node-builtins.js";
import { type KernelsByName, type Message, SharedCall, Word } from "./shared-call.js";

interface Port {
  onmessage?: unknown;
  on?(event: "message", listen: (message: Message) => void): void;
}

/** A memory and the kernels on it. */
interface Attached {
  readonly memory: WebAssembly.Memory;
  readonly kernels: KernelsByName;
  /** The size of the memory as far as this thread knows. */
  bytes: number;
}

const instances = new Map<number, Attached>();
let call: SharedCall;
/** The number of messages that have come. */
let messageCount = 0;

/** The kernels for the open call; undefined if this worker was not told of its memory yet. */
function kernelsOfCall(): KernelsByName | undefined {
  const instance = instances.get(call.instance);
  // An engine can miss in one thread that another thread has made a memory grow. To grow it by 0 pages brings it up to date.
  if (instance && instance.bytes !== call.memoryBytes) {
    instance.memory.grow(0);
    instance.bytes = call.memoryBytes;
  }
  return instance?.kernels;
}

/** Works and sleeps until there is a message, which only the event loop delivers. */
function serve(): void {
  const { words } = call;
  for (;;) {
    const wake = call.load(Word.WAKE);
    let isNeeded = true;
    Atomics.add(words, Word.ACTIVE, 1);
    try {
      const kernels = call.load(Word.IS_OPEN) ? kernelsOfCall() : undefined;
      if (kernels) isNeeded = call.join(kernels);
    } catch {
      Atomics.store(words, Word.FAILED, 1);
    }
    if (Atomics.sub(words, Word.ACTIVE, 1) === 1) Atomics.notify(words, Word.ACTIVE);
    if (call.load(Word.MESSAGE_COUNT) !== messageCount) return;
    if (isNeeded) call.wait(Word.WAKE, wake);
    else call.sleep(Word.WAKE, wake);
  }
}

function receive(message: Message): void {
  if (message.kind === "start") {
    call = new SharedCall(message.call);
    messageCount = message.messageCount;
    Atomics.add(call.words, Word.STARTED, 1);
  } else {
    messageCount++;
    if (message.kind === "detach") {
      instances.delete(message.instance);
    } else {
      const { instance, module, memory } = message;
      instances.set(instance, { memory, kernels: bareInstance(module, memory), bytes: 0 });
    }
  }
  if (call.load(Word.MESSAGE_COUNT) === messageCount) serve();
}

const port = (builtin("node:worker_threads")?.parentPort ?? globalThis) as Port;
if (port.on) port.on("message", receive);
else port.onmessage = ({ data }: { data: Message }) => receive(data);
