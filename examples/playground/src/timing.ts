// The clock of the page, and the time of some calls.

/** The step of the clock in ms; browsers make it coarse. */
export function clockStep(): number {
  let step = Infinity;
  for (let k = 0; k < 5; k++) {
    const start = performance.now();
    let now = start;
    while (now === start) now = performance.now();
    step = Math.min(step, now - start);
  }
  return step;
}

/** The time of a number of calls in ms. */
export function timeOf(run: () => number, calls: number): number {
  const start = performance.now();
  for (let call = 0; call < calls; call++) run();
  return performance.now() - start;
}
