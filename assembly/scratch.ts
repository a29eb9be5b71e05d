// The memory that kernels write besides their outputs.

import { Pair, PAIRS } from "./pair";

/** Table indices on their way from vectors to addresses: 16 bytes for each of two vectors; then 32 pairs of at most 160 bytes. */
export const INDICES_PTR: usize = memory.data(32 + 32 * 160, 16);

/** PAIRS pairs of rows. */
export const PAIRS_PTR: usize = INDICES_PTR + 32;

export const SCRATCH_BYTES: usize = 32 + PAIRS * offsetof<Pair>();
