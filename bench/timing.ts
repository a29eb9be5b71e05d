// The time that a call takes: warm-up, samples, median.

import { median } from "../reference/median.js";

/** Seconds of a call, the median of the samples. */
export interface Timing {
  readonly seconds: number;
  readonly samples: number;
}

const WARM_UP_SECONDS = 0.3;
const SAMPLING_SECONDS = 1;
const MIN_SAMPLES = 5;
/** A sample is one call, or as many calls as take about this long. */
const SAMPLE_SECONDS = 1e-3;

/** Results are stored here, so that no engine removes a call whose result is not used. */
export const sink: { value: unknown } = { value: undefined };

const now = () => performance.now() / 1e3;

/** Seconds per call, over a number of calls. */
function secondsOf(run: () => unknown, calls: number): number {
  const start = now();
  for (let call = 0; call < calls; call++) sink.value = run();
  return (now() - start) / calls;
}

/** Seconds per call, over a number of calls each of which is awaited before the next one. */
async function secondsOfAwaited(run: () => unknown, calls: number): Promise<number> {
  const start = now();
  for (let call = 0; call < calls; call++) sink.value = await run();
  return (now() - start) / calls;
}

/** Times a function that has been called before; `isAsync` says that it returned a promise. */
export async function time(run: () => unknown, isAsync: boolean): Promise<Timing> {
  const sample = isAsync ? secondsOfAwaited : secondsOf;
  let calls = 1;
  let fastest = Infinity;
  for (const start = now(); now() - start < WARM_UP_SECONDS; ) {
    fastest = Math.min(fastest, await sample(run, calls));
    calls = Math.max(1, Math.min(2 * calls, Math.round(SAMPLE_SECONDS / fastest)));
  }
  const samples: number[] = [];
  for (const start = now(); samples.length < MIN_SAMPLES || now() - start < SAMPLING_SECONDS; ) {
    samples.push(await sample(run, calls));
  }
  return { seconds: median(samples), samples: samples.length };
}

/**
 * Seconds of a call from a few short samples, to choose between forms of the same function. The loop here is not that of {@link time}, so
 * that the engine compiles the latter for one implementation only.
 */
export function briefly(run: () => unknown): number {
  const sample = (least: number) => {
    const start = now();
    let calls = 0;
    do {
      sink.value = run();
      calls++;
    } while (now() - start < least);
    return (now() - start) / calls;
  };
  sample(0.1);
  return median(Array.from({ length: 9 }, () => sample(0.01)));
}
