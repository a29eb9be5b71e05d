// A worker: takes part in the calls of every memory that it has been told of, and sleeps in between. threads.ts starts it; it imports
// nothing of the library but what both sides must agree on.

import type { Kernels } from "../wasm/abi.js";
import { builtin } from "./node-builtins.js";
import { Control, ControlBlock, type Message } from "./shared-call.js";

interface Port {
  onmessage?: unknown;
  on?(event: "message", listen: (message: Message) => void): void;
}

/** A memory, the kernels on it, and how large it is as far as they know. */
interface Arena {
  readonly memory: WebAssembly.Memory;
  readonly kernels: Kernels;
  bytes: number;
}

const arenas = new Map<number, Arena>();
let block: ControlBlock;
/** How many messages have come. */
let mail = 0;

/** The kernels for the open call, if its memory is known here. */
function kernelsOfCall(): Kernels | undefined {
  const arena = arenas.get(block.arena);
  // Engines can miss in one thread that another has made a memory grow: growing it by nothing tells them.
  if (arena && arena.bytes !== block.memoryBytes) {
    arena.memory.grow(0);
    arena.bytes = block.memoryBytes;
  }
  return arena?.kernels;
}

/** Works and sleeps until there is mail, which only the event loop delivers. */
function serve(): void {
  const { words } = block;
  for (;;) {
    const bell = block.load(Control.BELL);
    let isNeeded = true;
    Atomics.add(words, Control.ACTIVE, 1);
    try {
      const kernels = block.load(Control.CALL) ? kernelsOfCall() : undefined;
      if (kernels) isNeeded = block.join(kernels);
    } catch {
      Atomics.store(words, Control.FAILED, 1);
    }
    if (Atomics.sub(words, Control.ACTIVE, 1) === 1) Atomics.notify(words, Control.ACTIVE);
    if (block.load(Control.MAIL) !== mail) return;
    if (isNeeded) block.wait(Control.BELL, bell);
    else block.sleep(Control.BELL, bell);
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
      const { arena, module, memory } = message;
      const { exports } = new WebAssembly.Instance(module, { env: { memory, abort } });
      arenas.set(arena, { memory, kernels: exports as unknown as Kernels, bytes: 0 });
    }
  }
  if (block.load(Control.MAIL) === mail) serve();
}

const port = (builtin("node:worker_threads")?.parentPort ?? globalThis) as Port;
if (port.on) port.on("message", receive);
else port.onmessage = ({ data }: { data: Message }) => receive(data);
