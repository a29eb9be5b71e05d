// A worker: takes part in the calls of every memory that it has been told of, and sleeps in between. threads.ts starts it; it imports
// nothing of the library but what both sides must agree on.

import { Control, ControlBlock, type Message } from "./hand.js";
import type { Kernels } from "./kernels.js";
import { builtin } from "./node.js";

interface Port {
  onmessage?: unknown;
  on?(event: "message", listen: (message: Message) => void): void;
}

const arenas = new Map<number, Kernels>();
let block: ControlBlock;
/** How many messages have come. */
let mail = 0;

/** Works and sleeps until there is mail, which only the event loop delivers. */
function serve(): void {
  const { words } = block;
  for (;;) {
    const bell = block.load(Control.BELL);
    Atomics.add(words, Control.ACTIVE, 1);
    const kernels = block.load(Control.CALL) ? arenas.get(block.arena) : undefined;
    try {
      if (kernels) block.join(kernels);
    } catch {
      Atomics.store(words, Control.FAILED, 1);
    }
    if (Atomics.sub(words, Control.ACTIVE, 1) === 1) Atomics.notify(words, Control.ACTIVE);
    if (block.load(Control.MAIL) !== mail) return;
    block.wait(Control.BELL, bell);
  }
}

/** What a kernel calls whose assertion has failed; those of the release have none. */
function abort(): void {
  throw new Error("softmax-wasm: an assertion has failed");
}

function receive(message: Message): void {
  if (message.kind === "start") {
    block = new ControlBlock(message.control);
    mail = message.mail;
  } else {
    mail++;
    if (message.kind === "detach") {
      arenas.delete(message.arena);
    } else {
      const { exports } = new WebAssembly.Instance(message.module, { env: { memory: message.memory, abort } });
      arenas.set(message.arena, exports as unknown as Kernels);
    }
  }
  if (block.load(Control.MAIL) === mail) serve();
}

const port = (builtin("node:worker_threads")?.parentPort ?? globalThis) as Port;
if (port.on) port.on("message", receive);
else port.onmessage = ({ data }: { data: Message }) => receive(data);
