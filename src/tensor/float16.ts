// Float16 elements, which are given by their bits and become float32.

/** 2^112: the exponent of a float16 is lower by as much than that of the float32 with the same bits. */
const SCALE = 2 ** 112;
const SIGN = 0x8000;
const EXPONENT = 0x7c00;

/** The float16 numbers of some bits, as much of a typed array as the library uses. */
export class Float16Bits {
  constructor(readonly bits: Uint16Array) {}

  get length(): number {
    return this.bits.length;
  }

  subarray(start: number, end: number): Float16Bits {
    return new Float16Bits(this.bits.subarray(start, end));
  }

  slice(): Float16Bits {
    return new Float16Bits(this.bits.slice());
  }

  /** Writes the numbers, which float32 has all, to an array from `at` on. */
  writeTo(array: Float32Array, at = 0): void {
    const { bits } = this;
    const words = new Uint32Array(array.buffer, array.byteOffset, array.length);
    for (let i = 0; i < bits.length; i++) {
      const half = bits[i];
      words[at + i] = ((half & SIGN) << 16) | ((half & ~SIGN) << 13);
      if ((half & EXPONENT) !== EXPONENT) array[at + i] *= SCALE;
      else array[at + i] = half & ~(SIGN | EXPONENT) ? Number.NaN : half & SIGN ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
    }
  }

  toFloat32(): Float32Array<ArrayBuffer> {
    const array = new Float32Array(this.length);
    this.writeTo(array);
    return array;
  }
}
