// Softmax, loss, and loss with gradient of finite logits in plain JavaScript, as fast as we know to write them: typed arrays, one exp an
// element. Each operation has one or two forms; the fastest one depends on the engine and the number of classes.
//
// The formulas are those that one writes by hand: x − max, and log of the sum. They lose digits on confident rows. Other forms were no
// faster, measured on Node 20, 24 and 26: three passes over one row, a division in place of the reciprocal, Math.max, subarrays, several
// accumulators, computing exp twice in place of storing it, strides in place of tiles.

/** Elements of one type; all arithmetic is that of doubles. */
export type Floats = Float64Array | Float32Array;

/** x and out (rows, classes). */
export type Softmax = (x: Floats, out: Floats, rows: number, classes: number) => void;
/** The mean loss over the rows: x (rows, classes), labels (rows). */
export type CrossEntropy = (x: Floats, labels: Int32Array, rows: number, classes: number) => number;
/** The mean loss over the rows, and its gradient: x and gradient (rows, classes), labels (rows). */
export type CrossEntropyWithGradient = (x: Floats, labels: Int32Array, gradient: Floats, rows: number, classes: number) => number;
/** The mean loss along a strided axis, and its gradient: x and gradient (outer, classes, inner), labels (outer, inner). */
export type StridedCrossEntropyWithGradient = (
  x: Floats,
  labels: Int32Array,
  gradient: Floats,
  outer: number,
  classes: number,
  inner: number,
) => number;

/** The forms of each operation, by name. */
export interface Forms {
  readonly softmax: Readonly<Record<string, Softmax>>;
  readonly crossEntropy: Readonly<Record<string, CrossEntropy>>;
  readonly crossEntropyWithGradient: Readonly<Record<string, CrossEntropyWithGradient>>;
  readonly strided: Readonly<Record<string, StridedCrossEntropyWithGradient>>;
}

/** The number of neighbouring rows that are walked together along a strided axis. */
const TILE = 64;

