// Options of a command line.

import { availableParallelism } from "node:os";
import { numberOption } from "../number-option.js";

export const isCount = (value: number) => Number.isSafeInteger(value) && value >= 1;

export function threadsOption(text: string): number {
  if (text === "auto") return availableParallelism();
  return numberOption("threads", text, (value) => isCount(value) && value <= 128, 'an integer from 1 to 128, or "auto"');
}

const UNITS: Readonly<Record<string, number>> = { "": 1, kB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 };

/** A number of bytes, as 256MB. @throws RangeError */
export function bytesOption(name: string, text: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)\s*([kKMGT]i?B)?$/.exec(text.trim()) ?? [];
  const bytes = Math.floor(Number(number) * UNITS[unit ?? ""]);
  if (isCount(bytes)) return bytes;
  throw new RangeError(`--${name} expected a number of bytes such as 256MB, got ${JSON.stringify(text)}`);
}

/** A number of bytes for people. */
export function showBytes(bytes: number): string {
  if (bytes < 1e3) return `${bytes} bytes`;
  const i = Math.min(4, Math.floor(Math.log10(bytes) / 3));
  return `${(bytes / 1e3 ** i).toPrecision(3)} ${["", "k", "M", "G", "T"][i]}B`;
}

/** A time for people. */
export function showSeconds(seconds: number): string {
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 99.5) return `${seconds.toFixed(0)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 100 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")}`;
}
