// A bar on stderr, if that is a terminal: what is done, the rate and the time left.

import { SingleBar } from "cli-progress";
import { showBytes, showSeconds } from "./options.js";

export interface Bar {
  /** @param bytesBefore The bytes that count as done, but not for the rate. */
  update(done: { bytes: number; ofBytes: number; bytesBefore?: number }, note?: string): void;
  stop(): void;
}

/** @param verb What happens to bytes. */
export function progressBar(verb: string): Bar {
  if (!process.stderr.isTTY) return { update() {}, stop() {} };
  const bar = new SingleBar({
    format: `{bar} {percentage} %  {done} ${verb}, {rate}, {left} left  {note}`,
    stream: process.stderr,
    clearOnComplete: true,
    hideCursor: true,
    fps: 10,
    barsize: 30,
  });
  const started = performance.now();
  let hasStarted = false;
  return {
    update({ bytes, ofBytes, bytesBefore = 0 }, note = "") {
      const rate = (bytes - bytesBefore) / ((performance.now() - started) / 1e3);
      const left = rate > 0 ? showSeconds((ofBytes - bytes) / rate) : "?";
      const payload = { done: `${showBytes(bytes)} of ${showBytes(ofBytes)}`, rate: `${showBytes(Math.round(rate))}/s`, left, note };
      if (hasStarted) bar.update(bytes, payload);
      else bar.start(ofBytes, bytes, payload);
      hasStarted = true;
    },
    stop() {
      bar.stop();
    },
  };
}
