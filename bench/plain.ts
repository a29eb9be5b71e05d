// The same steps in plain JavaScript, as fast as we know to write them: typed arrays, three passes over a row, one exp an element.
// They are what one would write by hand: x − max, and log of the sum; digits are lost on confident rows.

/** Softmax of rows: x and out (rows, classes). */
export function softmax(x: Float64Array, out: Float64Array, rows: number, classes: number): void {
  for (let r = 0, start = 0; r < rows; r++, start += classes) {
    const end = start + classes;
    let max = -Infinity;
    for (let i = start; i < end; i++) if (x[i] > max) max = x[i];
    let sum = 0;
    for (let i = start; i < end; i++) {
      const e = Math.exp(x[i] - max);
      out[i] = e;
      sum += e;
    }
    const scale = 1 / sum;
    for (let i = start; i < end; i++) out[i] *= scale;
  }
}

/** Mean cross-entropy of rows: x (rows, classes), labels (rows). */
export function crossEntropy(x: Float64Array, labels: Int32Array, rows: number, classes: number): number {
  let loss = 0;
  for (let r = 0, start = 0; r < rows; r++, start += classes) {
    const end = start + classes;
    let max = -Infinity;
    for (let i = start; i < end; i++) if (x[i] > max) max = x[i];
    let sum = 0;
    for (let i = start; i < end; i++) sum += Math.exp(x[i] - max);
    loss += max + Math.log(sum) - x[start + labels[r]];
  }
  return loss / rows;
}

/** Mean cross-entropy of rows and its gradient: x and gradient (rows, classes), labels (rows). */
export function crossEntropyWithGradient(
  x: Float64Array,
  labels: Int32Array,
  gradient: Float64Array,
  rows: number,
  classes: number,
): number {
  let loss = 0;
  const weight = 1 / rows;
  for (let r = 0, start = 0; r < rows; r++, start += classes) {
    const end = start + classes;
    let max = -Infinity;
    for (let i = start; i < end; i++) if (x[i] > max) max = x[i];
    let sum = 0;
    for (let i = start; i < end; i++) {
      const e = Math.exp(x[i] - max);
      gradient[i] = e;
      sum += e;
    }
    const label = start + labels[r];
    loss += max + Math.log(sum) - x[label];
    const scale = weight / sum;
    for (let i = start; i < end; i++) gradient[i] *= scale;
    gradient[label] -= weight;
  }
  return loss * weight;
}
