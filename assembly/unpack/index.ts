// A decoder of LZMA, which unpacks the kernels at first use (src/wasm/unpack.ts). It follows the public specification by Igor Pavlov
// (lzma-specification.txt in https://www.7-zip.org/sdk.html), for the parameters lc = 3, lp = 0, pb = 2. It is a module of its own, compiled
// for size.
//
// A range coder reads bits, each with the probability that it is 0, which adapts to the bits that came. Bits make literals, and matches:
// lengths and distances of bytes that came before. The dictionary is the output itself, as its size is known. The first page of memory
// holds the probabilities, 16 bits each, and a probability is named by its number.

/** The low bits of the position that choose probabilities. */
const POSITION_BITS = 2;
const POSITIONS = 1 << POSITION_BITS;
/** The high bits of the byte before a literal that choose its probabilities, and how many it has. */
const PREVIOUS_BITS = 3;
const LITERAL_SIZE = 0x300;
/** The kinds of the last few literals and matches. From AFTER_MATCH on, the last one was a match. */
const STATES = 12;
const AFTER_MATCH: u32 = 7;

/** The three ranges of lengths: 3 bits, 3 bits, 8 bits. A coder of lengths begins with the two bits that choose one. */
const LOW_LENGTHS = 2;
const MIDDLE_LENGTHS = LOW_LENGTHS + (POSITIONS << 3);
const HIGH_LENGTHS = MIDDLE_LENGTHS + (POSITIONS << 3);
const LENGTH_SIZE = HIGH_LENGTHS + (1 << 8);
const LEAST_LENGTH = 2;

/** Distances have a slot of 6 bits. Slots below CODED are distances, those below FAR have coded bits, others direct bits and a coded tail. */
const SLOT_BITS = 6;
const LENGTH_CLASSES = 4;
const CODED: u32 = 4;
const FAR: u32 = 14;
const NEAR_SIZE = 115;
const TAIL_BITS = 4;

// Where the probabilities are.
const IS_MATCH = 0;
const IS_REPEAT = IS_MATCH + STATES * POSITIONS;
const IS_NOT_FIRST = IS_REPEAT + STATES;
const IS_NOT_SECOND = IS_NOT_FIRST + STATES;
const IS_NOT_THIRD = IS_NOT_SECOND + STATES;
const IS_LONG = IS_NOT_THIRD + STATES;
const SLOTS = IS_LONG + STATES * POSITIONS;
const NEAR_BITS = SLOTS + (LENGTH_CLASSES << SLOT_BITS);
const TAIL = NEAR_BITS + NEAR_SIZE;
const MATCH_LENGTHS = TAIL + (1 << TAIL_BITS);
const REPEAT_LENGTHS = MATCH_LENGTHS + LENGTH_SIZE;
const LITERALS = REPEAT_LENGTHS + LENGTH_SIZE;
const PROBABILITIES = LITERALS + (LITERAL_SIZE << PREVIOUS_BITS);

/** Probabilities are multiples of 1 / 2048, and begin as a half. */
const PROBABILITY_BITS = 11;
const HALF = 1 << (PROBABILITY_BITS - 1);
const ADAPTATION = 5;

/** The address of the next byte of the input, and the state of the range coder. */
let next: usize = 0;
let range: u32 = 0;
let code: u32 = 0;

// @ts-ignore: decorator
@inline
function readByte(): void {
  code = (code << 8) | load<u8>(next++);
}

/** Keeps at least 24 bits in the range. */
// @ts-ignore: decorator
@inline
function normalize(): void {
  if (range >> 24) return;
  range <<= 8;
  readByte();
}

/** A bit with a probability. */
function bit(probability: u32): u32 {
  normalize();
  const zero = <u32>load<u16>(probability << 1);
  const bound = (range >> PROBABILITY_BITS) * zero;
  if (code < bound) {
    range = bound;
    store<u16>(probability << 1, zero + (((1 << PROBABILITY_BITS) - zero) >> ADAPTATION));
    return 0;
  }
  range -= bound;
  code -= bound;
  store<u16>(probability << 1, zero - (zero >> ADAPTATION));
  return 1;
}

/** Bits that are equally often 0 and 1. */
function directBits(count: u32): u32 {
  let bits: u32 = 0;
  for (; count; count--) {
    normalize();
    range >>= 1;
    const one = u32(code >= range);
    if (one) code -= range;
    bits = (bits << 1) | one;
  }
  return bits;
}

