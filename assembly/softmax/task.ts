// What a forward visit of a row is to leave behind. Constant at every call, so that a kernel holds only its own parts.

/** out (classes): p */
export const PROBS: i32 = 0;
/** out (classes): log p */
export const LOG_PROBS: i32 = 1;
/** rowResult: lse */
export const LSE: i32 = 2;
/** rowResult: the loss */
export const LOSS: i32 = 3;
/** rowResult: the loss; out (classes): its gradient times g */
export const GRADIENT: i32 = 4;
/** out (classes): e_j; in a Pair, what else all results are made of */
export const PARTS: i32 = 5;
