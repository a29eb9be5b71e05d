// Where the rows of a tensor (outer, classes, inner) lie.

/** The position of class j of row r. */
export function positionIn(classes: number, inner: number): (r: number, j: number) => number {
  return (r, j) => (Math.floor(r / inner) * classes + j) * inner + (r % inner);
}

/** Rows as a tensor (outer, classes, inner). */
export function layOut(rows: readonly ArrayLike<number>[], inner: number): Float64Array {
  const classes = rows[0]?.length ?? 0;
  const at = positionIn(classes, inner);
  const data = new Float64Array(rows.length * classes);
  rows.forEach((row, r) => {
    for (let j = 0; j < classes; j++) data[at(r, j)] = row[j];
  });
  return data;
}
