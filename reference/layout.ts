// The positions of a row's elements in a tensor (outer, classes, inner).

/** A function that gives the position of class j of row r. */
export function positionIn(classes: number, inner: number): (r: number, j: number) => number {
  return (r, j) => (Math.floor(r / inner) * classes + j) * inner + (r % inner);
}

/** A tensor (outer, classes, inner) of rows. */
export function layOut(rows: readonly ArrayLike<number>[], inner: number): Float64Array;
export function layOut<A>(rows: readonly ArrayLike<number>[], inner: number, Elements: new (length: number) => A): A;
export function layOut(
  rows: readonly ArrayLike<number>[],
  inner: number,
  Elements: new (length: number) => { [i: number]: number } = Float64Array,
): unknown {
  const classes = rows[0]?.length ?? 0;
  const at = positionIn(classes, inner);
  const data = new Elements(rows.length * classes);
  rows.forEach((row, r) => {
    for (let j = 0; j < classes; j++) data[at(r, j)] = row[j];
  });
  return data;
}
