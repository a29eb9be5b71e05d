// Bytes as characters for JavaScript.

/** Digits are the characters from = on, but for the backslash. Audio worklets have no atob, which would read base64. */
export const FIRST_DIGIT = 61;
export const BACKSLASH = 92;

/** The bits of a digit. Of a small binary each byte has two digits, so that gzip finds repetitions; in a stream there are none. */
export const BINARY_DIGIT_BITS = 4;
export const STREAM_DIGIT_BITS = 6;

/** The bytes of digits of some bits each. */
export function bytesOf(text: string, digitBits: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(Math.floor((text.length * digitBits) / 8));
  let length = 0;
  // The bits that are not in a byte yet are the last ones.
  let bits = 0;
  let count = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    bits = (bits << digitBits) | (code - FIRST_DIGIT - (code > BACKSLASH ? 1 : 0));
    count += digitBits;
    if (count >= 8) {
      count -= 8;
      bytes[length++] = bits >> count;
    }
  }
  return bytes;
}
