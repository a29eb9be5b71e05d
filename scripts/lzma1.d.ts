// The types of lzma1. Those in the package are its sources, which are written for other checks than ours.

/** A file of LZMA. */
export function compress(data: Uint8Array, mode: 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9): Uint8Array;
