// The instance of a layer: its memory is shared if the layer has threads and they can be had.

import { Instance } from "../memory/instance.js";
import type { Threads } from "../threads/options.js";
import { shareInstance } from "../threads/team.js";

/** An instance for threads with so many bytes, or one for the calling thread alone, with the obstacle if there is one. */
export function instanceFor(threads: Threads, leastBytes: number): { readonly instance: Instance; readonly obstacle: string | undefined } {
  const shared = threads.wanted > 1 ? shareInstance(threads, leastBytes) : undefined;
  return typeof shared === "string"
    ? { instance: new Instance(), obstacle: shared }
    : { instance: new Instance(shared), obstacle: undefined };
}