/** Bits from the highest on. Those that came before choose the probability of a bit. */
function tree(first: u32, count: u32): u32 {
  let node: u32 = 1;
  while (!(node >> count)) node = (node << 1) | bit(first + node);
  return node - (1 << count);
}

/** Bits from the lowest on. */
function reverseTree(first: u32, count: u32): u32 {
  let node: u32 = 1;
  let bits: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const one = bit(first + node);
    node = (node << 1) | one;
    bits |= one << i;
  }
  return bits;
}

function length(coder: u32, position: u32): u32 {
  if (!bit(coder)) return LEAST_LENGTH + tree(coder + LOW_LENGTHS + (position << 3), 3);
  if (!bit(coder + 1)) return LEAST_LENGTH + 8 + tree(coder + MIDDLE_LENGTHS + (position << 3), 3);
  return LEAST_LENGTH + 16 + tree(coder + HIGH_LENGTHS, 8);
}

/** The distance of a match, less 1. */
function distance(length: u32): u32 {
  const slot = tree(SLOTS + (min<u32>(length - LEAST_LENGTH, LENGTH_CLASSES - 1) << SLOT_BITS), SLOT_BITS);
  if (slot < CODED) return slot;
  const count = (slot >> 1) - 1;
  const high = (2 | (slot & 1)) << count;
  if (slot < FAR) return high + reverseTree(NEAR_BITS + high - slot, count);
  const middle = directBits(count - TAIL_BITS) << TAIL_BITS;
  return high + middle + reverseTree(TAIL, TAIL_BITS);
}

/** A byte after `previous`. `agrees` is 0x100 if it is likely to begin with bits of `predicted`, or 0. */
function literal(previous: u32, predicted: u32, agrees: u32): u32 {
  const first = LITERALS + LITERAL_SIZE * (previous >> (8 - PREVIOUS_BITS));
  let node: u32 = 1;
  while (node < 0x100) {
    predicted <<= 1;
    const expected = predicted & agrees;
    const one = bit(first + agrees + expected + node);
    if (one != expected >> 8) agrees = 0;
    node = (node << 1) | one;
  }
  return node;
}

/**
 * Decodes the stream at fromPtr, which has no header, to the bytes [toPtr, endPtr). The stream is in front of toPtr, both behind the first
 * page. Of a damaged stream it makes other bytes, or it traps; it writes nothing else.
 */
export function decode(fromPtr: usize, toPtr: usize, endPtr: usize): void {
  for (let i = 0; i < PROBABILITIES; i++) store<u16>(i << 1, HALF);
  // The first byte of a stream is 0.
  next = fromPtr;
  range = -1;
  for (let i = 0; i < 5; i++) readByte();

  let state: u32 = 0;
  // The last four distances, less 1.
  let first: u32 = 0;
  let second: u32 = 0;
  let third: u32 = 0;
  let fourth: u32 = 0;
  for (let to = toPtr; to < endPtr; ) {
    const written = <u32>(to - toPtr);
    const position = written & (POSITIONS - 1);
    const here = state * POSITIONS + position;
    const isAfterMatch = state >= AFTER_MATCH;
    if (!bit(IS_MATCH + here)) {
      const previous = written ? <u32>load<u8>(to - 1) : 0;
      // The byte that would continue the match.
      const predicted = load<u8>(to - first - 1);
      store<u8>(to, literal(previous, predicted, isAfterMatch ? 0x100 : 0));
      to++;
      state = state < 4 ? 0 : state < 10 ? state - 3 : state - 6;
      continue;
    }
    let count: u32 = 1;
    if (!bit(IS_REPEAT + state)) {
      fourth = third;
      third = second;
      second = first;
      count = length(MATCH_LENGTHS, position);
      first = distance(count);
      state = isAfterMatch ? 10 : 7;
    } else {
      const isOther = bit(IS_NOT_FIRST + state);
      if (isOther) {
        let repeated = second;
        if (bit(IS_NOT_SECOND + state)) {
          repeated = third;
          if (bit(IS_NOT_THIRD + state)) {
            repeated = fourth;
            fourth = third;
          }
          third = second;
        }
        second = first;
        first = repeated;
      }
      const isLong = isOther || bit(IS_LONG + here);
      if (isLong) count = length(REPEAT_LENGTHS, position);
      state = isAfterMatch ? 11 : isLong ? 8 : 9;
    }
    if (first >= written) unreachable();
    // Byte for byte, as a match may overlap its copy.
    for (const end = min(to + count, endPtr); to < end; to++) store<u8>(to, load<u8>(to - first - 1));
  }
}