/** The forms by a given exp, whose arguments are at most 0. */
export function formsBy(exp: (x: number) => number): Forms {
  // Online: one pass finds the maximum and the sum. When a larger maximum comes, which is seldom, the values stored so far are scaled. The
  // maximum itself needs no exp.

  function softmaxOnline(x: Floats, out: Floats, rows: number, classes: number, first = 0): void {
    for (let r = first, start = first * classes; r < rows; r++, start += classes) {
      const end = start + classes;
      let max = x[start];
      let sum = 1;
      out[start] = 1;
      for (let i = start + 1; i < end; i++) {
        const value = x[i];
        if (value > max) {
          const factor = exp(max - value);
          for (let k = start; k < i; k++) out[k] *= factor;
          sum = sum * factor + 1;
          max = value;
          out[i] = 1;
        } else {
          const e = exp(value - max);
          out[i] = e;
          sum += e;
        }
      }
      const scale = 1 / sum;
      for (let i = start; i < end; i++) out[i] *= scale;
    }
  }

  function crossEntropyOnline(x: Floats, labels: Int32Array, rows: number, classes: number, first = 0): number {
    let loss = 0;
    for (let r = first, start = first * classes; r < rows; r++, start += classes) {
      const end = start + classes;
      let max = x[start];
      let sum = 1;
      for (let i = start + 1; i < end; i++) {
        const value = x[i];
        if (value > max) {
          sum = sum * exp(max - value) + 1;
          max = value;
        } else {
          sum += exp(value - max);
        }
      }
      loss += max + Math.log(sum) - x[start + labels[r]];
    }
    return loss / rows;
  }

  function withGradientOnline(x: Floats, labels: Int32Array, gradient: Floats, rows: number, classes: number, first = 0): number {
    let loss = 0;
    const weight = 1 / rows;
    for (let r = first, start = first * classes; r < rows; r++, start += classes) {
      const end = start + classes;
      let max = x[start];
      let sum = 1;
      gradient[start] = 1;
      for (let i = start + 1; i < end; i++) {
        const value = x[i];
        if (value > max) {
          const factor = exp(max - value);
          for (let k = start; k < i; k++) gradient[k] *= factor;
          sum = sum * factor + 1;
          max = value;
          gradient[i] = 1;
        } else {
          const e = exp(value - max);
          gradient[i] = e;
          sum += e;
        }
      }
      const label = start + labels[r];
      loss += max + Math.log(sum) - x[label];
      const scale = weight / sum;
      for (let i = start; i < end; i++) gradient[i] *= scale;
      gradient[label] -= weight;
    }
    return loss * weight;
  }

  // In pairs: three passes over two rows at once, i in one and k in the other. While one row waits for a result, the other one computes.

  function softmaxInPairs(x: Floats, out: Floats, rows: number, classes: number): void {
    for (let r = 0; r + 1 < rows; r += 2) {
      const start = r * classes;
      const end = start + classes;
      let max0 = -Infinity;
      let max1 = -Infinity;
      for (let i = start, k = end; i < end; i++, k++) {
        if (x[i] > max0) max0 = x[i];
        if (x[k] > max1) max1 = x[k];
      }
      let sum0 = 0;
      let sum1 = 0;
      for (let i = start, k = end; i < end; i++, k++) {
        const e0 = exp(x[i] - max0);
        const e1 = exp(x[k] - max1);
        out[i] = e0;
        out[k] = e1;
        sum0 += e0;
        sum1 += e1;
      }
      const scale0 = 1 / sum0;
      const scale1 = 1 / sum1;
      for (let i = start, k = end; i < end; i++, k++) {
        out[i] *= scale0;
        out[k] *= scale1;
      }
    }
    if (rows % 2) softmaxOnline(x, out, rows, classes, rows - 1);
  }

  function crossEntropyInPairs(x: Floats, labels: Int32Array, rows: number, classes: number): number {
    let loss = 0;
    for (let r = 0; r + 1 < rows; r += 2) {
      const start = r * classes;
      const end = start + classes;
      let max0 = -Infinity;
      let max1 = -Infinity;
      for (let i = start, k = end; i < end; i++, k++) {
        if (x[i] > max0) max0 = x[i];
        if (x[k] > max1) max1 = x[k];
      }
      let sum0 = 0;
      let sum1 = 0;
      for (let i = start, k = end; i < end; i++, k++) {
        sum0 += exp(x[i] - max0);
        sum1 += exp(x[k] - max1);
      }
      loss += max0 + Math.log(sum0) - x[start + labels[r]];
      loss += max1 + Math.log(sum1) - x[end + labels[r + 1]];
    }
    return loss / rows + (rows % 2 ? crossEntropyOnline(x, labels, rows, classes, rows - 1) : 0);
  }

  function withGradientInPairs(x: Floats, labels: Int32Array, gradient: Floats, rows: number, classes: number): number {
    let loss = 0;
    const weight = 1 / rows;
    for (let r = 0; r + 1 < rows; r += 2) {
      const start = r * classes;
      const end = start + classes;
      let max0 = -Infinity;
      let max1 = -Infinity;
      for (let i = start, k = end; i < end; i++, k++) {
        if (x[i] > max0) max0 = x[i];
        if (x[k] > max1) max1 = x[k];
      }
      let sum0 = 0;
      let sum1 = 0;
      for (let i = start, k = end; i < end; i++, k++) {
        const e0 = exp(x[i] - max0);
        const e1 = exp(x[k] - max1);
        gradient[i] = e0;
        gradient[k] = e1;
        sum0 += e0;
        sum1 += e1;
      }
      const label0 = start + labels[r];
      const label1 = end + labels[r + 1];
      loss += max0 + Math.log(sum0) - x[label0];
      loss += max1 + Math.log(sum1) - x[label1];
      const scale0 = weight / sum0;
      const scale1 = weight / sum1;
      for (let i = start, k = end; i < end; i++, k++) {
        gradient[i] *= scale0;
        gradient[k] *= scale1;
      }
      gradient[label0] -= weight;
      gradient[label1] -= weight;
    }
    return loss * weight + (rows % 2 ? withGradientOnline(x, labels, gradient, rows, classes, rows - 1) : 0);
  }

  // By tile, along a strided axis: neighbouring rows are walked together, class by class, in the order of memory.

  const max = new Float64Array(TILE);
  const sum = new Float64Array(TILE);

  function withGradientByTile(x: Floats, labels: Int32Array, gradient: Floats, outer: number, classes: number, inner: number): number {
    let loss = 0;
    const weight = 1 / (outer * inner);
    for (let o = 0; o < outer; o++) {
      for (let tile = 0; tile < inner; tile += TILE) {
        const rows = Math.min(TILE, inner - tile);
        const start = o * classes * inner + tile;
        const end = start + classes * inner;
        const row = o * inner + tile;
        for (let k = 0; k < rows; k++) {
          max[k] = -Infinity;
          sum[k] = 0;
        }
        for (let i = start; i < end; i += inner) {
          for (let k = 0; k < rows; k++) if (x[i + k] > max[k]) max[k] = x[i + k];
        }
        for (let i = start; i < end; i += inner) {
          for (let k = 0; k < rows; k++) {
            const e = exp(x[i + k] - max[k]);
            gradient[i + k] = e;
            sum[k] += e;
          }
        }
        for (let k = 0; k < rows; k++) {
          loss += max[k] + Math.log(sum[k]) - x[start + k + labels[row + k] * inner];
          sum[k] = weight / sum[k];
        }
        for (let i = start; i < end; i += inner) {
          for (let k = 0; k < rows; k++) gradient[i + k] *= sum[k];
        }
        for (let k = 0; k < rows; k++) gradient[start + k + labels[row + k] * inner] -= weight;
      }
    }
    return loss * weight;
  }

  return {
    softmax: { inPairs: softmaxInPairs, online: softmaxOnline },
    crossEntropy: { inPairs: crossEntropyInPairs, online: crossEntropyOnline },
    crossEntropyWithGradient: { inPairs: withGradientInPairs, online: withGradientOnline },
    strided: { byTile: withGradientByTile },
  };
}

/** The forms by Math.exp. */
export const FORMS = formsBy(Math.exp);
